"""A network with one member and one item on a real database, and a client that speaks to the pages about them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update
from starlette.testclient import TestClient

from profiles.links import sign, sign_feedback
from store import members, tables
from store.database import Database
from store.members import StoredMember
from tests import builders
from tests.builders import NOW
from web.app import create_app
from web.context import WebContext

KEY = b"a key that is at least thirty-two"
TEMPLATES = Path(__file__).parents[2] / "templates" / "web"


@dataclass
class Pages:
    """`client` never follows a redirect and keeps no cookie; `context` can be replaced to move the clock."""

    database: Database
    context: WebContext
    client: TestClient
    network: int
    member: int
    public_id: str

    @property
    def leave(self) -> str:
        return f"/leave/{sign(KEY, 'leave', self.public_id)}"

    @property
    def keep(self) -> str:
        return f"/keep/{sign(KEY, 'keep', self.public_id)}"

    @property
    def preferences(self) -> str:
        return f"/preferences/{sign(KEY, 'preferences', self.public_id)}"

    def feedback(self, item: str) -> str:
        return f"/feedback/{sign_feedback(KEY, self.public_id, item)}"

    def now(self) -> StoredMember:
        with self.database.reading() as connection:
            found = members.find_by_public_id(connection, self.public_id)
        assert found is not None
        return found

    def consents(self) -> list[tuple[str, str]]:
        with self.database.reading() as connection:
            return [(record.action, record.basis) for record in members.consents(connection, self.member)]

    def set_status(self, status: str) -> None:
        table = tables.Member.__table__
        with self.database.writing() as connection:
            connection.execute(update(table).where(table.c.id == self.member).values(status=status))

    def add_item(self, **changes: Any) -> str:
        with self.database.writing() as connection:
            return public_id(connection, tables.Item, builders.stored_item(connection, self.network, **changes))

    def later(self, **time: Any) -> "Pages":
        from datetime import timedelta

        moved = replace(self.context, now=lambda: NOW + timedelta(**time))
        return replace(self, context=moved, client=client_of(moved))

    def everything(self) -> list[tuple[str, list[tuple[Any, ...]]]]:
        """Every row of every table."""
        with self.database.reading() as connection:
            return [
                (table.name, [tuple(row) for row in connection.execute(select(table))])
                for table in tables.metadata.sorted_tables
            ]


def open_pages(database: Database, *, base_url: str = "http://testserver", **member: Any) -> Pages:
    with database.writing() as connection:
        network = builders.stored_network(connection, name="Breathe Well")
        for key, parent in (("stroke", ""), ("rehab", "stroke"), ("digital", "")):
            builders.stored_topic(connection, network, key=key, label=key.title(), parent=parent)
        key = builders.stored_member(connection, network, **member)
        identity = public_id(connection, tables.Member, key)
    context = WebContext(database, KEY, base_url, lambda: NOW, TEMPLATES, 6, ("en", "cy"))
    return Pages(database, context, client_of(context), network, key, identity)


def client_of(context: WebContext) -> TestClient:
    return TestClient(create_app(context), follow_redirects=False)


def public_id(connection: Connection, row: Any, key: int) -> str:
    table = row.__table__
    return str(connection.execute(select(table.c.public_id).where(table.c.id == key)).scalar_one())
