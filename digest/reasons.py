"""Why an item is in a digest: the terms that made its score, in words that people use."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from digest.fitting import GAP
from digest.items import Item
from digest.text import is_unspaced, pieces_of, plain_text, whole_syllables
from digest.tokens import PAIR
from digest.vectors import Rows, VectorSpace

Source = Literal["stated", "topic", "learned", "related"]
Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

CANDIDATES = 12
"""Strongest terms of a pair among which those to be shown are chosen."""
PARTS = 48
"""The same where the item's words are known in parts of two characters."""
LEAST_SHARE = 0.15
"""Of the strongest term: a weaker one is not shown."""
RELATED_SHARE = 0.4
"""The same of a related term: it says little to the member unless it carries the match."""
PHRASE_SHARE = 0.25
"""Of its word's weight, from which a phrase stands for its word."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One term of a reason, what it gave to the score, and where it comes from.

    `stated`: the member wrote it; `topic`: they chose it; `learned`: from what they liked; `related`: from past items like
    what they wrote, or from what usually goes with it.
    """

    label: str
    weight: float
    source: Source = "stated"


def contributions(space: VectorSpace, profiles: Rows, item: Rows) -> tuple[Ints, Doubles]:
    """The item's k lexical columns, and what each gives to every profile's score: shapes (k,) and (n_profiles, k).

    A term gives through itself, and through the latent semantics it stands for; both are linear in the item's terms, so that
    the row sums are the scores. In double precision: the score that was used, in single precision, is within 1e-5 of the sum.
    All blocks of an item are of one length, the share that `hubness.damped` leaves of them.
    """
    lexical = space.lexical(item)
    columns, values = lexical.indices.astype(np.int64), lexical.data.astype(np.float64)
    given = space.lexical(profiles)[:, columns].toarray().astype(np.float64)
    share = np.linalg.norm(values)
    for block in space.blocks[1:]:
        smooth = space.latent[columns, : block.stop - block.start].astype(np.float64)
        length = np.linalg.norm(values @ smooth)
        towards = profiles[:, block].toarray().astype(np.float64)
        given += towards @ smooth.T * (share / length if length > 1e-6 else 1.0)
    return columns, given * values


def explain(space: VectorSpace, profile: Rows, item: Rows) -> list[tuple[str, float]]:
    """Every term of the item with its weight, greatest first. The weights sum to the score; one below 0 speaks against it."""
    columns, given = contributions(space, profile, item)
    order = np.argsort(-given[0], kind="stable")
    return [(space.labels[columns[i]], float(given[0, i])) for i in order]


@dataclass(frozen=True, slots=True)
class Origins:
    """Where members' terms come from: rows of shape (n_members, n_terms or more), with entries above 0 where that is so."""

    stated: Rows
    """Written by the member, or expanded from their words to a topic."""
    chosen: Rows
    """Topics that the member chose, and nothing else."""
    learned: Rows | None = None


def explain_with_sources(space: VectorSpace, profile: Rows, item: Rows, origins: Origins) -> list[Reason]:
    """The same with where each term comes from; all of one row."""
    columns, given = contributions(space, profile, item)
    order = np.argsort(-given[0], kind="stable")
    sources = _sources(space, origins, np.zeros(1, dtype=np.int64), columns)[0]
    return [Reason(space.labels[columns[i]], float(given[0, i]), SOURCES[sources[i]]) for i in order.tolist()]


def reasons_for(
    space: VectorSpace,
    profiles: Rows,
    items: Sequence[Item],
    vectors: Rows,
    rows: Sequence[int] | Ints,
    columns: Sequence[int] | Ints,
    origins: Origins | None = None,
    most: int = 3,
) -> list[list[Reason]]:
    """For each pair (profiles[rows[i]], items[columns[i]]) at most `most` terms, the strongest first.

    `vectors` are the items' rows. `origins` are of the profiles' rows; without them every term counts as stated, or chosen
    where it is a topic.
    """
    row, column = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
    words = _Words(space)
    found: list[list[Reason]] = [[] for _ in row]
    for item in np.unique(column).tolist():
        pairs = np.flatnonzero(column == item)
        terms, given = contributions(space, profiles[row[pairs]], vectors[[item]])
        card = _Card(words, items[item], terms.tolist())
        best = _strongest(given, card.candidates)
        weights = np.take_along_axis(given, best, axis=1).tolist()
        sources = np.take_along_axis(_sources(space, origins, row[pairs], terms), best, axis=1).tolist()
        for pair, places, weight, source in zip(pairs.tolist(), best.tolist(), weights, sources, strict=True):
            found[pair] = card.reasons(places, weight, source, most)
    return found


