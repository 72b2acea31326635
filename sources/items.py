"""One item from outside, as a mapping of keys to text: read into an Item, or refused with every reason at once."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from digest.cleaning import many_lines, one_line
from digest.items import KINDS, STATES, Audience, Item, Kind
from sources.topics import resolve

TITLE_CHARACTERS = 500
BODY_CHARACTERS = 200_000
SUMMARY_CHARACTERS = 2_000
WORD_CHARACTERS = 200
URL_CHARACTERS = 2_000
LIST_ENTRIES = 100
DERIVED_TITLE_CHARACTERS = 120
GUESSED_CHARACTERS = 300
YEARS = range(1970, 2201)

OTHER_NAMES: Mapping[str, str] = {
    "type": "kind",
    "text": "body",
    "content": "body",
    "link": "url",
    "author": "poster",
    "tags": "topics",
    "categories": "topics",
    "lang": "language",
    "status": "state",
    "event_date": "event_at",
    "expires": "expires_at",
    "published": "published_at",
    "date": "published_at",
    "id": "external_id",
    "guid": "external_id",
}
FIELDS = tuple(f.name for f in fields(Item) if f.name not in {"key", "public_id", "urgent"})
AUDIENCE_KEYS = tuple(f"audience_{f.name}" for f in fields(Audience))
IGNORED = frozenset({"key", "public_id", "germane_line", "germane_reason", ""})
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})([-_][A-Za-z0-9]+)*")
_NOT_A_NAME = re.compile(r"[\s-]+")
_NOT_IN_URL = re.compile(r"[\s<>\"\x00-\x1f\x7f-\x9f]")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}")
_MAIL_DATE = re.compile(r"([A-Z][a-z]{2}, ?)?\d{1,2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}")


class Rejection(ValueError):
    """An item that cannot go in. Each of its `args` names a key that is at fault and says what to write."""

    def __str__(self) -> str:
        return "; ".join(self.args)


class Record(NamedTuple):
    """One item as a source holds it. `line` is where it starts, from 1 (in a feed: which entry); with a `problem` it could not
    be taken apart at all."""

    line: int
    fields: Mapping[str, object]
    problem: str = ""


class Posting(NamedTuple):
    """An item that was read, and the names of the Item fields that its source said something about, if only "empty".

    An update leaves the other fields as they are stored.
    """

    item: Item
    given: frozenset[str]


@dataclass(frozen=True, slots=True)
class ItemReader:
    """Reads items for one network. A time without a zone is in `time_zone`; `topics` leads from case-folded key, label or
    synonym to key; `kind` is for items that say none; `guess_language` gives a language tag or nothing."""

    time_zone: ZoneInfo
    language: str = "en"
    topics: Mapping[str, str] = field(default_factory=dict)
    kind: Kind | None = None
    guess_language: Callable[[str], str] = lambda text: ""
    ignore_unknown: bool = False

    def read(self, record: Mapping[str, object]) -> Posting:
        """Raises Rejection."""
        found, problems = self._by_field(record)
        values: dict[str, Any] = {}
        for name, raw in found.items():
            try:
                values[name] = self._value(name, raw)
            except ValueError as error:
                problems.append(f"{name}: {error}")
        if not problems:
            problems = _contradictions(values)
        if problems:
            raise Rejection(*problems)
        return self._posting(values)

    def _by_field(self, record: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
        found: dict[str, object] = {}
        problems = unknown_names(record) if not self.ignore_unknown else []
        for key, raw in record.items():
            name = field_name(key)
            if name is None or (name in found and raw in (None, "")):
                continue
            if found.get(name) not in (None, ""):
                problems.append(f"{key}: {name} is given twice")
            found[name] = raw
        return found, problems

    def _value(self, name: str, raw: object) -> object:
        if name.startswith("audience_"):
            return self._audience_value(name.removeprefix("audience_"), raw)
        if name == "audience":
            return self._audience(raw)
        if name == "topics":
            return self._topics(raw)
        if name in _TIMES:
            return moment(_text(raw), self.time_zone, end_of_day=name in _ENDS)
        return _READERS[name](_text(raw))

    def _audience(self, raw: object) -> dict[str, tuple[str, ...]]:
        """As {"profession": [...], ...}; what is left out admits everybody."""
        if raw in (None, ""):
            return {}
        if not isinstance(raw, Mapping):
            raise ValueError(f'must be an object such as {{"profession": ["nurse"]}}, with {listed(_FACETS)}')
        return {name: self._audience_value(name, words) for name, words in raw.items()}

    def _audience_value(self, name: str, raw: object) -> tuple[str, ...]:
        if name not in _FACETS:
            raise ValueError(f"{name!r} is not known; use {listed(_FACETS)}{near(name, _FACETS)}")
        if name == "topics":
            return self._topics(raw)
        words = _words(raw)
        return tuple(filter(None, map(_language, words))) if name == "languages" else words

    def _topics(self, raw: object) -> tuple[str, ...]:
        return tuple(dict.fromkeys(resolve(word, self.topics) for word in _words(raw)))

    def _posting(self, values: dict[str, Any]) -> Posting:
        given = {_part_of(name) for name, value in values.items() if value or name not in _KEPT_WHEN_EMPTY}
        given |= _ALWAYS_GIVEN | ({"kind"} if self.kind else set())
        audience = dict(values.pop("audience", {}))
        audience |= {key.removeprefix("audience_"): values.pop(key) or () for key in AUDIENCE_KEYS if key in values}
        values["title"] = values.get("title") or derived_title(values["body"])
        values["kind"] = values.get("kind") or self.kind or "news"
        values["language"] = values.get("language") or self._guess(values["title"], values.get("body", ""))
        item = Item(
            **{name: value for name, value in values.items() if value or value == 0}, audience=Audience(**audience)
        )
        return Posting(item if item.external_id else replace(item, external_id=derived_id(item)), frozenset(given))

    def _guess(self, title: str, body: str) -> str:
        return self.guess_language(f"{title}. {body[:GUESSED_CHARACTERS]}") or self.language


@lru_cache(maxsize=1024)
def field_name(key: str) -> str | None:
    """The field, or `audience_` facet, that a key or the heading of a column means; None when it means nothing here."""
    name = _NOT_A_NAME.sub("_", key.strip().casefold())
    name = OTHER_NAMES.get(name, name)
    return name if name in FIELDS or name in AUDIENCE_KEYS else None


def unknown_names(keys: Iterable[str]) -> list[str]:
    """A sentence for each key that means nothing; a mistyped `deadline` must not be lost without a word."""
    known = [*FIELDS, *AUDIENCE_KEYS, *OTHER_NAMES]
    unknown = (key for key in keys if field_name(key) is None and key.strip().casefold() not in IGNORED)
    return [f"{_shown(key)}: not a known key{near(key, known)}" for key in unknown]


def moment(text: str, zone: ZoneInfo, *, end_of_day: bool = False) -> datetime | None:
    """ISO 8601 or the date of a mail (RFC 5322), in UTC; None for no text. A time without a zone is in `zone`.

    A date alone is the first second of that day in `zone`, or the last one with `end_of_day`. Raises ValueError.
    """
    if not text.strip():
        return None
    try:
        found = _parsed(text.strip(), time(23, 59, 59) if end_of_day else time())
        if found.year in YEARS:
            return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{_shown(text)} is not a date; write 2026-11-30, 2026-11-30T17:00 or 2026-11-30T17:00+00:00")


def derived_id(item: Item) -> str:
    """The external id of an item that has none: the same title, address and date of publication are the same item."""
    published = item.published_at.isoformat() if item.published_at else ""
    digest = hashlib.sha256("\0".join((item.title, item.url, published)).encode()).hexdigest()
    return f"sha256:{digest[:32]}"


def derived_title(body: str) -> str:
    """The beginning of a body as a title, cut at the end of a word."""
    return shortened(one_line(body.lstrip("#>*-+ \n")), DERIVED_TITLE_CHARACTERS)


def shortened(text: str, characters: int) -> str:
    if len(text) <= characters:
        return text
    head = text[: characters - 1]
    return head[: head.rfind(" ")].rstrip(" ,;:-") + "…" if " " in head else head + "…"


def near(word: str, known: Iterable[str]) -> str:
    found = get_close_matches(word.casefold(), known, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    problems = []
    if not values.get("title") and not values.get("body"):
        problems.append("title: an item needs a title or a body")
    published = values.get("published_at")
    problems += [
        f"{name}: is before published_at, so that nobody would ever receive the item"
        for name in _ENDS
        if published and values.get(name) and values[name] < published
    ]
    needed, most = values.get("reach_needed"), values.get("reach_most")
    if needed and most and needed > most:
        problems.append(f"reach_needed: {needed} members are more than reach_most allows ({most})")
    return problems


def _parsed(text: str, time_of_day: time) -> datetime:
    if _DATE.fullmatch(text):  # some versions of Python take "20261130.5" for a date
        return datetime.combine(date.fromisoformat(text), time_of_day)
    if _MAIL_DATE.match(text):
        return parsedate_to_datetime(text)
    return datetime.fromisoformat(text)


def _part_of(name: str) -> str:
    return "audience" if name.startswith("audience_") else name


def _text(raw: object) -> str:
    if raw is None:
        return ""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise ValueError(f"must be text, not {_JSON_NAMES.get(type(raw), type(raw).__name__)}")
    return str(raw)


def _words(raw: object) -> tuple[str, ...]:
    """A list of text, or text in which ; stands between the words."""
    words = [_text(word) for word in raw] if isinstance(raw, list | tuple) else _text(raw).split(";")
    cleaned = tuple(filter(None, map(one_line, words)))
    if len(cleaned) > LIST_ENTRIES or any(len(word) > WORD_CHARACTERS for word in cleaned):
        raise ValueError(f"has more than {LIST_ENTRIES} entries, or one of more than {WORD_CHARACTERS} characters")
    return cleaned


def _line(limit: int) -> Callable[[str], str]:
    return lambda text: _within(one_line(text), limit)


def _within(text: str, limit: int) -> str:
    if len(text) > limit:
        raise ValueError(f"has {len(text):,} characters; the most is {limit:,}")
    return text


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        word = text.strip().casefold()
        if word and word not in words:
            raise ValueError(f"{_shown(text)} is none of {listed(words)}{near(word, words)}")
        return word

    return read


def _count(text: str) -> int | None:
    """A whole number of members; None for no text."""
    digits = text.strip()
    if not digits:
        return None
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 8):
        raise ValueError(f"{_shown(text)} is not a whole number; write 0, 5, 40 ...")
    return int(digits)


def _language(text: str) -> str:
    """The primary tag of BCP 47: `en-GB` is `en`."""
    found = _LANGUAGE.fullmatch(text.strip())
    if text.strip() and not found:
        raise ValueError(f"{_shown(text)} is not a language tag; write en, cy, fr ...")
    return found[1].lower() if found else ""


def web_address(text: str) -> str:
    """The http(s) address in `text`, or nothing for nothing. Raises ValueError for any other address."""
    url = _within(text.strip(), URL_CHARACTERS)
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or _NOT_IN_URL.search(url):
        raise ValueError(f"{_shown(url)} is not a web address; write https://...")
    return url


def listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _shown(text: str) -> str:
    return repr(shortened(one_line(text), 60))


_FACETS = tuple(f.name for f in fields(Audience))
_TIMES = {"deadline", "event_at", "expires_at", "published_at"}
_ENDS = ("deadline", "expires_at")
_KEPT_WHEN_EMPTY = {"kind", "state", "language", "published_at"}
"""Empty says nothing here, where elsewhere it clears what is stored."""
_ALWAYS_GIVEN = {"title", "external_id"}
_JSON_NAMES: Mapping[type, str] = {bool: "true or false", dict: "an object", list: "a list"}
_READERS: Mapping[str, Callable[[str], object]] = {
    "title": _line(TITLE_CHARACTERS),
    "kind": _one_of(KINDS),
    "body": lambda text: _within(many_lines(text), BODY_CHARACTERS),
    "summary": _line(SUMMARY_CHARACTERS),
    "url": web_address,
    "poster": _line(WORD_CHARACTERS),
    "language": _language,
    "state": _one_of(STATES),
    "external_id": _line(TITLE_CHARACTERS),
    "reach_needed": _count,
    "reach_most": _count,
    "answers_wanted": _count,
}
