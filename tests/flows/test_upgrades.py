"""F45: a new version comes in the middle of a run. No process works on tables it does not know, whichever comes first."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from jobs.services import process_name
from store import editions, outbox, schema, version
from store.database import Database, StoreError
from store.tables import Edition, Outbox
from tests.builders import NOW, stored_edition_to_send
from tests.jobs.conftest import installation
from tests.jobs.installation import Installation, germane

__all__ = ["installation"]

OUTBOX, EDITION = Outbox.__table__, Edition.__table__  # type: ignore[attr-defined]
LEASE = NOW + timedelta(minutes=15)


def _set_version(database: Database, name: str) -> None:
    with database.writing() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{name}'"))


def _claim(database: Database, edition: int) -> int:
    with database.writing() as connection:
        return len(outbox.claim(connection, "other:1:0#a", [edition], now=NOW, lease_until=LEASE, limit=9))


def test_f45_the_version_told_without_alembic_is_the_one_that_alembic_knows(sqlite_database: Database) -> None:
    assert schema.version(sqlite_database) == version.wanted()


def test_f45_an_old_process_claims_nothing_in_the_tables_of_a_newer_version(database: Database) -> None:
    with database.writing() as connection:
        key, _ = stored_edition_to_send(connection, 3)
    _set_version(database, "9999")
    with pytest.raises(StoreError, match="migrated to version 9999"):
        _claim(database, key)
    with database.reading() as connection:
        edition = editions.find(connection, *connection.execute(select(EDITION.c.network_id, EDITION.c.slot)).one())
    assert edition is not None
    with pytest.raises(StoreError, match="start it again"), database.writing() as connection:
        editions.claim(connection, edition, "other:1:0", NOW, 120, dead=False)
    with database.reading() as connection:
        assert outbox.counts(connection) == {"planned": 3}
    _set_version(database, version.wanted())
    assert _claim(database, key) == 3


def test_f45_a_migration_is_refused_while_messages_or_an_edition_are_claimed(database: Database) -> None:
    with database.writing() as connection:
        key, _ = stored_edition_to_send(connection, 3)
    assert _claim(database, key) == 3
    _set_version(database, "0001")
    with pytest.raises(StoreError, match="other:1:0#a is at work on the outbox"):
        schema.upgrade(database, NOW)
    assert schema.version(database) == "0001"
    with database.writing() as connection:
        connection.execute(update(OUTBOX).values(state="planned", claimed_by="", lease_until=None))
        connection.execute(update(EDITION).values(owner="other:1:0", lease_until=LEASE))
    with pytest.raises(StoreError, match="other:1:0 is at work on the edition"):
        schema.upgrade(database, NOW)


def test_f45_claims_that_ran_out_or_of_a_process_that_is_gone_stop_no_migration(database: Database) -> None:
    with database.writing() as connection:
        key, _ = stored_edition_to_send(connection, 1)
    _claim(database, key)
    with database.writing() as connection:
        with pytest.raises(StoreError, match="other:1:0"):
            version.refuse_while_claimed(connection, NOW, lambda _: False)
        version.refuse_while_claimed(connection, LEASE + timedelta(seconds=1), lambda _: False)
        version.refuse_while_claimed(connection, NOW, lambda owner: owner == "other:1:0#a")


def test_f45_init_says_who_is_at_work_and_changes_nothing(installation: Installation) -> None:
    with installation.database.writing() as connection:
        stored_edition_to_send(connection, 1, slug="busy")
        values = {"state": "claimed", "claimed_by": f"{process_name()}#1", "lease_until": LEASE}
        connection.execute(update(OUTBOX).values(**values))
    assert germane("init").exit_code == 0, "nothing is to be migrated"
    _set_version(installation.database, "0001")
    result = germane("init")
    assert result.exit_code == 5
    assert "stop `germane serve`" in result.stderr
    assert schema.version(installation.database) == "0001"
