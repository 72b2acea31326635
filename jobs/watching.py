"""Who watches an import: a bar, the difference as it goes, or a record for JSON."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from jobs.terminal import advancing, printable, progress

if TYPE_CHECKING:
    from profiles.joining import Decision, Entry
    from store.items import Change

SHOWN = 10
KEPT = 1000
"""Rows named in JSON, so that memory stays bounded."""


class Watcher:
    """Is told of everything while an import runs; this one says nothing."""

    def decided(self, entry: "Entry", decision: "Decision") -> None: ...

    def saved(self, change: "Change") -> None: ...

    def rejected(self, line: int, reason: str) -> None: ...

    def read(self, octets: int, of: int) -> None: ...


class Bar(Watcher):
    """Moves a bar of 100 on by what was read, and names the first rejected rows on standard error."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._percent = self._rejected = 0

    def rejected(self, line: int, reason: str) -> None:
        self._rejected += 1
        if self._rejected <= SHOWN:
            click.echo(f"line {line}: rejected: {printable(reason)}", err=True)

    def read(self, octets: int, of: int) -> None:
        percent = 100 * octets // of if of else 100
        self._advance(percent - self._percent)
        self._percent = percent


class Difference(Watcher):
    """Prints what would change, a line for each row."""

    def rejected(self, line: int, reason: str) -> None:
        click.echo(f"line {line}: rejected: {printable(reason)}")


class Record(Watcher):
    """Keeps the first thousand rejected rows for JSON; in a dry run all that are not unchanged."""

    def __init__(self, dry_run: bool) -> None:
        self.rows: list[dict[str, Any]] = []
        self.dry_run = dry_run

    def keep(self, row: dict[str, Any]) -> None:
        if len(self.rows) < KEPT:
            self.rows.append(row)

    def rejected(self, line: int, reason: str) -> None:
        self.keep({"line": line, "outcome": "rejected", "reason": reason})


@contextmanager
def watching(name: str, silent: Watcher | None) -> Iterator[Watcher]:
    """A bar with this name, or the watcher that needs none."""
    if silent is not None:
        yield silent
        return
    with progress() as shown, advancing(shown, name, 100) as advance:
        yield Bar(advance)
