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
    NO_REQUESTS = 17
    """A request, and the member allows none in a month."""

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
    return Eligibility.of(members, topics, network_language).blocks(items, sent)


@dataclass(frozen=True, slots=True)
class Eligibility:
    """What decides eligibility, by word: made once for many members, then asked for any items."""

    n_members: int
    tree: "_Tree"
    facets: dict[str, "_Holders"]
    follows: "_Holders"
    reads: "_Holders"
    muted_posters: "_Holders"
    muted_topics: "_Holders"
    muted_kinds: "_Holders"
    names: "_Holders"

    @classmethod
    def of(cls, members: Members, topics: Sequence[Topic], network_language: str) -> "Eligibility":
        tree = _Tree(topics)
        return cls(
            n_members=len(members),
            tree=tree,
            facets={name: _folded_holders([(value,) for value in members.facets[name]]) for name in AUDIENCE_FACETS},
            follows=_Holders([tree.with_ancestors(words) for words in members.chosen]),
            reads=_Holders([words or (network_language,) for words in members.languages]),
            muted_posters=_folded_holders(members.muted_posters),
            muted_topics=_folded_holders(members.muted_topics),
            muted_kinds=_folded_holders(members.muted_kinds),
            names=_folded_holders([(name,) for name in members.names]),
        )

    def blocks(self, items: Sequence[Item], sent: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]) -> Codes:
        """See `blocks` above."""
        codes = np.zeros((self.n_members, len(items)), dtype=np.uint8)
        codes[sent] = Block.ALREADY_SENT
        above = [self.tree.with_ancestors(item.topics) for item in items]
        _mark(codes, self.muted_posters, [_posters(item) for item in items], Block.MUTED_POSTER)
        _mark(codes, self.muted_topics, above, Block.MUTED_TOPIC)
        _mark(codes, self.muted_kinds, [(item.kind,) for item in items], Block.MUTED_KIND)
        for column, item in enumerate(items):
            if item.language:
                codes[~self.reads.any_of((item.language,)), column] = Block.LANGUAGE
            if (admitted := self._admitted(item)) is not None:
                codes[~admitted, column] = Block.NOT_ELIGIBLE
        _mark(codes, self.names, [_posters(item) for item in items], Block.OWN)
        return codes

    def _admitted(self, item: Item) -> Bools | None:
        """Whom the item's audience admits; None for everybody."""
        audience, admitted = item.audience, None
        wanted = [
            (holders, [_folded(word) for word in getattr(audience, name)]) for name, holders in self.facets.items()
        ]
        wanted += [(self.follows, list(audience.topics)), (self.reads, list(audience.languages))]
        for holders, words in wanted:
            if words:
                those = holders.any_of(words)
                admitted = those if admitted is None else admitted & those
        return admitted


def _folded_holders(rows: Sequence[tuple[str, ...]]) -> "_Holders":
    return _Holders([tuple(_folded(word) for word in own) for own in rows])


def _mark(codes: Codes, holders: "_Holders", traits: Sequence[tuple[str, ...]], block: Block) -> None:
    """Block the items of which a trait is among a member's words."""
    for column, wanted in enumerate(traits):
        rows = holders.rows_of(wanted)
        if len(rows):
            codes[rows, column] = block


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
