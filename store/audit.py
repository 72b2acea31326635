"""What the ledger says was sent, read straight from its rows: the ground for judging those who decide.

Nothing here asks the code that composes, or trusts the accounts that it keeps: a mail is a row of the outbox that a server took,
its items are rows of its digest, and limits are what members and their network wrote down.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, case, func, select

from store import tables

DIGEST_ITEM = tables.DigestItem.__table__  # type: ignore[attr-defined]
EDITION = tables.Edition.__table__  # type: ignore[attr-defined]
ITEM = tables.Item.__table__  # type: ignore[attr-defined]
MEMBER = tables.Member.__table__  # type: ignore[attr-defined]
OUTBOX = tables.Outbox.__table__  # type: ignore[attr-defined]
SHORTFALL = tables.Shortfall.__table__  # type: ignore[attr-defined]

TAKEN = ("handed_over", "uncertain")
"""States of the outbox in which a member has the mail, or may have it."""


class Mail(NamedTuple):
    """A mail that a member got, with what that member and their network set as limits (None: nothing)."""

    member_key: int
    edition_key: int
    at: Any
    items: int
    asks: int
    items_per_digest: int | None
    mails_per_week: int | None
    hours_between_mails: int | None
    asks_per_month: int | None


def pairs(connection: Connection, edition_key: int) -> list[tuple[int, int, float]]:
    """(member key, item key, match) of everything that the mails of an edition brought, by member and place."""
    query = _sent(DIGEST_ITEM.c.member_id, DIGEST_ITEM.c.item_id, DIGEST_ITEM.c.match)
    query = query.where(OUTBOX.c.edition_id == edition_key).order_by(DIGEST_ITEM.c.member_id, DIGEST_ITEM.c.rank)
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def mails(connection: Connection, network_key: int) -> list[Mail]:
    """Every mail of a network that a server took, by member and time."""
    asks = func.sum(case((ITEM.c.kind == "request", 1), else_=0))
    limits = [MEMBER.c[name] for name in Mail._fields[5:]]
    query = (
        _sent(OUTBOX.c.member_id, OUTBOX.c.edition_id, OUTBOX.c.settled_at, func.count(), asks, *limits)
        .join(ITEM, ITEM.c.id == DIGEST_ITEM.c.item_id)
        .join(MEMBER, MEMBER.c.id == OUTBOX.c.member_id)
        .where(MEMBER.c.network_id == network_key)
        .group_by(OUTBOX.c.id, OUTBOX.c.member_id, OUTBOX.c.edition_id, OUTBOX.c.settled_at, *limits)
        .order_by(OUTBOX.c.member_id, OUTBOX.c.settled_at)
    )
    return [Mail(*row) for row in connection.execute(query)]


def links(connection: Connection, network_key: int) -> list[tuple[int, str]]:
    """(member key, what it is) of every item that was sent: its link or, without one, its title and text."""
    what = case((ITEM.c.url != "", ITEM.c.url), else_=ITEM.c.title + " " + ITEM.c.body)
    query = _sent(DIGEST_ITEM.c.member_id, what).join(ITEM, ITEM.c.id == DIGEST_ITEM.c.item_id)
    return [(row[0], row[1]) for row in connection.execute(query.where(ITEM.c.network_id == network_key))]


def shortfalls(connection: Connection, edition_key: int) -> list[tuple[int, dict[str, int]]]:
    """(item key, counts of members) of what an edition could not bring to as many members as it needs."""
    query = select(SHORTFALL.c.item_id, SHORTFALL.c.counts).where(SHORTFALL.c.edition_id == edition_key)
    return [(row[0], row[1]) for row in connection.execute(query.order_by(SHORTFALL.c.item_id))]


def _sent(*columns: Any) -> Select[Any]:
    taken = and_(OUTBOX.c.digest_id == DIGEST_ITEM.c.digest_id, OUTBOX.c.state.in_(TAKEN))
    return select(*columns).join_from(DIGEST_ITEM, OUTBOX, taken).where(DIGEST_ITEM.c.dropped == "")
