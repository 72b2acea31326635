"""The table of faults survived, printed at the end of a run of the tests.

A test says with `@pytest.mark.fault(WHAT, WHERE)` what it breaks; braces in either name its parameters. What it came to
travels with its report, so that the table is whole when several processes (pytest-xdist) run the tests.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
HEADINGS = ("fault", "where", *DATABASES.values(), "survived")


@dataclass
class Row:
    """How often a fault was met on each kind of database, and how often that was survived."""

    times: dict[str, int] = field(default_factory=dict)
    survived: dict[str, int] = field(default_factory=dict)

    def add(self, database: str, times: int, survived: bool) -> None:
        self.times[database] = self.times.get(database, 0) + times
        self.survived[database] = self.survived.get(database, 0) + times * survived

    def cell(self, database: str) -> str:
        if database not in self.times:
            return "-"
        return f"{self.survived[database]:,} of {self.times[database]:,}"

    @property
    def verdict(self) -> str:
        return "yes" if self.times == self.survived else "NO"


def note(item: pytest.Item) -> None:
    """Add to the item's report what fault it is about, if it is about one."""
    for marker in item.iter_markers("fault"):
        what, where = marker.args
        parameters: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
        item.user_properties.append(
            ("fault", (what.format(**parameters), where.format(**parameters), _database(item, parameters)))
        )


def _database(item: pytest.Item, parameters: dict[str, Any]) -> str:
    named = str(parameters.get("database", ""))
    names = getattr(item, "fixturenames", ())
    return named or ("postgres" if "postgres_database" in names and "sqlite_database" not in names else "sqlite")


def rows(reports: Iterable[pytest.TestReport]) -> dict[tuple[str, str], Row]:
    """By fault and place, in the order of the names."""
    found: dict[tuple[str, str], Row] = {}
    for report in reports:
        properties = getattr(report, "user_properties", ())  # a file that could not be collected has none
        times = next((int(value) for name, value in properties if name == "times"), 1)
        for name, value in properties:
            if name == "fault":
                what, where, database = value
                found.setdefault((what, where), Row()).add(database, times, report.passed)
    return dict(sorted(found.items()))


def lines(table: dict[tuple[str, str], Row]) -> list[str]:
    """The table as text, its columns aligned."""
    body = [(*key, *(row.cell(name) for name in DATABASES), row.verdict) for key, row in table.items()]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *body, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (HEADINGS, *body)]
