"""The database's disk fills up at one write after another: nothing is sent without its record, and all goes on with room."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import schema
from store.database import Database
from tests.conftest import _address, _execute
from tests.faults.cluster import OWNER, own_cluster
from tests.faults.disks import SmallDisk, small_disk
from tests.faults.misbehaving import Misbehaving
from tests.faults.town import CONNECTIONS, Town

ROOM = range(0, 320, 64)
"""Kilobytes that are left on the disk, one run after the other."""


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_disk(megabytes=40) as disk:
        yield disk


@pytest.fixture
def database_on_disk(request: pytest.FixtureRequest, disk: SmallDisk, database: str) -> Iterator[Database]:
    if database == "sqlite":
        file = disk.folder / "germane.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
        opened = Database(f"sqlite:///{file}")
        yield opened
        opened.close()
    else:
        with own_cluster() as cluster:
            yield from _on_postgres(cluster, disk)


def _on_postgres(cluster: str, disk: SmallDisk) -> Iterator[Database]:
    """A database in a tablespace on the disk."""
    place = disk.folder / "space"
    place.mkdir()
    shutil.chown(place, OWNER, OWNER)
    _execute(cluster, f"CREATE TABLESPACE small LOCATION '{place}'")
    _execute(cluster, "CREATE DATABASE small TEMPLATE template0 ENCODING 'UTF8' TABLESPACE small")
    opened = Database(_address(cluster, "small"))
    schema.upgrade(opened)
    yield opened
    opened.close()


@pytest.mark.fault("disk full", "with 0, 64, 128 ... kilobytes left, one run after another")
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_f08_a_full_disk_is_told_and_nothing_is_sent_without_a_record(
    database_on_disk: Database, disk: SmallDisk, server: Misbehaving, tmp_path: Path
) -> None:
    town = Town(database_on_disk, server, tmp_path, members=60)
    ends = []
    for kilobytes in ROOM:
        disk.fill(leave=kilobytes * 1024)
        code, said = town.finish()
        ends.append(code)
        assert code in {0, 1, 5}, said
        assert code != 5 or "disk" in said
    assert 5 in ends, "the disk was never full"
    disk.empty()
    town.until_finished()
    assert town.violations() == []
    assert len(town.addresses("uncertain")) <= ends.count(5) * CONNECTIONS
