"""Terms to vectors: the TF-IDF space that items and profiles share, and its latent smoothing.

A row has three blocks, each a vector of unit length: `n_terms` columns of words, word pairs and topics; the same text seen
through the space's latent semantics (Deerwester et al. 1990) in its few broadest dimensions, which tell what field it is in; and
in all of them, which tell what it is about in other words. `blocks` are their places, `lexical(rows)` cuts the first one out.
"""

import io
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.items import Item, Topic
from digest.text import Analyser, is_term
from digest.tokens import Tokens, profile_tokens, read_items, unknown_words
from profiles.member import Profile

Rows = sp.csr_matrix
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Kind = TypeVar("Kind", Rows, Floats)


@dataclass(frozen=True, slots=True)
class Settings:
    """What goes into a vector. Weights are counts: a title of weight 2 counts as if it were written twice."""

    language: str = "en"
    """Of texts that name none and whose function words tell none."""
    stemming: bool = True
    stop_words: bool = True
    """Leave function words out."""
    sublinear: bool = True
    """1 + log(count) instead of the count."""
    title_weight: float = 2.0
    topic_weight: float = 3.0
    """Of a topic that was chosen, for a profile or an item: somebody said that it is about this. A word counts 1 + log(count)."""
    ancestor_weight: float = 0.5
    """Of a topic's parent, as a share of the topic's own weight; the grandparent's is its square."""
    synonym_weight: float = 0.5
    """Of a topic found by its label or a synonym in the text, as a share of a topic that was chosen."""
    pairs: bool = True
    pair_weight: float = 0.7
    rarity: float = 1.8
    """Power of the inverse document frequency from `rarity_items` on: above 1, rare terms count for more than the textbook says.
    With fewer items it is nearer to 1, for there a term is soon rare by chance."""
    rarity_items: int = 1000
    max_share: float = 0.4
    """Terms in more than this share of the items say nothing about any of them."""
    latent: int = 300
    """Latent dimensions, at most; 0 leaves the latent blocks out."""
    latent_from: int = 300
    """Items from which on there are latent blocks: learnt from fewer, they blur more than they tell."""
    broad: int = 50
    """Of them the first so many are the broad block."""
    latent_items: int = 3
    """Terms in fewer items than this have no part in the latent blocks, where there are a thousand items or more."""
    latent_newest: int = 8_000
    """They are learnt from so many items, the newest."""
    whitening: float = 1.0
    """Ridge, in shares of the mean variance, with which the latent directions that everything shares are discounted."""
    crowd: int = 1_000
    """Members beside whom items are seen (`hubness`), at most; 0 sees items as they are."""
    learn_field: bool = True
    """Whether the network's feedback tells how much the broad block counts (`field`)."""
    newest: int = 50_000
    """Only so many items, the last ones given, are read by `fit`: document frequencies do not change beyond."""
    most_terms: int = 400_000


@dataclass(frozen=True, slots=True)
class Interests:
    """Interests as rows, and whose they are. A member with three interests owns three rows."""

    rows: Rows
    owner: Ints
    n_profiles: int
    coverage: Floats
    """Of each interest the share of its length in words that some item has, 0 to 1: what nobody writes about matches nothing."""

    def sum(self, rows: Kind) -> Kind:
        """Rows of the interests, sparse or dense, added up for each profile: shape (n_profiles, ...)."""
        ones = np.ones(len(self.owner), dtype=np.float32)
        shape = (self.n_profiles, len(self.owner))
        summed: Kind = sp.csr_matrix((ones, (self.owner, np.arange(len(self.owner)))), shape=shape) @ rows
        return summed

    def only(self, profiles: Ints) -> "Interests":
        """Those of some profiles, given in ascending order, as if these were all."""
        kept = self.of(profiles)
        owner = np.searchsorted(profiles, self.owner[kept])
        return Interests(self.rows[kept], owner, len(profiles), self.coverage[kept])

    def of(self, profiles: Ints) -> Ints:
        """Places of the interests of some profiles."""
        return np.flatnonzero(np.isin(self.owner, profiles))


