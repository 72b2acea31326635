"""What was learned about members, as terms that people can read, and take back."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.fitting import GAP
from digest.learning import Feedback
from digest.text import STOP_WORDS, is_unspaced, whole_syllables
from digest.tokens import PAIR
from digest.vectors import Rows, VectorSpace

Ints = npt.NDArray[np.int64]

SPARE = 20
"""So many more terms are looked at than are shown, because words of a phrase that is shown are left out."""
TELLING = 0.7
"""Of the inverse document frequency of a label's rarest word: a word from there on tells what the label is about."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A term that was learned about a member (a row): its share of all that was, and the past items (columns) it came from.

    The weights of all of a member's terms together have length 1; they are below 0 for terms of which less is wanted.
    """

    member: int
    label: str
    weight: float
    items: tuple[int, ...]


def forgotten_rows(space: VectorSpace, forgotten: Mapping[int, Sequence[str]], n_members: int) -> Rows | None:
    """Ones where a member (row) wants a term (column) not to be learned; None where nobody does.

    `forgotten` holds labels as they were shown. A phrase that is forgotten takes its words with it, and other phrases with those
    of them that tell most ("palliative care" those with "palliative", not those with "care"); so does a single word.
    """
    columns = cache(lambda label: columns_of(space, label))
    pairs = [(row, column) for row, labels in forgotten.items() for label in labels for column in columns(label)]
    if not pairs:
        return None
    row, column = zip(*dict.fromkeys(pairs), strict=True)
    return sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(n_members, space.n_terms))


def columns_of(space: VectorSpace, label: str) -> list[int]:
    """The columns of a label's topic, of its words as any language that has stop words reads them, and of phrases with those
    of its words that tell."""
    folded = label.casefold()
    found = {space.first_topic + n for n, topic in enumerate(space.topics) if topic.label.casefold() == folded}
    terms = {term for language in STOP_WORDS for term in space.analyser.terms(label, language) if term}
    words = [number for term in terms if 0 <= (number := space.number(term)) < space.n_words]
    rarest = max((space.idf[word] for word in words), default=0.0)
    telling = [word for word in words if space.idf[word] >= TELLING * rarest]
    return sorted(found.union(words, _phrases_with(telling, space)))


def _phrases_with(words: Sequence[int], space: VectorSpace) -> list[int]:
    has = np.isin(space.pair_codes // PAIR, words) | np.isin(space.pair_codes % PAIR, words)
    places: list[int] = np.flatnonzero(has).tolist()
    return [space.n_words + place for place in places]


def learned_terms(
    space: VectorSpace, learned: Rows, past: Rows, feedback: Feedback, most: int = 20, most_items: int = 3
) -> list[Learned]:
    """Each member's terms with the greatest part in what was learned, by member, heaviest first.

    `learned` are the rows of `learning.learned_rows`, whose lexical part is told; `past` those of past items.
    """
    row, column, weight = _heaviest(space.lexical(learned).tocsr(), most + SPARE)
    labels = [space.labels[c] for c in column.tolist()]
    shown = np.array(_worth_showing(row.tolist(), labels, most), dtype=np.int64)
    row, column, weight = row[shown], column[shown], weight[shown]
    items = _origins(row, column, weight, space.lexical(past), feedback, most_items)
    terms = zip(row.tolist(), shown.tolist(), weight.tolist(), items, strict=True)
    return [Learned(member, labels[n], share, of) for member, n, share, of in terms]


def _worth_showing(row: Sequence[int], labels: Sequence[str], most: int) -> list[int]:
    """The places of each member's first `most` labels that can be read, without words of a phrase that is among them already."""
    found: list[int] = []
    shown: list[set[str]] = []
    for n, label in enumerate(labels):
        if n == 0 or row[n] != row[n - 1]:
            shown = []
        words = set(label.casefold().split())
        if len(shown) < most and _is_readable(label) and not any(words <= other for other in shown):
            shown.append(words)
            found.append(n)
    return found


def _is_readable(label: str) -> bool:
    return GAP not in label and (not is_unspaced(label) or whole_syllables(label) == label)


def _heaviest(rows: Rows, most: int) -> tuple[Ints, Ints, npt.NDArray[np.float32]]:
    """(row, column, share) of each row's `most` values that are greatest by size, greatest first."""
    size = np.abs(rows.data)
    ends = rows.indptr.tolist()
    kept = [_greatest(size[start:end], most) + start for start, end in itertools.pairwise(ends) if start < end]
    at = np.concatenate(kept) if kept else np.empty(0, dtype=np.int64)
    at = at[rows.data[at] != 0]
    row = np.searchsorted(rows.indptr, at, side="right") - 1
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1))).ravel()
    return row, rows.indices[at].astype(np.int64), (rows.data[at] / lengths[row]).astype(np.float32)


def _greatest(values: npt.NDArray[np.float32], most: int) -> Ints:
    """Places of the greatest values, greatest first, equal ones in their order."""
    if len(values) > most:
        least = np.partition(values, len(values) - most)[len(values) - most]
        at = np.flatnonzero(values >= least)
    else:
        at = np.arange(len(values))
    return np.asarray(at[np.argsort(-values[at], kind="stable")][:most], dtype=np.int64)


def _origins(
    row: Ints, column: Ints, weight: npt.NDArray[np.float32], past: Rows, feedback: Feedback, most: int
) -> list[tuple[int, ...]]:
    """For each term the past items that gave it most: liked ones where more is wanted, disliked ones where less."""
    starts = np.searchsorted(row, np.arange(feedback.liked.shape[0] + 1))
    found = [
        _givers(starts, column, wanted, past, said.tocoo())
        for said, wanted in ((feedback.liked, weight > 0), (feedback.disliked, weight < 0))
    ]
    term, item, given = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((item, -given, term))
    term, item = term[order], item[order]
    first = np.searchsorted(term, np.arange(len(row) + 1)).tolist()
    items = item.tolist()
    return [tuple(items[start : min(end, start + most)]) for start, end in itertools.pairwise(first)]


def _givers(
    starts: Ints, column: Ints, wanted: npt.NDArray[np.bool_], past: Rows, said: sp.coo_matrix
) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """(term, item, how much) of every term of a member and item they spoke of that has it; `starts` cuts terms by member."""
    count = np.diff(starts)[said.row]
    event = np.repeat(np.arange(said.nnz), count)
    term = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - starts[said.row], count)
    event, term = event[wanted[term]], term[wanted[term]]
    item = said.col[event].astype(np.int64)
    given = np.asarray(past[item, column[term]], dtype=np.float64).ravel() if len(term) else np.empty(0)
    given = given * said.data[event]
    has = given > 0
    return term[has], item[has], given[has]
