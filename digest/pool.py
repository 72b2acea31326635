"""The pool of an edition: of all pairs of members and items the few that may be sent, or may not for a reason worth telling.

Made batch by batch and joined; what is chosen from it is decided for all members at once (see `decision`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.asking import Asked
from digest.eligibility import Block, Codes
from digest.selection import place_within
from digest.thresholds import moved

Ints = npt.NDArray[np.integer]
Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

SEEN = ("eligible", "had_it", "muted", "over_budget", "in_reach", "fitting")
"""What is counted of the members considered for an item that has a reach to get: who may receive it at all; of these who had it
before, who muted it or takes no requests, and of the others whose budget is used up, who fits it at or above the floor and has
room, and who fits it with or without room."""
MUTED = (Block.MUTED_KIND, Block.MUTED_TOPIC, Block.MUTED_POSTER, Block.NO_REQUESTS)
NEVER = (Block.NOT_ELIGIBLE, Block.LANGUAGE, Block.OWN)


@dataclass(frozen=True, slots=True)
class Pool:
    """Parallel arrays over pairs, sorted by member, then item, and arrays over the members considered.

    `deep` marks pairs under the member's threshold, but at or above the floor, of items that still need readers; `code` is a
    Block, 0 for pairs that may be chosen; `again` marks those that an earlier edition carried over, `beside` those of items from
    beside the member's usual field. Of `bridging` (whether they may get such a one), `caps` and `asks` (items and requests that
    still fit), `lately` and `allowed` (see `Asked`), `below` (allowed items under the threshold), `threshold` and `shift` (how
    far feedback would move any threshold) there is one for each member. `seen` of shape (n_items, len(SEEN)) counts members.
    """

    member: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    match: npt.NDArray[np.float32]
    score: npt.NDArray[np.float32]
    deep: Bools
    beside: Bools
    code: Codes
    again: Bools
    bridging: Bools
    caps: npt.NDArray[np.int64]
    asks: npt.NDArray[np.int64]
    lately: npt.NDArray[np.int64]
    allowed: npt.NDArray[np.int64]
    below: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]
    seen: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.member)

    @property
    def n_members(self) -> int:
        return len(self.caps)

    @property
    def asked(self) -> Asked:
        return Asked(self.lately, self.allowed)

    @classmethod
    def joined(cls, parts: Sequence["Pool"], n_items: int) -> "Pool":
        """Batch after batch of members."""
        if not parts:
            return nobody(n_items)
        starts = np.cumsum([0, *(part.n_members for part in parts)])[:-1]
        shifted = [part.member + np.int32(start) for part, start in zip(parts, starts, strict=True)]
        names = [name for name in cls.__slots__ if name not in {"member", "seen"}]
        together = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return cls(member=np.concatenate(shifted), seen=np.sum([part.seen for part in parts], axis=0), **together)


def nobody(n_items: int) -> Pool:
    none = np.empty(0, dtype=np.int64)
    return Pool(
        none.astype(np.int32), none.astype(np.int32), none.astype(np.float32), none.astype(np.float32),
        none.astype(np.bool_), none.astype(np.bool_), none.astype(np.uint8), none.astype(np.bool_), none.astype(np.bool_),
        none, none, none, none, none, none.astype(np.float64), none.astype(np.float64),
        np.zeros((n_items, len(SEEN)), np.int64),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """How high pairs must reach: `thresholds` of shape (n_items,) moved for each member by `shifts` within `bounds`; where an
    item needs readers, those between the `floor` and the threshold are looked at as well."""

    thresholds: npt.NDArray[np.float64]
    shifts: npt.NDArray[np.float64]
    bounds: tuple[float, float]
    floor: float
    needed: Bools
    """Over items; so is `is_ask`."""
    is_ask: Bools


@dataclass(frozen=True, slots=True)
class Beside:
    """Which members may get an item from beside their usual field, and whether pairs (rows, columns) are such ones."""

    wish: Bools
    outside: Callable[[Ints, Ints], Bools]


BESIDE = 2
"""Best ones under the threshold that are kept for each member; at most one is sent."""


def pooled(
    scores: sp.csr_matrix,
    matches: sp.csr_matrix,
    blocked: Codes,
    bar: Bar,
    caps: npt.NDArray[np.int64],
    asks: npt.NDArray[np.int64],
    threshold: npt.NDArray[np.float64],
    carried: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None,
    beside: Beside | None = None,
    most_left_out: int = 32,
    asked: Asked | None = None,
) -> Pool:
    """The pool of one batch. `scores` and `matches` have the same entries; all three are of shape (n_members, n_items).

    `carried` are rows and columns of pairs that an earlier edition carried over. Of the pairs that pass and may not be sent each
    member's `most_left_out` best are kept, without those that were recorded as over budget before.
    """
    n_members, n_items = blocked.shape
    asked = Asked(*np.zeros((2, n_members), np.int64)) if asked is None else asked
    row = np.repeat(np.arange(n_members, dtype=np.int32), np.diff(matches.indptr))
    column, match = matches.indices.astype(np.int32), matches.data.astype(np.float32)
    code = blocked[row, column]
    own = moved(bar.thresholds[column], bar.shifts[row], *bar.bounds)
    passes = match >= own
    deep = ~passes & bar.needed[column] & (match >= bar.floor) & (code == Block.NONE)
    free = passes & (code == Block.NONE)
    below = (blocked == Block.NONE).sum(axis=1) - np.bincount(row[free], minlength=n_members)
    stopped = np.flatnonzero(passes & (code != Block.NONE) & (code != Block.OVER_BUDGET))
    stopped = stopped[np.lexsort((-match[stopped], row[stopped]))]
    low = ~passes & (match >= bar.floor) & (code == Block.NONE) & ~bar.is_ask[column]
    strange = _strange(row, column, free | low, beside)
    near = np.flatnonzero(strange & ~free)
    near = near[np.lexsort((-match[near], row[near]))]
    near = near[place_within(row[near]) <= BESIDE]
    deep[near] = True
    kept = np.concatenate([np.flatnonzero(free | deep), stopped[place_within(row[stopped]) <= most_left_out]])
    kept = kept[np.lexsort((column[kept], row[kept]))]
    before = np.empty(0, np.int64) if carried is None else carried[0] * n_items + carried[1]
    pool = Pool(
        member=row[kept],
        item=column[kept],
        match=match[kept],
        score=scores.data[kept].astype(np.float32),
        deep=deep[kept],
        beside=strange[kept],
        code=code[kept],
        again=np.isin(row[kept].astype(np.int64) * n_items + column[kept], before),
        bridging=np.zeros(n_members, np.bool_) if beside is None else beside.wish,
        caps=caps,
        asks=asks,
        lately=asked.lately.astype(np.int64),
        allowed=asked.allowed.astype(np.int64),
        below=below.astype(np.int64),
        threshold=threshold,
        shift=bar.shifts,
        seen=np.zeros((n_items, len(SEEN)), np.int64),
    )
    return replace(pool, seen=_seen(pool, blocked, bar))


def raised(pool: Pool, bar: Bar, threshold: npt.NDArray[np.float64]) -> Pool:
    """From the pool of a lower bar what `pooled` would have made of this one, whose thresholds are at the floor or above.

    Of pairs that may not be sent it holds no more than were kept before. Items beyond those of the bar come from other networks,
    and stay as they are.
    """
    here = np.flatnonzero(pool.item < len(bar.thresholds))
    row, column, match = pool.member[here], pool.item[here], pool.match[here]
    passes = match >= moved(bar.thresholds[column], bar.shifts[row], *bar.bounds)
    free, beside = pool.code[here] == Block.NONE, pool.beside[here] & (passes | ~bar.is_ask[column])
    low = ~passes & free & (match >= bar.floor)
    near = np.flatnonzero(low & beside)
    near = near[np.lexsort((-match[near], row[near]))]
    deep = low & bar.needed[column]
    deep[near[place_within(row[near]) <= BESIDE]] = True
    fell = here[free & ~passes & ~pool.deep[here]]
    kept, is_deep, is_beside = np.ones(len(pool), dtype=np.bool_), pool.deep.copy(), pool.beside.copy()
    kept[here], is_deep[here], is_beside[here] = passes | deep, deep, beside
    return replace(
        pool,
        member=pool.member[kept],
        item=pool.item[kept],
        match=pool.match[kept],
        score=pool.score[kept],
        deep=is_deep[kept],
        beside=is_beside[kept],
        code=pool.code[kept],
        again=pool.again[kept],
        below=pool.below + np.bincount(pool.member[fell], minlength=pool.n_members),
        threshold=threshold,
    )


def _strange(
    row: npt.NDArray[np.int32], column: npt.NDArray[np.int32], looked_at: Bools, beside: Beside | None
) -> Bools:
    """Pairs, of those looked at, whose item is from beside the usual field of a member who may get such a one."""
    found = np.zeros(len(row), dtype=np.bool_)
    if beside is not None:
        at = np.flatnonzero(looked_at & beside.wish[row])
        found[at] = beside.outside(row[at], column[at])
    return found


def _seen(pool: Pool, blocked: Codes, bar: Bar) -> npt.NDArray[np.int64]:
    seen = np.zeros((blocked.shape[1], len(SEEN)), np.int64)
    columns = np.flatnonzero(bar.needed)
    codes = blocked[:, columns]
    room = (pool.caps > 0)[:, None] & ((pool.asks > 0)[:, None] | ~bar.is_ask[columns])
    fits = pool.code == Block.NONE
    reached = fits & (pool.caps > 0)[pool.member] & ((pool.asks > 0)[pool.member] | ~bar.is_ask[pool.item])
    seen[columns, 0] = (~np.isin(codes, NEVER)).sum(axis=0)
    seen[columns, 1] = (codes == Block.ALREADY_SENT).sum(axis=0)
    seen[columns, 2] = np.isin(codes, MUTED).sum(axis=0)
    seen[columns, 3] = ((codes == Block.NONE) & ~room).sum(axis=0)
    seen[:, 4] = np.bincount(pool.item[reached], minlength=len(seen)) * bar.needed
    seen[:, 5] = np.bincount(pool.item[fits], minlength=len(seen)) * bar.needed
    return seen
