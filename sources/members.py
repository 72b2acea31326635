"""Members from a file: Germane's own columns, exports of listmonk, Mailchimp and Mailman, or a list of addresses."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from digest.items import Topic
from profiles.address import Address, normalise, split_name
from profiles.joining import DEFAULTS, Entry
from profiles.member import GONE, Status
from sources.decoding import Encoding, SourceError, encoding_of
from sources.delimited import DELIMITERS, Row, Table, TextLines
from sources.fields import Topics, check_characters, read_field, read_name, split_words
from sources.layouts import ADDRESSES, MAILCHIMP, Columns, columns_of, status_by_file_name

_FINAL: tuple[Status, ...] = ("active", "paused", "pending", "bounced", "left")
_PLAIN = frozenset(DEFAULTS) - {"status", "chosen", "muted_topics"}
_ATTRIBUTES = _PLAIN - {"name", "role"}
_OBSCURED = re.compile(r"(\S+) at (\S+\.\S+)")
_DISABLED = re.compile(r"\((.+)\)")


class Rejection(ValueError):
    """A row that cannot go in. The message names the column and what is wrong with it."""


class AddressList:
    """One address a line, as Mailman's `list_members`, `mailman members`, roster page and Postorius give them.

    Rows as of a table with the columns address and status. Empty lines and those that begin with # are left out.
    """

    header = ("address", "status")
    delimiter = ","

    def __init__(self, path: Path, encoding: Encoding) -> None:
        self.path = path
        self.encoding = encoding
        self.octets = path.stat().st_size
        self._lines = TextLines(path, encoding)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._lines.close()

    @property
    def octets_read(self) -> int:
        return self._lines.octets_read

    def __iter__(self) -> Iterator[Row]:
        while True:
            self._lines.mark()
            number = self._lines.next_line
            try:
                text = next(self._lines).strip()
            except StopIteration:
                return
            except csv.Error:
                yield Row(number, ("", ""), "the line is too long for an address")
                continue
            if text and not text.startswith("#"):
                yield Row(number, _listed(text))


def open_members(path: Path) -> tuple[Table | AddressList, Columns]:
    """The rows of a file, to be used as a context manager, and where in them things are.

    Raises SourceError when the file cannot be read or nothing in it says where the addresses are.
    """
    encoding = encoding_of(path)
    if _begins_with_an_address(path, encoding):
        columns = columns_of(AddressList.header)
        return AddressList(path, encoding), replace(columns, layout=ADDRESSES)
    table = Table(path, encoding)
    try:
        return table, columns_of(table.header)
    except ValueError as error:
        table.close()
        raise SourceError(f"{path}: line 1 must name the columns: {error}") from None


def status_of_file(path: Path, columns: Columns, given: Status | None) -> Status | None:
    """The status of everybody in a file, as given by whoever imports it or by Mailchimp in the file's name."""
    named = status_by_file_name(path.name) if columns.layout is MAILCHIMP else None
    said = [status for status in (given, named) if status]
    return max(said, key=_FINAL.index) if said else None


