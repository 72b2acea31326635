"""What outlives a run about routes and destinations: how fast they go, why they are paused, what a window has left."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, case, select, update
from sqlalchemy.dialects import postgresql, sqlite

from store import tables

PACE = tables.Pace.__table__  # type: ignore[attr-defined]

Scope = Literal["route", "destination"]
_LEARNED = ("level_per_s", "accepted", "strikes", "resting_until", "paused")


@dataclass(frozen=True, slots=True)
class Pace:
    """What was learned about a route or a destination."""

    scope: Scope
    name: str
    level_per_s: float = 0.0
    accepted: int = 0
    strikes: int = 0
    resting_until: datetime | None = None
    paused: str = ""


def load(connection: Connection) -> dict[tuple[str, str], Pace]:
    """Everything that was learned, by (scope, name)."""
    query = select(PACE.c.scope, PACE.c.name, *(PACE.c[name] for name in _LEARNED))
    found = (Pace(*row) for row in connection.execute(query.order_by(PACE.c.scope, PACE.c.name)))
    return {(pace.scope, pace.name): pace for pace in found}


def save(connection: Connection, paces: Iterable[Pace], now: datetime) -> None:
    """Write down what was learned. A pause that is there already stays until it is resumed."""
    for pace in paces:
        values = {name: getattr(pace, name) for name in _LEARNED}
        _put(connection, pace.scope, pace.name, values, now)


def pause(connection: Connection, scope: Scope, name: str, why: str, now: datetime) -> None:
    """Nothing goes over a route, or to a destination, until it is resumed."""
    _put(connection, scope, name, {"paused": why}, now)


def _put(connection: Connection, scope: str, name: str, values: Mapping[str, object], now: datetime) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    empty = {"level_per_s": 0.0, "accepted": 0, "strikes": 0, "paused": "", "window_used": 0}
    row = dialect.insert(PACE).values(**empty | dict(values), scope=scope, name=name, changed_at=now)
    new = {column: row.excluded[column] for column in (*values, "changed_at")}
    if "paused" in new:
        new["paused"] = case((PACE.c.paused != "", PACE.c.paused), else_=row.excluded.paused)
    connection.execute(row.on_conflict_do_update(index_elements=[PACE.c.scope, PACE.c.name], set_=new))


def paused(connection: Connection) -> list[tuple[str, str, str, datetime]]:
    """(scope, name, why, since) of all that is paused."""
    query = select(PACE.c.scope, PACE.c.name, PACE.c.paused, PACE.c.changed_at).where(PACE.c.paused != "")
    rows: list[tuple[str, str, str, datetime]] = [tuple(row) for row in connection.execute(query.order_by(PACE.c.name))]
    return rows


def resume(connection: Connection, name: str, now: datetime) -> int:
    """Let messages go again over a route, or to a destination, of this name; how many pauses and rests ended."""
    ended = update(PACE).where(PACE.c.name == name, (PACE.c.paused != "") | PACE.c.resting_until.is_not(None))
    return connection.execute(ended.values(paused="", resting_until=None, strikes=0, changed_at=now)).rowcount


def reserve(
    connection: Connection, scope: Scope, name: str, wanted: int, *, per_window: int, window_s: float, now: datetime
) -> tuple[int, datetime]:
    """Take up to `wanted` of the messages that this window still allows; (how many, when the next window begins).

    The row is locked by the update, so processes that ask at once share what there is. What is taken and not used is lost.
    """
    _put(connection, scope, name, {}, now)
    this = (PACE.c.scope == scope, PACE.c.name == name)
    over = PACE.c.window_started.is_(None) | (PACE.c.window_started <= now - timedelta(seconds=window_s))
    connection.execute(update(PACE).where(*this, over).values(window_started=now, window_used=0))
    row = connection.execute(select(PACE.c.window_started, PACE.c.window_used).where(*this).with_for_update()).one()
    granted = max(0, min(wanted, per_window - row.window_used))
    if granted:
        connection.execute(update(PACE).where(*this).values(window_used=PACE.c.window_used + granted))
    return granted, row.window_started + timedelta(seconds=window_s)
