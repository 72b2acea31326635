"""Mails that came in: kept before they are accepted, dealt with once, set aside when they break their reader."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from store import tables

TABLE = tables.Inbound.__table__  # type: ignore[attr-defined]

MOST_TRIES = 3
TAKEN_FOR = timedelta(minutes=2)
"""How long a mail belongs to the process that took it; one that dies leaves it to the next after that."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to be dealt with; `tries` counts this one."""

    key: int
    source: str
    recipient: str
    received_at: datetime
    raw: bytes
    tries: int


@dataclass(frozen=True, slots=True)
class Shelved:
    """A mail as operators see it."""

    key: int
    source: str
    received_at: datetime
    octets: int
    state: str
    tries: int
    outcome: str


def keep(
    connection: Connection, raw: bytes, *, recipient: str, source: str, now: datetime, most_octets: int, octets: int = 0
) -> bool:
    """Keep a mail, of which `most_octets` at most. False when it is here already.

    `octets` is its length where the caller has only the beginning. Commit before the mail is accepted anywhere.
    """
    kept = raw[:most_octets]
    digest = sha256(recipient.lower().encode("utf-8", "surrogateescape") + b"\0" + kept).hexdigest()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {
        "digest": digest, "source": source, "recipient": recipient[:320], "received_at": now, "raw": kept,
        "octets": octets or len(raw), "state": "waiting", "tries": 0, "outcome": "",
    }  # fmt: skip
    inserted = dialect.insert(TABLE).values(**values).on_conflict_do_nothing().returning(TABLE.c.id)
    return connection.execute(inserted).first() is not None


def take(connection: Connection, now: datetime) -> Mail | None:
    """Take the oldest mail that waits, and count the try. One that has had all its tries is set aside instead.

    Commit before it is looked at: a mail that kills its reader must have been counted.
    """
    free = TABLE.c.state == "waiting", or_(TABLE.c.taken_until.is_(None), TABLE.c.taken_until < now)
    exhausted = update(TABLE).where(*free, TABLE.c.tries >= MOST_TRIES)
    connection.execute(
        exhausted.values(state="aside", outcome=f"its reader stopped {MOST_TRIES} times", settled_at=now)
    )
    oldest = select(TABLE.c.id).where(*free).order_by(TABLE.c.id).limit(1).with_for_update(skip_locked=True)
    taken = update(TABLE).where(TABLE.c.id == oldest.scalar_subquery(), *free)
    values = {"tries": TABLE.c.tries + 1, "taken_until": now + TAKEN_FOR}
    columns = (TABLE.c[name] for name in ("id", "source", "recipient", "received_at", "raw", "tries"))
    row = connection.execute(taken.values(**values).returning(*columns)).first()
    return Mail(row[0], row[1], row[2], row[3], bytes(row[4] or b""), row[5]) if row else None


def done(connection: Connection, key: int, now: datetime, outcome: str) -> bool:
    """It is dealt with, and its octets are let go. False when another process did that meanwhile: undo what was done."""
    return _settle(connection, key, {"state": "done", "raw": None, "outcome": outcome[:500], "settled_at": now})


def set_aside(connection: Connection, key: int, now: datetime, why: str) -> bool:
    """Keep it for a person to look at."""
    return _settle(connection, key, {"state": "aside", "outcome": why[:500], "settled_at": now})


def give_back(connection: Connection, key: int) -> None:
    """Let the next try come at once."""
    connection.execute(update(TABLE).where(TABLE.c.id == key, TABLE.c.state == "waiting").values(taken_until=None))


def try_again(connection: Connection, key: int | None = None) -> int:
    """Put what was set aside (or one of them) back among what waits; how many these were."""
    aside = update(TABLE).where(TABLE.c.state == "aside", TABLE.c.raw.is_not(None))
    if key is not None:
        aside = aside.where(TABLE.c.id == key)
    return connection.execute(aside.values(state="waiting", tries=0, taken_until=None)).rowcount


def counts(connection: Connection) -> dict[str, int]:
    query = select(TABLE.c.state, func.count()).group_by(TABLE.c.state).order_by(TABLE.c.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def shelved(connection: Connection, state: str, limit: int) -> list[Shelved]:
    """The latest mails in a state, newest first."""
    columns = (TABLE.c[name] for name in Shelved.__slots__ if name != "key")
    query = select(TABLE.c.id, *columns).where(TABLE.c.state == state).order_by(TABLE.c.id.desc()).limit(limit)
    return [Shelved(*row) for row in connection.execute(query)]


def _settle(connection: Connection, key: int, values: dict[str, Any]) -> bool:
    this = update(TABLE).where(TABLE.c.id == key, TABLE.c.state == "waiting")
    return connection.execute(this.values(taken_until=None, **values)).rowcount == 1