@dataclass(frozen=True)
class VectorSpace:
    """A fitted space. Made by `fit` or `from_bytes`; the same bytes give the same scores."""

    settings: Settings
    words: list[str]
    """Stems, in column order; those after the first `n_words` have no column of their own, but are part of pairs."""
    n_words: int
    pair_codes: Ints
    """Sorted; the columns after the words."""
    topics: list[Topic]
    """Sorted by key; the columns after the pairs."""
    idf: Floats
    labels: list[str]
    """Of the lexical columns, in words that people use."""
    latent: Floats
    """Of shape (n_terms, n_dimensions)."""
    metric: Floats
    """Of shape (n_dimensions, n_dimensions): the inverse of the items' latent covariance, by which a profile is whitened."""
    centre: Floats
    """Of length n_dimensions: the mean item."""
    n_items: int = 0
    field_weight: float = 1.0
    """How much the broad block counts in the network, against what is usual (`field`)."""
    damping: float = 0.0
    """How much of the damping of hubs holds, 0 to 1 (`hubness`)."""
    analyser: Analyser = field(default_factory=Analyser, compare=False, repr=False)

    @property
    def n_terms(self) -> int:
        """Number of lexical columns: words, pairs and topics."""
        return len(self.idf)

    @property
    def blocks(self) -> tuple[slice, slice, slice]:
        """Columns of the lexical, the broad and the full latent block."""
        full = self.latent.shape[1]
        broad = self.n_terms + min(self.settings.broad, full)
        return slice(0, self.n_terms), slice(self.n_terms, broad), slice(broad, broad + full)

    def with_field(self, weight: float) -> "VectorSpace":
        """The same, where the broad block counts so much."""
        return replace(self, field_weight=weight)

    def with_damping(self, damping: float) -> "VectorSpace":
        """The same, where so much of the damping of hubs holds."""
        return replace(self, damping=damping)

    @property
    def first_topic(self) -> int:
        """Column of the first topic."""
        return self.n_words + len(self.pair_codes)

    def item_vectors(self, items: Sequence[Item]) -> Rows:
        """Rows of shape (n_items, n_columns), float32."""
        tokens = read_items(items, self.analyser, self.settings.title_weight, self.number).tokens(len(items))
        return self._rows(tokens, [item.topics for item in items])

    def interests(self, profiles: Sequence[Profile]) -> Interests:
        """Every single interest as a row of its own: the parts of what is stated, and the chosen topics together."""
        parts = [(number, part) for number, profile in enumerate(profiles) for part in parts_of(profile.stated)]
        topics = [(number, profile.chosen) for number, profile in enumerate(profiles) if profile.chosen]
        texts = [([part], profiles[number].languages) for number, part in parts] + [([], ())] * len(topics)
        tokens = profile_tokens(texts, self.analyser, self.number)
        weighted = self.weighted(self.counts(tokens), [()] * len(parts) + [keys for _, keys in topics])
        known = np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel()
        all_of_it = known + unknown_words(tokens) * self.rarest**2
        coverage = np.sqrt(known / np.where(all_of_it > 0, all_of_it, 1.0)).astype(np.float32)
        owner = np.array([number for number, _ in (*parts, *topics)], dtype=np.int64)
        return Interests(self.with_latent(weighted), owner, len(profiles), coverage)

    def chosen_topics(self, profiles: Sequence[Profile]) -> Rows:
        """1 in the column of each topic that a member chose: rows of shape (n_profiles, n_terms)."""
        column = self.topic_map.column
        pairs = [(row, column[key]) for row, p in enumerate(profiles) for key in set(p.chosen) if key in column]
        where = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        ones = np.ones(len(pairs), dtype=np.float32)
        return sp.csr_matrix((ones, (where[0], where[1])), shape=(len(profiles), self.n_terms))

    def profile_vectors(self, profiles: Sequence[Profile]) -> Rows:
        """Rows of shape (n_profiles, n_columns), float32: what is stated and chosen, nothing learned or expanded."""
        interests = self.interests(profiles)
        return self.with_latent(self.lexical(interests.sum(interests.rows)))

    def lexical(self, rows: Rows) -> Rows:
        """The lexical block of rows: of shape (n, n_terms), unit rows."""
        block: Rows = rows[:, : self.n_terms]
        return block

    def with_latent(self, lexical: Rows) -> Rows:
        """Lexical rows with their latent blocks behind them, each block of unit length."""
        unit = unit_rows(lexical)
        full = np.asarray(unit @ self.latent, dtype=np.float32)
        blocks = [sp.csr_matrix(unit_length(full[:, : self.settings.broad])), sp.csr_matrix(unit_length(full))]
        rows: Rows = sp.hstack([unit, *blocks], format="csr", dtype=np.float32)
        return rows

    def whitened(self, full: Floats) -> Floats:
        """Profiles' full latent block as linear discriminant analysis sees it, of unit length: shape (n, n_dimensions)."""
        whitened = unit_length((full - self.centre) @ self.metric)
        whitened[~full.any(axis=1)] = 0.0
        return whitened

    def to_bytes(self) -> bytes:
        """The space as a compressed NumPy archive; equal spaces give equal bytes."""
        head = {
            "settings": asdict(self.settings), "n_words": self.n_words, "n_items": self.n_items,
            "topics": [asdict(topic) for topic in self.topics], "field_weight": self.field_weight,
            "damping": self.damping,
        }  # fmt: skip
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer, head=_text_array(json.dumps(head)), words=_text_array("\n".join(self.words)),
            labels=_text_array("\n".join(self.labels)), pair_codes=self.pair_codes, idf=self.idf,
            latent=self.latent.astype(np.float16), metric=self.metric, centre=self.centre,
        )  # fmt: skip
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "VectorSpace":
        """Restores what `to_bytes` gave. Raises ValueError where the bytes are something else."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            head = json.loads(arrays["head"].tobytes())
            settings = Settings(**head["settings"])
            return cls(
                settings=settings, words=_lines(arrays["words"]), n_words=head["n_words"], n_items=head["n_items"],
                pair_codes=arrays["pair_codes"], idf=arrays["idf"], labels=_lines(arrays["labels"]),
                topics=[Topic(**{**topic, "synonyms": tuple(topic["synonyms"])}) for topic in head["topics"]],
                latent=arrays["latent"].astype(np.float32), metric=arrays["metric"], centre=arrays["centre"],
                analyser=analyser_of(settings), field_weight=head.get("field_weight", 1.0),
                damping=head.get("damping", 0.0),
            )  # fmt: skip

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    @property
    def _rarity(self) -> float:
        known = min(1.0, math.log(max(self.n_items, 1)) / math.log(self.settings.rarity_items))
        return 1.0 + (self.settings.rarity - 1.0) * known

    @property
    def rarest(self) -> float:
        """Importance of a word that no item has."""
        return float((math.log(1.0 + self.n_items) + 1.0) ** self._rarity)

    def rarity_of(self, stem: str) -> float:
        """Importance of a single word: that of its column, or of a word that no item has."""
        number = self.number(stem)
        return float(self.importance[number]) if 0 <= number < self.n_words else self.rarest

    @cached_property
    def importance(self) -> Floats:
        """Of the lexical columns: the inverse document frequency to the power of `rarity`, less for pairs."""
        importance = self.idf**self._rarity
        importance[self.n_words : self.first_topic] *= self.settings.pair_weight
        return importance

    @cached_property
    def full_words(self) -> npt.NDArray[np.bool_]:
        """Which of `words` say something alone."""
        return np.array([is_term(word) for word in self.words] or [False])

    @cached_property
    def topic_map(self) -> "TopicMap":
        """How topics and their synonyms become columns."""
        return TopicMap(self)

    def number(self, word: str) -> int:
        """Of a stem among `words`; -1 where the space does not know it, -2 where it would say nothing alone either."""
        return self._index.get(word, -1 if is_term(word) else -2)

    def columns(self, tokens: Tokens) -> tuple[Ints, Ints, Floats]:
        """Column, row and weight of the words and pairs that have a column."""
        single = (tokens.word >= 0) & (tokens.word < self.n_words)
        codes, where = tokens.pairs(self.full_words)
        rows, weights = tokens.row[where], tokens.weight[where]
        at = np.searchsorted(self.pair_codes, codes)
        at = np.minimum(at, max(0, len(self.pair_codes) - 1))
        found = self.pair_codes[at] == codes if len(self.pair_codes) else np.zeros(len(codes), bool)
        return (
            np.concatenate([tokens.word[single], at[found] + self.n_words]),
            np.concatenate([tokens.row[single], rows[found]]),
            np.concatenate([tokens.weight[single], weights[found]]),
        )

    def counts(self, tokens: Tokens) -> Rows:
        """Weighted counts of shape (n_rows, n_terms), the topics' columns empty."""
        column, row, weight = self.columns(tokens)
        return sp.csr_matrix((weight, (row, column)), shape=(tokens.n_rows, self.n_terms), dtype=np.float32)

    def _rows(self, tokens: Tokens, topics: Sequence[Sequence[str]]) -> Rows:
        return self.with_latent(self.weighted(self.counts(tokens), topics))

    def weighted(self, counts: Rows, topics: Sequence[Sequence[str]]) -> Rows:
        """TF-IDF weights of counts and topic keys, not yet of unit length."""
        if self.settings.sublinear:
            counts.data = _dampened(counts.data)
        counts = self.topic_map.add_to(counts, topics)
        counts.data = counts.data * self.importance[counts.indices]
        return counts