class MemberReader:
    """Turns the rows of one file into entries. `topics.unknown` collects the words that are no topic of the network."""

    def __init__(
        self, columns: Columns, header: tuple[str, ...], topics: Iterable[Topic] = (), status: Status | None = None
    ) -> None:
        """`status` holds for every row that says none itself."""
        self.columns = columns
        self.topics = Topics(topics)
        self._header = header
        self._status = status
        self._plain = [(name, place) for name, place in columns.places.items() if name in _PLAIN]

    def entry(self, row: Row) -> Entry:
        """Raises Rejection when the row cannot go in."""
        if row.problem:
            raise Rejection(row.problem)
        address, name = self._address(row)
        values = self._attributes(row)
        cells = row.cells
        values |= {f: self._value(row, f, place) if cells[place] else DEFAULTS[f] for f, place in self._plain}
        values |= self._topics(row) | self._whole_name(row)
        if name and not values.get("name"):
            values["name"] = name
        if status := self._status_of(row):
            values["status"] = status
        return Entry(row.line, address, values, self._evidence(row))

    def _address(self, row: Row) -> tuple[Address, str]:
        text = row.cells[self.columns.places["address"]]
        try:
            check_characters(text)
            name, address = split_name(text)
            return normalise(address), read_name(name)
        except ValueError as error:
            raise self._rejection("address", error) from None

    def _value(self, row: Row, field: str, place: int) -> Any:
        try:
            return read_field(field, row.cells[place])
        except ValueError as error:
            raise self._rejection(field, error) from None

    def _topics(self, row: Row) -> dict[str, Any]:
        """A cell in which nothing is a topic of the network leaves the member's topics as they are; so do empty tags."""
        found: dict[str, Any] = {}
        for column, field in (("tags", "chosen"), ("chosen", "chosen"), ("muted_topics", "muted_topics")):
            cell = self._cell(row, column)
            if cell is not None:
                words = split_words(cell)
                keys = self.topics.keys(words, row.line)
                if keys or not (words or column == "tags"):
                    found[field] = keys
        return found

    def _whole_name(self, row: Row) -> dict[str, Any]:
        columns = [column for column in ("first_name", "last_name") if column in self.columns.places]
        if "name" in self.columns.places or not columns:
            return {}
        parts = [self._part_of_name(row, column) for column in columns]
        return {"name": " ".join(part for part in parts if part)}

    def _part_of_name(self, row: Row, column: str) -> str:
        try:
            return read_name(row.cells[self.columns.places[column]])
        except ValueError as error:
            raise self._rejection(column, error) from None

    def _attributes(self, row: Row) -> dict[str, Any]:
        """listmonk's attributes are JSON: those that are named like a field are one."""
        cell = self._cell(row, "attributes")
        if not cell:
            return {}
        try:
            return self._from_attributes(_json_object(cell), row.line)
        except ValueError as error:
            raise self._rejection("attributes", error) from None

    def _from_attributes(self, attributes: dict[str, Any], line: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in attributes.items():
            text = ";".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
            if name in {"topics", "tags", "chosen"}:
                if keys := self.topics.keys(split_words(text), line):
                    found["chosen"] = keys
            elif name in _ATTRIBUTES:
                try:
                    found[name] = read_field(name, text)
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
        return found

    def _status_of(self, row: Row) -> Status | None:
        """The most final word wins: whoever left by one column and is active by another has left."""
        said: list[Status] = []
        if self._cell(row, "status"):
            said.append(self._value(row, "status", self.columns.places["status"]))
        if self._cell(row, "clean_time"):
            said.append("bounced")
        if self._cell(row, "unsub_time"):
            said.append("left")
        if self._status and (self._status in GONE or not said):
            said.append(self._status)
        return max(said, key=_FINAL.index) if said else None

    def _evidence(self, row: Row) -> str:
        said = ((name, row.cells[place].strip()) for name, place in self.columns.evidence.items())
        return "; ".join(f"{name} {text[:100]}" for name, text in said if text)

    def _cell(self, row: Row, column: str) -> str | None:
        place = self.columns.places.get(column)
        return None if place is None else row.cells[place].strip()

    def _rejection(self, column: str, error: ValueError) -> Rejection:
        return Rejection(f"{self._header[self.columns.places[column]]}: {error}")


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except RecursionError:
        value = None
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError('is not a JSON object such as {"region": "Wales"}')
    return value


def _begins_with_an_address(path: Path, encoding: Encoding) -> bool:
    """Whether the first line that says something looks like one address: no column is called so."""
    with AddressList(path, encoding) as rows:
        row = next(iter(rows), None)
    address = split_name(row.cells[0])[1] if row else ""
    return "@" in address and not any(delimiter in address for delimiter in DELIMITERS)


def _listed(text: str) -> tuple[str, str]:
    """(address with or without a name, status). Mailman's roster page writes "jo at example.org", and puts it in
    brackets where the member has stopped delivery."""
    disabled = _DISABLED.fullmatch(text)
    bare = disabled[1].strip() if disabled else text
    obscured = _OBSCURED.fullmatch(bare)
    return f"{obscured[1]}@{obscured[2]}" if obscured else bare, "paused" if disabled else ""
