"""JSON Lines: one object a line; a line that is not one spoils only itself. Rejected ones go into a file of the same kind."""

import json
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Self, TextIO

from sources.decoding import UNREADABLE, Encoding, SourceError, encoding_of
from sources.items import Record

LINE_CHARACTERS = 8_000_000
"""A longer line is rejected unread. An item of a million characters fits, even with every character escaped as \\uXXXX."""
SHOWN_CHARACTERS = 2_000

RAW = "germane_raw"
"""The key under which a line that was not JSON is kept to be mended."""
UNREADABLE_TEXT = "some characters are not in the file's encoding; save it as UTF-8"
OUR_KEYS = ("germane_line", "germane_reason")


class JsonLines:
    """The objects of a file, in constant memory. Use it as a context manager; iterate once."""

    warning = ""

    def __init__(self, path: Path, encoding: Encoding | None = None) -> None:
        """Raises SourceError when the file cannot be read."""
        self.path = path
        self.encoding = encoding or encoding_of(path)
        self.octets = path.stat().st_size
        self._file = TextIOWrapper(path.open("rb"), self.encoding.codec, errors="replace", newline="\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()

    @property
    def octets_read(self) -> int:
        """How far reading has come, for a progress bar; of `octets`."""
        return self._file.buffer.tell()

    def __iter__(self) -> Iterator[Record]:
        """Records in the order of the file; empty lines are left out. Raises SourceError for a JSON array."""
        for number, line in enumerate(self._lines(), start=1):
            if number == 1 and line.lstrip().startswith("["):
                raise SourceError(
                    f"{self.path}: this is a JSON array; write one object on each line, without [ ] and commas"
                )
            if line and not line.isspace():
                yield _record(number, line)

    def _lines(self) -> Iterator[str]:
        while line := self._file.readline(LINE_CHARACTERS + 1):
            rest = line
            while rest and not rest.endswith("\n"):
                rest = self._file.readline(LINE_CHARACTERS)
            yield line

    def rejects(self, source: Path) -> "JsonRejects":
        return JsonRejects(source)


def _record(number: int, line: str) -> Record:
    found, problem = _parsed(line)
    fields = found if isinstance(found, dict) else {RAW: line.strip()[:SHOWN_CHARACTERS]}
    if not problem and not isinstance(found, dict):
        problem = "an item must be a JSON object, {...}"
    elif not problem and RAW in fields:
        problem = f"put the mended object in the place of the one with {RAW}"
    return Record(number, fields, problem)


def _parsed(line: str) -> tuple[Any, str]:
    if len(line) > LINE_CHARACTERS:
        return None, f"the line is longer than {LINE_CHARACTERS:,} characters"
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        return None, f"not JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError):
        return None, "not JSON that can be read: a number too long, or nested too deep"
    return found, UNREADABLE_TEXT if UNREADABLE in line else ""


class JsonRejects:
    """A file of rejected records with their line and reason, made by the first one. An import ignores the two added keys."""

    def __init__(self, source: Path) -> None:
        """items.jsonl -> items.jsonl.rejected.jsonl. Removes the rejects of an earlier import of the same file.

        Raises OSError when that cannot be done.
        """
        self.path = source.with_name(f"{source.name}.rejected.jsonl")
        self.count = 0
        self._file: TextIO | None = None
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._file:
            self._file.close()

    def add(self, record: Record, reason: str) -> None:
        """Raises OSError when the file cannot be written."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", errors="replace", newline="\n")
        kept = {key: value for key, value in record.fields.items() if key not in OUR_KEYS}
        json.dump(kept | dict(zip(OUR_KEYS, (record.line, reason), strict=True)), self._file, ensure_ascii=False)
        self._file.write("\n")
        self.count += 1
