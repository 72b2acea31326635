"""Editions: opened once for a slot, audience frozen, composed shard by shard, finished when the counts balance."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from store import tables, version
from store.budgets import NewDraw, draw, open_accounts
from store.database import StoreError, insert_rows
from store.identifiers import new_public_id

EDITION = tables.Edition.__table__  # type: ignore[attr-defined]
MODEL = tables.EditionModel.__table__  # type: ignore[attr-defined]
EDITION_ITEM = tables.EditionItem.__table__  # type: ignore[attr-defined]
DIGEST = tables.Digest.__table__  # type: ignore[attr-defined]
DIGEST_ITEM = tables.DigestItem.__table__  # type: ignore[attr-defined]
LEFT_OUT = tables.LeftOut.__table__  # type: ignore[attr-defined]
PICKED = tables.PickedItem.__table__  # type: ignore[attr-defined]
DECISION = tables.EditionDecision.__table__  # type: ignore[attr-defined]
SHORTFALL = tables.Shortfall.__table__  # type: ignore[attr-defined]
ITEM = tables.Item.__table__  # type: ignore[attr-defined]
SPACE = tables.EditionSpace.__table__  # type: ignore[attr-defined]
NETWORK = tables.Network.__table__  # type: ignore[attr-defined]
OUTBOX = tables.Outbox.__table__  # type: ignore[attr-defined]
MEMBER = tables.Member.__table__  # type: ignore[attr-defined]
FEEDBACK = tables.Feedback.__table__  # type: ignore[attr-defined]

AUDIENCE_STATUSES = ("active", "paused")
"""Members with one of these are considered in an edition; the others are not mailed at all."""

MATCHED_REASONS = ("nothing_fits", "nothing_allowed", "over_budget")
"""Of a digest that was skipped after the member had been matched; the other reasons are known before."""

WAITING = ("planned", "claimed", "deferred")
HANDED_OVER = ("handed_over", "complained")
FAILED = ("refused", "uncertain", "cancelled", "bounced")


@dataclass(frozen=True, slots=True)
class Edition:
    """An edition as plain values. `settings` are those in force when it opened."""

    key: int
    public_id: str
    network_key: int
    slot: str
    state: str
    as_of: datetime
    owner: str
    lease_until: datetime | None
    settings: dict[str, Any]
    kind: str = "weekly"


@dataclass(frozen=True, slots=True)
class Counts:
    """The balance of an edition: considered = digests + skipped + planned; digests = delivered + failed + queued."""

    considered: int = 0
    planned: int = 0
    digests: int = 0
    skipped: int = 0
    delivered: int = 0
    failed: int = 0
    queued: int = 0

    @property
    def balanced(self) -> bool:
        return (
            self.considered == self.planned + self.digests + self.skipped
            and self.digests == self.delivered + self.failed + self.queued
        )

    @property
    def difference(self) -> str:
        """What does not balance, in words; empty when all does."""
        members = self.considered - self.planned - self.digests - self.skipped
        messages = self.digests - self.delivered - self.failed - self.queued
        named = [
            (members, "members of the audience have no digest and no reason for none"),
            (-members, "digests too many for the audience"),
            (messages, "composed digests have no message"),
            (-messages, "messages too many for the digests"),
        ]
        return ", ".join(f"{number} {what}" for number, what in named if number > 0)

    @property
    def done(self) -> bool:
        """Nothing is left to compose or to send, and every member is accounted for."""
        return self.balanced and not self.planned and not self.queued


class ChosenItem(NamedTuple):
    """An item of a digest, as a row of its table; `digest.field` tells of the parts of a score."""

    digest_key: int
    rank: int
    member_key: int
    item_key: int
    score: float
    match: float
    rest: float
    field: float | None
    share: float | None
    reason: list[Any]
    note: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What one shard came to: rows in the order of the columns named beside each."""

    digests: list[tuple[int, str, str, int, int, float | None]]
    """(digest_key, state, reason, items, below_threshold, threshold)"""
    chosen: list[ChosenItem]
    left_out: list[tuple[int, int, str, float, float, int | None]]
    """(digest_key, item_key, reason, score, match, because_of)"""
    outbox: list[tuple[int, int, str, datetime]]
    """(digest_key, member_key, message_id, not_before)"""
    learned: list[tuple[int, int, str, float, list[int]]] = field(default_factory=list)
    """(member_key, rank, label, weight, item_keys), for `store.feedback.write_learned`"""
    learned_of: list[int] = field(default_factory=list)
    """Keys of the members whose learned terms these are, with or without any."""
    picked: list[tuple[int, int, int]] = field(default_factory=list)
    """(digest_key, item_key, team) of the digests that two matchers picked; see `digest.interleaving`"""
    draws: list[NewDraw] = field(default_factory=list)
    """What the mails take from their readers' accounts; see there."""
    asking: list[tuple[int, int]] = field(default_factory=list)
    """(digest_key, member_key) of the digests that ask whether they are still wanted."""


