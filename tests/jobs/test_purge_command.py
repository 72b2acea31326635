"""F44: what grows is taken away in time, and never what something due points to."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from store import outbox
from store.database import Database
from store.editions import MODEL
from store.retention import DELIVERY, EDITION, LEFT_OUT, OUTBOX, UNSETTLED, purge
from tests.builders import NOW, stored_edition_to_send, stored_item
from tests.jobs.installation import Installation, germane, printed

OLD = NOW - timedelta(days=500)


def _edition(database: Database, **values: Any) -> int:
    """A finished edition of 500 days ago with three messages handed over, and all that it leaves behind."""
    with database.writing() as connection:
        key, _ = stored_edition_to_send(connection, 3)
        connection.execute(
            update(EDITION).where(EDITION.c.id == key).values(**{"state": "finished", "as_of": OLD} | values)
        )
        connection.execute(update(OUTBOX).where(OUTBOX.c.edition_id == key).values(state="handed_over"))
        connection.execute(insert(MODEL).values(edition_id=key, sha256="", model=b"model"))
        network = connection.execute(select(EDITION.c.network_id).where(EDITION.c.id == key)).scalar_one()
        item = stored_item(connection, network)
        for row in connection.execute(select(OUTBOX.c.id, OUTBOX.c.digest_id).where(OUTBOX.c.edition_id == key)).all():
            left = {"digest_id": row.digest_id, "item_id": item, "reason": "over_budget", "score": 0.1, "match": 40.0}
            connection.execute(insert(LEFT_OUT).values(**left))
            tried = {"outbox_id": row.id, "attempt": 1, "at": OLD, "outcome": "handed_over", "code": 250}
            told = dict.fromkeys(("enhanced_status", "reply", "route"), "") | {"elapsed_ms": 1}
            connection.execute(insert(DELIVERY).values(**tried, **told))
    return key


def _rows(database: Database) -> list[int]:
    with database.reading() as connection:
        return [
            connection.execute(select(func.count()).select_from(t)).scalar_one() for t in (MODEL, LEFT_OUT, DELIVERY)
        ]


def _purge(database: Database, **options: Any) -> dict[Any, int]:
    with database.writing() as connection:
        return purge(connection, NOW - timedelta(days=400), **options)


def test_f44_of_old_finished_editions_only_the_outcome_stays(database: Database) -> None:
    _edition(database)
    _edition(database, as_of=NOW - timedelta(days=399))
    assert _purge(database, dry_run=True) == {"models": 1, "left out": 3, "attempts": 3}
    assert _rows(database) == [2, 6, 6]
    assert _purge(database) == {"models": 1, "left out": 3, "attempts": 3}
    assert _rows(database) == [1, 3, 3]
    with database.reading() as connection:
        assert outbox.counts(connection) == {"handed_over": 6}
    assert _purge(database) == {"models": 0, "left out": 0, "attempts": 0}


@pytest.mark.parametrize("state", UNSETTLED)
def test_f44_nothing_goes_that_a_message_not_settled_belongs_to(sqlite_database: Database, state: str) -> None:
    """Even where its edition says that it is finished."""
    key = _edition(sqlite_database)
    with sqlite_database.writing() as connection:
        one = select(func.min(OUTBOX.c.id)).where(OUTBOX.c.edition_id == key).scalar_subquery()
        connection.execute(update(OUTBOX).where(OUTBOX.c.id == one).values(state=state))
    assert _purge(sqlite_database) == {"models": 0, "left out": 0, "attempts": 0}


@pytest.mark.parametrize("state", ["opened", "composed", "released"])
def test_f44_nothing_goes_of_an_edition_that_is_not_finished(sqlite_database: Database, state: str) -> None:
    _edition(sqlite_database, state=state)
    assert _purge(sqlite_database) == {"models": 0, "left out": 0, "attempts": 0}


def test_f44_the_command_counts_first_and_refuses_what_is_young(installation: Installation) -> None:
    """The newest attempt of all stays: an old copy of the database is known by its number."""
    _edition(installation.database)
    assert germane("purge", "--older-than", 30).exit_code == 2
    before = installation.fingerprint
    assert printed("purge", "--dry-run")["attempts"] == 2
    assert installation.fingerprint == before
    assert printed("purge") == {"models": 1, "left out": 3, "attempts": 2}
    assert "attempts" in germane("purge").stdout
