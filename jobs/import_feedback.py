"""Feedback from a file into a network, batch by batch: run again, it changes nothing."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sources.delimited import Row, Table
from sources.feedback import FeedbackReader, Said
from sources.rejects import Rejects
from store import feedback
from store.feedback import Outcome, Word

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from jobs.services import Services
    from store.networks import Network

KEPT = 1000
"""Rejected rows that a report names, so that memory stays bounded."""


@dataclass
class FeedbackReport:
    """What came of an import. `rejections` are the first (line, reason) pairs."""

    file: str
    dry_run: bool
    outcomes: Counter[str] = field(default_factory=Counter)
    rejections: list[tuple[int, str]] = field(default_factory=list)
    rejects_file: str = ""


@dataclass(frozen=True)
class _Import:
    """What all batches of one import share."""

    services: "Services"
    network: "Network"
    source: str
    dry_run: bool

    def take(self, said: Sequence[Said]) -> list[Outcome | str]:
        """For each row its outcome, or after "rejected: " the reason why it cannot go in."""
        database = self.services.database
        with database.reading() if self.dry_run else database.writing() as connection:
            words = self._words(connection, said)
            known = [word for word in words if isinstance(word, Word)]
            record = feedback.outcomes if self.dry_run else feedback.record
            done = iter(record(connection, known, once=True))
            return [next(done) if isinstance(word, Word) else f"rejected: {word}" for word in words]

    def _words(self, connection: "Connection", said: Sequence[Said]) -> list[Word | str]:
        members = feedback.members_named(connection, self.network.key, (one.member for one in said))
        items = feedback.items_named(connection, self.network.key, (one.item for one in said))
        return [self._word(one, members.get(one.member), items.get(one.item)) for one in said]

    def _word(self, said: Said, member: tuple[int, str] | None, item: int | None) -> Word | str:
        slug = self.network.slug
        if member is None:
            return f"member: {said.member!r} is no member of {slug}; `germane members list --search` finds people"
        if member[1] in {"left", "erased"}:
            return f"member: {said.member!r} has left {slug}"
        if item is None:
            return f"item: {said.item!r} is no item of {slug}; `germane items list` shows them"
        return Word(member[0], item, said.verdict, said.at, self.source)


def import_feedback(
    services: "Services",
    network: "Network",
    path: Path,
    *,
    dry_run: bool = False,
    advance: Callable[[int], None] = lambda _octets: None,
) -> FeedbackReport:
    """Import `path`; rejected rows go to FILE.rejected.csv. With `dry_run` nothing is written anywhere.

    `advance` is told how many octets more were read. Raises SourceError when the file cannot be read at all.
    """
    report = FeedbackReport(str(path), dry_run)
    work = _Import(services, network, f"import {path.name}", dry_run)
    with Table(path) as table:
        reader = FeedbackReader(path, table.header, ZoneInfo(network.time_zone), services.now())
        with Rejects(path, table.header, table.delimiter) if not dry_run else nullcontext() as rejects:
            octets, rows = 0, iter(table)
            while batch := list(islice(rows, services.settings.imports.batch)):
                _note(report, rejects, batch, _outcomes(batch, reader, work))
                advance(table.octets_read - octets)
                octets = table.octets_read
    return report


def _outcomes(batch: Sequence[Row], reader: FeedbackReader, work: _Import) -> list[str]:
    read: list[Said | str] = []
    for row in batch:
        try:
            read.append(reader.read(row))
        except ValueError as error:
            read.append(f"rejected: {error}")
    done = iter(work.take([one for one in read if isinstance(one, Said)]))
    return [next(done) if isinstance(one, Said) else one for one in read]


def _note(report: FeedbackReport, rejects: Rejects | None, batch: Sequence[Row], outcomes: Sequence[str]) -> None:
    for row, outcome in zip(batch, outcomes, strict=True):
        word, _, reason = outcome.partition(": ")
        report.outcomes[word] += 1
        if word != "rejected":
            continue
        if len(report.rejections) < KEPT:
            report.rejections.append((row.line, reason))
        if rejects is not None:
            rejects.add(row, reason)
            report.rejects_file = str(rejects.path)
