"""The overview of an edition before it is sent: how well it fits, its border cases, what finds no room, other thresholds."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from digest.composition import Edition
from digest.decision import DEEP, Decision, Reach, Shortfall
from digest.eligibility import Block
from digest.pool import Pool
from digest.preview import BORDER
from digest.thresholds import moved

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

WIDTH = 5
"""Points of match in one bar of a distribution."""
NO_ROOM = (
    Block.CARRIED_OVER,
    Block.OVER_BUDGET,
    Block.ASKED_ENOUGH,
    Block.POSTER_LIMIT,
    Block.TOPIC_LIMIT,
    Block.NOT_PICKED,
)


class Outcome(NamedTuple):
    """What an edition comes to at a threshold. `fits` counts pairs of members and items at or above their threshold, `digests`
    members who are sent something, `sent` items in these, and `deep` those of them from under the threshold because the item
    needs readers; `heard` counts items that get all the readers they need, of those that need any."""

    threshold: float
    fits: int
    digests: int
    sent: int
    deep: int
    heard: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Members and items are told by their places."""

    histogram: Ints
    """Chosen pairs by match, `WIDTH` points each, the lower edge in."""
    border_member: Ints
    """Pairs nearest to their threshold that may be chosen, nearest first, with what follows beside."""
    border_item: Ints
    border_match: Floats
    border_threshold: Floats
    border_chosen: npt.NDArray[np.bool_]
    no_room: Ints
    """Over items: members whom it fits and who do not get it for want of room."""


def overview(edition: Edition, pool: Pool, decision: Decision) -> Overview:
    """Of an edition and what was decided. The pool may be one of a lower threshold, so that both sides of the border are seen;
    items from other networks, which have thresholds of their own, are no border cases."""
    free = np.flatnonzero((pool.code == Block.NONE) & (pool.item < len(edition.items)))
    own = moved(edition.thresholds[pool.item[free]], pool.shift[pool.member[free]], *edition.bounds)
    nearest = np.lexsort((pool.item[free], pool.member[free], np.abs(pool.match[free] - own)))[:BORDER]
    near = free[nearest]
    left = decision.left_item[np.isin(decision.left_code, NO_ROOM)]
    return Overview(
        histogram=np.histogram(np.minimum(decision.match, 99.99), np.arange(0, 101, WIDTH))[0],
        border_member=pool.member[near].astype(np.int64),
        border_item=pool.item[near].astype(np.int64),
        border_match=pool.match[near].astype(np.float64),
        border_threshold=own[nearest],
        border_chosen=_among(pool, near, decision),
        no_room=np.bincount(left, minlength=len(pool.seen)),
    )


def outcome(edition: Edition, pool: Pool, decided: tuple[Decision, list[Shortfall]], reach: Reach) -> Outcome:
    """Of an edition that was decided from exactly this pool."""
    decision, short = decided
    return Outcome(
        threshold=edition.threshold,
        fits=int(((pool.code == Block.NONE) & ~pool.deep).sum()),
        digests=len(np.unique(decision.member)),
        sent=len(decision.member),
        deep=int((decision.note == DEEP).sum()),
        heard=int((reach.needed > 0).sum()) - len(short),
    )


def _among(pool: Pool, pairs: Ints, decision: Decision) -> npt.NDArray[np.bool_]:
    chosen = set(zip(decision.member.tolist(), decision.item.tolist(), strict=True))
    found = zip(pool.member[pairs].tolist(), pool.item[pairs].tolist(), strict=True)
    return np.array([pair in chosen for pair in found], dtype=np.bool_)
