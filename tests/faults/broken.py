"""Builds of Germane with one guard taken out, to see that the suite notices. They are made in a test's own process."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, update

from store import outbox


def _no_record_before_the_dot() -> None:
    """The dot is allowed, and nothing is written down."""

    def allow(connection: Connection, owner: str, keys: Sequence[int]) -> set[int]:
        return set(keys)

    _replace("store.outbox", "mark_dots", allow)


def _left_checked_only_before_rendering() -> None:
    """The record is made as it should be, whatever the member did since the claim."""

    def mark(connection: Connection, owner: str, keys: Sequence[int]) -> set[int]:
        row = outbox.OUTBOX
        mine = update(row).where(row.c.id.in_(keys), row.c.claimed_by == owner, row.c.state == "claimed")
        return set(connection.execute(mine.values(dot_sent=True).returning(row.c.id)).scalars())

    _replace("store.outbox", "mark_dots", mark)


def _replace(module: str, name: str, value: object) -> None:
    from importlib import import_module

    found = import_module(module)
    assert hasattr(found, name), f"{module}.{name} is not there any more: break the guard where it is now"
    setattr(found, name, value)


BUILDS: dict[str, Callable[[], None]] = {
    "no record before the dot": _no_record_before_the_dot,
    "leave checked only before rendering": _left_checked_only_before_rendering,
}
