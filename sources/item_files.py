"""A file of items in any of three formats, record by record, with the file its rejected records go to."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Protocol, Self, get_args

from sources.decoding import UNREADABLE, SourceError, encoding_of
from sources.delimited import Row, Table
from sources.feeds import Feed
from sources.items import Record, field_name, unknown_names
from sources.jsonl import UNREADABLE_TEXT, JsonLines
from sources.rejects import Rejects

Format = Literal["csv", "jsonl", "feed"]
FORMATS: tuple[Format, ...] = get_args(Format)

EXTENSIONS: Mapping[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".rss": "feed",
    ".atom": "feed",
    ".xml": "feed",
}


class RejectsFile(Protocol):
    """Made by the first record that is added; a context manager."""

    path: Path

    @property
    def count(self) -> int: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...

    def add(self, record: Record, reason: str) -> None: ...


class ItemFile(Protocol):
    """What every format offers. `octets_read` of `octets` is how far reading has come; a `warning` is for the operator."""

    octets: int
    warning: str

    @property
    def octets_read(self) -> int: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...

    def __iter__(self) -> Iterator[Record]: ...

    def rejects(self, source: Path) -> RejectsFile:
        """A file beside `source`, of a format that can be imported again, for rejected records."""


def open_items(
    path: Path,
    found: Format,
    *,
    topics: Mapping[str, str],
    ignore_unknown: bool = False,
    url: str = "",
    content_type: str = "",
) -> ItemFile:
    """`topics`, `url` and `content_type` are for feeds (see there). Raises SourceError for a file that cannot be read at all."""
    if found == "feed":
        return Feed(path, topics, url=url, content_type=content_type)
    return CsvItems(path, ignore_unknown=ignore_unknown) if found == "csv" else JsonLines(path)


def format_of(path: Path, name: str) -> Format:
    """By what the file begins with; where that could be anything, by the extension of `name`; else CSV. Raises SourceError."""
    with path.open("r", encoding=encoding_of(path).codec, errors="replace") as file:
        head = file.read(1000).lstrip("\ufeff \t\r\n")
    if head.startswith("<"):
        return "feed"
    if head.startswith(("{", "[")):
        return "jsonl"
    return EXTENSIONS.get(Path(name).suffix.lower(), "csv")


class CsvItems:
    """A CSV file whose header names fields of an item."""

    warning = ""

    def __init__(self, path: Path, *, ignore_unknown: bool = False) -> None:
        """Raises SourceError when a column means nothing here, or two mean the same."""
        self._table = Table(path)
        self.octets = self._table.octets
        problems = _header_problems(self._table.header, ignore_unknown)
        if problems:
            self._table.__exit__()
            raise SourceError(f"{path}: in the header: {'; '.join(problems)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._table.__exit__()

    @property
    def octets_read(self) -> int:
        return self._table.octets_read

    def __iter__(self) -> Iterator[Record]:
        header = self._table.header
        for row in self._table:
            problem = row.problem or (UNREADABLE_TEXT if UNREADABLE in "".join(row.cells) else "")
            yield Record(row.line, dict(zip(header, row.cells, strict=True)), problem)

    def rejects(self, source: Path) -> RejectsFile:
        return CsvRejects(source, self._table.header, self._table.delimiter)


class CsvRejects:
    def __init__(self, source: Path, header: tuple[str, ...], delimiter: str) -> None:
        self._header = header
        self._rejects = Rejects(source, header, delimiter)
        self.path = self._rejects.path

    @property
    def count(self) -> int:
        return self._rejects.count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._rejects.__exit__(*raised)

    def add(self, record: Record, reason: str) -> None:
        cells = tuple(str(record.fields.get(name, "")) for name in self._header)
        self._rejects.add(Row(record.line, cells), reason)


def _header_problems(header: tuple[str, ...], ignore_unknown: bool) -> list[str]:
    problems = [] if ignore_unknown else unknown_names(header)
    meanings = [field_name(name) for name in header]
    if not {"title", "body"} & set(meanings):
        problems.append("there is neither a title nor a body column")
    twice = sorted({name for name in meanings if name and meanings.count(name) > 1})
    return problems + [f"more than one column gives the {name}" for name in twice]
