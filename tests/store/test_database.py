import pytest
from sqlalchemy import text

from store.database import Database, DatabaseBusy
from tests.builders import stored_network


def test_a_lock_that_another_holds_is_waited_for_and_then_named(database: Database) -> None:
    with database.writing() as connection:
        stored_network(connection, slug="one")
    hasty = Database(database.engine.url.render_as_string(hide_password=False), wait_s=0.3)
    change = text("UPDATE network SET name = 'another' WHERE slug = 'one'")
    with database.writing() as connection:
        connection.execute(change)
        with pytest.raises(DatabaseBusy, match=r"0\.3 s"), hasty.writing() as second:
            second.execute(change)
    with hasty.writing() as second:
        assert second.execute(change).rowcount == 1
    hasty.close()
