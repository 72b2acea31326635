"""The ledger as it is looked at: messages by what they are, every attempt of them, and sums. Nothing here changes a state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, true

from store import tables
from store.outbox import DELIVERY, EDITION, MEMBER, OUTBOX

NETWORK = tables.Network.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages are meant; what is empty does not narrow. `domain` is that of the member's address."""

    edition: str = ""
    """The public id of an edition, or its slot."""
    states: tuple[str, ...] = ()
    domain: str = ""
    member: str = ""
    """An address in any spelling, folded as `profiles.address` has it."""
    about: str = ""
    """What the last refusal was about, in the words of `delivery.verdicts`."""
    message_id: str = ""

    def condition(self) -> ColumnElement[bool]:
        wanted: list[ColumnElement[bool]] = [true()]
        if self.edition:
            editions = select(EDITION.c.id).where(
                or_(EDITION.c.public_id == self.edition, EDITION.c.slot == self.edition)
            )
            wanted.append(OUTBOX.c.edition_id.in_(editions))
        if self.states:
            wanted.append(OUTBOX.c.state.in_(self.states))
        if self.domain:
            there = MEMBER.c.address_key.endswith("@" + self.domain.lower(), autoescape=True)
            wanted.append(OUTBOX.c.member_id.in_(select(MEMBER.c.id).where(there)))
        if self.member:
            wanted.append(OUTBOX.c.member_id.in_(select(MEMBER.c.id).where(MEMBER.c.address_key == self.member)))
        if self.about:
            wanted.append(OUTBOX.c.id.in_(select(DELIVERY.c.outbox_id).where(DELIVERY.c.verdict == self.about)))
        if self.message_id:
            wanted.append(OUTBOX.c.message_id == self.message_id)
        return and_(*wanted)


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as it is looked at."""

    key: int
    kind: str
    edition: str | None
    slot: str | None
    address: str
    message_id: str
    state: str
    reason: str
    attempts: int
    resends: int
    not_before: datetime
    created_at: datetime
    settled_at: datetime | None
    came_back_at: datetime | None


def entries(connection: Connection, wanted: Filter, limit: int) -> list[Entry]:
    """Messages in the order in which they were planned."""
    names = (
        "message_id",
        "state",
        "reason",
        "attempts",
        "resends",
        "not_before",
        "created_at",
        "settled_at",
        "came_back_at",
    )
    query = (
        select(
            OUTBOX.c.id,
            OUTBOX.c.kind,
            EDITION.c.public_id,
            EDITION.c.slot,
            MEMBER.c.address,
            *(OUTBOX.c[n] for n in names),
        )
        .join_from(OUTBOX, MEMBER, OUTBOX.c.member_id == MEMBER.c.id)
        .join(EDITION, EDITION.c.id == OUTBOX.c.edition_id, isouter=True)
        .where(wanted.condition())
        .order_by(OUTBOX.c.id)
        .limit(limit)
    )
    return [Entry(*row) for row in connection.execute(query)]


def keys(connection: Connection, wanted: Filter, limit: int) -> list[int]:
    """The keys of the messages that are meant."""
    query = select(OUTBOX.c.id).where(wanted.condition()).order_by(OUTBOX.c.id).limit(limit)
    return list(connection.execute(query).scalars())


def attempts_of(connection: Connection, key: int) -> list[dict[str, Any]]:
    """Every attempt of a message, and what came back, in order."""
    columns = [column for column in DELIVERY.c if column.name not in {"id", "outbox_id"}]
    query = select(*columns).where(DELIVERY.c.outbox_id == key).order_by(DELIVERY.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]


def summary(connection: Connection, wanted: Filter) -> list[tuple[str | None, str, str, int]]:
    """(slot, kind, state, how many) of all that is meant."""
    query = (
        select(EDITION.c.slot, OUTBOX.c.kind, OUTBOX.c.state, func.count())
        .join_from(OUTBOX, EDITION, EDITION.c.id == OUTBOX.c.edition_id, isouter=True)
        .where(wanted.condition())
        .group_by(EDITION.c.slot, OUTBOX.c.kind, OUTBOX.c.state)
        .order_by(EDITION.c.slot.desc(), OUTBOX.c.kind, OUTBOX.c.state)
    )
    rows: list[tuple[Any, ...]] = [tuple(row) for row in connection.execute(query)]
    return [(slot, kind, state, number) for slot, kind, state, number in rows]


def in_doubt(connection: Connection) -> dict[str, int]:
    """The Message-IDs of all that is uncertain, with their keys."""
    query = select(OUTBOX.c.message_id, OUTBOX.c.id).where(OUTBOX.c.state == "uncertain")
    return {row[0]: row[1] for row in connection.execute(query)}


def attempts_so_far(connection: Connection) -> tuple[str, int]:
    """Whose ledger this is, by the public id of its first network, and the number of the newest attempt: 0 without any."""
    whose = connection.execute(select(NETWORK.c.public_id).order_by(NETWORK.c.id).limit(1)).scalar_one_or_none()
    return whose or "", connection.execute(select(func.max(DELIVERY.c.id))).scalar_one() or 0


def handed_over_since(connection: Connection, since: datetime, *, route: str = "", domains: Sequence[str] = ()) -> int:
    """How many messages went out since a moment: all, those over a route (HOST:PORT), or those to some domains."""
    query = select(func.count()).select_from(DELIVERY).where(DELIVERY.c.outcome == "handed_over", DELIVERY.c.at > since)
    if route:
        query = query.where(DELIVERY.c.route == route)
    if domains:
        there = or_(*(MEMBER.c.address_key.endswith(f"@{domain}", autoescape=True) for domain in domains))
        query = query.join(OUTBOX, OUTBOX.c.id == DELIVERY.c.outbox_id).join(MEMBER, MEMBER.c.id == OUTBOX.c.member_id)
        query = query.where(there)
    return int(connection.execute(query).scalar_one())
