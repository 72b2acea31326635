"""Html, as feeds carry it, into Markdown that says the same. Whatever the html was, the Markdown is text and no more."""

import html as entities
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import quote, urlsplit

import nh3

MAX_CHARACTERS = 400_000
"""Twice a body's limit. Html nested on purpose takes seconds at this size, and quadratically more beyond."""

SCHEMES = {"http", "https", "mailto"}
HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*"}
PARAGRAPHS = {
    "p",
    "div",
    "section",
    "article",
    "figure",
    "figcaption",
    "table",
    "tr",
    "dl",
    "dt",
    "dd",
    "hr",
    *HEADINGS,
}
LEVELS = {"ul", "ol", "li", "blockquote", "pre"}
TAGS = PARAGRAPHS | LEVELS | set(MARKS) | {"a", "br", "td", "th"}
MAX_LEVELS = 8
"""Deeper lists and quotes are flattened: Markdown reads no more than twenty levels of blocks."""

_SPECIAL = re.compile(r"[\\`*\[\]]|(?<![^\W_])_|_(?![^\W_])|<(?=[A-Za-z/!?])|&(?=#?\w+;)|~~")
_AT_START = re.compile(r"^(?=[#>+=-])|^(\d+)(?=[.)])")


def to_markdown(html: str, base: str = "") -> str:
    """Paragraphs, headings, lists, quotes, code, emphasis and links; everything else as its text, scripts and styles not at all.

    Relative links start from the http(s) address `base`; without one they are no links. Raises ValueError for more than
    MAX_CHARACTERS.
    """
    if len(html) > MAX_CHARACTERS:
        raise ValueError(f"has {len(html):,} characters of html; the most is {MAX_CHARACTERS:,}")
    # well-formed from here on: Python's parser takes quadratic time over some broken html
    safe = nh3.clean(
        html,
        tags=TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes=SCHEMES,
        url_relative=("rewrite_with_base", base) if base else "deny",
        link_rel=None,
    )
    writer = _Writer()
    writer.feed(safe)
    writer.close()
    return writer.text()


def to_line(html: str) -> str:
    """The text of html on one line, for titles: no Markdown, no tags."""
    spaced = re.sub(r"<(?=[a-zA-Z/])", " <", html[:MAX_CHARACTERS])
    return " ".join(entities.unescape(nh3.clean(spaced, tags=set())).split())


@dataclass(slots=True)
class _Level:
    """A list item or a quote: what its first line, and each further line, begins with."""

    tag: str
    first: str
    further: str
    begun: bool = False


@dataclass(slots=True)
class _Span:
    tag: str
    start: int
    address: str = ""


class _Writer(HTMLParser):
    """Writes blocks as they end. What is open: levels (list items and quotes), lists with their counters, spans of text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[str] = []
        self.pieces: list[str] = []
        self.levels: list[_Level] = []
        self.lists: list[int] = []
        self.spans: list[_Span] = []
        self.heading = ""
        self.verbatim = False
        self.after_item = False

    def text(self) -> str:
        self._end_block()
        return "\n".join(self.blocks).strip("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in PARAGRAPHS | LEVELS:
            self._end_block()
        attributes = {name: value or "" for name, value in attrs}
        if tag in {"ul", "ol"}:
            self.lists.append(_number(attributes.get("start", "1")) if tag == "ol" else 0)
        elif tag in {"li", "blockquote"}:
            self._open_level(tag)
        elif tag in MARKS or tag == "a":
            self.spans.append(_Span(tag, len(self.pieces), attributes.get("href", "")))
        elif tag == "br":
            self.pieces.append("\n")
        self.heading = HEADINGS.get(tag, self.heading)
        self.verbatim = self.verbatim or tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag in MARKS or tag == "a":
            self._close_span(tag)
        elif tag in {"td", "th"}:
            self.pieces.append(" | ")
        elif tag in PARAGRAPHS | LEVELS:
            self._end_block()
            self._close_level(tag)
        self.verbatim = self.verbatim and tag != "pre"
        self.heading = "" if tag in HEADINGS else self.heading

    def handle_data(self, data: str) -> None:
        self.pieces.append(data if self.verbatim else _SPECIAL.sub(r"\\\g<0>", re.sub(r"\s+", " ", data)))

    def _open_level(self, tag: str) -> None:
        if tag == "blockquote":
            first = further = "> "
        else:
            first = self._list_mark()
            further = " " * len(first)
        kept = len(self.levels) < MAX_LEVELS
        self.levels.append(_Level(tag, first if kept else "", further if kept else ""))

    def _list_mark(self) -> str:
        if not self.lists or not self.lists[-1]:
            return "- "
        self.lists[-1] += 1
        return f"{self.lists[-1] - 1}. "

    def _close_level(self, tag: str) -> None:
        if tag in {"ul", "ol"} and self.lists:
            self.lists.pop()
        if tag in {"li", "blockquote"} and self.levels:
            self.levels.pop()

    def _close_span(self, tag: str) -> None:
        if not self.spans or self.spans[-1].tag != tag:
            return
        span = self.spans.pop()
        inner = "".join(self.pieces[span.start :])
        words = inner.strip()
        if words and not self.verbatim:
            lead, trail = inner[: len(inner) - len(inner.lstrip())], inner[len(inner.rstrip()) :]
            marked = _link(words, span.address) if tag == "a" else MARKS[tag] + words + MARKS[tag]
            self.pieces[span.start :] = [lead, marked, trail]

    def _end_block(self) -> None:
        lines = _code(self.pieces) if self.verbatim else _paragraph(self.pieces, self.heading)
        self.pieces.clear()
        self.spans.clear()
        if not lines:
            return
        if self.blocks and not (self.after_item and self._begins_item()):
            self.blocks.append(self._prefix(begun_only=True).rstrip())
        for line in lines:
            self.blocks.append((self._prefix() + line).rstrip())
            for level in self.levels:
                level.first, level.begun = level.further, True
        self.after_item = any(level.tag == "li" for level in self.levels)

    def _begins_item(self) -> bool:
        return bool(self.levels) and self.levels[-1].tag == "li" and not self.levels[-1].begun

    def _prefix(self, begun_only: bool = False) -> str:
        return "".join(level.first for level in self.levels if level.begun or not begun_only)


def _paragraph(pieces: list[str], heading: str) -> list[str]:
    lines = [" ".join(line.split()) for line in "".join(pieces).split("\n")]
    lines = [_AT_START.sub(r"\1\\", line.removesuffix(" |")) for line in lines if line]
    if heading:
        return [heading + " ".join(lines)] if lines else []
    return [line + "\\" for line in lines[:-1]] + lines[-1:]


def _code(pieces: list[str]) -> list[str]:
    text = "".join(pieces).strip("\n")
    return ["    " + line for line in text.split("\n")] if text.strip() else []


def _link(words: str, address: str) -> str:
    if urlsplit(address).scheme not in SCHEMES or "\n" in words:
        return words
    return f"[{words}]({quote(address, safe=SAFE)})"


SAFE = "!#$%&'*+,/:;=?@[]~"
"""What may stand in an address as it is; brackets, spaces and quotes would end the link."""


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 9 else 1
