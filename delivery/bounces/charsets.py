"""Octets to text, whatever their charset claims to be; encoded words in headers (RFC 2047)."""

import base64
import binascii
import codecs
import quopri
import re

MAX_WORDS = 100

_NAMES = {
    "": "", "ascii": "", "us-ascii": "", "iso-8859-1": "cp1252", "latin1": "cp1252", "unicode-1-1-utf-7": "utf-7",
    "x-sjis": "cp932", "shift_jis": "cp932", "shift-jis": "cp932", "windows-31j": "cp932", "gb2312": "gb18030",
    "gbk": "gb18030", "x-gbk": "gb18030", "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "iso-8859-8-i": "iso-8859-8",
    "iso-2022-jp": "iso-2022-jp-ext", "x-mac-roman": "mac-roman", "macintosh": "mac-roman", "cp-850": "cp850",
    "iso-8859-9": "cp1254", "8bit": "", "unknown-8bit": "", "unknown": "", "x-unknown": "", "utf8": "utf-8",
}  # fmt: skip
"""Where the name that mail uses is not the codec that reads it; "" means that the octets themselves must tell."""

_WORD = re.compile(r"=\?([^?\s]{1,40})\?([bBqQ])\?([^?]*)\?=")
_BETWEEN = re.compile(r"(?<=\?=)\s+(?==\?)")
_ESCAPES = re.compile(rb"\x1b(?:\$[@B]|\([BJI])")
_KOREAN = re.compile(rb"\x1b\$\)C")
_SHIFTED = re.compile(rb"\+[A-Za-z0-9/]{3,200}-")


def decode(octets: bytes, charset: str) -> str:
    """The text, with U+FFFD for what cannot be read. A charset that is missing, unknown or wrong is guessed."""
    codec = _codec(charset)
    if codec:
        try:
            return octets.decode(codec)
        except (UnicodeError, ValueError):
            pass
    return _guessed(octets, codec)


def decode_words(value: str) -> str:
    """A header's value with its encoded words decoded, and 8-bit octets (kept as surrogates) guessed."""
    if "=?" in value:
        value = _WORD.sub(_word, _BETWEEN.sub("", value), MAX_WORDS)
    if any("\udc80" <= character <= "\udcff" for character in value):
        return _guessed(value.encode("utf-8", "surrogateescape"), "")
    if "\x1b" in value:
        return decode(value.encode("utf-8", "replace"), "iso-2022-jp")
    return value


def _word(found: "re.Match[str]") -> str:
    charset, encoding, text = found[1].partition("*")[0], found[2].lower(), found[3]
    octets = text.encode("utf-8", "surrogateescape")
    try:
        if encoding == "b":
            kept = re.sub(rb"[^A-Za-z0-9+/]", b"", octets)
            octets = base64.b64decode(kept + b"=" * (-len(kept) % 4))
        else:
            octets = quopri.decodestring(octets.replace(b"_", b" "), header=False)
    except (binascii.Error, ValueError):
        return found[0]
    return decode(octets, charset)


def _codec(charset: str) -> str:
    name = charset.strip().strip("\"'").lower()
    name = _NAMES.get(name, name)
    try:
        info = codecs.lookup(name) if name.isascii() and name else None
    except (LookupError, ValueError):
        return ""
    return info.name if info is not None and info._is_text_encoding else ""


def _guessed(octets: bytes, codec: str) -> str:
    if _ESCAPES.search(octets):
        return octets.decode("iso-2022-jp-ext", "replace")
    if _KOREAN.search(octets):
        return octets.decode("iso-2022-kr", "replace")
    if octets.isascii():
        return _utf_7(octets) if not codec and _SHIFTED.search(octets) else octets.decode("ascii")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        pass
    return octets.decode(codec or _legacy(octets), "replace")


def _utf_7(octets: bytes) -> str:
    """UTF-7 only where it gives letters of another script; "a+b-c" is nearly always just that."""
    try:
        text = octets.decode("utf-7")
    except UnicodeDecodeError:
        return octets.decode("ascii")
    foreign = sum("\u0080" < character < "\ud800" for character in text)
    return text if (foreign > 3 and text.isprintable() is False) or foreign > 3 else octets.decode("ascii")


_TRIED = ("euc-jp", "cp932", "gb18030", "big5", "cp949", "koi8-r", "cp1251")


def _legacy(octets: bytes) -> str:
    """The likeliest of the old charsets: the one that gives most characters that everyday words are made of."""
    sample = octets[:20_000]
    scores = {codec: _sense(sample, codec) for codec in _TRIED}
    best = max(scores, key=scores.__getitem__)
    return best if scores[best] > 0.6 else "cp1252"


def _sense(octets: bytes, codec: str) -> float:
    """What share of the 8-bit octets turns into the commonest characters of the charset's languages."""
    eight_bit = sum(octet > 127 for octet in octets)
    try:
        text = octets.decode(codec)
    except UnicodeDecodeError:
        return 0.0
    if codec in {"koi8-r", "cp1251"}:
        return sum(text.count(character) for character in "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэф") / eight_bit * 0.9
    kana = sum("\u3040" <= character <= "\u30ff" for character in text)
    if codec in {"euc-jp", "cp932"}:
        return 2.4 * kana / eight_bit
    common = sum(
        text.count(character) for character in "的是不我您邮件地址收人无法发送在有到的信箱郵件無發系統이가을는에다하지"
    )
    return 2 * common / eight_bit * 2