def _strongest(given: Doubles, most: int) -> Ints:
    """Places of the `most` greatest of each row, the greatest first; of equal ones the first."""
    most = min(most, given.shape[1])
    if most < given.shape[1]:
        places = np.sort(np.argpartition(-given, most - 1, axis=1)[:, :most], axis=1)
    else:
        places = np.broadcast_to(np.arange(most), given.shape)
    order = np.argsort(-np.take_along_axis(given, places, axis=1), axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1)


SOURCES: tuple[Source, ...] = ("related", "learned", "stated", "topic")
"""By number; a higher one goes before a lower one."""
RELATED = SOURCES.index("related")


def _sources(space: VectorSpace, origins: Origins | None, members: Ints, terms: Ints) -> npt.NDArray[np.int8]:
    """Numbers among SOURCES, of shape (len(members), len(terms)).

    A topic that the member did not choose is what they said where they wrote its whole label; where they wrote a synonym or
    a part of it, it is only related to that.
    """
    is_topic = terms >= space.first_topic
    if origins is None:
        return np.broadcast_to(np.where(is_topic, 3, 2).astype(np.int8), (len(members), len(terms)))
    source = np.zeros((len(members), len(terms)), dtype=np.int8)
    if origins.learned is not None:
        source[origins.learned[members][:, terms].toarray() > 0] = 1
    stated = origins.stated[members]
    source[(stated[:, terms].toarray() > 0) & ~is_topic] = 2
    for place in np.flatnonzero(is_topic).tolist():
        for label in space.topic_map.names[int(terms[place])]:
            source[(stated[:, label].toarray() > 0).all(axis=1), place] = 2
    source[origins.chosen[members][:, terms].toarray() > 0] = 3
    return source


class _Words(dict[int, frozenset[str]]):
    """Lexical columns -> the stems that they stand for."""

    def __init__(self, space: VectorSpace) -> None:
        super().__init__()
        self.space = space

    def __missing__(self, column: int) -> frozenset[str]:
        space = self.space
        if column < space.n_words:
            self[column] = frozenset((space.words[column],))
        elif self.is_pair(column):
            first, second = divmod(int(space.pair_codes[column - space.n_words]), PAIR)
            self[column] = frozenset((space.words[first], space.words[second]))
        else:
            terms = space.analyser.terms(space.labels[column], space.settings.language)
            self[column] = frozenset(term for term in terms if term)
        return self[column]

    def is_pair(self, column: int) -> bool:
        return self.space.n_words <= column < self.space.first_topic


