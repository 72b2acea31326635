"""Which line of a file named a person first: exact, and in constant memory whatever the length of the file."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Self

_ASKED_AT_ONCE = 900


class FirstLines:
    """Keys with the first line each was seen on, in a temporary database that SQLite keeps on disk and removes itself."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._database.close()

    def add(self, lines: Iterable[tuple[str, int]]) -> dict[str, int]:
        """Note (key, line) pairs in the order of the file; returns for each of these keys the line that had it first."""
        pairs = list(lines)
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", pairs)
        self._database.execute("COMMIT")
        keys = [key for key, _ in pairs]
        return {
            key: line
            for start in range(0, len(keys), _ASKED_AT_ONCE)
            for key, line in self._lines(keys[start : start + _ASKED_AT_ONCE])
        }

    def _lines(self, keys: Sequence[str]) -> list[tuple[str, int]]:
        marks = ", ".join("?" * len(keys))
        return self._database.execute(f"SELECT key, line FROM seen WHERE key IN ({marks})", keys).fetchall()  # noqa: S608