class NotMine(Exception):
    """Another process holds this edition now; whatever was being written was rolled back."""


def find(connection: Connection, network_key: int, slot: str) -> Edition | None:
    row = connection.execute(select(EDITION).where(EDITION.c.network_id == network_key, EDITION.c.slot == slot)).first()
    return _edition(row) if row else None


_LATEST = (
    select(EDITION)
    .where(EDITION.c.network_id == bindparam("network"))
    .order_by(EDITION.c.as_of.desc())
    .limit(bindparam("most"))
)


def latest(connection: Connection, network_key: int, limit: int = 10, kind: str = "") -> list[Edition]:
    """The network's editions, newest first; only those of a kind, if one is given."""
    query = _LATEST.where(EDITION.c.kind == kind) if kind else _LATEST
    return [_edition(row) for row in connection.execute(query, {"network": network_key, "most": limit})]


def open_once(
    connection: Connection,
    *,
    network_key: int,
    slot: str,
    as_of: datetime,
    item_keys: Sequence[int],
    settings: dict[str, Any],
    kind: str = "weekly",
) -> bool:
    """Open a slot's edition and freeze its items and audience, in this transaction. False if it exists already.

    The audience of an urgent one are the active members who take urgent mail.
    """
    public_id = new_public_id()
    values = {
        "public_id": public_id,
        "network_id": network_key,
        "slot": slot,
        "kind": kind,
        "state": "opened",
        "as_of": as_of,
        "owner": "",
        "settings": settings,
        "skipped": {},
        "digests": 0,
        "members_considered": 0,
    }
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(EDITION).values(**values).on_conflict_do_nothing())
    row = connection.execute(select(EDITION.c.id).where(EDITION.c.public_id == public_id)).first()
    if row is None:
        return False
    insert_rows(connection, EDITION_ITEM, ("edition_id", "item_id"), [(row.id, key) for key in item_keys])
    _resume_ended_pauses(connection, network_key, as_of)
    open_accounts(connection, network_key)
    considered = _freeze_audience(connection, row.id, network_key, kind)
    connection.execute(update(EDITION).where(EDITION.c.id == row.id).values(members_considered=considered))
    return True


def _resume_ended_pauses(connection: Connection, network_key: int, as_of: datetime) -> None:
    over = and_(MEMBER.c.network_id == network_key, MEMBER.c.status == "paused", MEMBER.c.paused_until <= as_of.date())
    connection.execute(update(MEMBER).where(over).values(status="active", paused_until=None, updated_at=as_of))


def _freeze_audience(connection: Connection, edition_key: int, network_key: int, kind: str) -> int:
    audience = (
        select(literal(edition_key), MEMBER.c.id, literal("planned"), literal(""), literal(0), literal(0))
        .where(*_in_audience(network_key, kind))
        .order_by(MEMBER.c.id)
    )
    columns = ["edition_id", "member_id", "state", "reason", "items", "below_threshold"]
    connection.execute(insert(DIGEST).from_select(columns, audience))
    return connection.execute(select(func.count()).where(DIGEST.c.edition_id == edition_key)).scalar_one()


def _in_audience(network_key: int, kind: str) -> tuple[ColumnElement[bool], ...]:
    here = MEMBER.c.network_id == network_key
    if kind == "urgent":
        return here, MEMBER.c.status == "active", MEMBER.c.urgent
    return here, MEMBER.c.status.in_(AUDIENCE_STATUSES)


def claim(connection: Connection, edition: Edition, owner: str, now: datetime, lease_s: float, *, dead: bool) -> bool:
    """Take the edition if nobody holds it, its lease ran out, or (`dead`) its owner is known to be gone."""
    free = or_(EDITION.c.owner == "", EDITION.c.owner == owner, EDITION.c.lease_until < now)
    if dead:
        free = or_(free, EDITION.c.owner == edition.owner)
    taken = update(EDITION).where(EDITION.c.id == edition.key, EDITION.c.state != "finished", free)
    mine = connection.execute(taken.values(owner=owner, lease_until=now + timedelta(seconds=lease_s))).rowcount == 1
    version.confirm(connection)
    return mine


