"""The record of an edition: what became of each digest and of each item in it, and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    func,
    select,
)

from store.editions import (
    DIGEST,
    DIGEST_ITEM,
    EDITION_ITEM,
    ITEM,
    LEFT_OUT,
    MEMBER,
    OUTBOX,
    Edition,
    by_first,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one member of the audience got: a composed digest with its Message-ID, or the reason for none."""

    name: str
    address: str
    profession: str
    organisation_type: str
    region: str
    country: str
    stated: str
    chosen: tuple[str, ...]
    state: str
    reason: str
    message_id: str | None


def reaches(connection: Connection, edition_key: int) -> list[tuple[int, int]]:
    """(item key, number of digests of this edition it is in) for each item the edition could choose from."""
    chosen = (
        select(DIGEST_ITEM.c.item_id, func.count().label("n"))
        .join_from(DIGEST_ITEM, DIGEST, DIGEST.c.id == DIGEST_ITEM.c.digest_id)
        .where(DIGEST.c.edition_id == edition_key)
        .group_by(DIGEST_ITEM.c.item_id)
        .subquery()
    )
    query = (
        select(EDITION_ITEM.c.item_id, func.coalesce(chosen.c.n, 0))
        .join_from(EDITION_ITEM, chosen, chosen.c.item_id == EDITION_ITEM.c.item_id, isouter=True)
        .where(EDITION_ITEM.c.edition_id == edition_key)
        .order_by(EDITION_ITEM.c.item_id)
    )
    return list(by_first(connection, query).items())


def digest_sizes(connection: Connection, edition_key: int) -> dict[int, int]:
    """How many digests have how many items."""
    query = (
        select(DIGEST.c["items"], func.count())
        .where(DIGEST.c.edition_id == edition_key, DIGEST.c.state == "composed")
        .group_by(DIGEST.c["items"])
        .order_by(DIGEST.c["items"])
    )
    return by_first(connection, query)


def outcomes(connection: Connection, edition_key: int) -> list[Outcome]:
    """Every member of the audience with what they got, in the order in which they joined."""
    of_member = [MEMBER.c[name] for name in Outcome.__slots__ if name in MEMBER.c]
    query = (
        select(*of_member, DIGEST.c.state, DIGEST.c.reason, OUTBOX.c.message_id)
        .join_from(DIGEST, MEMBER, DIGEST.c.member_id == MEMBER.c.id)
        .join(OUTBOX, OUTBOX.c.digest_id == DIGEST.c.id, isouter=True)
        .where(DIGEST.c.edition_id == edition_key)
        .order_by(DIGEST.c.member_id)
    )
    rows: list[tuple[Any, ...]] = [tuple(row) for row in connection.execute(query)]
    return [Outcome(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class SentItem:
    """An item chosen for a member: its place, the terms behind its match, and why it was not in the mail after all."""

    rank: int
    public_id: str
    kind: str
    title: str
    match: float
    terms: list[Any]
    note: str
    dropped: str


@dataclass(frozen=True, slots=True)
class LeftItem:
    """An item that fitted a member and was left out; `because_of` is the title of what a duplicate is one of."""

    public_id: str
    kind: str
    title: str
    match: float
    reason: str
    because_of: str


@dataclass(frozen=True, slots=True)
class Record:
    """One member's part of an edition, as it can be shown to them. `delivery` is the state in the outbox, empty for no mail;
    `to_choose_from` counts the edition's items of networks that they are in."""

    slot: str
    as_of: datetime
    state: str
    reason: str
    delivery: str
    delivery_reason: str
    threshold: float | None
    below_threshold: int
    to_choose_from: int
    sent: list[SentItem]
    left: list[LeftItem]


def record(connection: Connection, edition: Edition, member_key: int) -> Record | None:
    """What an edition came to for a member, item by item; None for somebody who was not in its audience."""
    query = (
        select(DIGEST, OUTBOX.c.state.label("delivery"), OUTBOX.c.reason.label("delivery_reason"))
        .join_from(DIGEST, OUTBOX, OUTBOX.c.digest_id == DIGEST.c.id, isouter=True)
        .where(DIGEST.c.edition_id == edition.key, DIGEST.c.member_id == member_key)
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    of_item = (ITEM.c.public_id, ITEM.c.kind, ITEM.c.title)
    sent = (
        select(DIGEST_ITEM.c.rank, *of_item, *(DIGEST_ITEM.c[n] for n in ("match", "reason", "note", "dropped")))
        .join_from(DIGEST_ITEM, ITEM, ITEM.c.id == DIGEST_ITEM.c.item_id)
        .where(DIGEST_ITEM.c.digest_id == row["id"])
        .order_by(DIGEST_ITEM.c.rank)
    )
    other = ITEM.alias()
    left = (
        select(*of_item, LEFT_OUT.c.match, LEFT_OUT.c.reason, func.coalesce(other.c.title, ""))
        .join_from(LEFT_OUT, ITEM, ITEM.c.id == LEFT_OUT.c.item_id)
        .join(other, other.c.id == LEFT_OUT.c.because_of, isouter=True)
        .where(LEFT_OUT.c.digest_id == row["id"])
        .order_by(LEFT_OUT.c.match.desc(), LEFT_OUT.c.item_id)
    )
    return Record(
        slot=edition.slot,
        as_of=edition.as_of,
        state=row["state"],
        reason=row["reason"],
        delivery=row["delivery"] or "",
        delivery_reason=row["delivery_reason"] or "",
        threshold=row["threshold"],
        below_threshold=row["below_threshold"],
        to_choose_from=_to_choose_from(connection, edition.key, member_key),
        sent=[SentItem(*found) for found in connection.execute(sent)],
        left=[LeftItem(*found) for found in connection.execute(left)],
    )


def _to_choose_from(connection: Connection, edition_key: int, member_key: int) -> int:
    mine = MEMBER.alias()
    theirs = (
        select(MEMBER.c.network_id)
        .join(mine, mine.c.address_key == MEMBER.c.address_key)
        .where(mine.c.id == member_key)
    )
    query = (
        select(func.count())
        .select_from(EDITION_ITEM)
        .join(ITEM, ITEM.c.id == EDITION_ITEM.c.item_id)
        .where(EDITION_ITEM.c.edition_id == edition_key, ITEM.c.network_id.in_(theirs))
    )
    return connection.execute(query).scalar_one()


def outcome(connection: Connection, edition_key: int, member_key: int, item_key: int) -> str:
    """What this edition came to for one member and item, in words."""
    mine = (DIGEST.c.edition_id == edition_key, DIGEST.c.member_id == member_key)
    digest = connection.execute(select(DIGEST.c.id, DIGEST.c.state, DIGEST.c.reason).where(*mine)).first()
    if digest is None:
        return "the member was not in its audience"
    this = {"digest_id": digest.id, "item_id": item_key}
    chosen = connection.execute(select(DIGEST_ITEM.c.rank).filter_by(**this)).scalar()
    if chosen is not None:
        return f"in the digest, at place {chosen}"
    left = connection.execute(select(LEFT_OUT.c.reason).filter_by(**this)).scalar()
    if left is not None:
        return f"left out: {left.replace('_', ' ')}"
    return f"no digest: {digest.reason.replace('_', ' ')}" if digest.state == "skipped" else "left out: below threshold"
