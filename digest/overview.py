"""The overview of an edition before it is sent: how well it fits, its border cases, what finds no room, other thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digest.composition import Edition
from digest.decision import Decision
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
    others: list[tuple[float, int, int]]
    """(threshold, members with anything at or above it, pairs), of the threshold in force and those above: what is under it was
    not looked at."""


def overview(edition: Edition, pool: Pool, decision: Decision, thresholds: Sequence[float]) -> Overview:
    """Of an edition that was decided from this pool."""
    shift = pool.threshold - edition.threshold
    own = moved(edition.thresholds[pool.item], shift[pool.member], *edition.bounds)
    free = np.flatnonzero((pool.code == Block.NONE) & ~(pool.deep & pool.beside))
    near = free[np.lexsort((pool.item[free], pool.member[free], np.abs(pool.match[free] - own[free])))][:BORDER]
    left = decision.left_item[np.isin(decision.left_code, NO_ROOM)]
    passing = free[~pool.deep[free]]
    higher = sorted({edition.threshold, *(other for other in thresholds if other > edition.threshold)})
    return Overview(
        histogram=np.histogram(np.minimum(decision.match, 99.99), np.arange(0, 101, WIDTH))[0],
        border_member=pool.member[near].astype(np.int64),
        border_item=pool.item[near].astype(np.int64),
        border_match=pool.match[near].astype(np.float64),
        border_threshold=own[near],
        border_chosen=_among(pool, near, decision),
        no_room=np.bincount(left, minlength=len(edition.items)),
        others=[_at(edition, pool, passing, shift, threshold) for threshold in higher],
    )


def _among(pool: Pool, pairs: Ints, decision: Decision) -> npt.NDArray[np.bool_]:
    chosen = set(zip(decision.member.tolist(), decision.item.tolist(), strict=True))
    found = zip(pool.member[pairs].tolist(), pool.item[pairs].tolist(), strict=True)
    return np.array([pair in chosen for pair in found], dtype=np.bool_)


def _at(edition: Edition, pool: Pool, passing: Ints, shift: Floats, threshold: float) -> tuple[float, int, int]:
    usual = np.where(edition.thresholds == edition.threshold, threshold, edition.thresholds)
    member, item = pool.member[passing], pool.item[passing]
    fits = pool.match[passing] >= moved(usual[item], shift[member], *edition.bounds)
    return threshold, len(np.unique(member[fits])), int(fits.sum())
