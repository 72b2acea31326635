"""The auditor finds what is planted in the ledger, whatever those who composed it say of it."""

import sqlite3
from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from jobs.simulation import audited
from simulation.auditor import Breaches
from store import audit, networks
from store.database import Database
from store.tables import Member, Outbox
from tests.builders import (
    NOW,
    some_services,
    stored_digest,
    stored_edition,
    stored_item,
    stored_member,
    stored_network,
)

MEMBER = Member.__table__  # type: ignore[attr-defined]
OUTBOX = Outbox.__table__  # type: ignore[attr-defined]


class Planted:
    """A network with one member, and mails that came to them when one says."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.network = stored_network(connection)
        self.member = stored_member(connection, self.network)

    def mail(self, at: datetime, *items: int, state: str = "handed_over", edition: int = 0) -> int:
        edition = edition or stored_edition(self.connection, self.network)
        key = stored_digest(self.connection, edition, self.member, items)
        self.connection.execute(update(OUTBOX).where(OUTBOX.c.id == key).values(state=state, settled_at=at))
        return edition

    def items(self, n: int, kind: str = "news", **changes: object) -> list[int]:
        return [stored_item(self.connection, self.network, kind=kind, **changes) for _ in range(n)]

    def wish(self, **limits: int) -> None:
        self.connection.execute(update(MEMBER).where(MEMBER.c.id == self.member).values(**limits))


def found(database: Database, network: int) -> tuple[Breaches, int]:
    with database.reading() as connection:
        return audited(some_services(database), networks.by_key(connection, network))


def test_a_quiet_ledger_has_nothing_to_report(database: Database) -> None:
    with database.writing() as connection:
        planted = Planted(connection)
        for week in range(6):
            planted.mail(NOW + timedelta(weeks=week), *planted.items(5), *planted.items(1, "request")[: week % 2])
    assert found(database, planted.network) == (Breaches(0, 0, 0, 0), 0)


def test_a_request_too_many_in_a_month_is_found(database: Database) -> None:
    with database.writing() as connection:
        planted = Planted(connection)
        for week in range(3):
            planted.mail(NOW + timedelta(weeks=week), *planted.items(2, "request"))
    assert found(database, planted.network)[0] == Breaches(0, 0, 0, asks=1)
    with database.writing() as connection:
        Planted.wish(_again(planted, connection), asks_per_month=1)
    assert found(database, planted.network)[0].asks == 3
    with database.writing() as connection:
        Planted.wish(_again(planted, connection), asks_per_month=6)
    assert found(database, planted.network)[0].asks == 0


def _again(planted: Planted, connection: Connection) -> Planted:
    planted.connection = connection
    return planted


def test_a_digest_too_long_and_mails_too_many_and_too_close_are_found(database: Database) -> None:
    with database.writing() as connection:
        planted = Planted(connection)
        planted.mail(NOW, *planted.items(7))
        for hours in (10, 20, 22):
            planted.mail(NOW + timedelta(hours=hours), *planted.items(1))
    assert found(database, planted.network)[0] == Breaches(items=1, mails=1, hours=1, asks=0)


def test_only_what_a_server_took_counts(database: Database) -> None:
    with database.writing() as connection:
        planted = Planted(connection)
        for state in ("planned", "cancelled", "refused", "deferred"):
            planted.mail(NOW, *planted.items(9), state=state)
    assert found(database, planted.network) == (Breaches(0, 0, 0, 0), 0)
    with database.writing() as connection:
        _again(planted, connection).mail(NOW, *planted.items(9), state="uncertain")
    assert found(database, planted.network)[0].items == 1, "a mail that may have arrived counts as one that did"


def test_the_same_link_or_the_same_text_again_is_a_repeat(database: Database) -> None:
    with database.writing() as connection:
        planted = Planted(connection)
        for week in (0, 1):
            link = planted.items(1, url="https://example.org/same")
            text_only = planted.items(1, title="The same title", body="The same text.")
            planted.mail(NOW + timedelta(weeks=week), *link, *text_only)
    assert found(database, planted.network) == (Breaches(0, 0, 0, 0), 2)


def test_the_same_item_and_a_second_mail_of_an_edition_are_repeats(sqlite_database: Database) -> None:
    """The tables forbid both; the auditor does not rely on it."""
    with sqlite_database.writing() as connection:
        planted = Planted(connection)
        planted.mail(NOW, *planted.items(1))
    file = sqlite_database.engine.url.database
    assert file
    with sqlite3.connect(file) as raw:  # without the checks of keys that the store asks for
        for table, changes in (
            ("outbox", {"id": 999, "digest_id": 999, "message_id": "'again'"}),
            ("digest_item", {"digest_id": 999}),
        ):
            names = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
            values = ", ".join(str(changes.get(name, f'"{name}"')) for name in names)
            raw.execute(f"CREATE TABLE loose AS SELECT * FROM {table}")
            raw.execute(f"INSERT INTO loose SELECT {values} FROM {table}")
            raw.execute(f"DROP TABLE {table}")
            raw.execute(f"ALTER TABLE loose RENAME TO {table}")
    raw.close()
    assert found(sqlite_database, planted.network)[1] == 2


def test_pairs_are_told_by_member_and_place(database: Database) -> None:
    with database.writing() as connection:
        planted = Planted(connection)
        items = planted.items(3)
        edition = planted.mail(NOW, *items)
        assert audit.pairs(connection, edition) == [(planted.member, item, 60.0 - n) for n, item in enumerate(items)]
