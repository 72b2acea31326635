"""Cells into the fields of a member: each reader takes a cell that is not empty and raises ValueError saying what is wrong."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from digest.cleaning import many_lines, one_line
from digest.items import KINDS, Topic
from profiles.joining import DEFAULTS
from profiles.member import CADENCES, FACETS, LONGEST_LINE, LONGEST_STATED, ROLES
from sources.decoding import UNREADABLE
from sources.layouts import STATUS_WORDS
from sources.topics import names

UNKNOWN_REMEMBERED = 1000
REPEATED_CHARACTERS = 100
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_YES, _NO = {"yes", "true", "1", "y"}, {"no", "false", "0", "n"}
_SEPARATORS = re.compile(r"[;|]")


class Topics:
    """A network's topics by key and by label, and the words that were none of them with the line they were first met on."""

    def __init__(self, topics: Iterable[Topic] = ()) -> None:
        self.unknown: dict[str, int] = {}
        """At most 1,000 words, so that memory stays bounded."""
        self._keys = names(topics)

    def keys(self, words: Iterable[str], line: int) -> tuple[str, ...]:
        """The keys of the words that are topics, each once; the others are noted."""
        found = [key for word in words for key in self._find(word, line)]
        return tuple(dict.fromkeys(found))

    def _find(self, word: str, line: int) -> list[str]:
        word = word.strip('"')
        if key := self._keys.get(word.casefold()):
            return [key]
        if "," in word:
            return list(self.keys(_between_commas(word), line))
        if word and len(self.unknown) < UNKNOWN_REMEMBERED:
            self.unknown.setdefault(word, line)
        return []


def split_words(text: str) -> list[str]:
    """The parts of a cell that holds several things: its lines if it has some, else what stands between ; or |."""
    parts = text.splitlines() if "\n" in text else _SEPARATORS.split(text)
    return [word for part in parts if (word := one_line(part))]


def join_words(words: Sequence[str]) -> str:
    """The reverse of `split_words`."""
    return "\n".join([*words, ""]) if any(_SEPARATORS.search(word) for word in words) else ";".join(words)


def read_field(name: str, cell: str) -> Any:
    """The value of any field but the topics. An empty cell gives the field's default."""
    if not cell or cell.isspace():
        return DEFAULTS[name]
    if name in _REPEATED and len(cell) <= REPEATED_CHARACTERS:
        return _read_repeated(name, cell)
    return _READERS[name](cell)


@lru_cache(maxsize=10_000)
def _read_repeated(name: str, cell: str) -> Any:
    """Thousands of members share a profession, a region and a language: remembering is five times faster than reading."""
    return _READERS[name](cell)


def check_characters(text: str) -> None:
    """Raises ValueError for what no text should hold."""
    if "\0" in text:
        raise ValueError("holds a NUL octet; take it out")
    if UNREADABLE in text:
        raise ValueError("holds a character that cannot be read in the file's encoding; write it again")


def read_name(text: str) -> str:
    """A name on one line. A line break in a name is refused, because it is never meant well in a mail's header."""
    if len(text.splitlines()) > 1:
        raise ValueError("holds a line break; put the name on one line")
    return _line(text)


def _line(text: str) -> str:
    if text.isascii() and text.isprintable():  # nearly every cell; the long way costs ten times as much
        line = " ".join(text.split())
    else:
        check_characters(text)
        line = one_line(text)
    if len(line) > LONGEST_LINE:
        raise ValueError(f"is {len(line):,} characters long; at most {LONGEST_LINE}")
    return line


def _stated(text: str) -> str:
    check_characters(text)
    cleaned = many_lines(text)
    if len(cleaned) > LONGEST_STATED:
        raise ValueError(f"is {len(cleaned):,} characters long; at most {LONGEST_STATED:,}")
    return cleaned


def _choice(words: Mapping[str, Any], text: str) -> Any:
    try:
        return words[text.strip().casefold()]
    except KeyError:
        raise ValueError(f"{_short(text)} is none of {', '.join(words)}") from None


def _status(text: str) -> Any:
    if text.strip().casefold() == "erased":
        raise ValueError("erased cannot come from a file; use germane members remove WHO --erase")
    return _choice(STATUS_WORDS, text)


def _number(least: int, most: int, text: str) -> int:
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdecimal() and len(stripped) < 9 and least <= int(stripped) <= most):
        raise ValueError(f"{_short(text)} is not a whole number from {least} to {most}")
    return int(stripped)


def _weekday(text: str) -> int:
    word = text.strip().casefold()
    if len(word) >= 3:
        for number, name in enumerate(WEEKDAYS):
            if name.startswith(word):
                return number
    try:
        return _number(0, 6, text)
    except ValueError:
        raise ValueError(f"{_short(text)} is neither a weekday in English nor 0 (Monday) to 6 (Sunday)") from None


def _time_zone(text: str) -> str:
    name = text.strip()
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{_short(text)} is not a time zone; write it like Europe/London") from None
    return name


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{_short(text)} is not a date; write it like 2026-11-30") from None


def _yes(text: str) -> bool:
    word = text.strip().casefold()
    if word not in _YES | _NO:
        raise ValueError(f"{_short(text)} is neither yes nor no")
    return word in _YES


def _language(text: str) -> str:
    primary = re.split(r"[-_]", text.strip().casefold())[0]
    if not re.fullmatch(r"[a-z]{2,3}", primary):
        raise ValueError(f"{_short(text)} is not a language tag such as en or cy")
    return primary


def _languages(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(_language, _between_commas(";".join(split_words(text))))))


def _kinds(text: str) -> tuple[str, ...]:
    words = _between_commas(";".join(split_words(text)))
    return tuple(dict.fromkeys(_choice({kind: kind for kind in KINDS}, word) for word in words))


def _posters(text: str) -> tuple[str, ...]:
    check_characters(text)
    return tuple(dict.fromkeys(split_words(text)))


def _between_commas(text: str) -> list[str]:
    return [word for part in re.split("[;,]", text) if (word := one_line(part))]


def _short(text: str) -> str:
    line = one_line(text)
    return repr(line if len(line) <= 40 else line[:39] + "…")


_READERS: Mapping[str, Callable[[str], Any]] = {
    "name": read_name,
    "status": _status,
    "role": partial(_choice, {role: role for role in ROLES}),
    "stated": _stated,
    **dict.fromkeys(FACETS, _line),
    "languages": _languages,
    "cadence": partial(_choice, {cadence: cadence for cadence in CADENCES}),
    "weekday": _weekday,
    "hour": partial(_number, 0, 23),
    "time_zone": _time_zone,
    "items_per_digest": partial(_number, 1, 50),
    "muted_kinds": _kinds,
    "muted_posters": _posters,
    "paused_until": _date,
    "urgent": _yes,
    "learn_from_opened": _yes,
    "mails_per_week": partial(_number, 0, 50),
    "hours_between_mails": partial(_number, 0, 24 * 31),
    "asks_per_month": partial(_number, 0, 200),
    "combine": _yes,
    "bridging": _yes,
    "language": _language,
}
_REPEATED = frozenset(_READERS) - {"name", "stated", "muted_posters"}
