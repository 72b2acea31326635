"""Rows that could not go in: kept beside the file with the reason, so that they can be mended and imported again."""

import csv
from pathlib import Path
from typing import Self, TextIO

from sources.decoding import SourceError
from sources.delimited import Row, guard

LINE_COLUMN, REASON_COLUMN = "germane_line", "germane_reason"
OUR_COLUMNS = frozenset({LINE_COLUMN, REASON_COLUMN})
"""Ignored when a file that has them is imported."""


def rejects_file(path: Path) -> Path:
    """members.csv -> members.csv.rejected.csv"""
    return path.with_name(f"{path.name}.rejected.csv")


class Rejects:
    """FILE.rejected.csv: the columns of FILE and two more. The file is made by the first rejected row."""

    def __init__(self, source: Path, header: tuple[str, ...], delimiter: str = ",") -> None:
        """Removes the rejects of an earlier import of the same file. Raises SourceError when that cannot be done."""
        self.path = rejects_file(source)
        self.count = 0
        self._kept = [n for n, name in enumerate(header) if name.casefold() not in OUR_COLUMNS]
        self._header = [header[n] for n in self._kept]
        self._delimiter = delimiter
        self._file: TextIO | None = None
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise SourceError(f"{self.path}: the old one cannot be removed: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._file:
            self._file.close()

    def add(self, row: Row, reason: str) -> None:
        """Raises SourceError when the file cannot be written."""
        cells = [guard(row.cells[n]) for n in self._kept]
        try:
            self._write([*cells, str(row.line), guard(reason)])
        except OSError as error:
            raise SourceError(
                f"{self.path}: cannot be written: {error.strerror}; rows up to line {row.line} are in; run the import again"
            ) from None
        self.count += 1

    def _write(self, cells: list[str]) -> None:
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8-sig", newline="")
            self._write([*self._header, LINE_COLUMN, REASON_COLUMN])
        csv.writer(self._file, delimiter=self._delimiter).writerow(cells)
