"""Rerouting: exchanges in a row over several members, as in the search for augmenting paths.

One member takes an item on, another gives it up for a third one, and so on, until a request that lacked readers has one more
or the whole is worth more. Items whose reach is at a limit are the nodes of a graph, exchanges within one digest its edges;
whatever needs no other exchange to make up for it begins and ends in one node more, HUB.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digest.exchange import LEAST_GAIN, SHORT_COST, Places, swaps, worth
from digest.limits import Bools, Floats, Problem
from digest.selection import place_within

SWAP_PAIRS = 1_000_000
"""Exchanges that are looked at in one round; where there are more, those of a part of the members, of others in each round."""
ROUNDS, LARGE_ROUNDS = 24, 6
"""Most rounds; the latter where only a part of the members can be looked at in each, so that time stays linear."""
PATHS = 400
"""Most paths followed in one round."""
LONGEST = 6
"""Most exchanges in a row."""


def rerouted(problem: Problem, chosen: Bools) -> Bools:
    """The same with less shortfall, fewer deep pairs or a greater value, if exchanges in a row bring that about."""
    chosen, idle = chosen.copy(), 0
    for number in range(ROUNDS):
        picked = np.flatnonzero(chosen)
        reach = problem.reach(picked)
        wanted = np.flatnonzero(~chosen)
        if 6 * len(wanted) > 2 * SWAP_PAIRS:
            if not (reach < problem.need).any():
                break
            wanted = wanted[_matters(problem, reach)[problem.item[wanted]]]
        every = 1 + 6 * len(wanted) // SWAP_PAIRS
        wanted = wanted[problem.member[wanted] % every == number % every]
        gained = _Graph.of(problem, picked, wanted, reach).follow(problem, chosen, reach)
        idle = 0 if gained else idle + 1
        if idle >= min(every, 2) or (every > 1 and number + 1 >= LARGE_ROUNDS):
            break
    return chosen


def _matters(problem: Problem, reach: Places) -> Bools:
    return (problem.need > 0) & (reach <= problem.need)


@dataclass(frozen=True, slots=True)
class _Graph:
    """Edges sorted by tail, head, then weight from high to low. The member of an edge gives up an item (tail) and takes one on
    (head); HUB, the last node, stands for items that are at no limit, and for nothing."""

    node: Places
    """Of each item its node, or that of HUB."""
    n: int
    cell: Places
    weight: Floats
    new: Places
    old: Places
    member: Places

    @classmethod
    def of(cls, problem: Problem, picked: Places, wanted: Places, reach: Places) -> "_Graph":
        tight = ((problem.need > 0) & (reach <= problem.need)) | (reach >= problem.most)
        hub = int(tight.sum())
        node = np.where(tight, np.cumsum(tight) - 1, hub)
        new, old = swaps(problem, picked, wanted)
        among = np.zeros(problem.n_members, np.bool_)
        among[problem.member[wanted]] = True
        given = picked[tight[problem.item[picked]] & among[problem.member[picked]]]
        new, old = np.r_[new, np.full(len(given), -1)], np.r_[old, given]
        gain = worth(problem, new) - worth(problem, old)
        given_up, taken_on = (np.where(side < 0, problem.n_items, problem.item[side]) for side in (old, new))
        drop = np.r_[np.where(reach <= problem.need, -SHORT_COST, 0.0) * (problem.need > 0), 0.0][given_up]
        add = np.where(reach < problem.need, SHORT_COST, np.where(reach < problem.most, 0.0, -np.inf))
        add = np.r_[add, 0.0][taken_on]
        tails, heads = np.r_[node, hub][given_up], np.r_[node, hub][taken_on]
        at_hub = np.full(len(new), hub)
        ways = [(at_hub, at_hub, gain + drop + add, np.isfinite(add))]
        ways.append((tails, at_hub, gain + add, (tails < hub) & np.isfinite(add)))
        ways.append((at_hub, heads, gain + drop, heads < hub))
        ways.append((tails, heads, gain, (tails < hub) & (heads < hub)))
        kept = [np.flatnonzero(valid) for *_, valid in ways]
        cell = np.concatenate([(t * (hub + 1) + h)[k] for (t, h, _, _), k in zip(ways, kept, strict=True)])
        weight = np.concatenate([w[k] for (_, _, w, _), k in zip(ways, kept, strict=True)])
        place = np.concatenate(kept)
        order = np.lexsort((place, -weight, cell))
        order = order[place_within(cell[order]) <= PATHS]
        place = place[order]
        member = problem.member[np.where(new[place] >= 0, new[place], old[place])].astype(np.int64)
        return cls(node, hub + 1, cell[order], weight[order], new[place], old[place], member)

    def follow(self, problem: Problem, chosen: Bools, reach: Places) -> bool:
        """Take one path after another, each of members that no other path of this round has touched; True if any was taken.
        `chosen` is changed."""
        now = _Now.of(self)
        used = np.zeros(problem.n_members, np.bool_)
        reach, gained = reach.copy(), False
        for _ in range(PATHS):
            path = now.best_path()
            if path is None:
                break
            members = self.member[path]
            new, old = self.new[path], self.old[path]
            new, old = new[new >= 0], old[old >= 0]
            after = reach + problem.reach(new) - problem.reach(old)
            gain = worth(problem, new).sum() - worth(problem, old).sum()
            gain -= SHORT_COST * (_short(problem, after) - _short(problem, reach))
            fits = len(np.unique(members)) == len(members) and (after <= problem.most).all()
            if not fits or gain <= LEAST_GAIN:
                now.skip(path)
                continue
            chosen[old], chosen[new], reach, gained = False, True, after, True
            used[members] = True
            now.without(used)
        return gained


def _short(problem: Problem, reach: Places) -> float:
    return float(np.maximum(problem.need - reach, 0).sum())


@dataclass(slots=True)
class _Now:
    """Of each cell (tail, head) the best edge that may still be taken."""

    graph: _Graph
    at: Places
    """Of shape (n, n): places of edges, or -1."""
    end: Places
    weight: npt.NDArray[np.float64]

    @classmethod
    def of(cls, graph: _Graph) -> "_Now":
        cells = np.arange(graph.n * graph.n)
        at, end = np.searchsorted(graph.cell, cells), np.searchsorted(graph.cell, cells, side="right")
        at = np.where(at < end, at, -1)
        weight = np.r_[graph.weight, -np.inf][at]
        return cls(graph, at, end, weight)

    def best_path(self) -> Places | None:
        """The edges of the best way from HUB to HUB, if it gains; None otherwise."""
        n = self.graph.n
        weight, hub = self.weight.reshape(n, n), n - 1
        best, nodes = weight[hub, hub], [hub, hub]
        total, before = weight[hub, :hub], np.empty((0, hub), np.int64)
        for _ in range(LONGEST - 1):
            if not hub:
                break
            closing = total + weight[:hub, hub]
            last = int(closing.argmax())
            if closing[last] > max(best, LEAST_GAIN):
                best, nodes = closing[last], [hub, last]
                for layer in before[::-1]:
                    nodes.append(int(layer[nodes[-1]]))
                nodes = [*nodes, hub][::-1]
            through = total[:, None] + weight[:hub, :hub]
            middle = through.argmax(axis=0)
            total, before = through[middle, np.arange(hub)], np.r_[before, middle[None]]
        if best <= LEAST_GAIN:
            return None
        steps = np.array(nodes)
        path: Places = self.at[steps[:-1] * n + steps[1:]]
        return path

    def skip(self, path: Places) -> None:
        """Do without the last edge of a path that does not hold together."""
        self._next(np.array([self.graph.cell[path[-1]]]))

    def without(self, used: Bools) -> None:
        """Do without the edges of these members."""
        while True:
            open_cells = np.flatnonzero(self.at >= 0)
            stale = open_cells[used[self.graph.member[self.at[open_cells]]]]
            if not len(stale):
                return
            self._next(stale)

    def _next(self, cells: Places) -> None:
        following = self.at[cells] + 1
        self.at[cells] = np.where(following < self.end[cells], following, -1)
        self.weight[cells] = np.r_[self.graph.weight, -np.inf][self.at[cells]]
