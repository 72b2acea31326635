"""The decision of an edition: who gets which items in which order, and why the rest is left out. All members at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, Literal, NamedTuple
from zlib import compress, decompress

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest import order
from digest.allocation import NO_LIMIT, NOBODY, Allocation, Candidates, Left, Limits, allocate, greedy
from digest.asking import Requests, costs
from digest.eligibility import Block
from digest.items import Item, Topic
from digest.pool import SEEN, Pool
from digest.selection import place_within

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
Policy = Literal["allocation", "greedy"]
Cause = Literal[
    "nobody_eligible", "all_had_it", "all_muted", "all_over_budget", "below_floor", "too_few", "reach_limit"
]

DEEP, BRIDGING = 1, 2
NOTES = ("", "deep", "bridging")
"""What is told of a chosen pair beside its reason, by number."""

_BLOCK_OF = {
    Left.DUPLICATE: Block.DUPLICATE,
    Left.REACH_FULL: Block.REACH_FULL,
    Left.ASKED_ENOUGH: Block.ASKED_ENOUGH,
    Left.POSTER_LIMIT: Block.POSTER_LIMIT,
    Left.TOPIC_LIMIT: Block.TOPIC_LIMIT,
    Left.OVER_BUDGET: Block.OVER_BUDGET,
    Left.NOT_PICKED: Block.NOT_PICKED,
}
_BLOCKS = np.zeros(len(Left), dtype=np.uint8)
_BLOCKS[list(_BLOCK_OF)] = list(_BLOCK_OF.values())
NO_ROOM = (Block.OVER_BUDGET, Block.ASKED_ENOUGH, Block.POSTER_LIMIT, Block.TOPIC_LIMIT, Block.NOT_PICKED)
"""Why a pair that may be chosen is carried over to the next edition, once."""


class Reach(NamedTuple):
    """Of each item how many more members it must reach, and may reach at most (NO_LIMIT for any number)."""

    needed: Ints
    most: Ints


class Shape(NamedTuple):
    """Most items of one poster and of one topic in a digest, 0 for no limit; and what share of an edition's match may be given up
    so that requests go to those who were asked less (see `asking`)."""

    per_poster: int = 0
    per_topic: int = 0
    ask_cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """Parallel arrays over chosen pairs (sorted by member, then rank from 1) and over those left out, of places of members and
    items.

    `note` is an index in NOTES, `left_code` a Block, and `left_because` the item of which a duplicate is one, else -1. There is
    one `below` (allowed items under the threshold) and `threshold` for each member.
    """

    member: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    rank: npt.NDArray[np.int32]
    match: npt.NDArray[np.float32]
    score: npt.NDArray[np.float32]
    note: npt.NDArray[np.uint8]
    left_member: npt.NDArray[np.int32]
    left_item: npt.NDArray[np.int32]
    left_code: npt.NDArray[np.uint8]
    left_match: npt.NDArray[np.float32]
    left_score: npt.NDArray[np.float32]
    left_because: npt.NDArray[np.int32]
    below: Ints
    threshold: npt.NDArray[np.float64]
    room: npt.NDArray[np.bool_]
    """Whether the member's budget allowed any mail."""

    @property
    def n_members(self) -> int:
        return len(self.below)

    def part(self, first: int, last: int) -> "Decision":
        """Of the members from place `first` up to `last` (not in), whose places then count from 0."""
        chosen, left = (slice(*np.searchsorted(column, (first, last))) for column in (self.member, self.left_member))
        members = slice(first, last)
        found = {name: getattr(self, name)[_part_of(name, chosen, left, members)] for name in self.__slots__}
        found["member"], found["left_member"] = (found[n] - np.int32(first) for n in ("member", "left_member"))
        return Decision(**found)

    def only(self, kept: npt.NDArray[np.bool_]) -> "Decision":
        """With these of the chosen pairs, ranked anew."""
        names = ("member", "item", "match", "score", "note")
        values: dict[str, Any] = {name: getattr(self, name)[kept] for name in names}
        return replace(self, **values, rank=place_within(values["member"]).astype(np.int32))

    def of_members(self, rows: Ints) -> "Decision":
        """Of the members at these places, in this order, which must rise; they then count from 0."""
        if len(rows) == self.n_members:
            return self
        place = np.full(self.n_members, -1, dtype=np.int32)
        place[rows] = np.arange(len(rows))
        chosen, left = np.flatnonzero(place[self.member] >= 0), np.flatnonzero(place[self.left_member] >= 0)
        found = {name: getattr(self, name)[_part_of(name, chosen, left, rows)] for name in self.__slots__}
        found["member"], found["left_member"] = place[found["member"]], place[found["left_member"]]
        return Decision(**found)

    @classmethod
    def joined(cls, parts: "Sequence[Decision]") -> "Decision":
        """One run of members after the other; there must be one."""
        starts = np.cumsum([0, *(part.n_members for part in parts)])[:-1].astype(np.int32)
        found = {name: np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__}
        for name in ("member", "left_member"):
            moved = [getattr(part, name) + start for part, start in zip(parts, starts, strict=True)]
            found[name] = np.concatenate(moved)
        return cls(**found)

    def to_bytes(self) -> bytes:
        file = BytesIO()
        np.savez(file, **{name: getattr(self, name) for name in self.__slots__})
        return compress(file.getvalue(), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Decision":
        """Raises ValueError for what `to_bytes` did not make."""
        try:
            with np.load(BytesIO(decompress(data)), allow_pickle=False) as arrays:
                return cls(**{name: arrays[name] for name in cls.__slots__})
        except Exception as error:
            raise ValueError(f"no stored decision ({type(error).__name__})") from error


def _part_of(name: str, chosen: Any, left: Any, members: Any) -> Any:
    return members if name in {"below", "threshold", "room"} else left if name.startswith("left_") else chosen


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An item (its place) that got fewer readers than it needs: `counts` by the words of SEEN."""

    item: int
    needed: int
    got: int
    cause: Cause
    counts: dict[str, int]


def limits_of(items: Sequence[Item], reach: Reach, shape: Shape, group: Ints, pool: Pool) -> Limits:
    """What must hold for the whole edition."""
    return Limits(
        items=pool.caps,
        asks=pool.asks,
        is_ask=np.array([item.kind == "request" for item in items], dtype=np.bool_),
        need=reach.needed,
        most=reach.most,
        group=group,
        poster=_codes([item.poster.strip().casefold() for item in items]),
        per_poster=shape.per_poster,
        topics=topic_rows(items, [Topic(key, key) for key in sorted({key for item in items for key in item.topics})]),
        per_topic=shape.per_topic,
    )


def asking(pool: Pool, is_ask: Bools, most: npt.NDArray[np.integer], ask_cost: float) -> tuple[Floats, float]:
    """What asking costs over the pairs of the pool, in points of match, and the level at which it costs a whole match.

    The share `ask_cost` of the match of all that passes may be given up for it where the level is 1; the level is infinite where
    that is nothing.
    """
    free = pool.code == Block.NONE
    asks = np.flatnonzero(free & (is_ask & (most > 0))[pool.item])
    requests = Requests(pool.member[asks], pool.match[asks], pool.deep[asks])
    burden, found = np.zeros(len(pool), np.float32), np.inf
    if ask_cost:
        passing = float(pool.match[free & ~pool.deep].sum(dtype=np.float64))
        room = np.where(pool.caps > 0, pool.asks, 0)
        burden[asks], found = costs(pool.asked, room, requests, ask_cost * passing)
    return burden, found


def _codes(words: Sequence[str]) -> Ints:
    number: dict[str, int] = {}
    return np.array([number.setdefault(word, len(number)) if word else NOBODY for word in words], dtype=np.int64)


def topic_rows(items: Sequence[Item], topics: Sequence[Topic], *, with_above: bool = False) -> sp.csr_matrix:
    """Where an item has a topic of the network, and perhaps those above it: of shape (n_items, n_topics)."""
    place = {topic.key: n for n, topic in enumerate(topics)}
    parent = {topic.key: topic.parent for topic in topics}
    found: set[tuple[int, int]] = set()
    for n, item in enumerate(items):
        for key in item.topics:
            while key in place and (n, place[key]) not in found:
                found.add((n, place[key]))
                key = parent[key] if with_above else ""
    row, column = np.array(sorted(found), dtype=np.int64).reshape(-1, 2).T
    return sp.csr_matrix((np.ones(len(row), np.int8), (row, column)), (len(items), max(1, len(topics))))


class Look(NamedTuple):
    """How digests are put in order; without a shape by match alone."""

    shape: order.Shape | None = None
    rule: order.OrderRule | None = None


def decide(
    pool: Pool,
    limits: Limits,
    policy: Policy,
    look: Look | None = None,
    most_left_out: int = 32,
    ask_cost: float = 0.0,
) -> tuple[Decision, list[Shortfall]]:
    """Choose from the pool for everybody, put each digest in order, and name the reason for each other pair that passed."""
    look = look or Look()
    free = np.flatnonzero(pool.code == Block.NONE)
    burden, _ = asking(pool, limits.is_ask, limits.most, ask_cost)
    candidates = Candidates(pool.member[free], pool.item[free], pool.match[free], pool.deep[free], burden[free])
    found = _allocated(candidates, limits, policy)
    note = np.zeros(len(pool), dtype=np.uint8)
    note[free[found.chosen & candidates.deep]] = DEEP
    code = pool.code.copy()
    code[free] = _BLOCKS[found.left]
    if look.shape is not None and pool.bridging.any():
        added = free[order.bridges(candidates, limits, found.chosen, pool.beside[free], pool.bridging)]
        note[added], code[added] = BRIDGING, Block.NONE
        chosen = np.union1d(free[found.chosen], added)
    else:
        chosen = free[found.chosen]
    _carry(code, pool)
    left = np.setdiff1d(np.flatnonzero((code != Block.NONE) & ~pool.deep), chosen, assume_unique=True)
    left = left[np.lexsort((-pool.match[left], pool.member[left]))]
    left = left[place_within(pool.member[left]) <= most_left_out]
    chosen, rank = _ordered(pool, chosen, look)
    decision = Decision(
        member=pool.member[chosen],
        item=pool.item[chosen],
        rank=rank,
        match=pool.match[chosen],
        score=pool.score[chosen],
        note=note[chosen],
        left_member=pool.member[left],
        left_item=pool.item[left],
        left_code=code[left],
        left_match=pool.match[left],
        left_score=pool.score[left],
        left_because=_because(pool, chosen, left, code[left], limits.group.astype(np.int64)),
        below=pool.below,
        threshold=pool.threshold,
        room=pool.caps > 0,
    )
    return decision, _shortfalls(pool, found, limits)


def _allocated(candidates: Candidates, limits: Limits, policy: Policy) -> Allocation:
    if limits.n_items:
        return (greedy if policy == "greedy" else allocate)(candidates, limits)
    none = np.empty(0, dtype=np.int64)
    return Allocation(none.astype(np.bool_), none.astype(np.uint8), none, none, none.reshape(0, len(Left)))


def _carry(code: npt.NDArray[np.uint8], pool: Pool) -> None:
    """What found no room is carried over; the second time the reason itself is told, and it is over."""
    first = np.isin(code, NO_ROOM) & ~pool.again & ~pool.deep
    code[first] = Block.CARRIED_OVER


def _ordered(pool: Pool, chosen: Ints, look: Look) -> tuple[Ints, npt.NDArray[np.int32]]:
    """The chosen pairs by member and rank, and the ranks."""
    best = chosen[np.lexsort((pool.item[chosen], -pool.match[chosen], pool.member[chosen]))]
    if look.shape is None:
        return best, place_within(pool.member[best]).astype(np.int32)
    rank = order.ranks(pool.member[best], pool.item[best], pool.match[best], look.shape, look.rule)
    places = np.lexsort((rank, pool.member[best]))
    return best[places], rank[places].astype(np.int32)


def _because(pool: Pool, chosen: Ints, left: Ints, code: npt.NDArray[np.uint8], group: Ints) -> npt.NDArray[np.int32]:
    """For duplicates the chosen item that is the same thing, else -1."""
    width = int(group.max(initial=0)) + 1
    pair = pool.member[chosen].astype(np.int64) * width + group[pool.item[chosen]]
    order = np.argsort(pair, kind="stable")
    wanted = pool.member[left].astype(np.int64) * width + group[pool.item[left]]
    at = np.minimum(np.searchsorted(pair[order], wanted), max(0, len(pair) - 1))
    found = np.full(len(left), -1, dtype=np.int32)
    if len(pair):
        same = (pair[order][at] == wanted) & (code == Block.DUPLICATE)
        found[same] = pool.item[chosen][order][at][same]
    return found


def _shortfalls(pool: Pool, found: Allocation, limits: Limits) -> list[Shortfall]:
    return [
        Shortfall(
            item=int(n),
            needed=int(limits.need[n]),
            got=int(found.reach[n]),
            cause=cause_of(pool.seen[n].tolist(), int(found.reach[n]), int(limits.most[n])),
            counts=dict(zip(SEEN, pool.seen[n].tolist(), strict=True)),
        )
        for n in np.flatnonzero(found.shortfall)
    ]


def cause_of(seen: Sequence[int], got: int, most: int) -> Cause:
    """The one thing that stands in the way of most members; see SEEN. Whom it does not fit, that is said of, full or not."""
    eligible, had_it, muted, _over_budget, in_reach, fitting = seen
    if most <= got:
        return "reach_limit"
    if not eligible:
        return "nobody_eligible"
    stops: dict[Cause, int] = {
        "all_had_it": had_it,
        "all_muted": muted,
        "all_over_budget": fitting - in_reach,
        "below_floor": eligible - had_it - muted - fitting,
    }
    if in_reach > got:
        return "all_over_budget"  # they fit it, and their digests or requests of this edition are full
    return max(stops, key=lambda cause: stops[cause]) if any(stops.values()) else "too_few"


__all__ = [
    "NOTES", "NO_LIMIT", "Decision", "Reach", "Shape", "Shortfall", "asking", "cause_of", "decide", "limits_of"
]  # fmt: skip
