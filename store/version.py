"""Whether a database still has this version's tables, asked where something is claimed: cheap, and without Alembic."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, select, text

from store import tables
from store.database import StoreError

VERSIONS = Path(__file__).parent / "migrations" / "versions"

_CLAIMS = (
    (tables.Outbox.__table__, "claimed_by"),  # type: ignore[attr-defined]
    (tables.Edition.__table__, "owner"),  # type: ignore[attr-defined]
)


@cache
def wanted() -> str:
    """The name of the last migration of this version; their files begin with it."""
    return max(file.name.partition("_")[0] for file in VERSIONS.glob("[0-9]*_*.py"))


def confirm(connection: Connection) -> None:
    """Ask after the claim was written, in its transaction: a migration that this claim waited for is seen then.

    Raises StoreError, so that a process of an older version claims nothing in tables that it does not know.
    """
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found != wanted():
        raise StoreError(
            f"the database was migrated to version {found} while this process of {wanted()} ran; start it again"
        )


def refuse_while_claimed(connection: Connection, now: datetime, is_gone: Callable[[str], bool]) -> None:
    """Raises StoreError while a process that lives holds messages or an edition: it would go on with the old tables.

    Nothing can be claimed until the transaction ends. `is_gone` tells of an owner's name that its process is no more.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE outbox, edition IN SHARE ROW EXCLUSIVE MODE"))
    for table, owner in _CLAIMS:
        holding = select(table.c[owner]).where(table.c[owner] != "", table.c.lease_until > now).distinct()
        for name in connection.execute(holding).scalars():
            if not is_gone(name):
                raise StoreError(
                    f"{name} is at work on the {table.name} and would go on with the old tables; stop `germane serve` and "
                    "whatever sends, then run `germane init` again"
                )
