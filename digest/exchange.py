"""Exchange: from what members picked to what holds, and from there to better, a few pairs at a time.

What is sought is, in this order: the least shortfall of needed reach, the fewest deep pairs, the greatest total value.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digest.limits import Bools, Floats, Problem
from digest.prices import BARRED, Settled, more
from digest.selection import place_within

Places = npt.NDArray[np.int64]

SHORT_COST, DEEP_COST = 1e9, 1e5
"""What a missing reader and a deep pair cost, in points of match: more than any exchange could make up for."""
LEAST_GAIN = 1e-6
SWAP_PAIRS = 4_000_000
"""Pairs of one in and one out that are looked at in one round."""
ROUNDS, LARGE_ROUNDS = 200, 8
NEAREST, LEAST_NEAREST = 4, 50
"""Pairs that are looked at in a large edition for each missing reader of an item, and beside them, in the first round."""


def worth(problem: Problem, pairs: Places) -> npt.NDArray[np.float64]:
    """What each of these pairs adds to the figure that is raised; nothing for none (-1)."""
    value = problem.value[pairs].astype(np.float64) - DEEP_COST * problem.deep[pairs]
    return np.where(pairs < 0, 0.0, value)


def settled(problem: Problem, found: Settled) -> Bools:
    """What was picked, cut to the reach that items may have, without what is to be chosen only where it is needed and is not,
    and filled up again."""
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
        needless = min(max(spare, 0), int(problem.deep[own].sum()))
        chosen[own[len(own) - max(over, needless, 0) :]] = False
    return filled(problem, chosen)


def filled(problem: Problem, chosen: Bools) -> Bools:
    """With all pairs above the threshold that are worth it and still fit, the most valuable first: nothing is left out without a
    reason."""
    chosen = chosen.copy()
    while True:
        picked = np.flatnonzero(chosen)
        spare = problem.most - problem.reach(picked)
        roomy = np.bincount(problem.member[picked], minlength=problem.n_members) < problem.room
        fits = ~problem.deep & ~chosen & roomy[problem.member] & (spare > 0)[problem.item]
        new = more(problem, problem.value, chosen, fits)
        new = new[np.lexsort((new, -problem.value[new], problem.item[new]))]
        new = new[place_within(problem.item[new].astype(np.int64)) <= spare[problem.item[new]]]
        if not len(new):
            return chosen
        chosen[new] = True


def relieved(problem: Problem, chosen: Bools) -> Bools:
    """Without pairs that were chosen for a need that others meet by now, those of least worth first, and filled up again."""
    chosen = filled(problem, chosen)
    while True:
        picked = np.flatnonzero(chosen)
        spare = problem.reach(picked) - problem.need
        own = picked[problem.deep[picked] & (spare > 0)[problem.item[picked]]]
        own = own[np.lexsort((own, worth(problem, own), problem.item[own]))]
        own = own[place_within(problem.item[own].astype(np.int64)) <= spare[problem.item[own]]]
        if not len(own):
            return chosen
        chosen[own] = False
        chosen = filled(problem, chosen)


def _rank(groups: npt.NDArray[np.integer]) -> Places:
    """1, 2, 3, ... for the first, second, third ... of each value, in the order given."""
    order = np.argsort(groups, kind="stable")
    rank = np.empty(len(groups), np.int64)
    rank[order] = place_within(groups[order].astype(np.int64))
    return rank


@dataclass(frozen=True, slots=True)
class _Swaps:
    """One pair in, and one out or none (-1), each allowed; `gain` in points of match, with what reach counts."""

    new: Places
    old: Places
    gain: Floats


def within(problem: Problem, pairs: Places, others: Places) -> tuple[Places, Places]:
    """For each of `pairs` all of `others` (sorted) of the same member: places in both."""
    begin = np.searchsorted(problem.member[others], problem.member[pairs], side="left")
    size = np.searchsorted(problem.member[others], problem.member[pairs], side="right") - begin
    first = np.repeat(np.arange(len(pairs)), size)
    return first, np.repeat(begin, size) + np.arange(len(first)) - np.repeat(np.cumsum(size) - size, size)


def swaps(problem: Problem, picked: Places, wanted: Places) -> tuple[Places, Places]:
    """All exchanges of one of the wanted pairs against one picked pair of its member, or none (-1), that the limits within a
    digest allow: pairs in and pairs out."""
    classes = problem.classes.of_item[problem.item[wanted]]
    first, second = within(problem, wanted, picked)
    helps = problem.classes.holds[problem.item[picked[second]][:, None], classes[first]]
    used = [np.bincount(first[column], minlength=len(wanted)) for column in helps.T]
    blocked = np.stack(used, axis=1) >= problem.caps(wanted, classes)
    able = (helps | ~blocked[first]).all(axis=1)
    free = np.flatnonzero(~blocked.any(axis=1))
    return wanted[np.r_[first[able], free]], np.r_[picked[second[able]], np.full(len(free), -1)]


def swap_round(problem: Problem, chosen: Bools, wanted: Places) -> bool:
    """Take in those of the `wanted` pairs that gain, each against one other of its member at most; True if any was.

    Each member gives up one at most, and no reach is counted on twice, so that all gains of a round add up.
    """
    picked = np.flatnonzero(chosen)
    reach = problem.reach(picked)
    best = _best_swaps(problem, picked, wanted, reach)
    order = np.lexsort((best.new, -best.gain))
    new, old = best.new[order], best.old[order]
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
    found = []
    lacks, held = reach < problem.need, reach <= problem.need
    for part in np.array_split(wanted, max(1, len(wanted) * 8 // SWAP_PAIRS)):
        new, old = swaps(problem, picked, part)
        gain = worth(problem, new) + SHORT_COST * lacks[problem.item[new]]
        gain -= worth(problem, old) + SHORT_COST * (held[problem.item[old]] & (old >= 0))
        order = np.lexsort((old, -gain, new))
        best = order[place_within(new[order]) == 1]
        best = best[gain[best] > LEAST_GAIN]
        found.append(_Swaps(new[best], old[best], gain[best]))
    return _Swaps(*(np.concatenate([getattr(f, name) for f in found]) for name in ("new", "old", "gain")))


def swapped(problem: Problem, chosen: Bools, found: Settled) -> Bools:
    """Better by exchanges of one pair against another, for whatever gains.

    Where there are too many pairs to look at all, only for what is short of its needed reach, and of that the pairs that were
    nearest to being picked, twice as many in each round.
    """
    chosen = chosen.copy()
    for number in range(ROUNDS):
        reach = problem.reach(np.flatnonzero(chosen))
        eager = (reach < problem.need)[problem.item] | (~problem.deep & (reach < problem.most)[problem.item])
        wanted = np.flatnonzero(~chosen & eager)
        large = len(wanted) * 6 > SWAP_PAIRS
        if large:
            wanted = _nearest(problem, chosen, found, problem.need - reach, number)
        gained = bool(len(wanted)) and swap_round(problem, chosen, wanted)
        if not gained or (large and number + 1 >= LARGE_ROUNDS):
            break
    return chosen


def _nearest(problem: Problem, chosen: Bools, found: Settled, short: Places, number: int) -> Places:
    """For each item that is short of readers the pairs that were nearest to being picked, sorted."""
    scarce, nearest = found.scarce, [np.empty(0, np.int64)]
    for n in np.flatnonzero(short[scarce.items] > 0).tolist():
        span = slice(scarce.start[n], scarce.start[n + 1])
        open_pairs = np.flatnonzero(~chosen[scarce.pairs[span]] & (found.margin[span] > BARRED))
        most = (NEAREST * int(short[scarce.items[n]]) + LEAST_NEAREST) << number
        if most < len(open_pairs):
            margin = found.margin[span][open_pairs]
            open_pairs = open_pairs[np.argpartition(-margin, most - 1)[:most]]
        nearest.append(scarce.pairs[span][open_pairs])
    return np.sort(np.concatenate(nearest))
