"""Bringing a database to this version's tables, with Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from store.database import Database, StoreError

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """Create or migrate every table, in one transaction: two processes at once, or a failure half-way, do no harm.

    Raises StoreError for a database that another version made.
    """
    with database.migrating() as connection:
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
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    if found is None:
        raise StoreError("the database has no tables yet; run `germane init`")
    if found != wanted:
        raise StoreError(
            f"the database is at version {found}, this Germane needs {wanted}; run `germane init` to migrate it"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
