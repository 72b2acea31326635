"""What members said of items that no digest had brought them, such as words that were imported from another system.

Profiles learn from them as from all that is said. They teach the match as well, only that a score by a profile that knows one
tells nothing of it. So each is scored by a profile that learnt from the other half of them (cross-validation in two folds, Stone
1974). What was posted between a member's first and last such word, and they said nothing of, was passed over.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.feedback import BAD, GOOD, Said, Told
from digest.learning import Expansion, Feedback, Settings, effective_profiles, expansion_of
from digest.matching import TfidfMatcher
from digest.vectors import Interests, Rows, VectorSpace

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_PASSED_OVER = 1_000
"""Past items, evenly taken, among which those passed over are looked for; each stands for those between it and the next one."""
CHUNK = 500
"""Members whose pairs are held at one time."""


class Earlier(NamedTuple):
    """Pairs as parallel arrays: the member's row, the score by what the other half of the words taught, whether it was good, and
    how much that weighs."""

    member: Ints
    score: Floats
    good: npt.NDArray[np.bool_]
    weight: Floats

    @classmethod
    def nothing(cls) -> "Earlier":
        """Of members who said nothing but of what they were sent."""
        return cls(np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_), np.empty(0))


class _Pairs(NamedTuple):
    """Parallel arrays: row, past item, whether it was good, how many pairs it stands for, and the half that it is in."""

    member: Ints
    item: Ints
    good: npt.NDArray[np.bool_]
    stands_for: Ints
    half: Ints

    def only(self, kept: npt.NDArray[np.bool_] | slice) -> "_Pairs":
        """Some of them."""
        return _Pairs(self.member[kept], self.item[kept], self.good[kept], self.stands_for[kept], self.half[kept])

    def beside(self, other: "_Pairs") -> "_Pairs":
        """First these, then the others."""
        return _Pairs(
            np.concatenate([self.member, other.member]),
            np.concatenate([self.item, other.item]),
            np.concatenate([self.good, other.good]),
            np.concatenate([self.stands_for, other.stands_for]),
            np.concatenate([self.half, other.half]),
        )


def earlier_pairs(
    space: VectorSpace,
    interests: Interests,
    past: Rows,
    said: Said,
    told: Told,
    feedback: Feedback,
    settings: Settings | None = None,
    forgotten: Rows | None = None,
    expansion: Expansion | None = None,
) -> Earlier:
    """Of members with two such words or more. `past` are rows of past items, oldest first, as they are; `feedback` is what `said`
    weighs, `expansion` that of the interests, where it is at hand. Of what was passed over, what scores under the member's mean
    is left out."""
    settings = settings or Settings()
    if not settings.earlier:
        return Earlier.nothing()
    brought = _codes(told.member, told.item, past.shape[0])
    words = _words(said, brought, past.shape[0])
    spoken = np.union1d(_codes(said.member, said.item, past.shape[0]), brought)
    members, found = np.unique(words.member), [Earlier.nothing()]
    for start in range(0, len(members), CHUNK):
        chunk = members[start : start + CHUNK]
        of_chunk = words.only(slice(*np.searchsorted(words.member, [chunk[0], chunk[-1] + 1])))
        passed_over = _passed_over(of_chunk, past.shape[0], spoken)
        pairs = of_chunk.beside(passed_over)
        score = _scores(space, interests, past, feedback, settings, forgotten, expansion, pairs)
        mean = np.bincount(pairs.member, score) / np.maximum(np.bincount(pairs.member), 1)
        kept = score > mean[pairs.member]
        kept[: len(of_chunk.member)] = True
        weight = settings.earlier * pairs.stands_for[kept].astype(np.float64)
        found.append(Earlier(pairs.member[kept], score[kept], pairs.good[kept], weight))
    return Earlier(*map(np.concatenate, zip(*found, strict=True)))


def _codes(member: Ints, item: Ints, n_past: int) -> Ints:
    """One number for each member and past item that is known."""
    known = item >= 0
    return member[known] * n_past + item[known]


def _words(said: Said, brought: Ints, n_past: int) -> _Pairs:
    """What was said of items that no digest had brought, by members who did so twice or more: by item within each member, every
    other one in the other half."""
    fits = ~said.judged & (GOOD | BAD)[said.verdict]
    good = _codes(said.member[fits & GOOD[said.verdict]], said.item[fits & GOOD[said.verdict]], n_past)
    code = np.setdiff1d(_codes(said.member[fits], said.item[fits], n_past), brought)
    member, item = np.divmod(code, max(n_past, 1))
    _, start, n = np.unique(member, return_index=True, return_counts=True)
    half = (np.arange(len(member)) - np.repeat(start, n)) % 2
    return _Pairs(member, item, np.isin(code, good), np.ones(len(code), np.int64), half).only(np.repeat(n > 1, n))


def _passed_over(words: _Pairs, n_past: int, spoken: Ints) -> _Pairs:
    """Past items between each member's first and last word, of which nothing is known."""
    member, start, n = np.unique(words.member, return_index=True, return_counts=True)
    step = -(-n_past // MOST_PASSED_OVER)
    first, last = -(-words.item[start] // step), words.item[start + n - 1] // step
    many = np.maximum(last - first + 1, 0)
    place = np.arange(many.sum()) + np.repeat(first - (np.cumsum(many) - many), many)
    row, item = np.repeat(member, many), place * step
    pairs = _Pairs(row, item, np.zeros(len(row), np.bool_), np.full(len(row), step), place % 2)
    return pairs.only(~np.isin(row * n_past + item, spoken))


def _scores(
    space: VectorSpace,
    interests: Interests,
    past: Rows,
    feedback: Feedback,
    settings: Settings,
    forgotten: Rows | None,
    expansion: Expansion | None,
    pairs: _Pairs,
) -> Floats:
    """Of each pair the score by a profile that learnt nothing from the words of its half."""
    members, row = np.unique(pairs.member, return_inverse=True)
    some, gone = interests.only(members), None if forgotten is None else forgotten[members]
    added = expansion.only(interests.of(members)) if expansion else expansion_of(space, some, past, settings)
    score = np.empty(len(row))
    for half in (0, 1):
        at = np.flatnonzero(pairs.half == half)
        hidden = sp.csr_matrix((np.ones(len(at), np.float32), (row[at], pairs.item[at])), (len(members), past.shape[0]))
        known = Feedback(_without(feedback.liked[members], hidden), _without(feedback.disliked[members], hidden))
        profiles = effective_profiles(space, some, past, known, settings, gone, added)
        columns, place = np.unique(pairs.item[at], return_inverse=True)
        for first, block in _blocks(space, profiles, past[columns]):
            here = np.flatnonzero((row[at] >= first) & (row[at] < first + len(block)))
            score[at[here]] = block[row[at[here]] - first, place[here]]
    return score


def _blocks(space: VectorSpace, profiles: Rows, items: Rows) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Dense scores of consecutive profiles, with the row of the first one."""
    first = 0
    for block in TfidfMatcher(space.n_terms, most=0).blocks(profiles, items):
        yield first, block
        first += len(block)


def _without(weights: Rows, hidden: Rows) -> Rows:
    left: Rows = sp.csr_matrix(weights - weights.multiply(hidden))
    left.eliminate_zeros()
    return left
