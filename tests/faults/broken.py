"""Builds of Germane with one guard taken out, to see that the suite notices. They exist only in the processes of tests.

Each takes a function `replace(module, name, value)`. A guard that has moved is an error: break it where it is now.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, MetaData, UniqueConstraint, text, update

from store import editions, outbox
from store.database import Database
from store.tables import metadata

Replace = Callable[[str, str, Any], None]
OUTBOX = outbox.OUTBOX


def for_good(module: str, name: str, value: Any) -> None:
    """For a process that is broken as long as it lives."""
    owner, last = place_of(module, name)
    setattr(owner, last, value)


def place_of(module: str, name: str) -> tuple[Any, str]:
    """What has the attribute, and the attribute's own name; `name` may be a path inside the module: `Letters.parcel`."""
    owner: Any = import_module(module)
    *path, last = name.split(".")
    for step in path:
        owner = getattr(owner, step)
    assert hasattr(owner, last), f"{module}.{name} is not there any more"
    return owner, last


def _no_record_before_the_dot(replace: Replace) -> None:
    """The dot is allowed, and nothing is written down."""

    def allow(connection: Connection, owner: str, keys: Mapping[int, int]) -> set[int]:
        return set(keys)

    replace("store.outbox", "mark_dots", allow)


def _left_checked_only_before_rendering(replace: Replace) -> None:
    """The record asks whose claim it is, and not what the member did since."""

    def mark(connection: Connection, owner: str, keys: Mapping[int, int]) -> set[int]:
        mine = OUTBOX.c.id.in_([*keys]), OUTBOX.c.claimed_by == owner, OUTBOX.c.state == "claimed"
        marked = update(OUTBOX).where(*mine).values(dot_sent=True).returning(OUTBOX.c.id)
        return set(connection.execute(marked).scalars())

    replace("store.outbox", "mark_dots", mark)


def _record_for_any_claim(replace: Replace) -> None:
    """The record does not ask whether the claim is still ours: a worker that was only slow sends all the same."""

    def mark(connection: Connection, owner: str, keys: Mapping[int, int]) -> set[int]:
        connection.execute(update(OUTBOX).where(OUTBOX.c.id.in_([*keys])).values(dot_sent=True))
        stopped = {key for key, status in outbox.member_states(connection, [*keys]).items() if status != "active"}
        return set(keys) - stopped

    replace("store.outbox", "mark_dots", mark)


def _in_doubt_is_sent_again(replace: Replace) -> None:
    """What a dead process had claimed is planned again, whether or not its dot was recorded."""

    def release(connection: Connection, now: datetime, is_dead: Callable[[str], bool]) -> tuple[int, int]:
        claimed = update(OUTBOX).where(OUTBOX.c.state == "claimed")
        again = claimed.values(state="planned", claimed_by="", lease_until=None, dot_sent=False)
        return connection.execute(again).rowcount, 0

    replace("store.outbox", "release_stale", release)


def _finished_without_counting(replace: Replace) -> None:
    """An edition is finished once somebody has sent something of it."""
    settle = editions.settle

    def finish(connection: Connection, edition_key: int, now: datetime) -> editions.Counts:
        found = settle(connection, edition_key, now)
        this = editions.EDITION.c.id == edition_key, editions.EDITION.c.state == "released"
        connection.execute(update(editions.EDITION).where(*this).values(state="finished"))
        return found

    replace("store.editions", "settle", finish)


def _nobody_takes_over(replace: Replace) -> None:
    """An edition stays with its owner, dead or alive."""

    def claim(
        connection: Connection, edition: editions.Edition, owner: str, now: datetime, lease_s: float, *, dead: bool
    ) -> bool:
        free = (
            editions.EDITION.c.id == edition.key,
            editions.EDITION.c.owner == "",
            editions.EDITION.c.state != "finished",
        )
        taken = update(editions.EDITION).where(*free)
        return connection.execute(taken.values(owner=owner, lease_until=now)).rowcount == 1

    replace("store.editions", "claim", claim)


def _nothing_is_given_up(replace: Replace) -> None:
    """What a dead process had claimed stays claimed."""

    def release(connection: Connection, now: datetime, is_dead: Callable[[str], bool]) -> tuple[int, int]:
        return 0, 0

    replace("store.outbox", "release_stale", release)


def _leaving_does_not_wait(replace: Replace) -> None:
    """Members may leave while the transaction is open that records dots to them."""

    def mark(connection: Connection, owner: str, keys: Mapping[int, int]) -> set[int]:
        return set(connection.execute(outbox._MARK_DOTS, {"held": dict(keys), "owner": owner}).scalars())

    replace("store.outbox", "mark_dots", mark)


GUARDS: dict[str, Callable[[Replace], None]] = {
    "record before the dot": _no_record_before_the_dot,
    "leaving asked at the record": _left_checked_only_before_rendering,
    "owner asked at the record": _record_for_any_claim,
    "what is in doubt stays so": _in_doubt_is_sent_again,
    "counts before finished": _finished_without_counting,
    "editions of the dead are taken over": _nobody_takes_over,
    "claims of the dead are given up": _nothing_is_given_up,
}
"""By the guard that is missing."""
ON_POSTGRES = {"leaving waits for the record": _leaving_does_not_wait}
"""What SQLite, with one writer at a time, needs no guard for."""


def drop_unique_keys(database: Database) -> None:
    """Make the tables of an empty database anew, without any unique key but the primary ones."""
    bare = MetaData()
    for table in metadata.sorted_tables:
        copy = table.to_metadata(bare)
        for key in [one for one in copy.constraints if isinstance(one, UniqueConstraint)]:
            copy.constraints.discard(key)
        for column in copy.columns:
            column.unique = None
        for index in [one for one in copy.indexes if one.unique]:
            copy.indexes.discard(index)
    with database.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(text(f'DROP TABLE "{table.name}"'))
        bare.create_all(connection)