class TopicMap:
    """Which columns a topic key, or a label or synonym in the text, adds, and how much."""

    def __init__(self, space: VectorSpace) -> None:
        self.settings, self.n_terms = space.settings, len(space.idf)
        self.column = {topic.key: space.first_topic + number for number, topic in enumerate(space.topics)}
        parents = {topic.key: topic.parent for topic in space.topics}
        self.weights = {key: self._with_ancestors(key, parents) for key in self.column}
        self.names = {self.column[topic.key]: sorted(_phrase_columns(space, topic.label)) for topic in space.topics}
        """Of a topic's column, for each reading of its label, the columns that all occur where the whole label does."""
        self.phrases = [
            (columns, topic.key)
            for topic in space.topics
            for columns in sorted({c for phrase in phrases_of(topic) for c in _phrase_columns(space, phrase)})
        ]

    def _with_ancestors(self, key: str, parents: dict[str, str]) -> list[tuple[int, float]]:
        weights: dict[str, float] = {}
        weight = self.settings.topic_weight
        while key in parents and key not in weights:
            weights[key] = weight
            key, weight = parents[key], weight * self.settings.ancestor_weight
        return [(self.column[name], weight) for name, weight in weights.items()]

    def add_to(self, counts: Rows, topics: Sequence[Sequence[str]]) -> Rows:
        if not self.column:
            return counts
        chosen = [(row, *pair) for row, keys in enumerate(topics) for key in keys for pair in self.weights.get(key, ())]
        found = list(self._found(counts.tocsc())) if self.phrases and self.settings.synonym_weight else []
        row, column, weight = zip(*chosen, *found, strict=True) if chosen or found else ((), (), ())
        # The greatest weight counts where a topic comes in more than one way, so that nothing is counted twice.
        order = np.argsort(np.asarray(weight, dtype=np.float32), kind="stable")
        best = dict(zip(((row[i], column[i]) for i in order), (weight[i] for i in order), strict=True))
        where = np.array(list(best), dtype=np.int64).reshape(-1, 2)
        extra = sp.csr_matrix((list(best.values()), (where[:, 0], where[:, 1])), shape=counts.shape, dtype=np.float32)
        with_topics: Rows = (counts + extra).tocsr()
        return with_topics

    def _found(self, counts: sp.csc_matrix) -> Iterable[tuple[int, int, float]]:
        share = self.settings.synonym_weight
        for columns, key in self.phrases:
            rows = counts.indices[counts.indptr[columns[0]] : counts.indptr[columns[0] + 1]]
            for column in columns[1:]:
                rows = np.intersect1d(rows, counts.indices[counts.indptr[column] : counts.indptr[column + 1]])
            for column, weight in self.weights[key]:
                yield from ((int(row), column, weight * share) for row in rows)