def renew(connection: Connection, edition_key: int, owner: str, now: datetime, lease_s: float) -> None:
    """Hold the edition for another lease. Raises NotMine when another process took it over meanwhile."""
    mine = update(EDITION).where(EDITION.c.id == edition_key, EDITION.c.owner == owner)
    if connection.execute(mine.values(lease_until=now + timedelta(seconds=lease_s))).rowcount != 1:
        raise NotMine(f"edition {edition_key} was taken over by another process")


def move(connection: Connection, edition_key: int, owner: str, before: str, after: str) -> None:
    """Change the edition's state from `before` to `after`. Raises NotMine when it is not ours or not in that state."""
    mine = update(EDITION).where(EDITION.c.id == edition_key, EDITION.c.owner == owner, EDITION.c.state == before)
    if connection.execute(mine.values(state=after)).rowcount != 1:
        raise NotMine(f"edition {edition_key} is not {before!r} any more, or was taken over by another process")


def give_back(connection: Connection, edition_key: int, owner: str) -> None:
    mine = update(EDITION).where(EDITION.c.id == edition_key, EDITION.c.owner == owner)
    connection.execute(mine.values(owner="", lease_until=None))


def item_keys(connection: Connection, edition_key: int) -> list[int]:
    query = (
        select(EDITION_ITEM.c.item_id).where(EDITION_ITEM.c.edition_id == edition_key).order_by(EDITION_ITEM.c.item_id)
    )
    return list(connection.execute(query).scalars())


def save_model(connection: Connection, edition_key: int, model: bytes, settings: dict[str, Any] | None = None) -> None:
    """Keep the vector space that an edition is composed in, and what its `settings` have come to by it."""
    connection.execute(insert(MODEL).values(edition_id=edition_key, sha256=sha256(model).hexdigest(), model=model))
    if settings is not None:
        connection.execute(update(EDITION).where(EDITION.c.id == edition_key).values(settings=settings))


def load_model(connection: Connection, edition_key: int) -> bytes | None:
    """The stored vector space, or None when the edition has none yet. Raises StoreError when it was damaged."""
    row = connection.execute(select(MODEL.c.model, MODEL.c.sha256).where(MODEL.c.edition_id == edition_key)).first()
    if row is None:
        return None
    if sha256(row.model).hexdigest() != row.sha256:
        raise StoreError(f"the stored model of edition {edition_key} does not match its checksum; put a backup back")
    return bytes(row.model)


def save_space(connection: Connection, edition_key: int, network_key: int, model: bytes) -> None:
    """Keep another network's vectors with an edition; what is kept already stays."""
    if load_space(connection, edition_key, network_key) is None:
        values = {"edition_id": edition_key, "network_id": network_key, "model": model}
        connection.execute(insert(SPACE).values(**values, sha256=sha256(model).hexdigest()))


def load_space(connection: Connection, edition_key: int, network_key: int) -> bytes | None:
    """Another network's vectors, or None for none. Raises StoreError when they were damaged."""
    this = SPACE.c.edition_id == edition_key, SPACE.c.network_id == network_key
    row = connection.execute(select(SPACE.c.model, SPACE.c.sha256).where(*this)).first()
    if row is None:
        return None
    if sha256(row.model).hexdigest() != row.sha256:
        raise StoreError(f"a stored model of edition {edition_key} does not match its checksum; put a backup back")
    return bytes(row.model)


