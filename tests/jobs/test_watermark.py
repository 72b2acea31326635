"""F6: a database that was put back from an older copy is known by what is kept outside of it, and sends nothing."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from delivery.sink import running
from jobs.run import run_edition
from jobs.send import send_due
from jobs.services import Services
from store import networks, outbox
from store.database import Database, StoreError
from tests.builders import NOW, some_services, stored_edition_to_send
from tests.faults.misbehaving import Misbehaving


def _services(database: Database, server: Misbehaving, **sending: Any) -> Services:
    return some_services(database, smtp={"host": server.host, "port": server.port}, sending=sending)


def _planned_again(database: Database) -> None:
    """What an older copy looks like from outside: the messages wait, and no attempt at them is known."""
    with database.writing() as connection:
        connection.execute(outbox.DELIVERY.delete())
        values = {"state": "planned", "attempts": 0, "dot_sent": False, "settled_at": None, "claimed_by": ""}
        connection.execute(outbox.OUTBOX.update().values(**values))
        connection.execute(outbox.EDITION.update().values(state="released", finished_at=None))


def test_f06_an_sqlite_file_put_back_from_a_copy_before_sending_is_refused_until_somebody_looked(
    sqlite_database: Database, tmp_path: Path
) -> None:
    with sqlite_database.writing() as connection:
        stored_edition_to_send(connection, 3)
        (network,) = networks.every(connection)
    sqlite_database.close()
    file = tmp_path / "germane.db"
    shutil.copyfile(file, tmp_path / "copy.db")
    with running(Misbehaving()) as server:
        assert isinstance(server, Misbehaving)
        services = _services(sqlite_database, server)
        assert send_due(services).of("handed_over") == 3
        sqlite_database.close()
        shutil.copyfile(tmp_path / "copy.db", file)
        for act in (lambda: send_due(services), lambda: run_edition(services, network, at=NOW)):
            with pytest.raises(StoreError, match="put back from an older copy"):
                act()
        assert len(server.accepted) == 3
        (tmp_path / "germane.db.mark").unlink()
        assert send_due(services).of("handed_over") == 3


def test_f06_on_either_database_the_file_that_the_settings_name_is_asked(database: Database, tmp_path: Path) -> None:
    with database.writing() as connection:
        stored_edition_to_send(connection, 2)
    with running(Misbehaving()) as server:
        assert isinstance(server, Misbehaving)
        services = _services(database, server, mark_file=str(tmp_path / "mark"))
        send_due(services)
        assert send_due(services).waiting == 0
        _planned_again(database)
        with pytest.raises(StoreError, match="put back from an older copy"):
            send_due(services)


def test_the_file_of_another_database_is_no_reason(sqlite_database: Database, tmp_path: Path) -> None:
    """As after `germane init` made a new one in the same place."""
    (tmp_path / "germane.db.mark").write_text("another 4711", encoding="utf-8")
    with sqlite_database.writing() as connection:
        stored_edition_to_send(connection, 2)
    with running(Misbehaving()) as server:
        assert isinstance(server, Misbehaving)
        assert send_due(_services(sqlite_database, server)).of("handed_over") == 2


def test_a_file_that_cannot_be_written_is_told_and_stops_nothing(
    sqlite_database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite_database.writing() as connection:
        stored_edition_to_send(connection, 2)
    with running(Misbehaving()) as server:
        assert isinstance(server, Misbehaving)
        services = _services(sqlite_database, server, mark_file=str(tmp_path / "nowhere" / "mark"))
        assert send_due(services).of("handed_over") == 2
    assert "see sending.mark_file" in caplog.text
