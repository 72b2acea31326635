"""CSV as people have it: any of three delimiters, any line end, quoted line breaks; a bad row spoils only itself."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple, Self

from sources.decoding import Encoding, SourceError, encoding_of

DELIMITERS = (",", ";", "\t")
ROW_CHARACTERS = 1_000_000
"""A longer row is rejected: a quote that is never closed would otherwise take in the rest of the file."""
SHOWN_CHARACTERS = 2000
"""As much of a row that cannot be taken apart is kept to be mended."""

TOO_LONG = "row too long"
NUL = "it holds a NUL octet"

_QUOTED = re.compile(r'"[^"]*"')
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t])"?\s*', re.IGNORECASE)
_RISKY = re.compile(r"'*[=+\-@\t\r]")

csv.field_size_limit(max(csv.field_size_limit(), ROW_CHARACTERS))  # TextLines stops a row before it gets there


class Row(NamedTuple):
    """`line` is the number of its first line, from 1; `cells` are as many as the header's. A row with a `problem` could
    not be taken apart: its cells are what could be read of it."""

    line: int
    cells: tuple[str, ...]
    problem: str = ""


def guard(cell: str) -> str:
    """The cell with a ' in front where a spreadsheet would take it for a formula (OWASP, CSV injection)."""
    return "'" + cell if _RISKY.match(cell) else cell


def unguard(cell: str) -> str:
    """The reverse of `guard`, for every cell."""
    return cell[1:] if cell.startswith("'") and _RISKY.match(cell) else cell


class TextLines:
    """The lines of a text file with their ends, numbered from 1, in constant memory.

    Iterating gives each line once; `rewind()` gives lines since `mark()` again. Raises csv.Error where a row gets too long.
    """

    def __init__(self, path: Path, encoding: Encoding) -> None:
        self._file = TextIOWrapper(path.open("rb"), encoding.codec, errors="replace", newline="")
        self._again: deque[str] = deque()
        self._characters = 0
        self.since_mark: list[str] = []
        self.next_line = 1
        """The number of the line that comes next."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read()
        if not line:
            raise StopIteration
        self.since_mark.append(line)
        self.next_line += 1
        self._characters += len(line)
        if self._characters > ROW_CHARACTERS:
            raise csv.Error(TOO_LONG)
        return line

    @property
    def octets_read(self) -> int:
        return self._file.buffer.tell()

    def mark(self) -> None:
        """Here a row begins."""
        self.since_mark.clear()
        self._characters = 0

    def rewind(self, lines: int) -> None:
        """Go back to the place that many lines after the mark, and mark it."""
        kept = self.since_mark[lines:]
        self._again.extendleft(reversed(kept))
        self.next_line -= len(kept)
        self.mark()

    def close(self) -> None:
        self._file.close()

    def _read(self) -> str:
        line = self._file.readline(ROW_CHARACTERS)
        rest = line
        while len(rest) == ROW_CHARACTERS and not rest.endswith(("\n", "\r")):
            rest = self._file.readline(ROW_CHARACTERS)
        return line if rest is line else line + "\n"


class Table:
    """A CSV file with a header, row by row. Use it as a context manager; iterate once."""

    def __init__(self, path: Path, encoding: Encoding | None = None) -> None:
        """Raises SourceError when the file cannot be read or its first line does not name columns."""
        self.path = path
        self.encoding = encoding or encoding_of(path)
        self.octets = path.stat().st_size
        self._lines = TextLines(path, self.encoding)
        try:
            self.delimiter = self._find_delimiter()
            self._records = _records(self._lines, self.delimiter)
            self.header = self._read_header()
        except BaseException:
            self._lines.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()

    @property
    def octets_read(self) -> int:
        """How far reading has come, for a progress bar; of `octets`."""
        return self._lines.octets_read

    def __iter__(self) -> Iterator[Row]:
        """Rows in the order of the file; empty ones are left out, bad ones have a problem."""
        width = len(self.header)
        for line, cells, problem in self._records:
            if problem:
                yield Row(line, _fitted(cells, width), problem)
            elif any(cells):
                surplus = len(cells) < width or any(cells[width:])
                yield Row(line, _fitted(cells, width), _miscounted(len(cells), width) if surplus else "")

    def _find_delimiter(self) -> str:
        """The one most frequent in the first line outside quotes, or what `sep=` says there, as Excel has it."""
        for line in self._lines:
            if said := _SEPARATOR_LINE.fullmatch(line):
                self._lines.mark()
                return said[1]
            if line.strip():
                self._lines.rewind(len(self._lines.since_mark) - 1)
                bare = _QUOTED.sub("", line)
                return max(DELIMITERS, key=bare.count)
        raise SourceError(f"{self.path}: the file is empty; its first line must name the columns")

    def _read_header(self) -> tuple[str, ...]:
        for line, cells, problem in self._records:
            if problem or "\0" in "".join(cells):
                raise SourceError(
                    f"{self.path}: line {line}: the names of the columns cannot be read: {problem or NUL}"
                )
            if any(cells):
                return tuple(cell.strip() for cell in cells)
        raise SourceError(f"{self.path}: the file is empty; its first line must name the columns")


def _records(lines: TextLines, delimiter: str) -> Iterator[tuple[int, list[str], str]]:
    """(number of the first line, cells, problem). After a row with wrong quotes reading goes on with its second line."""
    while True:
        lines.mark()
        first = lines.next_line
        try:
            for cells in csv.reader(lines, delimiter=delimiter, strict=True):
                yield first, cells, ""
                lines.mark()
                first = lines.next_line
        except csv.Error as error:
            text, taken = lines.since_mark[0], len(lines.since_mark)
            lines.rewind(1)
            yield first, [text.rstrip("\r\n")[:SHOWN_CHARACTERS]], _wrong(str(error), taken)
        else:
            return


def _wrong(error: str, lines: int) -> str:
    if error == TOO_LONG and lines == 1:
        return f"the line is longer than {ROW_CHARACTERS:,} characters"
    if error == TOO_LONG or "end of data" in error:
        return "a quote that opens on this line is never closed"
    return "a quote inside a cell must be doubled, and one that opens a cell must be closed before the next cell"


def _miscounted(found: int, width: int) -> str:
    return f"the row has {found} cells where the header has {width}"


def _fitted(cells: list[str], width: int) -> tuple[str, ...]:
    """As many cells as the header has; what is too much stays visible in the last one."""
    if len(cells) > width:
        cells = [*cells[: width - 1], " ".join(cells[width - 1 :]).strip()]
    plain = tuple(map(unguard, cells)) if any(cell[:1] == "'" for cell in cells) else tuple(cells)
    return plain + ("",) * (width - len(cells))
