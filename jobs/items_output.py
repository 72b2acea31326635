"""What an import of items shows while it runs and when it is done."""

from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from jobs.import_items import ItemsReport, without_userinfo
from jobs.terminal import printable
from jobs.watching import Difference, Record, Watcher, watching
from sources.items import shortened
from store.items import Change

CELL_CHARACTERS = 60


class ItemsDifference(Difference):
    """Prints what would change: a line for each item, and one for each field of an item that is stored."""

    def saved(self, change: Change) -> None:
        after = change.after
        mark, title = "~" if change.before else "+", printable(shortened(after.title, CELL_CHARACTERS))
        click.echo(f"{mark} {after.kind}: {title} ({printable(after.external_id)})")
        for name, (old, new) in _differences(change).items():
            click.echo(f"    {name}: {_cell(old)} -> {_cell(new)}")


class ItemsRecord(Record):
    """Names each item by its external id and title."""

    def saved(self, change: Change) -> None:
        if self.dry_run:
            outcome = "changed" if change.before else "added"
            row = {"id": change.after.external_id, "title": change.after.title, "outcome": outcome}
            self.keep(row | {"changes": {name: list(pair) for name, pair in _differences(change).items()}})


def watcher_of(source: str, dry_run: bool, as_json: bool) -> AbstractContextManager[Watcher]:
    """The watcher for how the command was called: JSON at the end, the difference as it goes, or a bar."""
    silent = ItemsRecord(dry_run) if as_json else ItemsDifference() if dry_run else None
    return watching(Path(without_userinfo(source)).name, silent)


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
