"""Text as it enters: one form of Unicode, and no character that could break a header, a line or a terminal."""

import re
import unicodedata

BIDI_CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Embeddings, overrides and isolates can make a title or an address read backwards. Plain marks (LRM, RLM) stay."""

_BREAKS = re.compile("\r\n|[\r\n\v\f\x85\u2028\u2029]")
_CONTROLS = re.compile(f"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff{BIDI_CONTROLS}]")
_BLANK_LINES = re.compile(r"\n{4,}")


def one_line(text: str) -> str:
    """A title or a name: NFC, every control character and line break a space, runs of white space one space."""
    return " ".join(_plain(_BREAKS.sub(" ", text)).split())


def many_lines(text: str) -> str:
    r"""A body: NFC, every line break `\n`, other control characters but the tab a space, at most two blank lines in a row."""
    lines = (line.rstrip() for line in _plain(_BREAKS.sub("\n", text)).split("\n"))
    return _BLANK_LINES.sub("\n\n\n", "\n".join(lines)).strip("\n")


def _plain(text: str) -> str:
    if not text.isascii():
        whole = text.encode("utf-8", "replace").decode("utf-8")  # JSON may hold half a surrogate pair; no database can
        text = unicodedata.normalize("NFC", whole)
    return _CONTROLS.sub(" ", text)
