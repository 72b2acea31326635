"""Allocation: who gets which item, decided for a whole edition at once.

Found is, in this order: the least shortfall of needed reach ("no request unheard"), the fewest deep pairs, the greatest total
match less what asking costs those who were asked much. The limits always hold. See docs/decisions/allocation.md for the method.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from digest.cycles import exchanged
from digest.exchange import relieved, settled, swapped
from digest.limits import NO_LIMIT, NOBODY, Bools, Candidates, Ints, Left, Limits, Problem, values
from digest.prices import priced, sweep
from digest.rerouting import rerouted

__all__ = ["NOBODY", "NO_LIMIT", "Allocation", "Candidates", "Left", "Limits", "allocate", "greedy", "values"]

PRICE_ROUNDS = 24


@dataclass(frozen=True, slots=True)
class Allocation:
    """What was chosen, over the pairs of the candidates, and what could not be given, over the items."""

    chosen: Bools
    left: npt.NDArray[np.uint8]
    """Over pairs: a `Left`, 0 for the chosen."""
    reach: npt.NDArray[np.int64]
    shortfall: npt.NDArray[np.int64]
    """Over items: how many fewer members get it than it needs."""
    causes: npt.NDArray[np.int64]
    """Of shape (n_items, len(Left)): how many candidates of each item were left out, by why. With the shortfall it says what
    would help: no candidates at all, all over budget, all asked enough."""


def allocate(candidates: Candidates, limits: Limits, rounds: int = PRICE_ROUNDS) -> Allocation:
    """Choose among the candidates for all members at once; the same in gives the same out.

    `rounds` is how often prices may be moved before the rest is settled by exchange. Raises ValueError for candidates that
    are not sorted, stand twice, or name a member or item that the limits do not have.
    """
    problem = Problem.of(candidates, limits)
    found = priced(problem, rounds)
    chosen = swapped(problem, settled(problem, found), found)
    chosen = relieved(problem, exchanged(problem, rerouted(problem, chosen)))
    return told(problem, limits, chosen)


def greedy(candidates: Candidates, limits: Limits) -> Allocation:
    """What peers do, to compare with: each member's own best, as many as fit into the digest, the same thing once. Blind to
    reach, to requests a month, to posters and topics, and to everybody else; nothing deep."""
    n = limits.n_items
    blind = Limits(
        items=limits.items,
        asks=np.full(limits.n_members, NO_LIMIT),
        is_ask=limits.is_ask,
        need=np.zeros(n, np.int64),
        most=np.full(n, NO_LIMIT),
        group=limits.group,
        poster=limits.poster,
        per_poster=0,
        topics=limits.topics,
        per_topic=0,
    )
    problem = Problem.of(replace(candidates, burden=None), blind)
    return told(problem, limits, sweep(problem, np.where(problem.deep, 0, problem.value)).chosen)


def told(problem: Problem, limits: Limits, chosen: Bools) -> Allocation:
    """The allocation with why each other pair was left out."""
    picked = np.flatnonzero(chosen)
    reach = problem.reach(picked)
    left = _why_left(problem, chosen, picked, reach)
    n = problem.n_items
    causes = np.bincount(problem.item * np.int64(len(Left)) + left, minlength=n * len(Left)).reshape(n, len(Left))
    causes[:, Left.CHOSEN] = 0
    return Allocation(chosen, left, reach, np.maximum(np.clip(limits.need, 0, None) - reach, 0), causes)


def _why_left(problem: Problem, chosen: Bools, picked: Ints, reach: Ints) -> npt.NDArray[np.uint8]:
    code = np.zeros(len(problem), np.uint8)
    classes, full = problem.classes, reach >= problem.most
    idle = reach >= problem.need
    for first, last in problem.chunks():
        span = slice(int(problem.start[first]), int(problem.start[last]))
        mine = picked[np.searchsorted(picked, span.start) : np.searchsorted(picked, span.stop)]
        item = problem.item[span]
        of_item = classes.of_item[item]
        left = problem.room_left(first, last, mine)
        over = left[(problem.member[span] - first)[:, None], of_item] <= 0
        why = np.where(over, classes.told[of_item], np.uint8(Left.NOT_PICKED)).min(axis=1)
        why = np.where(full[item] & (why > Left.REACH_FULL), np.uint8(Left.REACH_FULL), why)
        needless, tiring = problem.deep[span] & idle[item], problem.value[span] <= 0
        why[needless & ~tiring] = Left.BELOW_THRESHOLD
        why[needless & tiring & (why > Left.ASKED_ENOUGH)] = Left.ASKED_ENOUGH
        why[chosen[span]] = Left.CHOSEN
        code[span] = why
    return code
