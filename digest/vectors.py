"""Terms to vectors: the TF-IDF space that items and profiles share, and its latent smoothing.

A row has three blocks, each a vector of unit length: `n_terms` columns of words, word pairs and topics; the same text seen
through the space's latent semantics (Deerwester et al. 1990) in its few broadest dimensions, which tell what field it is in; and
in all of them, which tell what it is about in other words. `blocks` are their places, `lexical(rows)` cuts the first one out.
"""

import io
import json
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.items import Item, Topic
from digest.text import CODE, STOP_WORDS, Analyser, is_term, plain_text, words_of
from profiles.member import Profile

Rows = sp.csr_matrix
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

CODE_CHARS = 1000
"""Of a body in which codes' spelling (COVID-19, not COVID 19) is looked for."""
FUNCTION_WORD = -3
GAP = "…"
"""Stands in a label of two words that are hardly ever written side by side: it is no phrase to show."""
PAIR = 1 << 32
"""A pair of words is the code `first * PAIR + second` of their word numbers."""


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
    topic_weight: float = 1.0
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
    newest: int = 50_000
    """Only so many items, the last ones given, are read by `fit`: document frequencies do not change beyond."""
    most_terms: int = 400_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """The words of many texts in a row. `row`, `part` and `weight` say whose, in which field, and how much a word counts.

    `place` counts function words too, which are left out otherwise, so that "quality of life" has the pair "quality life".
    """

    word: Ints
    place: Ints
    row: Ints
    part: Ints
    weight: Floats
    n_rows: int

    def pairs(self, is_full: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
        """Codes of neighbouring words of one field, of which one at least says something alone, and where the first one is."""
        if len(self.word) < 2:
            return self.word[:0], self.word[:0]
        first, second = self.word[:-1], self.word[1:]
        known = (first >= 0) & (second >= 0) & (self.part[:-1] == self.part[1:])
        at = np.flatnonzero(known)
        at = at[is_full[first[at]] | is_full[second[at]]]
        return first[at] * PAIR + second[at], at

    def adjoining(self, at: Ints) -> npt.NDArray[np.bool_]:
        """Whether nothing stood between the words at these places and their next ones."""
        return np.asarray(self.place[at + 1] - self.place[at] == 1)


@dataclass(frozen=True, slots=True)
class Interests:
    """Interests as rows, and whose they are. A member with three interests owns three rows."""

    rows: Rows
    owner: Ints
    n_profiles: int
    coverage: Floats
    """Of each interest the share of its length in words that some item has, 0 to 1: what nobody writes about matches nothing."""

    def sum(self, rows: Rows) -> Rows:
        """Rows of the interests added up for each profile: shape (n_profiles, ...)."""
        ones = np.ones(len(self.owner), dtype=np.float32)
        shape = (self.n_profiles, len(self.owner))
        summed: Rows = sp.csr_matrix((ones, (self.owner, np.arange(len(self.owner)))), shape=shape) @ rows
        return summed


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

    @property
    def first_topic(self) -> int:
        """Column of the first topic."""
        return self.n_words + len(self.pair_codes)

    def item_vectors(self, items: Sequence[Item]) -> Rows:
        """Rows of shape (n_items, n_columns), float32."""
        tokens = _read_items(items, self.analyser, self.settings, self.number).tokens(len(items))
        return self._rows(tokens, [item.topics for item in items])

    def interests(self, profiles: Sequence[Profile]) -> Interests:
        """Every single interest as a row of its own: the parts of what is stated, and the chosen topics together."""
        parts = [(number, part) for number, profile in enumerate(profiles) for part in parts_of(profile.stated)]
        topics = [(number, profile.chosen) for number, profile in enumerate(profiles) if profile.chosen]
        texts = [([part], profiles[number].languages) for number, part in parts] + [([], ())] * len(topics)
        tokens = _profile_tokens(texts, self.analyser, self.number)
        weighted = self.weighted(self.counts(tokens), [()] * len(parts) + [keys for _, keys in topics])
        known = np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel()
        all_of_it = known + _unknown(tokens) * self.rarest**2
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
        unit = _unit(lexical)
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
            "topics": [asdict(topic) for topic in self.topics],
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
                analyser=_analyser(settings),
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
        counts = self.topic_map.add_to(counts, topics)
        times = _dampened(counts.data) if self.settings.sublinear else counts.data
        counts.data = times * self.importance[counts.indices]
        return counts


class TopicMap:
    """Which columns a topic key, or a label or synonym in the text, adds, and how much."""

    def __init__(self, space: VectorSpace) -> None:
        self.settings, self.n_terms = space.settings, len(space.idf)
        self.column = {topic.key: space.first_topic + number for number, topic in enumerate(space.topics)}
        parents = {topic.key: topic.parent for topic in space.topics}
        self.weights = {key: self._with_ancestors(key, parents) for key in self.column}
        self.phrases = [
            (columns, topic.key)
            for topic in space.topics
            for columns in sorted({c for phrase in _phrases(topic) for c in _phrase_columns(space, phrase)})
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


def _unknown(tokens: Tokens) -> Floats:
    """Of each row the unknown words, in the reading that knows most of them: shape (n_rows,)."""
    first = np.flatnonzero(np.diff(tokens.part, prepend=-1))
    per_part = np.zeros(len(first))
    np.add.at(per_part, np.cumsum(np.diff(tokens.part, prepend=-1) > 0) - 1, tokens.word == -1)
    least = np.full(tokens.n_rows, np.inf)
    np.minimum.at(least, tokens.row[first], per_part)
    return np.where(np.isfinite(least), least, 0.0).astype(np.float32)


def _phrases(topic: Topic) -> tuple[str, ...]:
    return (topic.label, *topic.synonyms)


def _phrase_columns(space: VectorSpace, phrase: str) -> set[tuple[int, ...]]:
    """For each reading of the phrase in a language that has stop words: the columns that all occur where the phrase does."""
    readings = {tuple(term for term in space.analyser.terms(phrase, language) if term) for language in STOP_WORDS}
    columns = (_terms_columns(space, terms) for terms in readings)
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


class _Reader:
    """Reads texts word by word, and remembers each word as it is written, for each language, with the number of its stem."""

    def __init__(self, analyser: Analyser, number: Callable[[str], int]) -> None:
        self.analyser, self.number = analyser, number
        self.words: list[str] = []
        self.numbers: list[int] = []
        self._known: dict[str, _Spellings] = {}
        self._raw = array("q")
        self._row: list[int] = []
        self._weight: list[float] = []
        self._size: list[int] = []

    def read(self, row: int, weight: float, words: Sequence[str], language: str) -> None:
        """Read one field of a row's text, as its words are written."""
        known = self._known.get(language)
        if known is None:
            known = self._known[language] = _Spellings(self, language)
        self._raw.extend(map(known.__getitem__, words))
        self._row.append(row)
        self._weight.append(weight)
        self._size.append(len(words))

    def tokens(self, n_rows: int) -> "Tokens":
        """What was read, without function words."""
        word = np.array(self.numbers, dtype=np.int64)[self.raw]
        size, place = np.array(self._size, dtype=np.int64), np.flatnonzero(word != FUNCTION_WORD)
        return Tokens(
            word=word[place], place=place, n_rows=n_rows,
            row=np.repeat(np.array(self._row, dtype=np.int64), size)[place], part=self.part[place],
            weight=np.repeat(np.array(self._weight, dtype=np.float32), size)[place],
        )  # fmt: skip

    @property
    def raw(self) -> Ints:
        """For each word that was read, function words included, its place in `words`."""
        return np.array(self._raw, dtype=np.int64, copy=True)

    @property
    def part(self) -> Ints:
        """For each word that was read the number of its field."""
        return np.repeat(np.arange(len(self._size)), np.array(self._size, dtype=np.int64))

    def renumber(self, new_number: Ints) -> None:
        """Give the stems the numbers of a vocabulary."""
        old = np.array(self.numbers, dtype=np.int64)
        self.numbers = np.where(old >= 0, new_number[np.maximum(old, 0)], old).tolist()

    def written(self) -> Counter[str]:
        """How often each word was written that way, function words left out."""
        times = np.bincount(self.raw, minlength=len(self.words)).tolist()
        found = Counter[str]()
        for word, number, count in zip(self.words, self.numbers, times, strict=True):
            if number != FUNCTION_WORD:
                found[word] += count
        return found


class _Spellings(dict[str, int]):
    """Words of one language as they are written -> their place among a reader's words."""

    def __init__(self, reader: _Reader, language: str) -> None:
        super().__init__()
        self.reader, self.stems = reader, reader.analyser.stems(language)

    def __missing__(self, word: str) -> int:
        stem = self.stems[word]
        self[word] = len(self.reader.words)
        self.reader.words.append(word)
        self.reader.numbers.append(self.reader.number(stem) if stem else FUNCTION_WORD)
        return self[word]


def _read_items(items: Sequence[Item], analyser: Analyser, settings: Settings, number: Callable[[str], int]) -> _Reader:
    """Of each item the title, then the body: fields of even and odd number."""
    reader = _Reader(analyser, number)
    for row, item in enumerate(items):
        title, body = words_of(plain_text(item.title)), words_of(plain_text(item.body))
        language = item.language or analyser.language_of(chain(title, body))
        reader.read(row, settings.title_weight, title, language)
        reader.read(row, 1.0, body, language)
    return reader


def _profile_tokens(
    texts: Sequence[tuple[Sequence[str], Sequence[str]]], analyser: Analyser, number: Callable[[str], int]
) -> Tokens:
    """`texts` are (parts, languages). With several languages the text is read in each; a term they share counts once for each."""
    reader = _Reader(analyser, number)
    for row, (parts, languages) in enumerate(texts):
        for part in parts:
            words = words_of(plain_text(part))
            for language in languages or (analyser.default_language,):
                reader.read(row, 1.0, words, language)
    return reader.tokens(len(texts))


def _dampened(counts: Floats) -> Floats:
    """1 + log(count), continued to 0 in a straight line below a count of 1."""
    return np.where(counts >= 1.0, 1.0 + np.log(np.maximum(counts, 1.0)), counts).astype(np.float32)


def _unit(rows: Rows) -> Rows:
    from sklearn.preprocessing import normalize

    return normalize(rows, copy=False).astype(np.float32) if all(rows.shape) else rows.astype(np.float32)


def _text_array(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _lines(array: npt.NDArray[np.uint8]) -> list[str]:
    text = array.tobytes().decode()
    return text.split("\n") if text else []


def _analyser(settings: Settings) -> Analyser:
    return Analyser(settings.language, settings.stemming, settings.stop_words)


def fit(items: Sequence[Item], topics: Sequence[Topic], settings: Settings | None = None) -> VectorSpace:
    """The space of these items, oldest first, and topics. Give the open items too: a word that no item has matches nothing."""
    settings = settings or Settings()
    items = items[-settings.newest :]
    analyser, numbers = _analyser(settings), _Numbers()
    reader = _read_items(items, analyser, settings, numbers.__getitem__)
    tokens = reader.tokens(len(items))
    for topic in topics:
        for phrase in _phrases(topic):
            for language in STOP_WORDS:
                numbers.forced.append([numbers[term] for term in analyser.terms(phrase, language) if term])
    vocabulary = _vocabulary(tokens, numbers, settings)
    space = VectorSpace(
        settings=settings, words=vocabulary.words, n_words=vocabulary.n_words, pair_codes=vocabulary.pair_codes,
        topics=sorted(topics, key=lambda topic: topic.key), n_items=len(items), analyser=analyser, labels=[],
        idf=np.ones(vocabulary.n_words + len(vocabulary.pair_codes) + len(topics), dtype=np.float32),
        latent=_none(0, 0), metric=_none(0, 0), centre=_none(0),
    )  # fmt: skip
    tokens = replace(tokens, word=vocabulary.new_number[tokens.word])
    counts = space.counts(tokens)
    keys = [item.topics for item in items]
    reader.renumber(vocabulary.new_number)
    labels = _labels(space, items, tokens, reader)
    space = replace(space, idf=_idf(space.topic_map.add_to(counts, keys)), labels=labels)
    return _with_semantics(space, _unit(space.weighted(counts, keys)))


class _Numbers(dict[str, int]):
    """Numbers words in the order of their first coming."""

    def __init__(self) -> None:
        super().__init__()
        self.forced: list[list[int]] = []

    def __missing__(self, word: str) -> int:
        self[word] = len(self)
        return self[word]


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    words: list[str]
    n_words: int
    pair_codes: Ints
    new_number: Ints


def _vocabulary(tokens: Tokens, numbers: _Numbers, settings: Settings) -> _Vocabulary:
    names = np.array(list(numbers), dtype=object)
    full = np.array([is_term(word) for word in numbers] or [False])
    least, most = _limits(tokens.n_rows, settings)
    df = np.bincount(_distinct(tokens.row * PAIR + tokens.word) % PAIR, minlength=len(names))
    has_column = full[: len(names)] & (df >= 1) & (df <= most)
    has_column[[number for forced in numbers.forced if len(forced) == 1 for number in forced]] = True
    pairs = _pair_codes(tokens, full, least, most, settings) if settings.pairs else np.zeros(0, np.int64)
    forced = [a * PAIR + b for words in numbers.forced for a, b in pairwise(words)]
    pairs = np.union1d(pairs, np.array(forced, dtype=np.int64))
    in_pair = np.zeros(len(names), bool)
    in_pair[pairs // PAIR] = in_pair[pairs % PAIR] = True
    order = np.concatenate([np.flatnonzero(has_column), np.flatnonzero(in_pair & ~has_column)])
    new_number = np.full(len(names) + 1, -1, dtype=np.int64)
    new_number[order] = np.arange(len(order))
    codes = np.sort(new_number[pairs // PAIR] * PAIR + new_number[pairs % PAIR])
    return _Vocabulary([str(name) for name in names[order]], int(has_column.sum()), codes, new_number)


def _limits(n_items: int, settings: Settings) -> tuple[int, float]:
    """Least and greatest number of items that a pair, or a term, is in. A small network keeps everything."""
    least = 1 if n_items < 50 else 2 if n_items < 100_000 else 3
    return least, max(10.0, settings.max_share * n_items)


def _pair_codes(tokens: Tokens, full: npt.NDArray[np.bool_], least: int, most: float, settings: Settings) -> Ints:
    codes, where = tokens.pairs(full)
    names, number = np.unique(codes, return_inverse=True)
    df = np.bincount(
        _distinct(number * np.int64(tokens.n_rows) + tokens.row[where]) // tokens.n_rows, minlength=len(names)
    )
    unique = names
    kept = (df >= least) & (df <= most)
    unique, df = unique[kept], df[kept]
    if len(unique) > settings.most_terms:
        unique = unique[np.sort(np.argsort(-df, kind="stable")[: settings.most_terms])]
    return unique


def _distinct(values: Ints) -> Ints:
    """The distinct values, sorted. (NumPy's own `unique` takes a hash table, many times slower for millions of them.)"""
    values = np.sort(values)
    first = np.ones(len(values), dtype=np.bool_)
    first[1:] = values[1:] != values[:-1]
    return values[first]


def _idf(counts: Rows) -> Floats:
    if not counts.shape[0]:
        return np.ones(counts.shape[1], dtype=np.float32)
    from sklearn.feature_extraction.text import TfidfTransformer

    return np.asarray(TfidfTransformer().fit(counts).idf_, dtype=np.float32)


def _labels(space: VectorSpace, items: Sequence[Item], tokens: Tokens, reader: _Reader) -> list[str]:
    words = _written_words(space, reader.written())
    codes = Counter(
        code.casefold() for item in items for code in CODE.findall(f"{item.title} {item.body[:CODE_CHARS]}")
    )
    between = _between(space, reader)
    pairs = []
    for code, adjoins in zip(space.pair_codes.tolist(), _adjoining_pairs(space, tokens), strict=True):
        first, second = words[code // PAIR], words[code % PAIR]
        if adjoins:
            pairs.append(f"{first}-{second}" if f"{first}-{second}".casefold() in codes else f"{first} {second}")
        else:
            middle = between.get(code)
            pairs.append(f"{first} {middle} {second}" if middle else f"{first} {GAP} {second}")
    return [*words[: space.n_words], *pairs, *(topic.label for topic in space.topics)]


def _adjoining_pairs(space: VectorSpace, tokens: Tokens) -> npt.NDArray[np.bool_]:
    """Of the space's pairs those whose words mostly stand side by side: shape (n_pairs,)."""
    codes, where = tokens.pairs(space.full_words)
    at = np.minimum(np.searchsorted(space.pair_codes, codes), max(0, len(space.pair_codes) - 1))
    found = space.pair_codes[at] == codes if len(space.pair_codes) else np.zeros(len(codes), bool)
    size = len(space.pair_codes)
    times = np.bincount(at[found], minlength=size)
    side_by_side = np.bincount(at[found], weights=tokens.adjoining(where[found]), minlength=size)
    return np.asarray(side_by_side * 2 >= times)


def _between(space: VectorSpace, reader: _Reader) -> dict[int, str]:
    """Pairs' codes with the function word that most often stands between the two in titles: "of" in "quality of life"."""
    raw, part = reader.raw, reader.part
    if len(raw) < 3:
        return {}
    word = np.array(reader.numbers, dtype=np.int64)[raw]
    first, middle, second = word[:-2], word[1:-1], word[2:]
    at = np.flatnonzero(
        (middle == FUNCTION_WORD) & (first >= 0) & (second >= 0) & (part[:-2] == part[2:]) & (part[:-2] % 2 == 0)
    )
    codes = first[at] * PAIR + second[at]
    known = np.isin(codes, space.pair_codes)
    seen: dict[int, Counter[str]] = {}
    for code, place in zip(codes[known].tolist(), raw[at[known] + 1].tolist(), strict=True):
        seen.setdefault(code, Counter())[reader.words[place].casefold()] += 1
    return {code: counter.most_common(1)[0][0] for code, counter in seen.items()}


def _written_words(space: VectorSpace, written: Counter[str]) -> list[str]:
    """For each stem the way it is most often written. A capital at the start of a sentence or title counts for little."""
    best: dict[str, tuple[float, str]] = {}
    for word, stem in space.analyser.seen():
        count = written[word] * (0.1 if word.istitle() else 1.0)
        best[stem] = max(best.get(stem, (0.0, stem)), (count, word))
    return [best.get(word, (0.0, word))[1] for word in space.words]


def _with_semantics(space: VectorSpace, unit: Rows) -> VectorSpace:
    """The space with the latent semantics of the items' unit rows of shape (n_items, n_terms)."""
    settings, n_items = space.settings, unit.shape[0]
    unit = unit[-settings.latent_newest :]
    frequency = np.bincount(unit.indices, minlength=unit.shape[1])
    columns = np.flatnonzero(frequency >= (settings.latent_items if n_items >= 1000 else 1))
    size = min(settings.latent, n_items // 5, len(columns) - 1)
    if n_items < settings.latent_from or size < 1:
        return replace(space, latent=_none(unit.shape[1], 0))
    from sklearn.decomposition import TruncatedSVD

    svd = TruncatedSVD(size, random_state=0, n_iter=2).fit(unit[:, columns])
    latent = _none(unit.shape[1], size)
    # Half precision's values, so that bytes keep them exactly.
    latent[columns] = svd.components_.T.astype(np.float16)
    seen = unit_length(np.asarray(unit @ latent))
    covariance = np.cov(seen.T)
    ridge = settings.whitening * np.trace(covariance) / size
    metric = np.linalg.inv(covariance + ridge * np.eye(size)) * (ridge + np.trace(covariance) / size)
    return replace(space, latent=latent, metric=metric.astype(np.float32), centre=seen.mean(axis=0).astype(np.float32))


def _none(*shape: int) -> Floats:
    return np.zeros(shape, dtype=np.float32)


def unit_length(rows: npt.NDArray[np.floating]) -> Floats:
    """Dense rows scaled to unit length; a row of next to nothing stays as it is."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 1e-6, length, 1.0), dtype=np.float32)
