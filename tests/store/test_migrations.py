"""Migrations over rows that are there already: nothing that refers to a changed table is lost."""

import pytest
from alembic import command
from sqlalchemy import text

from store import schema
from store.database import Database
from tests.builders import stored_edition_to_send

DELIVERY = (
    "INSERT INTO delivery (outbox_id, attempt, at, outcome, code, enhanced_status, reply, route, elapsed_ms) "
    "SELECT id, 1, created_at, 'deferred', 451, '4.3.0', '451 later', 'h:25', 7 FROM outbox"
)


def _migrate(database: Database, revision: str) -> None:
    with database.migrating() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        (command.upgrade if revision == "head" else command.downgrade)(config, revision)


@pytest.mark.parametrize("revision", ["0005"])
def test_a_database_with_rows_goes_down_and_up_again_and_keeps_them(database: Database, revision: str) -> None:
    with database.writing() as connection:
        stored_edition_to_send(connection, 3)
        connection.execute(text(DELIVERY))
    _migrate(database, revision)
    _migrate(database, "head")
    schema.check(database)
    with database.reading() as connection:
        messages = connection.execute(text("SELECT kind, state, resends, dated_at FROM outbox")).all()
        attempts = connection.execute(text("SELECT code, reply, step, verdict FROM delivery")).all()
    assert [tuple(row) for row in messages] == [("digest", "planned", 0, None)] * 3
    assert [tuple(row) for row in attempts] == [(451, "451 later", "", "")] * 3
