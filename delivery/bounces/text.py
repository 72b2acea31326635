"""Text for matching: what a reader sees of HTML, and words in one spelling."""

import html
import re
import unicodedata

_BREAK = re.compile(
    r"<(?:br|/?p|/?div|/?tr|/?td|/?li|/?h[1-6]|/?table|/?ul|hr|/?blockquote|/?pre)\b[^<>]{0,2000}>", re.IGNORECASE
)
_TAG = re.compile(r"</?[A-Za-z!][^<>@]{0,2000}>|<a\b[^<>]{0,2000}>", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_PLAIN = {
    "\u00ad\u200b\u200c\u200d\u2060\ufeff": "",
    "\u2018\u2019\u201b\u02bc\u00b4`": "'",
    "\u201c\u201d\u201e": '"',
    "\u2010\u2011\u2012\u2013\u2014": "-",
}
_SAME = {ord(mark): plain for marks, plain in _PLAIN.items() for mark in marks}


def without_tags(text: str) -> str:
    """What a reader sees of an HTML page, a line for each block. An address in angle brackets stays."""
    for start, end in (("<!--", "-->"), ("<style", "</style"), ("<script", "</script"), ("<title", "</title")):
        text = _without(text, start, end)
    text = _TAG.sub("", _BREAK.sub("\n", _SPACE.sub(" ", text)))
    return html.unescape(text).replace("\u00a0", " ")


def _without(text: str, start: str, end: str) -> str:
    """The text without what stands between two marks; from a mark that is never closed on, everything stays."""
    lower, kept, position = text.lower(), [], 0
    while (opened := lower.find(start, position)) >= 0:
        closed = lower.find(end, opened)
        if closed < 0:
            break
        kept.append(text[position:opened])
        position = closed + len(end)
    return "".join(kept) + text[position:]


def folded(text: str) -> str:
    """One spelling for matching: lower case, Latin letters without accents, plain quotes, single spaces."""
    text = unicodedata.normalize("NFC", text).translate(_SAME).casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_ACCENTS))
    return _SPACE.sub(" ", text)


def _accents() -> dict[int, str]:
    table = {}
    for code in range(0xC0, 0x250):
        plain = unicodedata.normalize("NFD", chr(code))[0]
        if plain.isascii():
            table[code] = plain.lower()
    return table | {ord("ø"): "o", ord("ł"): "l", ord("đ"): "d", ord("ı"): "i", ord("æ"): "ae", ord("œ"): "oe"}


_ACCENTS = _accents()
