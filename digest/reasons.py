"""Why an item is in a digest: the terms that made its score, in words that people use."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from digest.vectors import GAP, PAIR, Rows, VectorSpace

Source = Literal["stated", "topic", "learned", "related"]
Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

CANDIDATES = 12
"""Strongest terms of a pair among which those to be shown are chosen."""
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
    """
    lexical = space.lexical(item)
    columns, values = lexical.indices.astype(np.int64), lexical.data.astype(np.float64)
    given = space.lexical(profiles)[:, columns].toarray().astype(np.float64)
    for block in space.blocks[1:]:
        smooth = space.latent[columns, : block.stop - block.start].astype(np.float64)
        length = np.linalg.norm(values @ smooth)
        towards = profiles[:, block].toarray().astype(np.float64)
        given += towards @ smooth.T / (length if length > 1e-6 else 1.0)
    return columns, given * values


def explain(space: VectorSpace, profile: Rows, item: Rows) -> list[tuple[str, float]]:
    """Every term of the item with its weight, greatest first. The weights sum to the score; one below 0 speaks against it."""
    columns, given = contributions(space, profile, item)
    order = np.argsort(-given[0], kind="stable")
    return [(space.labels[columns[i]], float(given[0, i])) for i in order]


def explain_with_sources(
    space: VectorSpace, profile: Rows, item: Rows, stated: Rows | None, learned: Rows | None
) -> list[Reason]:
    """The same with where each term comes from; `stated` and `learned` as for `reasons_for`, of one row each."""
    columns, given = contributions(space, profile, item)
    sources = _Sources(space, columns, np.zeros(1, dtype=np.int64), stated, learned)
    order = np.argsort(-given[0], kind="stable").tolist()
    return [Reason(space.labels[columns[i]], float(given[0, i]), sources.of(0, i, int(columns[i]))) for i in order]


def reasons_for(
    space: VectorSpace,
    profiles: Rows,
    items: Rows,
    rows: Sequence[int] | Ints,
    columns: Sequence[int] | Ints,
    most: int = 3,
    stated: Rows | None = None,
    learned: Rows | None = None,
) -> list[list[Reason]]:
    """For each pair (profiles[rows[i]], items[columns[i]]) at most `most` terms, the strongest first.

    `stated` are the profiles as the members gave them (`profile_vectors`), `learned` what feedback added (`learned_rows`), both
    of the profiles' shape; without them every term counts as stated.
    """
    row, column = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
    words = _Words(space)
    found: list[list[Reason]] = [[] for _ in row]
    for item in np.unique(column):
        pairs = np.flatnonzero(column == item)
        terms, given = contributions(space, profiles[row[pairs]], items[[item]])
        sources = _Sources(space, terms, row[pairs], stated, learned)
        best = np.argsort(-given, axis=1, kind="stable")[:, :CANDIDATES]
        for number, (pair, places) in enumerate(zip(pairs, best, strict=True)):
            shown = (place for place in places if GAP not in space.labels[terms[place]])
            candidates = ((int(terms[place]), float(given[number, place]), int(place)) for place in shown)
            chosen = _choose(words, candidates, most)
            reasons = [Reason(space.labels[t], w, sources.of(number, place, t)) for t, w, place in chosen]
            found[pair] = [r for r in reasons if r.source != "related" or r.weight >= RELATED_SHARE * reasons[0].weight]
    return found


class _Sources:
    """Where the terms of one item come from, for some of the members."""

    def __init__(
        self, space: VectorSpace, terms: Ints, members: Ints, stated: Rows | None, learned: Rows | None
    ) -> None:
        self.first_topic = space.first_topic
        self.stated = None if stated is None else stated[members][:, terms].toarray() > 0
        self.learned = None if learned is None else learned[members][:, terms].toarray() > 0

    def of(self, member: int, place: int, term: int) -> Source:
        if self.stated is None or self.stated[member, place]:
            return "topic" if term >= self.first_topic else "stated"
        return "learned" if self.learned is not None and self.learned[member, place] else "related"


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


def _choose(words: _Words, candidates: Iterable[tuple[int, float, int]], most: int) -> list[tuple[int, float, int]]:
    """The first candidates that share no word: a phrase takes its word's place, and its weight with it."""
    chosen: list[tuple[int, float, int]] = []
    strongest = 0.0
    for term, weight, place in candidates:
        strongest = strongest or weight
        if weight <= 0 or weight < LEAST_SHARE * strongest:
            break
        rivals = [number for number, (other, _, _) in enumerate(chosen) if words[term] & words[other]]
        if not rivals:
            if len(chosen) < most:
                chosen.append((term, weight, place))
        elif words.is_pair(term) and _covers(words, term, weight, [chosen[number] for number in rivals]):
            total = weight + sum(chosen[number][1] for number in rivals)
            chosen[rivals[0]] = (term, total, place)
            chosen = [pair for number, pair in enumerate(chosen) if number not in rivals[1:]]
    return sorted(chosen, key=lambda pair: -pair[1])


def _covers(words: _Words, phrase: int, weight: float, rivals: list[tuple[int, float, int]]) -> bool:
    """True where a phrase says all that the single words say which it would replace, and is strong enough to."""
    return all(words[term] < words[phrase] and weight >= PHRASE_SHARE * given for term, given, _ in rivals)
