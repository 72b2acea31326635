"""Cycles: for small editions, all exchanges of up to two pairs in and two out within each digest, and cycles of these."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from digest.exchange import LEAST_GAIN, SHORT_COST, Places, within, worth
from digest.limits import Bools, Floats, Problem
from digest.selection import place_within

CELLS = 1_500_000
"""Exchanges times classes up to which they are looked at."""
LONGEST = 5
"""Most members in a cycle."""
ROUNDS = 60


def objective(problem: Problem, chosen: Bools) -> float:
    """The figure that exchanges raise."""
    picked = np.flatnonzero(chosen)
    short = np.maximum(problem.need - problem.reach(picked), 0).sum()
    return float(worth(problem, picked).sum() - SHORT_COST * short)


def exchanged(problem: Problem, chosen: Bools) -> Bools:
    """Better by cycles of exchanges: one member gives up an item, the next takes it on against another, and so on."""
    chosen = chosen.copy()
    best = objective(problem, chosen)
    for _ in range(ROUNDS):
        moves = _Moves.of(problem, chosen)
        if moves is None:
            return chosen
        for cycle in moves.cycles(problem, np.flatnonzero(chosen)):
            changed = moves.apply(chosen, cycle)
            figure = objective(problem, changed)
            fits = (problem.reach(np.flatnonzero(changed)) <= problem.most).all()
            if fits and figure > best + LEAST_GAIN:
                chosen, best = changed, figure
                break
        else:
            return chosen
    return chosen


@dataclass(frozen=True, slots=True)
class _Moves:
    """All exchanges within one digest of up to two pairs in and two out (-1: none), each allowed by its member's limits."""

    member: Places
    new: Places
    old: Places
    """Of shape (n_moves, 2), both."""

    @classmethod
    def of(cls, problem: Problem, chosen: Bools) -> "_Moves | None":
        """None where there are too many to look at."""
        picked, others = np.flatnonzero(chosen), np.flatnonzero(~chosen)
        n_in = np.bincount(problem.member[picked], minlength=problem.n_members)
        n_out = np.bincount(problem.member[others], minlength=problem.n_members)
        size = (1 + n_in * (n_in + 1) // 2) * (1 + n_out * (n_out + 1) // 2)
        if size.sum() * len(problem.classes.caps) > CELLS:
            return None
        old_member, old = _sets(problem, picked)
        new_member, new = _sets(problem, others)
        size = np.bincount(old_member, minlength=problem.n_members)[new_member]
        begin = np.searchsorted(old_member, new_member)
        a = np.repeat(np.arange(len(new)), size)
        b = np.repeat(begin, size) + np.arange(len(a)) - np.repeat(np.cumsum(size) - size, size)
        left = problem.room_left(0, problem.n_members, picked)
        holds = np.r_[problem.classes.holds, np.zeros((1, len(problem.classes.caps)), np.bool_)].astype(np.int8)
        item = np.r_[problem.item, problem.n_items]
        more = holds[item[new]].sum(axis=1)
        less = holds[item[old]].sum(axis=1)
        allowed = (more[a] - less[b] <= left[new_member[a]]).all(axis=1) & ((new[a, 0] >= 0) | (old[b, 0] >= 0))
        a, b = a[allowed], b[allowed]
        return cls(new_member[a], new[a], old[b])

    def cycles(self, problem: Problem, picked: Places) -> list[list[int]]:
        """Cycles of moves that should gain, best first; a move stands in for itself where it needs no other."""
        reach, none = problem.reach(picked), problem.n_items
        item = np.r_[problem.item, none]
        add = np.r_[np.where(reach < problem.need, SHORT_COST, np.where(reach < problem.most, 0.0, -np.inf)), 0.0]
        drop = np.r_[np.where(reach <= problem.need, -SHORT_COST, 0.0), 0.0]
        gain = worth(problem, self.new).sum(axis=1) - worth(problem, self.old).sum(axis=1)
        tails, heads, weights, moves = [], [], [], []
        for tail in (None, 0, 1):
            charged = sum((drop[item[self.old[:, k]]] for k in (0, 1) if k != tail), np.zeros(len(gain)))
            for head in (None, 0, 1):
                total = (
                    gain + charged + sum((add[item[self.new[:, k]]] for k in (0, 1) if k != head), np.zeros(len(gain)))
                )
                tails.append(np.full(len(gain), none) if tail is None else item[self.old[:, tail]])
                heads.append(np.full(len(gain), none) if head is None else item[self.new[:, head]])
                weights.append(total)
                moves.append(np.arange(len(gain)))
        columns = [np.concatenate(column) for column in (tails, heads, weights, moves)]
        return _positive_cycles(columns[0], columns[1], columns[2], columns[3], none + 1, self.member)

    def apply(self, chosen: Bools, cycle: list[int]) -> Bools:
        changed = chosen.copy()
        new, old = self.new[cycle].ravel(), self.old[cycle].ravel()
        changed[old[old >= 0]] = False
        changed[new[new >= 0]] = True
        return changed


def _sets(problem: Problem, pairs: Places) -> tuple[Places, Places]:
    """All sets of up to two of each member's pairs: their members (sorted) and the sets, of shape (n_sets, 2)."""
    first, second = within(problem, pairs, pairs)
    two = first < second
    a, b = pairs[first[two]], pairs[second[two]]
    everyone = np.arange(problem.n_members)
    member = np.r_[everyone, problem.member[pairs], problem.member[a]]
    none = np.full(len(everyone), -1)
    sets = np.stack([np.r_[none, pairs, a], np.r_[none, np.full(len(pairs), -1), b]], axis=1)
    order = np.argsort(member, kind="stable")
    return member[order], sets[order]


def _positive_cycles(
    tail: Places, head: Places, weight: Floats, move: Places, n: int, member: Places
) -> list[list[int]]:
    """Cycles of edges with a weight above 0 in sum, by the product of (max, +) matrices; each of different members' moves."""
    order = np.lexsort((move, -weight, head, tail))
    code = tail[order] * n + head[order]
    best = order[place_within(code) == 1]
    edge = np.full((n, n), -np.inf)
    via = np.full((n, n), -1)
    edge[tail[best], head[best]], via[tail[best], head[best]] = weight[best], move[best]
    reachable = edge.copy()
    before: list[Places] = []
    found: list[tuple[float, list[int]]] = []
    for _ in range(LONGEST):
        ends = np.flatnonzero(reachable.diagonal() > LEAST_GAIN)
        for start in ends.tolist():
            cycle = _walk(start, before, via)
            if len(set(member[cycle].tolist())) == len(cycle):
                found.append((-float(reachable[start, start]), cycle))
        if found:
            break
        through = reachable[:, :, None] + edge[None] if n <= 64 else None
        if through is None:
            reachable, middle = _product(reachable, edge)
        else:
            middle = through.argmax(axis=1)
            reachable = np.take_along_axis(through, middle[:, None], axis=1)[:, 0]
        before.append(middle)
    return [cycle for _, cycle in sorted(found)]


def _product(a: Floats, b: Floats) -> tuple[Floats, Places]:
    total, middle = np.full(a.shape, -np.inf), np.zeros(a.shape, np.int64)
    for k in range(len(b)):
        through = a[:, k, None] + b[None, k]
        better = through > total
        total[better], middle[better] = through[better], k
    return total, middle


def _walk(start: int, before: list[Places], via: Places) -> list[int]:
    nodes = [start]
    for middle in reversed(before):
        nodes.append(int(middle[start, nodes[-1]]))
    nodes.append(start)
    nodes.reverse()
    return [int(via[a, b]) for a, b in pairwise(nodes)]