_JOINED = re.compile(r"\s*[,;/&]\s*|\s+(?:and|ac|et|und|y)\s+")


def phrases_of(topic: Topic) -> tuple[str, ...]:
    """What a topic is found by in a text: its label and synonyms, and of a label like *Home oxygen and ventilation* the parts
    that say enough by themselves, which one word alone does not."""
    parts = [part for part in _JOINED.split(topic.label) if len(part.split()) > 1]
    return tuple(dict.fromkeys((topic.label, *parts, *topic.synonyms)))


def _phrase_columns(space: VectorSpace, phrase: str) -> set[tuple[int, ...]]:
    """For each reading of the phrase in a language that has stop words: the columns that all occur where the phrase does."""
    columns = (_terms_columns(space, terms) for terms in space.analyser.readings(phrase))
    return {found for found in columns if found}


def _terms_columns(space: VectorSpace, terms: Sequence[str]) -> tuple[int, ...]:
    """Of neighbouring terms; empty where the space lacks one of them."""
    numbers = np.array([space.number(term) for term in terms], dtype=np.int64)
    one = np.zeros(len(numbers), dtype=np.int64)
    tokens = Tokens(numbers, np.arange(len(numbers)), one, one, np.ones(len(numbers), np.float32), 1)
    column, _, _ = space.columns(tokens)
    pairs = column[column >= space.n_words] if len(terms) > 1 else column
    return tuple(int(c) for c in pairs) if len(pairs) == max(1, len(terms) - 1) else ()


def parts_of(stated: str) -> list[str]:
    """The single interests of a stated one: they are separated by semicolons or lines."""
    return [part for part in stated.replace("\n", ";").split(";") if part.strip()]


def _dampened(counts: Floats) -> Floats:
    """1 + log(count), continued to 0 in a straight line below a count of 1."""
    return np.where(counts >= 1.0, 1.0 + np.log(np.maximum(counts, 1.0)), counts).astype(np.float32)


def unit_rows(rows: Rows) -> Rows:
    """Rows scaled to unit length, in place where they can be; an empty one stays as it is."""
    from sklearn.preprocessing import normalize

    return normalize(rows, copy=False).astype(np.float32) if all(rows.shape) else rows.astype(np.float32)


def _text_array(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _lines(array: npt.NDArray[np.uint8]) -> list[str]:
    text = array.tobytes().decode()
    return text.split("\n") if text else []


def analyser_of(settings: Settings) -> Analyser:
    """What reads texts by these settings."""
    return Analyser(settings.language, settings.stemming, settings.stop_words)


def unit_length(rows: npt.NDArray[np.floating]) -> Floats:
    """Dense rows scaled to unit length; a row of next to nothing stays as it is."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 1e-6, length, 1.0), dtype=np.float32)
