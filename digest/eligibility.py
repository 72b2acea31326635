"""Who may receive which item at all: audience, languages, mutes and history, decided for all members and items at once.

Relevance ranks inside what is allowed here and never widens it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from digest.items import AUDIENCE_FACETS, Item, Topic

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]


class Block(IntEnum):
    """Why a member may not get an item; 0 means they may. Where several hold, the highest number is told."""

    NONE = 0
    ALREADY_SENT = 1
    MUTED_POSTER = 2
    MUTED_TOPIC = 3
    MUTED_KIND = 4
    LANGUAGE = 5
    NOT_ELIGIBLE = 6
    OWN = 7
    """The member posted it."""
    OVER_BUDGET = 8
    """Allowed, but the digest was full: told by selection."""
    DUPLICATE = 9
    """Allowed, but the same thing as an item that matches better: told by selection."""
    COMPARED = 10
    """Allowed, but its place went to what another matcher picked: told by interleaving."""
    ASKED_ENOUGH = 11
    """Allowed, but the member was asked for help as often as they may be: told by allocation, like those that follow."""
    REACH_FULL = 12
    """Allowed, but the item goes to as many members as it may."""
    POSTER_LIMIT = 13
    TOPIC_LIMIT = 14
    CARRIED_OVER = 15
    """Allowed, but nothing was free for it; it is considered once more in the next edition."""
    NOT_PICKED = 16
    """Allowed, but left out by a policy that looks at the best matches only."""

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Members:
    """The columns of a batch of members that decide eligibility; all of length n_members, in the same order."""

    names: Sequence[str]
    facets: dict[str, Sequence[str]]
    """For each of AUDIENCE_FACETS the members' values."""
    chosen: Sequence[tuple[str, ...]]
    languages: Sequence[tuple[str, ...]]
    """Languages read; empty means the network's."""
    muted_kinds: Sequence[tuple[str, ...]]
    muted_topics: Sequence[tuple[str, ...]]
    muted_posters: Sequence[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.chosen)


def blocks(
    members: Members,
    items: Sequence[Item],
    topics: Sequence[Topic],
    network_language: str,
    sent: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
) -> Codes:
    """A Block for each pair, of shape (n_members, n_items).

    `sent` holds the pairs already sent, as row and column indices. Muting or addressing a topic covers those below it.
    """
    tree = _Tree(topics)
    codes = np.zeros((len(members), len(items)), dtype=np.uint8)
    codes[sent] = Block.ALREADY_SENT
    _mark(codes, members.muted_posters, [_posters(item) for item in items], Block.MUTED_POSTER)
    _mark(codes, members.muted_topics, [tree.with_ancestors(item.topics) for item in items], Block.MUTED_TOPIC)
    _mark(codes, members.muted_kinds, [(item.kind,) for item in items], Block.MUTED_KIND)
    reads = _Holders([words or (network_language,) for words in members.languages])
    for column, item in enumerate(items):
        if item.language:
            codes[~reads.any_of((item.language,)), column] = Block.LANGUAGE
    _mark_audiences(codes, members, items, tree, reads)
    _mark(codes, [(name,) for name in members.names], [_posters(item) for item in items], Block.OWN)
    return codes


def _mark(codes: Codes, words: Sequence[tuple[str, ...]], traits: Sequence[tuple[str, ...]], block: Block) -> None:
    """Block the items of which a trait is among a member's words."""
    holders = _Holders([tuple(_folded(word) for word in own) for own in words])
    for column, wanted in enumerate(traits):
        rows = holders.rows_of(wanted)
        if len(rows):
            codes[rows, column] = block


def _mark_audiences(codes: Codes, members: Members, items: Sequence[Item], tree: "_Tree", reads: "_Holders") -> None:
    facets = {name: _Holders([(_folded(value),) for value in members.facets[name]]) for name in AUDIENCE_FACETS}
    follows = _Holders([tree.with_ancestors(words) for words in members.chosen])
    for column, item in enumerate(items):
        audience = item.audience
        admitted = np.ones(len(members), dtype=np.bool_)
        for name in AUDIENCE_FACETS:
            if wanted := getattr(audience, name):
                admitted &= facets[name].any_of(_folded(word) for word in wanted)
        if audience.topics:
            admitted &= follows.any_of(audience.topics)
        if audience.languages:
            admitted &= reads.any_of(audience.languages)
        codes[~admitted, column] = Block.NOT_ELIGIBLE


class _Holders:
    """For each word, the rows that hold it."""

    def __init__(self, rows: Sequence[tuple[str, ...]]) -> None:
        found: dict[str, list[int]] = {}
        for row, words in enumerate(rows):
            for word in words:
                found.setdefault(word, []).append(row)
        self._n = len(rows)
        self._rows = {word: np.array(at, dtype=np.int64) for word, at in found.items()}

    def rows_of(self, words: Iterable[str]) -> npt.NDArray[np.int64]:
        hits = [self._rows[word] for word in words if word in self._rows]
        return np.concatenate(hits) if hits else np.empty(0, dtype=np.int64)

    def any_of(self, words: Iterable[str]) -> Bools:
        mask = np.zeros(self._n, dtype=np.bool_)
        mask[self.rows_of(words)] = True
        return mask


class _Tree:
    """The topics' tree, to ask for a topic together with everything above it."""

    def __init__(self, topics: Sequence[Topic]) -> None:
        self._parent = {topic.key: topic.parent for topic in topics}

    def with_ancestors(self, keys: Iterable[str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for key in keys:
            while key and key not in found:
                found[key] = None
                key = self._parent.get(key, "")
        return tuple(found)


def _posters(item: Item) -> tuple[str, ...]:
    """The poster as given, and the name alone where it is given as "name, organisation"."""
    return tuple({name for name in (_folded(item.poster), _folded(item.poster.partition(",")[0])) if name})


def _folded(word: str) -> str:
    return word.strip().casefold()