class _Card:
    """One item's terms, by their places; which of them share a word is worked out once, as bits."""

    def __init__(self, words: _Words, item: Item, terms: list[int]) -> None:
        self.words, self.item, self.terms = words, item, terms
        places_of: dict[str, int] = {}
        for place, term in enumerate(terms):
            for word in words[term]:
                places_of[word] = places_of.get(word, 0) | 1 << place
        self.rivals = [0] * len(terms)
        for place, term in enumerate(terms):
            for word in words[term]:
                self.rivals[place] |= places_of[word]
        self.labels = [words.space.labels[term] for term in terms]
        self.in_parts = any(map(is_unspaced, self.labels))
        self.candidates = PARTS if self.in_parts else CANDIDATES

    def reasons(self, places: list[int], weights: list[float], sources: list[int], most: int) -> list[Reason]:
        """Of candidates, the strongest first, those that share no word: a phrase takes its word's place and weight.

        In a script without spaces, whose words are known in parts only, they are the item's words again.
        """
        chosen = self._chosen(places, weights, sources, PARTS if self.in_parts else most)
        phrases = {}
        if any(map(self._is_phrase, chosen)):
            given = zip(places, zip(weights, sources, strict=True), strict=True)
            phrases = {place: pair for place, pair in given if self._is_phrase(place)}
        reasons = self._reasons(chosen, phrases)
        return _whole_words(reasons, self.text)[:most] if self.in_parts else reasons

    @cached_property
    def text(self) -> str:
        return plain_text(f"{self.item.title}\n{self.item.body}")

    @cached_property
    def folded(self) -> str:
        return " ".join(self.text.casefold().split())

    def _chosen(
        self, places: list[int], weights: list[float], sources: list[int], most: int
    ) -> dict[int, tuple[float, int]]:
        chosen: dict[int, tuple[float, int]] = {}
        taken, bound = 0, 0.0
        for place, weight, source in zip(places, weights, sources, strict=True):
            if GAP in self.labels[place]:
                continue
            bound = bound or LEAST_SHARE * weight
            if weight <= 0 or weight < bound:
                break
            rivals = self.rivals[place] & taken
            if not rivals and len(chosen) < most:
                chosen[place] = (weight, source)
                taken |= 1 << place
            elif rivals and self._covers(place, weight, beaten := [p for p in chosen if rivals >> p & 1], chosen):
                chosen[place] = (weight + sum(chosen.pop(other)[0] for other in beaten), source)
                taken = sum(1 << other for other in chosen)
        return chosen

    def _reasons(self, chosen: dict[int, tuple[float, int]], phrases: dict[int, tuple[float, int]]) -> list[Reason]:
        """What was chosen, the strongest first, with phrases as long as the item's text has them."""
        longer = {}
        for place in [place for place in chosen if place in phrases]:
            if place in chosen:
                longer[place] = self._lengthen(place, chosen, phrases)
        ranked = sorted(chosen.items(), key=lambda pair: -pair[1][0])
        floor = RELATED_SHARE * ranked[0][1][0] if ranked else 0.0
        return [
            Reason(longer.get(place, self.labels[place]), weight, SOURCES[source])
            for place, (weight, source) in ranked
            if source != RELATED or weight >= floor
        ]

    def _lengthen(self, place: int, chosen: dict[int, tuple[float, int]], phrases: dict[int, tuple[float, int]]) -> str:
        """The label of a phrase that takes in others of its source which go on where it ends, or end where it begins, in the
        item's text. Their weights, and those of what was chosen and is said by it too, become its own in `chosen`."""
        label, (weight, source), (first, last) = self.labels[place], chosen[place], self._ends(place)
        for link, (more, origin) in phrases.items():
            start, end = self._ends(link)
            onward = start == last
            if link in chosen or origin != source or more <= 0 or not (onward or end == first):
                continue
            word, written = (end, self.labels[link].split()[-1]) if onward else (start, self.labels[link].split()[0])
            said = [p for p in chosen if word in self.words[self.terms[p]] and chosen[p][1] == source and p != place]
            for pair in [p for p in said if p in phrases]:
                if self._ends(pair)[0 if onward else 1] == word:
                    word, written = self._ends(pair)[1 if onward else 0], self.labels[pair]
            if any(self.terms[p] >= self.words.space.n_words and self.labels[p] not in written for p in said):
                continue
            longer = f"{label} {written}" if onward else f"{written} {label}"
            if longer.casefold() in self.folded:
                label, weight = longer, weight + more + sum(chosen.pop(p)[0] for p in said)
                first, last = (first, word) if onward else (word, last)
        chosen[place] = (weight, source)
        return label

    def _is_phrase(self, place: int) -> bool:
        return self.words.is_pair(self.terms[place]) and GAP not in self.labels[place] and " " in self.labels[place]

    def _ends(self, place: int) -> tuple[str, str]:
        """The stems of a pair of words."""
        space = self.words.space
        first, second = divmod(int(space.pair_codes[self.terms[place] - space.n_words]), PAIR)
        return space.words[first], space.words[second]

    def _covers(self, phrase: int, weight: float, rivals: list[int], chosen: dict[int, tuple[float, int]]) -> bool:
        """True where a phrase says all that the single words say which it would replace, and is strong enough to."""
        words, term = self.words, self.terms[phrase]
        if not words.is_pair(term):
            return False
        return all(
            words[self.terms[rival]] < words[term] and weight >= PHRASE_SHARE * chosen[rival][0] for rival in rivals
        )


def _whole_words(reasons: list[Reason], text: str) -> list[Reason]:
    """Parts of words in a script without spaces as the longest pieces of the item's text in which every part is one of them,
    each part counted once; all of one source. So no word comes about that nobody wrote."""
    loose = [reason for reason in reasons if not is_unspaced(reason.label)]
    for source in dict.fromkeys(reason.source for reason in reasons):
        weights = {r.label: r.weight for r in reasons if r.source == source and is_unspaced(r.label)}
        parts = {label[n : n + 2] for label in weights for n in range(max(1, len(label) - 1))}
        pieces = dict.fromkeys(pieces_of(text, parts))
        while weights and pieces:
            held = {piece: [label for label in weights if label in piece] for piece in pieces}
            best = max(pieces, key=lambda piece: sum(weights[label] for label in held[piece]))
            weight = sum(weights.pop(label) for label in held[best])
            del pieces[best]
            if weight and (label := whole_syllables(best)):
                loose.append(Reason(label, weight, source))
    return sorted(loose, key=lambda reason: -reason.weight)
