"""What an import of members shows while it runs and when it is done."""

from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from jobs.import_members import ImportReport
from jobs.terminal import printable
from jobs.watching import SHOWN, Difference, Record, Watcher, watching
from profiles.joining import OUTCOMES, Decision, Entry


class MembersDifference(Difference):
    """Prints what would change, a line for each member."""

    def decided(self, entry: Entry, decision: Decision) -> None:
        """`line 7: jo@example.org: changed: region: 'Wales' -> 'Scotland'`"""
        if decision.outcome == "unchanged":
            return
        changes = [f"{name}: {_quoted(old)} -> {_quoted(new)}" for name, (old, new) in decision.changes.items()]
        said = f": {'; '.join(changes)}" if decision.outcome == "changed" else ""
        click.echo(f"line {entry.line}: {printable(entry.address.display)}: {decision.outcome}{said}")


class MembersRecord(Record):
    """Names each member by address."""

    def decided(self, entry: Entry, decision: Decision) -> None:
        if self.dry_run and decision.outcome != "unchanged":
            changes = {name: list(change) for name, change in decision.changes.items()}
            row = {"line": entry.line, "address": entry.address.display, "outcome": decision.outcome}
            self.keep(row | {"changes": changes})


def watcher_of(file: Path, dry_run: bool, as_json: bool) -> AbstractContextManager[Watcher]:
    """The watcher for how the command was called: JSON at the end, the difference as it goes, or a bar."""
    silent = MembersRecord(dry_run) if as_json else MembersDifference() if dry_run else None
    return watching(file.name, silent)


def print_report(report: ImportReport) -> None:
    """The counts, and whatever a person should know or do about them."""
    counts = ", ".join(f"{number:,} {outcome}" for outcome, number in _counts(report).items())
    wrote = " (dry run, nothing was written)" if report.dry_run else ""
    rows = report.outcomes.total()
    click.echo(f"{report.file} ({report.layout}, {report.encoding}): {rows:,} rows: {counts}{wrote}")
    if report.status_kept:
        click.echo(f"{report.status_kept:,} keep the status they have: an import can stop mail, never start it")
    if report.unused_columns:
        click.echo(f"Columns not used: {printable(', '.join(report.unused_columns))}")
    _print_unknown_topics(report.unknown_topics)
    if report.rejects_file:
        click.echo(f"Rejected rows are in {report.rejects_file}: mend them there, then import that file")


def as_record(report: ImportReport, watcher: Watcher) -> dict[str, Any]:
    """The report for JSON."""
    plain = {name: value for name, value in asdict(report).items() if name != "outcomes"}
    return plain | _counts(report) | {"rows": watcher.rows if isinstance(watcher, Record) else []}


def _counts(report: ImportReport) -> dict[str, int]:
    return {outcome: report.outcomes[outcome] for outcome in (*OUTCOMES, "rejected")}


def _print_unknown_topics(unknown: dict[str, int]) -> None:
    for word, line in list(unknown.items())[:SHOWN]:
        click.echo(
            f"line {line}: {printable(word)!r} is no topic of this network; left out wherever it stands", err=True
        )
    if len(unknown) > SHOWN:
        more = len(unknown) - SHOWN
        click.echo(f"and {more} more; add them with `germane topics import`, then import this file again", err=True)


def _quoted(value: Any) -> str:
    text = ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
    line = printable(text).replace("\n", " ")
    return repr(line if len(line) <= 60 else line[:59] + "…")
