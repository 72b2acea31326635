"""A mail server that behaves until a test gives it faults, and towns of three sizes with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from delivery.sink import running
from store.database import Database
from tests.faults.misbehaving import Misbehaving
from tests.faults.town import Town


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with running(Misbehaving()) as sink:
        assert isinstance(sink, Misbehaving)
        yield sink


@pytest.fixture
def town(database: Database, server: Misbehaving, tmp_path: Path) -> Town:
    """200 members, on each kind of database."""
    return Town(database, server, tmp_path, members=200)


@pytest.fixture
def village(database: Database, server: Misbehaving, tmp_path: Path) -> Town:
    """12 members, on each kind of database."""
    return Town(database, server, tmp_path, members=12)


@pytest.fixture
def hamlet(database: Database, server: Misbehaving, tmp_path: Path) -> Town:
    """Six members whose messages are in the outbox, on each kind of database."""
    town = Town(database, server, tmp_path, members=6)
    town.compose()
    return town


@pytest.fixture
def small_town(sqlite_database: Database, server: Misbehaving, tmp_path: Path) -> Town:
    """40 members, on SQLite."""
    return Town(sqlite_database, server, tmp_path, members=40)
