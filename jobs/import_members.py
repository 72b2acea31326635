"""Members from a file into a network, batch by batch: an interrupted import has nothing half done and is just run again."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.watching import Watcher
from profiles.joining import Decision, Entry
from profiles.member import Status
from sources.delimited import Row
from sources.members import MemberReader, Rejection, open_members, status_of_file
from sources.rejects import Rejects
from sources.seen import FirstLines
from store import members as store

if TYPE_CHECKING:
    from digest.items import Topic
    from jobs.services import Services
    from store.networks import Network


@dataclass
class ImportReport:
    """What came of an import. `unknown_topics` has the words that are no topic, with the line each was first met on."""

    file: str
    layout: str
    encoding: str
    dry_run: bool
    outcomes: Counter[str] = field(default_factory=Counter)
    status_kept: int = 0
    unused_columns: tuple[str, ...] = ()
    unknown_topics: dict[str, int] = field(default_factory=dict)
    rejects_file: str = ""


@dataclass(frozen=True)
class _Import:
    """What all batches of one import share."""

    services: "Services"
    network_key: int
    secret: bytes | None
    basis: str
    dry_run: bool
    now: datetime

    def decide(self, entries: Sequence[Entry]) -> list[Decision]:
        if self.dry_run:
            with self.services.database.reading() as connection:
                return store.decide_entries(connection, self.network_key, entries, self.secret)
        with self.services.database.writing() as connection:
            return store.import_entries(connection, self.network_key, entries, self.now, self.basis, self.secret)


def import_members(
    services: "Services",
    network: "Network",
    path: Path,
    *,
    topics: "Iterable[Topic]" = (),
    basis: str = "",
    status: Status | None = None,
    dry_run: bool = False,
    watcher: Watcher | None = None,
) -> ImportReport:
    """Import `path`; rejected rows go to FILE.rejected.csv. With `dry_run` nothing is written anywhere.

    `status` holds for rows that say none. Raises SourceError when the file cannot be read at all.
    """
    secret = erasure_secret(services, network.key)
    work = _Import(services, network.key, secret, basis or f"import {path.name}", dry_run, services.now())
    watcher = watcher or Watcher()
    table, columns = open_members(path)
    report = ImportReport(str(path), columns.layout.name, table.encoding.name, dry_run, unused_columns=columns.unused)
    reader = MemberReader(columns, table.header, topics, status_of_file(path, columns, status))
    kept = nullcontext() if dry_run else Rejects(path, table.header, table.delimiter)
    with table, FirstLines() as seen, kept as rejects:
        for batch in _batches(table, services.settings.imports.batch):
            entries, rejected = _sorted(batch, reader, seen)
            _note_decisions(report, watcher, entries, work.decide(entries))
            _note_rejected(report, watcher, rejected, rejects)
            watcher.read(table.octets_read, table.octets)
    report.unknown_topics = reader.topics.unknown
    return report


def _batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch


def _sorted(batch: Sequence[Row], reader: MemberReader, seen: FirstLines) -> tuple[list[Entry], list[tuple[Row, str]]]:
    """The entries that may go in, no address twice, and the rows that may not with the reason, in the order of the file."""
    read: list[tuple[Row, Entry]] = []
    rejected: list[tuple[Row, str]] = []
    for row in batch:
        try:
            read.append((row, reader.entry(row)))
        except Rejection as reason:
            rejected.append((row, str(reason)))
    first = seen.add((entry.address.key, entry.line) for _, entry in read)
    repeated = [(row, entry) for row, entry in read if first[entry.address.key] != entry.line]
    rejected += [(row, f"{e.address.display} is on line {first[e.address.key]} already") for row, e in repeated]
    entries = [entry for _, entry in read if first[entry.address.key] == entry.line]
    return entries, sorted(rejected, key=lambda pair: pair[0].line)


def _note_decisions(
    report: ImportReport, watcher: Watcher, entries: Sequence[Entry], decisions: Sequence[Decision]
) -> None:
    for entry, decision in zip(entries, decisions, strict=True):
        report.outcomes[decision.outcome] += 1
        report.status_kept += decision.status_kept
        watcher.decided(entry, decision)


def _note_rejected(
    report: ImportReport, watcher: Watcher, rejected: Sequence[tuple[Row, str]], rejects: Rejects | None
) -> None:
    for row, reason in rejected:
        report.outcomes["rejected"] += 1
        watcher.rejected(row.line, reason)
        if rejects is not None:
            rejects.add(row, reason)
            report.rejects_file = str(rejects.path)


def erasure_secret(services: "Services", network_key: int) -> bytes | None:
    """The key by which erased members and suppressed addresses are known again. It is asked for once there are any, and
    used wherever it is set."""
    if services.settings.secret_key.get_secret_value():
        return services.secret_key
    with services.database.reading() as connection:
        return services.secret_key if store.any_gone_for_good(connection, network_key) else None
