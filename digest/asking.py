"""Asking evenly: what it costs to ask those who were asked much lately, so that others are asked whom it fits nearly as well.

A request that one member gets as the fourth of a year and another as the thirtieth is worth more with the first. How much more is
found for each edition: as much as a small share of its match can pay for. See docs/decisions/allocation.md.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer]
Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STEEPNESS = 12
"""Of the cost of asking: so steep that it falls on those who are asked most, and hardly on anybody else."""
EASING = 0.6
"""Power of the level by which less may be given up: who is spared while all loads are low is spared for the year to come."""
LEAST_LEVEL = 1.0
"""Nobody is spared who got fewer requests in a year than they allow in a month."""
ONLY_IF_NEEDED = 180.0
"""Points of match that asking somebody costs at most: more than any match is worth."""
TIE = 0.001
"""Points for each request of the last year, which settle who of two is asked whom it fits alike."""
A_LITTLE = 1e-4
"""By how much the level lies above that of a pair which is not to be turned down."""


class Asked(NamedTuple):
    """Of some members how many requests they got in the last year (`budgets.YEAR_DAYS`), and how many they allow in a month."""

    lately: Ints
    allowed: Ints

    def load(self, member: Ints, before: Ints | int = 0) -> Doubles:
        """In months' allowances what these members got, with those that come `before` in the same digest."""
        return np.asarray((self.lately[member] + before) / np.maximum(self.allowed[member], 1), dtype=np.float64)

    def burden(self, member: Ints, level: float, before: Ints | int = 0) -> Doubles:
        """Points of match that asking each of these members once more costs: a whole match at the load `level`, 0 to
        ONLY_IF_NEEDED. Nothing where the level is infinite."""
        if level == np.inf:
            return np.zeros(len(member))
        heavy = 100.0 * (self.load(member, before) / level) ** STEEPNESS
        return np.asarray(np.minimum(heavy + TIE * (self.lately[member] + before), ONLY_IF_NEEDED))


class Requests(NamedTuple):
    """Pairs of members and requests as parallel arrays, sorted by member. `deep` ones are below the threshold."""

    member: Ints
    match: Floats
    deep: Bools

    @property
    def before(self) -> npt.NDArray[np.int64]:
        """Of each pair how many requests fit the same member better."""
        order = np.lexsort((-self.match, self.deep, self.member))
        first = np.searchsorted(self.member, self.member)
        found = np.empty(len(order), np.int64)
        found[order] = np.arange(len(order))
        return found - first


def level(asked: Asked, room: Ints, requests: Requests, before: Ints, give_up: float) -> float:
    """The load at which asking costs a whole match: the lowest at which what is turned down for it has no more match in all than
    `give_up / level ** EASING`, and LEAST_LEVEL at least.

    `room` are the requests that each member can still be asked; what goes beyond them is turned down in any case. A pair costs
    as much as it is worth at the level `load * (100 / match) ** (1 / STEEPNESS)`: those go first where it is highest.
    """
    open_ = np.flatnonzero(~requests.deep & (before < room[requests.member]))
    match = np.maximum(requests.match[open_].astype(np.float64), TIE)
    edge = asked.load(requests.member[open_], before[open_]) * (100.0 / match) ** (1.0 / STEEPNESS)
    high = np.flatnonzero(edge >= LEAST_LEVEL)
    high = high[np.argsort(-edge[high], kind="stable")]
    too_much = np.cumsum(match[high]) > give_up / edge[high] ** EASING
    return max(LEAST_LEVEL, float(edge[high[too_much.argmax()]]) * (1 + A_LITTLE)) if too_much.any() else LEAST_LEVEL


def costs(asked: Asked, room: Ints, requests: Requests, give_up: float) -> tuple[Doubles, float]:
    """What asking costs over the requests, in points of match, and the `level` at which that is a whole match."""
    before = requests.before
    found = level(asked, room, requests, before, give_up)
    return asked.burden(requests.member, found, before), found
