"""What the ledger says was sent, read straight from its rows: the ground for judging those who decide.

Nothing here asks the code that composes, or trusts the accounts that it keeps: a mail is a row of the outbox that a server took,
its items are rows of its digest, and limits are what members and their network wrote down.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, case, func, select

from store import tables

DIGEST = tables.Digest.__table__  # type: ignore[attr-defined]
DIGEST_ITEM = tables.DigestItem.__table__  # type: ignore[attr-defined]
EDITION = tables.Edition.__table__  # type: ignore[attr-defined]
ITEM = tables.Item.__table__  # type: ignore[attr-defined]
MEMBER = tables.Member.__table__  # type: ignore[attr-defined]
LEFT_OUT = tables.LeftOut.__table__  # type: ignore[attr-defined]
OUTBOX = tables.Outbox.__table__  # type: ignore[attr-defined]
SHORTFALL = tables.Shortfall.__table__  # type: ignore[attr-defined]

TAKEN = ("handed_over", "uncertain")
"""States of the outbox in which a member has the mail, or may have it."""
NO_ROOM = (
    "carried_over", "over_budget", "asked_enough", "no_requests", "reach_full", "poster_limit", "topic_limit", "not_picked"
)  # fmt: skip
"""Why an item that passed a member's threshold, and that they may have, was left out: for others' sake or for want of room."""


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


def own_best(connection: Connection, edition_key: int) -> list[tuple[int, int, float]]:
    """(member key, item key, match) of all that passed each member's threshold in an edition and that they may have, sent or left
    out for want of room, the best first."""
    sent = select(DIGEST_ITEM.c.member_id, DIGEST_ITEM.c.item_id, DIGEST_ITEM.c.match).join_from(
        DIGEST_ITEM, DIGEST, DIGEST.c.id == DIGEST_ITEM.c.digest_id
    )
    left = select(DIGEST.c.member_id, LEFT_OUT.c.item_id, LEFT_OUT.c.match).join_from(
        DIGEST, LEFT_OUT, LEFT_OUT.c.digest_id == DIGEST.c.id
    )
    here = DIGEST.c.edition_id == edition_key
    rows = [tuple(row) for row in connection.execute(sent.where(here, DIGEST_ITEM.c.note == ""))]
    rows += [tuple(row) for row in connection.execute(left.where(here, LEFT_OUT.c.reason.in_(NO_ROOM)))]
    return sorted(rows, key=lambda row: (row[0], -row[2], row[1]))


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
