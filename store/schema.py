"""Bringing a database to this version's tables, with Alembic."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from store.database import Database, StoreError
from store.version import refuse_while_claimed, wanted

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(database: Database, now: datetime | None = None, is_gone: Callable[[str], bool] = lambda _: False) -> None:
    """Create or migrate every table, in one transaction: two processes at once, or a failure half-way, do no harm.

    Raises StoreError for a database that another version made, and, given `now`, while a process that lives holds a claim
    in one that must be migrated.
    """
    with database.migrating() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        if now and found and found != wanted():
            refuse_while_claimed(connection, now, is_gone)
        config = _config()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(f"the database is of a newer Germane: {error}; install that version") from error


def version(database: Database) -> str | None:
    """The name of the last migration that the database went through, or None for one without tables."""
    with database.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def check(database: Database) -> None:
    """Raises StoreError unless the database has exactly the tables of this version."""
    if database.is_missing:
        raise StoreError(f"there is no database {database} yet; `germane init` makes it, or is this another folder?")
    found = version(database)
    if found is None:
        raise StoreError("the database has no tables yet; run `germane init`")
    if found != wanted():
        raise StoreError(
            f"the database is at version {found}, this Germane needs {wanted()}; run `germane init` to migrate it"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
