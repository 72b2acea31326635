"""RSS and Atom: each entry as a record for `sources.items`, its html as Markdown."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import struct_time
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

from sources.decoding import SourceError
from sources.html import to_line, to_markdown
from sources.items import SUMMARY_CHARACTERS, TITLE_CHARACTERS, WORD_CHARACTERS, Record, shortened, web_address
from sources.jsonl import JsonRejects

FEED_OCTETS = 20_000_000
FEED_ENTRIES = 20_000

_ENTRY = re.compile(rb"<(?:\w+:)?(?:item|entry)[\s/>]")


class Feed:
    """The entries of a feed as records, in the order of the feed; the `line` of a record is its place, from 1."""

    def __init__(self, path: Path, topics: Mapping[str, str], *, url: str = "", content_type: str = "") -> None:
        """`topics` leads from names to keys (see `sources.topics.names`); categories that are none of them are left out.

        `url` is where the file came from, for relative links. Raises SourceError for what is no feed or is too large.
        """
        self.path = path
        self.topics = topics
        self.octets = _size(path)
        self.octets_read = 0
        self._parsed = _parse(path, url, content_type)
        self.title = to_line(self._parsed.feed.get("title", ""))
        self._home = _web_address(self._parsed.feed.get("link", "")) or url
        self.warning = _warning(self._parsed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    def __iter__(self) -> Iterator[Record]:
        for number, entry in enumerate(self._parsed.entries, start=1):
            yield self._record(number, entry)
            self.octets_read = self.octets * number // len(self._parsed.entries)

    def rejects(self, source: Path) -> JsonRejects:
        return JsonRejects(source)

    def _record(self, number: int, entry: Any) -> Record:
        fields: dict[str, object] = {
            "title": shortened(to_line(entry.get("title", "")), TITLE_CHARACTERS),
            "url": self._link(entry),
            "poster": shortened(to_line(entry.get("author_detail", {}).get("name", "") or self.title), WORD_CHARACTERS),
            "published_at": _moment(entry),
            "external_id": self._identity(entry),
            "topics": self._topics(entry),
        }
        try:
            return Record(number, fields | _texts(entry, self._home))
        except ValueError as error:
            return Record(number, fields, f"body: {error}")

    def _identity(self, entry: Any) -> str:
        """The entry's own id; one that is no address of its own, such as a number, is unique only together with the feed's."""
        own = str(entry.get("id", "")).strip()
        if not own or urlsplit(own).scheme:
            return own[:TITLE_CHARACTERS]
        return f"{self._home}#{own}"[:TITLE_CHARACTERS]

    def _link(self, entry: Any) -> str:
        """Nothing where the link leads elsewhere than to the web: the entry is still worth reading."""
        return _web_address(urljoin(self._home, str(entry.get("link", "")).strip().replace(" ", "%20")))

    def _topics(self, entry: Any) -> list[str]:
        words = (str(word) for tag in entry.get("tags", ()) for word in (tag.get("term"), tag.get("label")) if word)
        return list(
            dict.fromkeys(self.topics[word] for word in (to_line(w).casefold() for w in words) if word in self.topics)
        )


def _web_address(text: str) -> str:
    try:
        return web_address(text)
    except ValueError:
        return ""


def _parse(path: Path, url: str, content_type: str) -> Any:
    import feedparser

    content = path.read_bytes()
    if len(_ENTRY.findall(content)) > FEED_ENTRIES:
        raise SourceError(
            f"{path.name}: a feed of more than {FEED_ENTRIES:,} entries; import a CSV or JSON Lines file instead"
        )
    from io import BytesIO

    headers: dict[str, str] = {"content-location": url} if url else {}
    if content_type:
        headers["content-type"] = content_type
    parsed = feedparser.parse(
        BytesIO(content), response_headers=headers
    )  # never text: that might be taken for an address
    if not parsed.get("version") and not parsed.entries:
        raise SourceError(f"{path.name}: this is no RSS or Atom feed{_hint(parsed)}")
    return parsed


def _hint(parsed: Any) -> str:
    """A web page often names its feed."""
    links = [
        link.get("href", "")
        for link in parsed.feed.get("links", ())
        if "rss" in link.get("type", "") or "atom" in link.get("type", "")
    ]
    return f"; the page names this one: {links[0]}" if links else ""


def _size(path: Path) -> int:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    if size > FEED_OCTETS:
        raise SourceError(
            f"{path.name}: a feed of more than {FEED_OCTETS:,} octets; import a CSV or JSON Lines file instead"
        )
    return size


def _warning(parsed: Any) -> str:
    problem = parsed.get("bozo_exception")
    if problem is None or type(problem).__name__ in {"CharacterEncodingOverride", "NonXMLContentType"}:
        return ""
    return f"the feed is not well-formed ({problem}); what could be read of it is used"


def _moment(entry: Any) -> str:
    parsed = entry.get("published_parsed") or entry.get("updated_parsed")
    if not isinstance(parsed, struct_time):
        return ""
    try:
        return datetime(*parsed[:6], tzinfo=UTC).isoformat()
    except ValueError:  # a leap second, or the day 31 of a month with 30
        return ""


def _texts(entry: Any, base: str) -> dict[str, str]:
    """The longest text is the body; where an entry has a shorter one beside it, that is the summary."""
    summary = entry.get("summary_detail") or {}
    parts = [part for part in entry.get("content", ()) if part.get("value")]
    longest = max(parts, key=lambda part: len(part["value"]), default=summary)
    body = _markdown(longest, base)
    if len(summary.get("value") or "") >= len(longest.get("value") or ""):  # feedparser copies a content to the summary
        return {"body": body, "summary": ""}
    return {"body": body, "summary": shortened(to_line(summary.get("value", "")), SUMMARY_CHARACTERS)}


def _markdown(part: Mapping[str, Any], base: str) -> str:
    text = str(part.get("value") or "")
    return text if part.get("type") == "text/plain" and "<" not in text else to_markdown(text, base)
