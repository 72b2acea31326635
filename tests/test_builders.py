"""The builders and the fixtures themselves: every other test stands on them."""

from sqlalchemy import select

from store import networks, schema
from store.database import Database
from store.tables import DigestItem, Outbox
from tests.builders import stored_digest, stored_edition, stored_item, stored_member, stored_network


def test_a_fresh_database_has_this_versions_tables_and_nothing_in_them(database: Database) -> None:
    schema.check(database)
    with database.reading() as connection:
        assert networks.every(connection) == []


def test_a_stored_digest_has_its_items_and_its_row_in_the_outbox(database: Database) -> None:
    with database.writing() as connection:
        network = stored_network(connection, slug="stroke")
        member = stored_member(connection, network)
        items = (stored_item(connection, network), stored_item(connection, network))
        outbox = stored_digest(connection, stored_edition(connection, network), member, items)
    with database.reading() as connection:
        table = DigestItem.__table__  # type: ignore[attr-defined]
        chosen = connection.execute(select(table.c.item_id).order_by(table.c.rank)).scalars().all()
        assert tuple(chosen) == items
        states = connection.execute(select(Outbox.__table__.c.id, Outbox.__table__.c.state)).all()  # type: ignore[attr-defined]
        assert [tuple(row) for row in states] == [(outbox, "planned")]
