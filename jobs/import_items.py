"""Items from a file, a feed or an address into a network, batch by batch: an interrupted import is just run again."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from digest.items import Item, Kind
from jobs.watching import Watcher
from sources.decoding import SourceError
from sources.item_files import Format, ItemFile, RejectsFile, format_of, open_items
from sources.items import ItemReader, Posting, Record, Rejection
from sources.language import guess_language
from sources.seen import FirstLines
from sources.topics import names
from store import items as store
from store import topics as topic_store

if TYPE_CHECKING:
    from jobs.services import Services
    from sources.fetch import IpAddress
    from store.networks import Network

BATCH_CHARACTERS = 10_000_000
"""A batch ends here too: two thousand bodies of the greatest length would be 400 million characters."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass
class ItemsReport:
    """What came of an import. `repeated` entries of a feed had the id of an earlier one and were left out."""

    source: str
    format: Format
    dry_run: bool
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    repeated: int = 0
    rejected: int = 0
    rejects_file: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class _Local:
    """A source as a file: `beside` is where its rejects go, `url` and `content_type` are those of a download."""

    file: Path
    beside: Path
    url: str = ""
    content_type: str = ""


def import_items(
    services: "Services",
    network: "Network",
    source: str,
    *,
    found: Format | None = None,
    kind: Kind | None = None,
    ignore_unknown: bool = False,
    dry_run: bool = False,
    watcher: Watcher | None = None,
    adjust: Callable[[Item], Item] | None = None,
    may_connect: "Callable[[IpAddress], bool] | None" = None,
) -> ItemsReport:
    """Import `source`, a path or an http(s) address. Rejected records go into a file beside it, or, for an address, here.

    `found` is the format where it should not be found out; `kind` is for items that say none; `adjust` may change each item
    that was read. With `dry_run` nothing is written anywhere. Raises SourceError when there is nothing to read at all.
    """
    with _local(services, source, may_connect) as local:
        found = found or format_of(local.file, urlsplit(local.url).path or local.file.name)
        reader = item_reader(services, network, kind, ignore_unknown)
        options = {"ignore_unknown": ignore_unknown, "url": local.url, "content_type": local.content_type}
        opened = open_items(local.file, found, topics=reader.topics, **options)  # type: ignore[arg-type]
        report = ItemsReport(source, found, dry_run, warning=opened.warning)
        work = _Import(services, network.key, reader, report, watcher or Watcher(), adjust)
        with opened, FirstLines() as seen, _rejects(opened, local.beside, dry_run) as rejects:
            for batch in _batches(opened, services.settings.imports.batch):
                work.take(batch, seen, rejects)
                work.watcher.read(opened.octets_read, opened.octets)
    return report


def item_reader(
    services: "Services", network: "Network", kind: Kind | None = None, ignore_unknown: bool = False
) -> ItemReader:
    """Reads items for this network, with its time zone, language and topics."""
    with services.database.reading() as connection:
        topics = names(topic_store.load(connection, network.key))
    return ItemReader(ZoneInfo(network.time_zone), network.language, topics, kind, guess_language, ignore_unknown)


@dataclass(frozen=True)
class _Import:
    """What all batches of one import share."""

    services: "Services"
    network_key: int
    reader: ItemReader
    report: ItemsReport
    watcher: Watcher
    adjust: Callable[[Item], Item] | None

    def take(self, batch: Sequence[Record], seen: FirstLines, rejects: RejectsFile | None) -> None:
        read: list[tuple[Record, Posting]] = []
        refused: list[tuple[Record, str]] = []
        for record in batch:
            try:
                read.append((record, self._read(record)))
            except Rejection as error:
                refused.append((record, str(error)))
        first = seen.add((posting.item.external_id, record.line) for record, posting in read)
        new = [posting for record, posting in read if first[posting.item.external_id] == record.line]
        for record, posting in read:
            line = first[posting.item.external_id]
            if line != record.line:
                self._repeated(record, f"id: {posting.item.external_id!r} is on line {line} already", refused)
        self._save(new)
        for record, reason in sorted(refused, key=lambda pair: pair[0].line):
            self._reject(record, reason, rejects)

    def _read(self, record: Record) -> Posting:
        if record.problem:
            raise Rejection(record.problem)
        posting = self.reader.read(record.fields)
        return posting._replace(item=self.adjust(posting.item)) if self.adjust else posting

    def _repeated(self, record: Record, reason: str, refused: list[tuple[Record, str]]) -> None:
        if self.report.format == "feed":
            self.report.repeated += 1
        else:
            refused.append((record, reason))

    def _save(self, postings: Sequence[Posting]) -> None:
        database, now = self.services.database, self.services.now()
        if self.report.dry_run:
            with database.reading() as connection:
                saved = store.compare(connection, self.network_key, postings, now)
        else:
            with database.writing() as connection:
                saved = store.save(connection, self.network_key, postings, now)
        self.report.added += len(saved.added)
        self.report.changed += len(saved.changed)
        self.report.unchanged += saved.unchanged
        for change in (*saved.added, *saved.changed):
            self.watcher.saved(change)

    def _reject(self, record: Record, reason: str, rejects: RejectsFile | None) -> None:
        self.report.rejected += 1
        self.watcher.rejected(record.line, reason)
        if rejects is None:
            return
        try:
            rejects.add(record, reason)
        except OSError as error:
            raise SourceError(f"{rejects.path}: cannot be written: {error.strerror}; run the import again") from None
        self.report.rejects_file = str(rejects.path)


def _batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    batch: list[Record] = []
    characters = 0
    for record in records:
        batch.append(record)
        characters += sum(len(value) for value in record.fields.values() if isinstance(value, str))
        if len(batch) == size or characters > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _rejects(opened: ItemFile, beside: Path, dry_run: bool) -> AbstractContextManager[RejectsFile | None]:
    if dry_run:
        return nullcontext()
    try:
        return opened.rejects(beside)
    except OSError as error:
        raise SourceError(f"{beside}: an old file of rejects cannot be removed: {error.strerror}") from None


@contextmanager
def _local(services: "Services", source: str, may_connect: "Callable[[IpAddress], bool] | None") -> Iterator[_Local]:
    if not _ADDRESS.match(source):
        yield _Local(Path(source), Path(source))
        return
    from sources.fetch import FetchError, download, is_public

    limits = services.settings.imports
    try:
        fetched = download(
            source, max_octets=limits.max_bytes, timeout_s=limits.timeout_s, may_connect=may_connect or is_public
        )
        with fetched as found:
            name = Path(urlsplit(found.url).path).name or urlsplit(found.url).hostname or "items"
            yield _Local(found.file, Path(name), found.url, found.content_type)
    except FetchError as error:
        raise SourceError(f"{without_userinfo(source)}: {error}") from None


def without_userinfo(url: str) -> str:
    """A password in an address must not get into a terminal or a log."""
    return re.sub(r"//[^/@]*@", "//", url)
