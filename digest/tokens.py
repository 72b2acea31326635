"""Texts to tokens: the words of items and profiles in a row, as numbers that a vocabulary gives them."""

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from digest.items import Item
from digest.text import Analyser, is_mark, plain_text, words_and_marks, words_of
from profiles.member import LONGEST_STATED

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

FUNCTION_WORD = -3
PAIR = 1 << 32
"""A pair of words is the code `first * PAIR + second` of their word numbers."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The words of many texts in a row. `row`, `part` and `weight` say whose, in which field, and how much a word counts.

    `place` counts function words and marks too, which are left out otherwise, so that "quality of life" has the pair "quality
    life".
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


class Reader:
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

    def tokens(self, n_rows: int) -> Tokens:
        """What was read, without function words and marks."""
        word = np.array(self.numbers, dtype=np.int64)[self.raw]
        size, place = np.array(self._size, dtype=np.int64), np.flatnonzero(word != FUNCTION_WORD)
        return Tokens(
            word=word[place], place=place, n_rows=n_rows,
            row=np.repeat(np.array(self._row, dtype=np.int64), size)[place], part=self.part[place],
            weight=np.repeat(np.array(self._weight, dtype=np.float32), size)[place],
        )  # fmt: skip

    @property
    def raw(self) -> Ints:
        """For each word that was read, function words and marks included, its place in `words`."""
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
        """How often each word was written that way, function words and marks left out."""
        times = np.bincount(self.raw, minlength=len(self.words)).tolist()
        found = Counter[str]()
        for word, number, count in zip(self.words, self.numbers, times, strict=True):
            if number != FUNCTION_WORD:
                found[word] += count
        return found


class _Spellings(dict[str, int]):
    """Words of one language as they are written -> their place among a reader's words."""

    def __init__(self, reader: Reader, language: str) -> None:
        super().__init__()
        self.reader, self.stems = reader, reader.analyser.stems(language)

    def __missing__(self, word: str) -> int:
        stem = "" if is_mark(word) else self.stems[word]
        self[word] = len(self.reader.words)
        self.reader.words.append(word)
        self.reader.numbers.append(self.reader.number(stem) if stem else FUNCTION_WORD)
        return self[word]


def read_items(items: Sequence[Item], analyser: Analyser, title_weight: float, number: Callable[[str], int]) -> Reader:
    """Of each item the title, then the body: fields of even and odd number."""
    reader = Reader(analyser, number)
    for row, item in enumerate(items):
        title, body = words_and_marks(plain_text(item.title)), words_and_marks(plain_text(item.body))
        language = item.language or analyser.language_of(chain(title, body))
        reader.read(row, title_weight, title, language)
        reader.read(row, 1.0, body, language)
    return reader


def profile_tokens(
    texts: Sequence[tuple[Sequence[str], Sequence[str]]], analyser: Analyser, number: Callable[[str], int]
) -> Tokens:
    """`texts` are (parts, languages). With several languages the text is read in each; a term they share counts once for each."""
    reader = Reader(analyser, number)
    for row, (parts, languages) in enumerate(texts):
        for part in parts:
            words = words_of(plain_text(part, LONGEST_STATED))
            for language in languages or (analyser.default_language,):
                reader.read(row, 1.0, words, language)
    return reader.tokens(len(texts))


def unknown_words(tokens: Tokens) -> Floats:
    """Of each row the unknown words, in the reading that knows most of them: shape (n_rows,)."""
    first = np.flatnonzero(np.diff(tokens.part, prepend=-1))
    per_part = np.zeros(len(first))
    np.add.at(per_part, np.cumsum(np.diff(tokens.part, prepend=-1) > 0) - 1, tokens.word == -1)
    least = np.full(tokens.n_rows, np.inf)
    np.minimum.at(least, tokens.row[first], per_part)
    return np.where(np.isfinite(least), least, 0.0).astype(np.float32)
