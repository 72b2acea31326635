from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from jobs.import_members import ImportReport, Watcher, import_members
from jobs.services import Services
from jobs.settings import Settings
from store import members, networks
from store.database import Database, StoreError
from store.networks import Network
from tests.builders import NOW, stored_network

PEOPLE = [f"m{n}@example.org,M {n}" for n in range(10)]


@pytest.fixture
def services(database: Database) -> Services:
    return Services(Settings(imports={"batch": 3}), database, lambda: NOW)


@pytest.fixture
def network(database: Database) -> Network:
    with database.writing() as connection:
        stored_network(connection, slug="bw")
        return networks.find(connection, "bw")


def imported(services: Services, network: Network, file: Path, rows: list[str], **options: Any) -> ImportReport:
    file.write_text("\n".join(["email,name", *rows]))
    return import_members(services, network, file, **options)


def names(database: Database, network: Network) -> list[str]:
    with database.reading() as connection:
        return [found.member.name for found in members.stream(connection, network.key)]


class Stop(Watcher):
    """Breaks off after some batches, as a person at the keyboard does."""

    def __init__(self, after: int) -> None:
        self.left = after

    def read(self, octets: int, of: int) -> None:
        assert 0 < octets <= of
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_an_interrupted_import_keeps_whole_batches_and_goes_on_when_run_again(
    services: Services, database: Database, network: Network, tmp_path: Path
):
    with pytest.raises(KeyboardInterrupt):
        imported(services, network, tmp_path / "people.csv", PEOPLE, watcher=Stop(2))
    assert names(database, network) == [f"M {n}" for n in range(6)]
    report = imported(services, network, tmp_path / "people.csv", PEOPLE)
    assert dict(report.outcomes) == {"unchanged": 6, "added": 4}
    assert names(database, network) == [f"M {n}" for n in range(10)]


def test_a_batch_that_fails_leaves_nothing_of_itself(
    services: Services, database: Database, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def failing(connection: Connection, *rest: object) -> None:
        raise StoreError("the database stayed locked")

    monkeypatch.setattr(members, "_record", failing)
    with pytest.raises(StoreError, match="stayed locked"):
        imported(services, network, tmp_path / "people.csv", PEOPLE)
    assert names(database, network) == []


def test_two_imports_of_one_network_at_once_lose_and_double_nobody(
    services: Services, database: Database, network: Network, tmp_path: Path
):
    from concurrent.futures import ThreadPoolExecutor

    people = [f"m{n}@example.org,M {n}" for n in range(60)]
    with ThreadPoolExecutor(2) as pool:
        files = [(tmp_path / "one.csv", people), (tmp_path / "two.csv", people[::-1])]
        reports = list(pool.map(lambda pair: imported(services, network, *pair), files))
    assert sum(report.outcomes["added"] for report in reports) == 60
    assert sum(report.outcomes["unchanged"] for report in reports) == 60
    assert sorted(names(database, network)) == sorted(f"M {n}" for n in range(60))


def test_a_file_of_rejects_only_writes_nothing_to_the_database(
    services: Services, database: Database, network: Network, tmp_path: Path
):
    report = imported(services, network, tmp_path / "people.csv", ["x@,X", "y@,Y"])
    assert (dict(report.outcomes), names(database, network)) == ({"rejected": 2}, [])
    assert report.rejects_file == str(tmp_path / "people.csv.rejected.csv")
