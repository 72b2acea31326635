"""The database of the randomised schedules: a real SQLite in memory, emptied between them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SADeprecationWarning

from store import networks, schema
from store.database import Database, DatabaseBusy
from store.tables import metadata
from tests.builders import NOW, stored_item, stored_member, stored_network
from tests.faults.broken import drop_unique_keys

ITEMS = 4
MEMBERS = 4


class Store:
    """The database of all schedules: one in memory, emptied between them. It stands in for `store.database.Database`.

    Transactions are begun and ended at the driver, without SQLAlchemy's part, which would double what a schedule costs.
    """

    def __init__(self, *, unique_keys: bool = True) -> None:
        with warnings.catch_warnings(action="ignore", category=SADeprecationWarning):  # which pool, that will change
            database = Database(f"sqlite:///file:schedules{unique_keys}?mode=memory&cache=shared&uri=true")
        kept = database.engine.connect()  # while there is none, the database is gone
        schema.upgrade(database)
        if not unique_keys:
            drop_unique_keys(database)
        self.connection = database.engine.connect()
        kept.close()
        with self.connection.begin():
            self.network = networks.by_key(self.connection, stored_network(self.connection, slug="simulated"))
            for n in range(ITEMS):
                stored_item(self.connection, self.network.key, published_at=NOW - timedelta(days=1, hours=n))
            for n in range(MEMBERS):
                stored_member(self.connection, self.network.key, address=f"m{n}@example.org")
        self._driver: Any = self.connection.connection.driver_connection
        self.connection.begin()
        self._driver.execute("COMMIT")  # SQLAlchemy goes on believing that one transaction is open
        self._tables = [table.name for table in metadata.sorted_tables if table.name != "network"]
        self._empty = "".join(f"DELETE FROM {name};" for name in reversed(self._tables))
        self.locked_for = 0
        self._fresh = self._content()
        self._composed: dict[str, list[tuple[Any, ...]]] = {}

    @property
    def has_composed(self) -> bool:
        return bool(self._composed)

    def _content(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of each table that has any."""
        rows = {name: self._driver.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in self._tables}
        return {name: found for name, found in rows.items() if found}

    def keep_as_composed(self) -> None:
        """What is here now is what schedules may begin with later: an edition that is ready to be sent."""
        self._composed = self._content()

    def reset(self, members: int, *, composed: bool) -> None:
        """As it was at first with so many members, or with an edition for all of them that is ready to be sent."""
        self.locked_for = 0
        self._driver.executescript(f"BEGIN; {self._empty} COMMIT")
        for table, rows in (self._composed if composed else self._fresh).items():
            marks = ", ".join("?" * len(rows[0]))
            wanted = rows[:members] if table == "member" else rows
            self._driver.executemany(f"INSERT INTO {table} VALUES ({marks})", wanted)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        if self.locked_for:
            self.locked_for -= 1
            raise DatabaseBusy("locked by another process")
        with self.seeing() as connection:
            yield connection

    reading = writing

    @contextmanager
    def seeing(self) -> Iterator[Connection]:
        """For those whom no lock keeps out: the mail server and the one who looks at the end."""
        self._driver.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            self._driver.execute("ROLLBACK")
            raise
        self._driver.execute("COMMIT")

    def keys(self, table: str) -> list[int]:
        return [row[0] for row in self._fresh[table]]

    def close(self) -> None:
        self.connection.invalidate()
        self.connection.close()
        self.connection.engine.dispose()
