"""What an allocation is made from: the pairs that may be chosen, and the limits that hold over them.

All limits within one member's digest are of one kind: a class of items, of which the digest may hold so many. The whole digest
is a class, requests are one, and so is each poster, each topic, and each set of items that are the same thing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Ints = npt.NDArray[np.integer]
Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

NO_LIMIT = np.iinfo(np.int32).max
"""In `Limits.most`: an item that any number of members may get."""
NOBODY = -1
"""In `Limits.poster`: an item without a poster, which no limit for a poster counts."""
LEAST_VALUE = 0.01
"""What a pair is worth at least where no burden is on its member."""
ROOM, ASKS = 0, 1
MOST_COUNTED = 127
"""No digest holds more items, and no member is asked more, whatever the limits say."""
CELLS = 1_500_000
"""Counters of members times classes that are held at one time (1.5 MB, which stays near the processor)."""
MEMBERS_AT_ONCE, PAIRS_AT_ONCE = 1 << 16, 1 << 22


class Left(IntEnum):
    """Why a pair was not chosen; 0 means it was. Where several hold, the lowest number is told."""

    CHOSEN = 0
    BELOW_THRESHOLD = 1
    """Under the member's threshold, and the item needed no deeper look."""
    DUPLICATE = 2
    """The member gets another item that is the same thing."""
    REACH_FULL = 3
    """The item goes to as many members as it may."""
    ASKED_ENOUGH = 4
    """The member may be asked for nothing more, or for nothing that fits no better, as they were asked much lately."""
    POSTER_LIMIT = 5
    TOPIC_LIMIT = 6
    OVER_BUDGET = 7
    """The digest is full."""
    NOT_PICKED = 8
    """None of these: left out by a rule that looks at nothing else (see `greedy`)."""

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs that may be chosen, as parallel arrays sorted by member, then item; each pair stands once.

    `match` is from 0 to 100. `deep` marks pairs under the member's threshold but at or above the floor: they are chosen only
    where a request would otherwise miss the reach it needs. `burden` is what asking costs, in points of match, 0 for pairs
    that ask for nothing: where it is no less than the match, a member is asked only if the request would otherwise lack readers.
    Compact types (int32, float32) halve the memory.
    """

    member: Ints
    item: Ints
    match: Floats
    deep: Bools
    burden: Floats | None = None
    """None for nobody."""

    def __len__(self) -> int:
        return len(self.member)


@dataclass(frozen=True, slots=True)
class Limits:
    """What must hold. Arrays over members are of shape (n_members,), arrays over items of shape (n_items,)."""

    items: Ints
    """Over members: items that still fit into the digest; 0 for who gets none."""
    asks: Ints
    """Over members: requests that they may still be asked."""
    is_ask: Bools
    need: Ints
    """Over items: reach still needed, 0 for none. Where it is larger than `most`, `most` is what is aimed at."""
    most: Ints
    """Over items: reach not to be exceeded, what is left of it; NO_LIMIT for none."""
    group: Ints
    """Over items: those with the same figure are the same thing, of which a member gets one."""
    poster: Ints
    """Over items: a code of 0 and up for each poster, or NOBODY."""
    per_poster: int
    """Most items of one poster in a digest; 0 for no limit."""
    topics: sp.csr_matrix
    """Of shape (n_items, n_topics): where an item has a topic."""
    per_topic: int
    """Most items of one topic in a digest; 0 for no limit."""

    @property
    def n_members(self) -> int:
        return len(self.items)

    @property
    def n_items(self) -> int:
        return len(self.need)


def values(candidates: Candidates) -> Floats:
    """What each pair is worth: its match, less the burden of being asked. Of shape (n_pairs,)."""
    worth = np.maximum(candidates.match, candidates.match.dtype.type(LEAST_VALUE))
    return worth if candidates.burden is None else np.asarray(worth - candidates.burden.astype(worth.dtype))


@dataclass(frozen=True)
class Classes:
    """The limits within a digest, as classes of items.

    `of_item` of shape (n_items, width) names each item's classes, filled up with ROOM; `caps` of shape (n_classes,) is how
    many of a class a digest may hold, the same for everybody but for ROOM and ASKS; `told` is the `Left` of each class.
    """

    of_item: npt.NDArray[np.int32]
    caps: npt.NDArray[np.int8]
    told: npt.NDArray[np.uint8]

    @cached_property
    def holds(self) -> Bools:
        """Of shape (n_items, n_classes): whether the item counts in the class."""
        found = np.zeros((len(self.of_item), len(self.caps)), dtype=np.bool_)
        np.put_along_axis(found, self.of_item.astype(np.int64), True, axis=1)
        return found

    @classmethod
    def of(cls, limits: Limits) -> "Classes":
        """Classes that can never be overfull are left out."""
        n, everything = limits.n_items, np.arange(limits.n_items)
        asks = np.flatnonzero(limits.is_ask)
        held = sp.csr_matrix(limits.topics)
        own = limits.poster >= 0
        topic_item, topic = held.nonzero()
        parts: list[tuple[Ints, Ints, int, Left]] = [
            (everything, np.zeros(n, np.int64), NO_LIMIT, Left.OVER_BUDGET),
            (asks, np.zeros(len(asks), np.int64), NO_LIMIT, Left.ASKED_ENOUGH),
            (everything, limits.group, 1, Left.DUPLICATE),
            (np.flatnonzero(own), limits.poster[own], limits.per_poster or NO_LIMIT, Left.POSTER_LIMIT),
            (topic_item, topic, limits.per_topic or NO_LIMIT, Left.TOPIC_LIMIT),
        ]
        places: list[tuple[Ints, Ints]] = []
        caps: list[int] = []
        told: list[int] = []
        for number, (item, code, cap, word) in enumerate(parts):
            found, label, size = np.unique(code, return_inverse=True, return_counts=True)
            kept = size > cap if number > ASKS else np.ones(len(found), np.bool_)
            new = np.cumsum(kept) - 1 + len(caps)
            within = kept[label]
            places.append((item[within], new[label][within]))
            n_new = max(int(kept.sum()), 1 if number <= ASKS else 0)
            caps.extend([min(cap, MOST_COUNTED)] * n_new)
            told.extend([int(word)] * n_new)
        return cls(_padded(places, n), np.array(caps, np.int8), np.array(told, np.uint8))


def _padded(places: list[tuple[Ints, Ints]], n_items: int) -> npt.NDArray[np.int32]:
    item, code = (np.concatenate(part) for part in zip(*places, strict=True))
    order = np.argsort(item, kind="stable")
    item, code = item[order], code[order]
    sizes = np.bincount(item, minlength=n_items)
    place = np.arange(len(item)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    table = np.full((n_items, int(sizes.max(initial=1))), ROOM, dtype=np.int32)
    table[item, place] = code
    return table


@dataclass(frozen=True)
class Problem:
    """An allocation to be found, in compact arrays. Pairs of member m are those from `start[m]` up to `start[m + 1]`."""

    member: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    value: Floats
    deep: Bools
    """Over pairs: chosen only where an item would otherwise lack readers, because it fits too little or asks too much."""
    start: npt.NDArray[np.int64]
    need: npt.NDArray[np.int64]
    most: npt.NDArray[np.int64]
    is_ask: Bools
    classes: Classes
    room: npt.NDArray[np.int8]
    asks: npt.NDArray[np.int8]

    @classmethod
    def of(cls, candidates: Candidates, limits: Limits) -> "Problem":
        """Raises ValueError for pairs that are not sorted, stand twice, or name a member or item that there is not."""
        _check(candidates, limits)
        most = np.clip(limits.most, 0, None).astype(np.int64)
        value = values(candidates)
        members = np.arange(limits.n_members + 1)
        return cls(
            member=candidates.member.astype(np.int32, copy=False),
            item=candidates.item.astype(np.int32, copy=False),
            value=value,
            deep=candidates.deep | (value <= 0),
            start=np.searchsorted(candidates.member, members.astype(candidates.member.dtype)).astype(np.int64),
            need=np.minimum(np.clip(limits.need, 0, None), most).astype(np.int64),
            most=most,
            is_ask=limits.is_ask,
            classes=Classes.of(limits),
            room=np.clip(limits.items, 0, MOST_COUNTED).astype(np.int8),
            asks=np.clip(limits.asks, 0, MOST_COUNTED).astype(np.int8),
        )

    def __len__(self) -> int:
        return len(self.member)

    @property
    def n_members(self) -> int:
        return len(self.room)

    @property
    def n_items(self) -> int:
        return len(self.need)

    def reach(self, chosen: Ints) -> npt.NDArray[np.int64]:
        """How many members each item goes to; `chosen` are places of pairs."""
        return np.bincount(self.item[chosen], minlength=self.n_items)

    def sample(self, every: int) -> tuple["Problem", npt.NDArray[np.int64]]:
        """The same of every so-manieth member, with as much less reach, and where its pairs stand here."""
        places = np.flatnonzero(self.member % every == 0)
        size = np.diff(self.start)[::every]
        part = replace(
            self,
            member=self.member[places] // np.int32(every),
            item=self.item[places],
            value=self.value[places],
            deep=self.deep[places],
            start=np.r_[0, np.cumsum(size)],
            need=np.round(self.need / every).astype(np.int64),
            most=np.where(self.most == NO_LIMIT, NO_LIMIT, np.round(self.most / every)).astype(np.int64),
            room=self.room[::every],
            asks=self.asks[::every],
        )
        return part, places

    def caps(self, pairs: Ints, classes: npt.NDArray[np.int32]) -> npt.NDArray[np.int8]:
        """How many of each class the digests of these pairs' members hold, of shape (n_pairs, width) as the `classes`."""
        member = self.member[pairs][:, None]
        usual = np.where(classes == ASKS, self.asks[member], self.classes.caps[classes])
        return np.where(classes == ROOM, self.room[member], usual)

    def room_left(self, first: int, last: int, chosen: Ints | None = None) -> npt.NDArray[np.int8]:
        """How many more of each class fit, of shape (last - first, n_classes), beside the `chosen` pairs of these members."""
        left = np.tile(self.classes.caps, (last - first, 1))
        left[:, ROOM], left[:, ASKS] = self.room[first:last], self.asks[first:last]
        if chosen is not None and len(chosen):
            row, width = (self.member[chosen] - first).astype(np.int64) * left.shape[1], self.classes.of_item.shape[1]
            for column in range(width):
                code = self.classes.of_item[self.item[chosen], column]
                counted = code != ROOM if column else slice(None)
                left -= np.bincount((row + code)[counted], minlength=left.size).reshape(left.shape).astype(np.int8)
        return left

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Runs of members, first and last (not in), few enough to be counted at one time."""
        most = max(1, min(MEMBERS_AT_ONCE, CELLS // len(self.classes.caps)))
        first = 0
        while first < self.n_members:
            reach = int(np.searchsorted(self.start, self.start[first] + PAIRS_AT_ONCE, side="right")) - 1
            last = min(max(reach, first + 1), first + most, self.n_members)
            yield first, last
            first = last


def _check(candidates: Candidates, limits: Limits) -> None:
    member, item = candidates.member, candidates.item
    if not len(member) == len(item) == len(candidates.match) == len(candidates.deep):
        raise ValueError("the arrays of candidates differ in length")
    if not len(member):
        return
    same = member[1:] == member[:-1]
    if (member[1:] < member[:-1]).any() or (same & (item[1:] <= item[:-1])).any():
        raise ValueError("candidates must be sorted by member, then item, each pair once")
    if member[0] < 0 or member[-1] >= limits.n_members or item.min() < 0 or item.max() >= limits.n_items:
        raise ValueError("a candidate names a member or an item that the limits do not have")
