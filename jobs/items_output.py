"""What an import of items shows while it runs and when it is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from jobs.import_items import ItemsReport, Watcher, without_userinfo
from jobs.terminal import advancing, printable, progress
from sources.items import shortened
from store.items import Change

SHOWN = 10
KEPT = 1000
"""Rows named in JSON, so that memory stays bounded."""
CELL_CHARACTERS = 60


class Bar(Watcher):
    """Moves a bar on by octets, and names the first rejected records on standard error."""

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
    """Prints what would change: a line for each item, and one for each field of an item that is stored."""

    def saved(self, change: Change) -> None:
        after = change.after
        mark, title = "~" if change.before else "+", printable(shortened(after.title, CELL_CHARACTERS))
        click.echo(f"{mark} {after.kind}: {title} ({printable(after.external_id)})")
        for name, (old, new) in _differences(change).items():
            click.echo(f"    {name}: {_cell(old)} -> {_cell(new)}")

    def rejected(self, line: int, reason: str) -> None:
        click.echo(f"line {line}: rejected: {printable(reason)}")


class Record(Watcher):
    """Keeps the first thousand rejected records for JSON; in a dry run all that are not unchanged."""

    def __init__(self, dry_run: bool) -> None:
        self.rows: list[dict[str, Any]] = []
        self._dry_run = dry_run

    def saved(self, change: Change) -> None:
        if self._dry_run and len(self.rows) < KEPT:
            outcome = "changed" if change.before else "added"
            row = {"id": change.after.external_id, "title": change.after.title, "outcome": outcome}
            self.rows.append(row | {"changes": {name: list(pair) for name, pair in _differences(change).items()}})

    def rejected(self, line: int, reason: str) -> None:
        if len(self.rows) < KEPT:
            self.rows.append({"line": line, "outcome": "rejected", "reason": reason})


@contextmanager
def watching(source: str, dry_run: bool, as_json: bool) -> Iterator[Watcher]:
    """The watcher for how the command was called: JSON at the end, the difference as it goes, or a bar."""
    if as_json or dry_run:
        yield Record(dry_run) if as_json else Difference()
        return
    with progress() as shown, advancing(shown, Path(without_userinfo(source)).name, 100) as advance:
        yield Bar(advance)


def report_as_json(report: ItemsReport, watcher: Watcher) -> dict[str, Any]:
    return asdict(report) | {"rows": watcher.rows if isinstance(watcher, Record) else []}


def print_report(report: ItemsReport) -> None:
    would = "would be " if report.dry_run else ""
    repeated = f", {report.repeated} repeated in the feed" if report.repeated else ""
    click.echo(
        f"{report.added} {would}added, {report.changed} {would}changed, {report.unchanged} as they were, "
        f"{report.rejected} rejected{repeated} ({report.format})"
    )
    if report.warning:
        click.echo(f"germane: {printable(without_userinfo(report.source))}: {printable(report.warning)}", err=True)
    if report.rejects_file:
        click.echo(f"germane: rejected ones are in {report.rejects_file}: mend them and import that file", err=True)


def _differences(change: Change) -> dict[str, tuple[Any, Any]]:
    """(old, new) for each field that changes; nothing for a new item. An audience as the facets that are set."""
    if change.before is None:
        return {}
    return {name: (_plain(getattr(change.before, name)), _plain(getattr(change.after, name))) for name in change.names}


def _plain(value: Any) -> Any:
    if hasattr(value, "languages"):
        return {name: words for name, words in asdict(value).items() if words}
    return value


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        value = "; ".join(f"{name}: {', '.join(words)}" for name, words in value.items())
    text = ", ".join(value) if isinstance(value, tuple) else printable(value)
    return printable(shortened(" ".join(text.split()), CELL_CHARACTERS))