def write(connection: Connection, edition: Edition, decided: Decided, now: datetime) -> None:
    """Store what a shard came to, digests and outbox in one transaction. Raises NotMine for a digest decided meanwhile."""
    names = ("state", "reason", "items", "below_threshold", "threshold")
    settle_one = (
        update(DIGEST)
        .where(DIGEST.c.id == bindparam("key"), DIGEST.c.state == "planned")
        .values({name: bindparam(f"new_{name}") for name in names})
    )
    columns_of_one = ("key", *(f"new_{name}" for name in names))
    rows = [dict(zip(columns_of_one, digest, strict=True)) for digest in decided.digests]
    if rows and connection.execute(settle_one, rows).rowcount != len(rows):
        raise NotMine(f"edition {edition.key}: another process decided some of these digests")
    columns = ("digest_id", "rank", "member_id", "item_id", *ChosenItem._fields[4:])
    insert_rows(connection, DIGEST_ITEM, columns, decided.chosen)
    left = ("digest_id", "item_id", "reason", "score", "match", "because_of")
    insert_rows(connection, LEFT_OUT, left, decided.left_out)
    insert_rows(connection, PICKED, ("digest_id", "item_id", "team"), decided.picked)
    given = ("digest_id", "edition_id", "member_id", "message_id", "not_before")
    fixed = ("state", "reason", "attempts", "claimed_by", "dot_sent", "created_at")
    outbox = [
        (digest, edition.key, member, message_id, not_before, "planned", "", 0, "", False, now)
        for digest, member, message_id, not_before in decided.outbox
    ]
    insert_rows(connection, OUTBOX, given + fixed, outbox)
    for digest, member in decided.asking:
        connection.execute(update(DIGEST).where(DIGEST.c.id == digest).values(notice="still_there"))
        connection.execute(update(MEMBER).where(MEMBER.c.id == member).values(asked_at=now))
    draw(connection, decided.draws)


# Asked after every run, and in thousands of simulated ones: built once, because building costs more than running.
_OF_EDITION: BindParameter[int] = bindparam("edition")
_CONSIDERED = select(EDITION.c.members_considered).where(EDITION.c.id == _OF_EDITION)
_DIGEST_STATES = select(DIGEST.c.state, func.count()).where(DIGEST.c.edition_id == _OF_EDITION).group_by(DIGEST.c.state)
_OUTBOX_STATES = (
    select(OUTBOX.c.state, func.count())
    .where(OUTBOX.c.edition_id == _OF_EDITION)
    .group_by(OUTBOX.c.state)
    .order_by(OUTBOX.c.state)
)
_SKIPPED_REASONS = (
    select(DIGEST.c.reason, func.count())
    .where(DIGEST.c.edition_id == _OF_EDITION, DIGEST.c.state == "skipped")
    .group_by(DIGEST.c.reason)
    .order_by(func.count().desc(), DIGEST.c.reason)
)


def counts(connection: Connection, edition_key: int) -> Counts:
    considered = connection.execute(_CONSIDERED, {"edition": edition_key}).scalar_one()
    digests: dict[str, int] = by_first(connection, _DIGEST_STATES, edition=edition_key)
    messages = outbox_states(connection, edition_key)
    return Counts(
        considered=considered,
        planned=digests.get("planned", 0),
        digests=digests.get("composed", 0),
        skipped=digests.get("skipped", 0),
        delivered=sum(messages.get(state, 0) for state in HANDED_OVER),
        failed=sum(messages.get(state, 0) for state in FAILED),
        queued=sum(messages.get(state, 0) for state in WAITING),
    )


def outbox_states(connection: Connection, edition_key: int) -> dict[str, int]:
    """How many messages of this edition are in each state of the outbox."""
    return by_first(connection, _OUTBOX_STATES, edition=edition_key)


def settle(connection: Connection, edition_key: int, now: datetime) -> Counts:
    """Write the counts down, and finish the edition if it was released and they balance with nothing left to do."""
    found = counts(connection, edition_key)
    values: dict[str, Any] = {"digests": found.digests, "skipped": skipped_reasons(connection, edition_key)}
    this = EDITION.c.id == edition_key
    connection.execute(update(EDITION).where(this).values(**values))
    if found.done:
        finish = update(EDITION).where(this, EDITION.c.state == "released")
        connection.execute(finish.values(state="finished", finished_at=now, owner="", lease_until=None))
    return found


def skipped_reasons(connection: Connection, edition_key: int) -> dict[str, int]:
    """How many members got nothing, by reason, most frequent first."""
    return by_first(connection, _SKIPPED_REASONS, edition=edition_key)


def by_first(connection: Connection, query: Select[Any], **parameters: Any) -> dict[Any, Any]:
    """Of a query with two columns the second by the first."""
    return {row[0]: row[1] for row in connection.execute(query, parameters)}


def _edition(row: Row[Any]) -> Edition:
    return Edition(
        row.id,
        row.public_id,
        row.network_id,
        row.slot,
        row.state,
        row.as_of,
        row.owner,
        row.lease_until,
        row.settings,
        row.kind,
    )
