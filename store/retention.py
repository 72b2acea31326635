"""Taking away what grows with each edition, once it is old and nothing that is due points to it."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, and_, delete, exists, func, select

from store import tables

EDITION = tables.Edition.__table__  # type: ignore[attr-defined]
MODEL = tables.EditionModel.__table__  # type: ignore[attr-defined]
DIGEST = tables.Digest.__table__  # type: ignore[attr-defined]
LEFT_OUT = tables.LeftOut.__table__  # type: ignore[attr-defined]
OUTBOX = tables.Outbox.__table__  # type: ignore[attr-defined]
DELIVERY = tables.Delivery.__table__  # type: ignore[attr-defined]

UNSETTLED = ("planned", "claimed", "deferred", "uncertain")
"""A message in one of these states may still be sent, or asked about: nothing of its edition is taken away."""

Part = Literal["models", "left out", "attempts"]


def purge(connection: Connection, before: datetime, *, dry_run: bool = False) -> dict[Part, int]:
    """Of editions finished and opened before a moment: the stored vectors, what was left out, and each attempt's reply.

    Kept are the editions, digests and messages themselves with their state and reason, so that an item is never sent twice
    and a bounce that comes late still finds its member. Returns how many rows of each went, or would go.
    """
    old = select(EDITION.c.id).where(EDITION.c.state == "finished", EDITION.c.as_of < before, ~_has_unsettled())
    digests = select(DIGEST.c.id).where(DIGEST.c.edition_id.in_(old))
    messages = select(OUTBOX.c.id).where(OUTBOX.c.edition_id.in_(old))
    act = _count if dry_run else _delete
    return {
        "models": act(connection, MODEL, MODEL.c.edition_id.in_(old)),
        "left out": act(connection, LEFT_OUT, LEFT_OUT.c.digest_id.in_(digests)),
        "attempts": act(
            connection, DELIVERY, and_(DELIVERY.c.outbox_id.in_(messages), DELIVERY.c.id < _newest_attempt())
        ),
    }


def _has_unsettled() -> Any:
    """By the messages themselves: a state `finished` that was written wrongly takes nothing away."""
    waiting = exists().where(and_(OUTBOX.c.edition_id == EDITION.c.id, OUTBOX.c.state.in_(UNSETTLED)))
    planned = exists().where(and_(DIGEST.c.edition_id == EDITION.c.id, DIGEST.c.state == "planned"))
    return waiting | planned


def _newest_attempt() -> Any:
    """It stays: by its number an old copy of the database is known (`jobs.watermark`)."""
    return select(func.max(DELIVERY.c.id)).scalar_subquery()


def _delete(connection: Connection, table: Any, which: Any) -> int:
    return connection.execute(delete(table).where(which)).rowcount


def _count(connection: Connection, table: Any, which: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(which)).scalar_one())
