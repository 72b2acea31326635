"""One database, SQLite or PostgreSQL: connections, transactions, bulk rows, and errors with a name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

WAIT_S = 30.0
UNREACHABLE = ("unable to open", "connection", "resolve", "disk i/o error")
"""What SQLite's and PostgreSQL's drivers say when there is nothing to talk to."""

LOCKED = ("locked", "lock timeout", "deadlock")
"""What they say when another process is in the way."""


class StoreError(Exception):
    """The database cannot do what was asked now. The message says what to do."""


class WrongName(StoreError):
    """What was named is not there, or is there already. The message says what is."""


class DatabaseBusy(StoreError):
    """Another process holds the write lock for longer than we wait."""


class DatabaseReadOnly(StoreError):
    """The database, its disk or its user does not allow writing."""


class Database:
    """Opens connections lazily; `reading()` and `writing()` are the only ways in."""

    def __init__(self, url: str, wait_s: float = WAIT_S) -> None:
        """`wait_s` is how long to wait for another's lock. Raises StoreError for an address of another kind."""
        self.engine = _engine(url, wait_s)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._wait_s = wait_s

    def __str__(self) -> str:
        """The address, without a password."""
        return self.engine.url.render_as_string(hide_password=True)

    @property
    def is_missing(self) -> bool:
        """True for an SQLite file that does not exist; opening it would make it."""
        file = self.engine.url.database or ""
        return self.is_sqlite and not file.startswith("file:") and not Path(file).exists()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that sees one state of the database and is rolled back at the end."""
        with self._named_errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction that commits at the end.

        On SQLite the write lock is taken at once (BEGIN IMMEDIATE): a transaction that reads first and writes later fails
        with SQLITE_BUSY_SNAPSHOT whatever the timeout.
        """
        with self._named_errors(), self.engine.execution_options(immediate=True).begin() as connection:
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """As `writing`, for changing tables. SQLite changes one by dropping it, which would delete what refers to it: so
        references are not followed meanwhile, and checked at the end (sqlite.org/lang_altertable.html, section 7)."""
        engine = self.engine.execution_options(immediate=True)
        with self._named_errors(), engine.connect() as connection, self._references_off(connection), connection.begin():
            yield connection
            if self.is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise StoreError("the migration would leave rows that refer to nothing; nothing was changed")

    @contextmanager
    def _references_off(self, connection: Connection) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            yield
        finally:
            driver.execute("PRAGMA foreign_keys=ON")

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            named = self._named(error)
            if named is None:
                raise
            raise named from error

    def _named(self, error: DBAPIError) -> StoreError | None:
        text = str(error.orig).lower()
        if any(sign in text for sign in LOCKED):
            return DatabaseBusy(
                f"the database stayed locked by another process for {self._wait_s:g} s; "
                "stop the other process or try again"
            )
        if "readonly" in text or "read-only" in text:
            return DatabaseReadOnly(
                f"the database {self} cannot be written; check the file's and folder's permissions, or the server's state"
            )
        if "no such table" in text or "undefinedtable" in type(error.orig).__name__.lower():
            return StoreError("the database has no tables of this version yet; run `germane init`")
        if ("full" in text and "disk" in text) or "no space left" in text:
            return StoreError("the disk that holds the database is full; free some space and run the command again")
        if "not a database" in text or "malformed" in text:
            return StoreError(f"{self} is not a database, or is damaged: check database.url, or put a backup back")
        if error.connection_invalidated or any(sign in text for sign in UNREACHABLE):
            return StoreError(
                f"the database {self} cannot be reached: {str(error.orig).strip().splitlines()[0]}; check database.url"
            )
        return None


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert plain tuples in the order of `columns`: executemany on SQLite, COPY on PostgreSQL; no object per row."""
    if not rows:
        return
    dialect = connection.dialect
    processors = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in columns]
    if any(processors):
        values = zip(processors, zip(*rows, strict=True), strict=True)
        rows = list(
            zip(*(map(processor, column) if processor else column for processor, column in values), strict=True)
        )
    quoted = [dialect.identifier_preparer.quote(name) for name in columns]
    target = dialect.identifier_preparer.format_table(table)
    if dialect.name == "postgresql":
        _copy(connection, f"COPY {target} ({', '.join(quoted)}) FROM STDIN", rows)
    else:
        marks = ", ".join("?" for _ in columns)
        connection.exec_driver_sql(f"INSERT INTO {target} ({', '.join(quoted)}) VALUES ({marks})", list(rows))  # noqa: S608


def _copy(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Raises SQLAlchemy's errors, as any other statement does, though the driver is spoken to directly."""
    import psycopg

    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise DBAPIError.instance(
            statement, None, error, psycopg.Error, hide_parameters=True, dialect=connection.dialect
        ) from error


def _engine(url: str, wait_s: float) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
            raise StoreError(
                f"database.url names {parsed.get_backend_name()!r}; use sqlite:///FILE or postgresql://HOST/NAME"
            )
        if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
            raise StoreError("database.url names no file, so nothing would be kept; use sqlite:///FILE")
        # An error's text may reach a log: it must not carry an address.
        engine = create_engine(
            parsed, hide_parameters=True, json_deserializer=from_json, **_options(parsed.get_backend_name(), wait_s)
        )
    except (ArgumentError, NoSuchModuleError) as error:
        raise StoreError(
            "database.url is not a database address; use sqlite:///FILE or postgresql://HOST/NAME"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _options(backend: str, wait_s: float) -> dict[str, Any]:
    if backend == "sqlite":
        return {"connect_args": {"timeout": wait_s, "check_same_thread": False}}
    # A plan that PostgreSQL kept from when a table was empty reads the whole of it once it is full: plan each time anew.
    options = f"-c lock_timeout={round(wait_s * 1000)}"
    return {
        "pool_pre_ping": True,
        "connect_args": {"connect_timeout": 10, "prepare_threshold": None, "options": options},
    }


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, so that migrations and claims are true transactions
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
