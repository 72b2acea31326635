"""Text files from any office machine: which encoding a file is in, found without loading it."""

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NAMES = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252"}

UNREADABLE = "\N{REPLACEMENT CHARACTER}"
"""Stands in the text for what the encoding does not have; a row that holds it is rejected, the rest goes on."""


class SourceError(Exception):
    """A file that cannot be read at all. The message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """`codec` is Python's name of it, `name` the one for people."""

    codec: str

    @property
    def name(self) -> str:
        return _NAMES[self.codec]


def encoding_of(path: Path) -> Encoding:
    """By the byte order mark; else UTF-8 where the file holds up as such; else Windows-1252. Reads the file once, in pieces.

    A file in which a few octets spoil otherwise good UTF-8 is UTF-8: as Windows-1252 every accent in it would come out
    wrong. Raises SourceError when there is no such file, or when it is UTF-16 without a mark.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            file.seek(0)
            marked = next((codec for mark, codec in _MARKS if head.startswith(mark)), None)
            if marked is None and head.count(0) * 4 > len(head):
                raise SourceError(
                    f"{path}: this looks like UTF-16 without a byte order mark; save it as UTF-8 and try again"
                )
            return Encoding(marked or _utf8_or_windows(file))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None


def _utf8_or_windows(file: BinaryIO) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    good = bad = 0
    while chunk := file.read(CHUNK):
        if chunk.isascii() and not decoder.getstate()[0]:
            continue
        text = decoder.decode(chunk)
        spoilt = text.count(UNREADABLE) - chunk.count(UNREADABLE.encode())
        bad += spoilt
        good += len(text) - len(text.encode("ascii", "ignore")) - spoilt
    bad += len(decoder.decode(b"", final=True))
    return "cp1252" if bad > good else "utf-8"
