"""Exchange: from what members picked to what holds, and from there to better, a few pairs at a time.

What is sought is, in this order: the least shortfall of needed reach, the fewest deep pairs, the greatest total value.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from digest.limits import Bools, Floats, Problem
from digest.prices import Settled, more

Places = npt.NDArray[np.int64]

SHORT_COST, DEEP_COST = 1e9, 1e5
"""What a missing reader and a deep pair cost, in points of match: more than any exchange could make up for."""
LEAST_GAIN = 1e-6
EXHAUSTIVE_CELLS = 6_000_000
"""Moves times classes up to which all exchanges of up to two pairs a member, and cycles of them, are looked at."""
SWAP_PAIRS = 4_000_000
"""Pairs of one in and one out that are looked at in one round."""
LONGEST_CYCLE = 5
ROUNDS = 200


def objective(problem: Problem, chosen: Bools) -> float:
    """The figure that exchanges raise."""
    picked = np.flatnonzero(chosen)
    short = np.maximum(problem.need - problem.reach(picked), 0).sum()
    return float(worth(problem)[picked].sum(dtype=np.float64) - SHORT_COST * short)


def worth(problem: Problem) -> npt.NDArray[np.float64]:
    return problem.value.astype(np.float64) - DEEP_COST * problem.deep


def settled(problem: Problem, found: Settled) -> Bools:
    """What was picked, cut to the reach that items may have, without deep pairs that nobody needs, and filled up again."""
    chosen, scarce = found.swept.chosen.copy(), found.scarce
    reach = problem.reach(np.flatnonzero(chosen))
    for n, item in enumerate(scarce.items.tolist()):
        over, spare = reach[item] - problem.most[item], reach[item] - problem.need[item]
        if over <= 0 and spare <= 0:
            continue
        span = slice(scarce.start[n], scarce.start[n + 1])
        own, margin = scarce.pairs[span], found.margin[span]
        own, margin = own[chosen[own]], margin[chosen[own]]
        own = own[np.lexsort((own, -margin, problem.deep[own]))]
        deep_over = min(max(spare, 0), int(problem.deep[own].sum()))
        chosen[own[len(own) - max(over, deep_over, 0) :]] = False
    return filled(problem, chosen)


def filled(problem: Problem, chosen: Bools) -> Bools:
    """With all pairs above the threshold that still fit, the most valuable first: nothing is left out without a reason."""
    chosen = chosen.copy()
    while True:
        picked = np.flatnonzero(chosen)
        spare = problem.most - problem.reach(picked)
        roomy = np.bincount(problem.member[picked], minlength=problem.n_members) < problem.room
        fits = ~problem.deep & ~chosen & roomy[problem.member] & (spare > 0)[problem.item]
        new = more(problem, problem.value, chosen, fits)
        new = new[np.lexsort((new, -problem.value[new], problem.item[new]))]
        new = new[_place(problem.item[new]) <= spare[problem.item[new]]]
        if not len(new):
            return chosen
        chosen[new] = True


def _place(groups: npt.NDArray[np.integer]) -> Places:
    """1, 2, 3, ... within each run of equal values; `groups` is sorted."""
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]]) if len(groups) else np.empty(0, np.int64)
    lengths = np.diff(np.r_[starts, len(groups)])
    return np.arange(1, len(groups) + 1) - np.repeat(starts, lengths)


def _rank(groups: npt.NDArray[np.integer]) -> Places:
    """1, 2, 3, ... for the first, second, third ... of each value, in the order given."""
    order = np.argsort(groups, kind="stable")
    rank = np.empty(len(groups), np.int64)
    rank[order] = _place(groups[order])
    return rank


@dataclass(frozen=True, slots=True)
class _Swaps:
    """One pair in, and one out or none (-1), each allowed; `gain` in points of match, with what reach counts."""

    new: Places
    old: Places
    gain: Floats


def _within(problem: Problem, pairs: Places, others: Places) -> tuple[Places, Places]:
    """For each of `pairs` all of `others` (sorted) of the same member: places in both."""
    begin = np.searchsorted(problem.member[others], problem.member[pairs], side="left")
    size = np.searchsorted(problem.member[others], problem.member[pairs], side="right") - begin
    first = np.repeat(np.arange(len(pairs)), size)
    return first, np.repeat(begin, size) + np.arange(len(first)) - np.repeat(np.cumsum(size) - size, size)


def swap_round(problem: Problem, chosen: Bools, wanted: Places) -> bool:
    """Take in those of the `wanted` pairs that gain, each against one other of its member at most; True if any was.

    Each member gives up one at most, and no reach is counted on twice, so that all gains of a round add up.
    """
    picked = np.flatnonzero(chosen)
    reach = problem.reach(picked)
    swaps = _best_swaps(problem, picked, wanted, reach)
    order = np.lexsort((swaps.new, -swaps.gain))
    new, old = swaps.new[order], swaps.old[order]
    kept = _rank(problem.member[new]) == 1
    new, old = new[kept], old[kept]
    item, given = problem.item[new], problem.item[old]
    short = problem.need[item] - reach[item]
    kept = _rank(item) <= np.where(short > 0, short, problem.most[item] - reach[item])
    spare = reach[given] - problem.need[given]
    kept &= (old < 0) | (spare <= 0) | (_rank(np.where(old < 0, -1, given)) <= spare)
    chosen[new[kept]] = True
    chosen[old[kept & (old >= 0)]] = False
    return bool(kept.any())


def _best_swaps(problem: Problem, picked: Places, wanted: Places, reach: Places) -> _Swaps:
    """For each of the wanted pairs the exchange that gains most, where any does."""
    figure, found = worth(problem), []
    cost = figure + SHORT_COST * (reach <= problem.need)[problem.item]
    for part in np.array_split(wanted, max(1, len(wanted) * 8 // SWAP_PAIRS)):
        left = _left_at(problem, picked, part)
        classes = problem.classes.of_item[problem.item[part]]
        blocked = np.take_along_axis(left, classes, axis=1) <= 0
        value = figure[part] + SHORT_COST * (reach < problem.need)[problem.item[part]]
        first, second = _within(problem, part, picked)
        helps = problem.classes.holds[problem.item[picked[second]][:, None], classes[first]]
        able = (helps | ~blocked[first]).all(axis=1)
        first, second = first[able], second[able]
        free = np.flatnonzero(~blocked.any(axis=1))
        place = np.r_[first, free]
        old = np.r_[picked[second], np.full(len(free), -1)]
        gain = value[place] - np.where(old < 0, 0.0, cost[old])
        order = np.lexsort((old, -gain, place))
        best = order[_place(place[order]) == 1]
        best = best[gain[best] > LEAST_GAIN]
        found.append(_Swaps(part[place[best]], old[best], gain[best]))
    return _Swaps(*(np.concatenate([getattr(f, name) for f in found]) for name in ("new", "old", "gain")))


def _left_at(problem: Problem, picked: Places, pairs: Places) -> npt.NDArray[np.int8]:
    """What is left of each class for the members of these pairs, of shape (n_pairs, n_classes)."""
    who, row = np.unique(problem.member[pairs], return_inverse=True)
    left = np.tile(problem.classes.caps, (len(who), 1))
    left[:, 0], left[:, 1] = problem.room[who], problem.asks[who]
    at = np.searchsorted(who, problem.member[picked])
    mine = (at < len(who)) & (who[np.minimum(at, len(who) - 1)] == problem.member[picked])
    np.subtract.at(left, at[mine], problem.classes.holds[problem.item[picked[mine]]].astype(np.int8))
    return left[row]


def swapped(problem: Problem, chosen: Bools) -> Bools:
    """Better by exchanges of one pair against another: first for what is short of its needed reach, then for value where the
    problem is small enough to look at all."""
    chosen = chosen.copy()
    for _ in range(ROUNDS):
        reach = problem.reach(np.flatnonzero(chosen))
        eager = (reach < problem.need)[problem.item] | (~problem.deep & (reach < problem.most)[problem.item])
        wanted = np.flatnonzero(~chosen & eager)
        if len(wanted) * 6 > SWAP_PAIRS:
            wanted = wanted[(reach < problem.need)[problem.item[wanted]]]
        if not len(wanted) or not swap_round(problem, chosen, wanted):
            break
    return chosen


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
            within = (problem.reach(np.flatnonzero(changed)) <= problem.most).all()
            if within and figure > best + LEAST_GAIN:
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
        if size.sum() * len(problem.classes.caps) > EXHAUSTIVE_CELLS:
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
        item, figure = np.r_[problem.item, none], np.r_[worth(problem), 0.0]
        add = np.r_[np.where(reach < problem.need, SHORT_COST, np.where(reach < problem.most, 0.0, -np.inf)), 0.0]
        drop = np.r_[np.where(reach <= problem.need, -SHORT_COST, 0.0), 0.0]
        gain = figure[self.new].sum(axis=1) - figure[self.old].sum(axis=1)
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
    first, second = _within(problem, pairs, pairs)
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
    best = order[_place(code) == 1]
    edge = np.full((n, n), -np.inf)
    via = np.full((n, n), -1)
    edge[tail[best], head[best]], via[tail[best], head[best]] = weight[best], move[best]
    reachable = edge.copy()
    before: list[Places] = []
    found: list[tuple[float, list[int]]] = []
    for _ in range(LONGEST_CYCLE):
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
