"""Past items to a space: which words and pairs have a column, how rare they are, what they are called, and their semantics."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from digest.items import Item, Topic
from digest.text import CODE, DECIMAL, is_mark, is_term, joined
from digest.tokens import FUNCTION_WORD, PAIR, Reader, Tokens, read_items
from digest.vectors import Floats, Ints, Rows, Settings, VectorSpace, analyser_of, phrases_of, unit_length, unit_rows

CODE_CHARS = 1000
"""Of a body in which codes' spelling (COVID-19, not COVID 19) is looked for."""
GAP = "…"
"""Stands in a label of two words that are hardly ever written side by side: it is no phrase to show."""


def fit(items: Sequence[Item], topics: Sequence[Topic], settings: Settings | None = None) -> VectorSpace:
    """The space of these items, oldest first, and topics. Give the open items too: a word that no item has matches nothing."""
    settings = settings or Settings()
    items = items[-settings.newest :]
    analyser, numbers = analyser_of(settings), _Numbers()
    reader = read_items(items, analyser, settings.title_weight, numbers.__getitem__)
    tokens = reader.tokens(len(items))
    for topic in topics:
        for phrase in phrases_of(topic):
            numbers.forced += [[numbers[term] for term in terms] for terms in sorted(analyser.readings(phrase))]
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
    return _with_semantics(space, unit_rows(space.weighted(counts, keys)))


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
    if not all(counts.shape):
        return np.ones(counts.shape[1], dtype=np.float32)
    from sklearn.feature_extraction.text import TfidfTransformer

    return np.asarray(TfidfTransformer().fit(counts).idf_, dtype=np.float32)


def _labels(space: VectorSpace, items: Sequence[Item], tokens: Tokens, reader: Reader) -> list[str]:
    words = _written_words(space, reader.written())
    codes, halves = _codes(items)
    between = _between(space, reader)
    pairs = []
    for code, adjoins in zip(space.pair_codes.tolist(), _adjoining_pairs(space, tokens), strict=True):
        first, second = words[code // PAIR], words[code % PAIR]
        if whole := joined(first, second):
            pairs.append(whole)
        elif code_of := next((c for c in (f"{first}-{second}", f"{first}.{second}") if c.casefold() in codes), ""):
            pairs.append(code_of)
        elif adjoins and f"{first} {second}".casefold() not in halves:
            pairs.append(f"{first} {second}")
        else:
            middle = between.get(code)
            pairs.append(f"{first} {middle} {second}" if middle else f"{first} {GAP} {second}")
    return [*words[: space.n_words], *pairs, *(topic.label for topic in space.topics)]


def _codes(items: Sequence[Item]) -> tuple[set[str], set[str]]:
    """Codes as they are written, and what is only the end of a number with the word after it, in lower case."""
    texts = [f"{item.title} {item.body[:CODE_CHARS]}" for item in items]
    codes = {code.casefold() for text in texts for code in CODE.findall(text)}
    return codes, {f"{places} {word}".casefold() for text in texts for places, word in DECIMAL.findall(text)}


def _adjoining_pairs(space: VectorSpace, tokens: Tokens) -> npt.NDArray[np.bool_]:
    """Of the space's pairs those whose words mostly stand side by side: shape (n_pairs,)."""
    codes, where = tokens.pairs(space.full_words)
    at = np.minimum(np.searchsorted(space.pair_codes, codes), max(0, len(space.pair_codes) - 1))
    found = space.pair_codes[at] == codes if len(space.pair_codes) else np.zeros(len(codes), bool)
    size = len(space.pair_codes)
    times = np.bincount(at[found], minlength=size)
    side_by_side = np.bincount(at[found], weights=tokens.adjoining(where[found]), minlength=size)
    return np.asarray(side_by_side * 2 >= times)


def _between(space: VectorSpace, reader: Reader) -> dict[int, str]:
    """Pairs' codes with the function word that most often stands between the two in titles: "of" in "quality of life"."""
    raw, part = reader.raw, reader.part
    if len(raw) < 3:
        return {}
    word = np.array(reader.numbers, dtype=np.int64)[raw]
    marks = np.array([is_mark(word) for word in reader.words])
    first, middle, second = word[:-2], word[1:-1], word[2:]
    at = np.flatnonzero(
        (middle == FUNCTION_WORD) & (first >= 0) & (second >= 0) & (part[:-2] == part[2:]) & (part[:-2] % 2 == 0)
    )
    codes = first[at] * PAIR + second[at]
    known = np.isin(codes, space.pair_codes) & ~marks[raw[at + 1]]
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
