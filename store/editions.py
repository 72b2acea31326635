"""Editions: opened once for a slot, audience frozen, composed shard by shard, finished when the counts balance."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from store import tables, version
from store.budgets import DRAW, GIVEN_BACK, NewDraw, draw, open_accounts
from store.database import StoreError, insert_rows
from store.identifiers import new_public_id
from store.types import UtcDateTime

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


@dataclass(frozen=True, slots=True)
class PlannedDigest:
    """A frozen member whose digest is still to be decided, with all that deciding takes."""

    digest_key: int
    member_key: int
    member_public_id: str
    name: str
    status: str
    paused_until: date | None
    cadence: str
    stated: str
    chosen: tuple[str, ...]
    profession: str
    setting: str
    organisation: str
    organisation_type: str
    region: str
    country: str
    languages: tuple[str, ...]
    muted_kinds: tuple[str, ...]
    muted_topics: tuple[str, ...]
    muted_posters: tuple[str, ...]
    items_per_digest: int | None
    weekday: int | None
    hour: int | None
    time_zone: str
    learn_from_opened: bool
    urgent: bool
    mails_per_week: int | None
    hours_between_mails: int | None
    asks_per_month: int | None
    combine: bool
    bridging: bool
    asked_at: datetime | None
    last_due_at: datetime | None
    """When the last digest of a weekly edition was due; each claims the next from this value."""
    last_digest_at: datetime | None
    unanswered: int = 0
    """Digests since the last sign of life."""
    heard_at: datetime | None = None
    """When that was; known of who has had a digest since."""
    home: str = ""
    """The name of the network in whose mail theirs come; empty where it is this one's."""
    others: tuple[tuple[int, int], ...] = ()
    """(network key, member key) of their memberships whose items come in this network's mail."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What one shard came to: rows in the order of the columns named beside each."""

    digests: list[tuple[int, str, str, int, int, float | None]]
    """(digest_key, state, reason, items, below_threshold, threshold)"""
    chosen: list[tuple[int, int, int, int, float, float, list[Any], str]]
    """(digest_key, rank, member_key, item_key, score, match, reason, note)"""
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


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An item that an edition could not bring to as many members as it needs; see the table."""

    item_key: int
    needed: int
    got: int
    cause: str
    counts: dict[str, int]
    words: list[str]


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


class NotMine(Exception):
    """Another process holds this edition now; whatever was being written was rolled back."""


def find(connection: Connection, network_key: int, slot: str) -> Edition | None:
    row = connection.execute(select(EDITION).where(EDITION.c.network_id == network_key, EDITION.c.slot == slot)).first()
    return _edition(row) if row else None


def latest(connection: Connection, network_key: int, limit: int = 10, kind: str = "") -> list[Edition]:
    """The network's editions, newest first; only those of a kind, if one is given."""
    query = select(EDITION).where(EDITION.c.network_id == network_key).order_by(EDITION.c.as_of.desc()).limit(limit)
    query = query.where(EDITION.c.kind == kind) if kind else query
    return [_edition(row) for row in connection.execute(query)]


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


def save_decision(connection: Connection, edition_key: int, parts: Iterable[tuple[int, int, bytes]]) -> None:
    """Keep what was decided: (first member key, last member key, decision) for one run of members after the other."""
    columns = ("edition_id", "first_member", "last_member", "sha256", "decision")
    rows = [(edition_key, first, last, sha256(data).hexdigest(), data) for first, last, data in parts]
    insert_rows(connection, DECISION, columns, rows)


def is_decided(connection: Connection, edition_key: int) -> bool:
    found = select(DECISION.c.first_member).where(DECISION.c.edition_id == edition_key).limit(1)
    return connection.execute(found).first() is not None


def load_decision(connection: Connection, edition_key: int, first_member: int, last_member: int) -> list[bytes]:
    """The parts of the decision that are about members in the closed range. Raises StoreError when one was damaged."""
    query = (
        select(DECISION.c.decision, DECISION.c.sha256)
        .where(DECISION.c.edition_id == edition_key)
        .where(DECISION.c.first_member <= last_member, DECISION.c.last_member >= first_member)
        .order_by(DECISION.c.first_member)
    )
    parts = [(bytes(row.decision), row.sha256) for row in connection.execute(query)]
    if any(sha256(data).hexdigest() != checksum for data, checksum in parts):
        raise StoreError(f"the stored decision of edition {edition_key} does not match its checksum; put a backup back")
    return [data for data, _ in parts]


def drop_decision(connection: Connection, edition_key: int) -> None:
    """Once all is written down as digests it says nothing more."""
    connection.execute(delete(DECISION).where(DECISION.c.edition_id == edition_key))


def save_shortfalls(connection: Connection, edition_key: int, found: Sequence[Shortfall]) -> None:
    columns = ("edition_id", "item_id", "needed", "got", "cause", "counts", "words")
    rows = [(edition_key, s.item_key, s.needed, s.got, s.cause, s.counts, s.words) for s in found]
    insert_rows(connection, SHORTFALL, columns, rows)


def shortfalls(connection: Connection, edition_key: int) -> list[Shortfall]:
    """Items that the edition could not bring to as many members as they need, by key."""
    columns = [SHORTFALL.c[name] for name in ("item_id", *Shortfall.__slots__[1:])]
    query = select(*columns).where(SHORTFALL.c.edition_id == edition_key).order_by(SHORTFALL.c.item_id)
    return [Shortfall(*row) for row in connection.execute(query)]


def last_shortfall(connection: Connection, item_key: int) -> Shortfall | None:
    """What the newest edition that fell short of an item's reach says of it."""
    columns = [SHORTFALL.c[name] for name in ("item_id", *Shortfall.__slots__[1:])]
    query = select(*columns).where(SHORTFALL.c.item_id == item_key).order_by(SHORTFALL.c.edition_id.desc()).limit(1)
    row = connection.execute(query).first()
    return Shortfall(*row) if row else None


def reach_so_far(connection: Connection, items: Sequence[int]) -> dict[int, int]:
    """To how many members each item went or goes, over all editions, without mails that were refused, cancelled or bounced."""
    gone = exists().where(OUTBOX.c.digest_id == DIGEST_ITEM.c.digest_id, OUTBOX.c.state.in_(GIVEN_BACK))
    query = (
        select(DIGEST_ITEM.c.item_id, func.count())
        .where(DIGEST_ITEM.c.item_id.in_(bindparam("items", expanding=True, literal_execute=True)))
        .where(DIGEST_ITEM.c.dropped == "", ~gone)
        .group_by(DIGEST_ITEM.c.item_id)
    )
    return {row[0]: row[1] for row in connection.execute(query, {"items": list(items)})} if items else {}


def offers(connection: Connection, items: Sequence[int]) -> dict[int, int]:
    """How many members said that they can help with each item; only items with any."""
    query = (
        select(FEEDBACK.c.item_id, func.count())
        .where(FEEDBACK.c.item_id.in_(bindparam("items", expanding=True, literal_execute=True)))
        .where(FEEDBACK.c.verdict == "can_help", FEEDBACK.c.ended == "")
        .group_by(FEEDBACK.c.item_id)
    )
    return {row[0]: row[1] for row in connection.execute(query, {"items": list(items)})} if items else {}


def drop_items(connection: Connection, dropped: Sequence[tuple[int, int, str]], requests: Collection[int]) -> None:
    """Write down items, as (digest, item, why), that are not in the mails they were chosen for, and draw no request for them."""
    this = DIGEST_ITEM.c.digest_id == bindparam("digest"), DIGEST_ITEM.c.item_id == bindparam("item")
    drop = update(DIGEST_ITEM).where(*this, DIGEST_ITEM.c.dropped == "").values(dropped=bindparam("why"))
    give_back = update(DRAW).where(DRAW.c.digest_id == bindparam("digest"), DRAW.c.asks > 0)
    for digest, item, why in dropped:
        if connection.execute(drop, {"digest": digest, "item": item, "why": why}).rowcount and item in requests:
            connection.execute(give_back.values(asks=DRAW.c.asks - 1), {"digest": digest})


NO_ROOM = ("over_budget", "asked_enough", "poster_limit", "topic_limit", "not_picked")
"""Reasons that are told once an item that was carried over found no room again."""


def carried_pairs(
    connection: Connection, first_member: int, last_member: int, items: Sequence[int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs (member key, item key) that were carried over, and those that found no room the second time either: each of shape
    (n, 2), for members in the closed range."""
    these = EDITION_ITEM.c.item_id.in_(bindparam("items", expanding=True, literal_execute=True))
    query = (
        select(DIGEST.c.member_id, LEFT_OUT.c.item_id, LEFT_OUT.c.reason == "carried_over")
        .join_from(DIGEST, LEFT_OUT, LEFT_OUT.c.digest_id == DIGEST.c.id)
        .join(EDITION, EDITION.c.id == DIGEST.c.edition_id)
        .where(DIGEST.c.edition_id.in_(select(EDITION_ITEM.c.edition_id).where(these)), EDITION.c.kind == "weekly")
        .where(DIGEST.c.member_id.between(first_member, last_member))
        .where(LEFT_OUT.c.reason.in_(("carried_over", *NO_ROOM)))
    )
    rows = connection.execute(query, {"items": list(items)}).all() if items else []
    found = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, 3)
    # Not in the statement: SQLite would look up each item of the list for each digest.
    found = found[np.isin(found[:, 1], items)]
    carried = found[:, 2] == 1
    return found[carried, :2], found[~carried, :2]


_OF_MEMBER = [name for name in PlannedDigest.__slots__ if name in MEMBER.c]


def planned(connection: Connection, edition_key: int, limit: int, after: int = 0) -> list[PlannedDigest]:
    """The next members, in the order of their keys, beyond `after`, whose digests are still to be decided."""
    query = (
        select(DIGEST.c.id, MEMBER.c.id, MEMBER.c.public_id, *(MEMBER.c[name] for name in _OF_MEMBER))
        .join_from(DIGEST, MEMBER, DIGEST.c.member_id == MEMBER.c.id)
        .where(DIGEST.c.edition_id == edition_key, DIGEST.c.state == "planned", DIGEST.c.member_id > after)
        .order_by(DIGEST.c.member_id)
        .limit(limit)
    )
    rows: list[tuple[Any, ...]] = [tuple(row) for row in connection.execute(query)]
    if not rows:
        return []
    return _with_history(connection, rows)


def audience(
    connection: Connection, network_key: int, after: int, limit: int, member_key: int = 0
) -> list[PlannedDigest]:
    """Members who would be considered if an edition opened now, by key, beyond `after`; or the one of `member_key`,
    whatever their status. There is no digest yet: their `digest_key` is their member key."""
    query = select(MEMBER.c.id, MEMBER.c.id, MEMBER.c.public_id, *(MEMBER.c[name] for name in _OF_MEMBER))
    query = query.where(MEMBER.c.network_id == network_key).order_by(MEMBER.c.id).limit(limit)
    if member_key:
        query = query.where(MEMBER.c.id == member_key)
    else:
        query = query.where(MEMBER.c.id > after, MEMBER.c.status.in_(AUDIENCE_STATUSES))
    rows: list[tuple[Any, ...]] = [tuple(row) for row in connection.execute(query)]
    return _with_history(connection, rows) if rows else []


def _with_history(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> list[PlannedDigest]:
    first, last = rows[0][1], rows[-1][1]
    at, silence = _last_digests(connection, first, last), _silence(connection, first, last)
    elsewhere = _elsewhere(connection, first, last)
    found = []
    for row in rows:
        unanswered, newest, heard_at = silence.get(row[1], (0, None, None))
        history = at.get(row[1], newest), unanswered, heard_at
        found.append(PlannedDigest(*(*row, *history, *elsewhere.get(row[1], ("", ())))))
    return found


def _elsewhere(connection: Connection, first_member: int, last_member: int) -> dict[int, tuple[str, tuple[Any, ...]]]:
    """By member key the name of another network that is their home, or their memberships that join this one."""
    other = MEMBER.alias()
    query = (
        select(MEMBER.c.id, MEMBER.c.joined_at, other.c.joined_at, other.c.id, other.c.network_id, NETWORK.c.name)
        .join_from(MEMBER, other, and_(other.c.address_key == MEMBER.c.address_key, other.c.id != MEMBER.c.id))
        .join(NETWORK, NETWORK.c.id == other.c.network_id)
        .where(MEMBER.c.id.between(first_member, last_member), _combines(MEMBER), _combines(other))
        .order_by(MEMBER.c.id, other.c.joined_at, other.c.id)
    )
    found: dict[int, tuple[str, tuple[Any, ...]]] = {}
    for key, mine, theirs, member, network, name in connection.execute(query):
        home, others = found.get(key, ("", ()))
        if (theirs, member) < (mine, key):
            found[key] = (home or name, ())
        elif not home:
            found[key] = ("", (*others, (network, member)))
    return found


def _combines(member: Any) -> ColumnElement[bool]:
    """Somebody who gets digests and wants them in one mail."""
    interested = or_(member.c.stated != "", cast(member.c.chosen, Text) != "")
    return and_(member.c.status == "active", member.c.combine, member.c.cadence != "none", interested)


def guest_networks(connection: Connection, network_key: int) -> list[int]:
    """Keys of the networks that members of this one are in as well, where they want both in one mail."""
    other = MEMBER.alias()
    query = (
        select(other.c.network_id)
        .join_from(MEMBER, other, and_(other.c.address_key == MEMBER.c.address_key, other.c.id != MEMBER.c.id))
        .where(MEMBER.c.network_id == network_key, _combines(MEMBER), _combines(other))
        .distinct()
        .order_by(other.c.network_id)
    )
    return list(connection.execute(query).scalars())


def members_of(connection: Connection, keys: Sequence[int]) -> list[PlannedDigest]:
    """These members, by key, as composing sees them; their `digest_key` is their member key."""
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(keys), 5_000):
        query = select(MEMBER.c.id, MEMBER.c.id, MEMBER.c.public_id, *(MEMBER.c[name] for name in _OF_MEMBER))
        part = connection.execute(query.where(MEMBER.c.id.in_(keys[start : start + 5_000])).order_by(MEMBER.c.id))
        rows += [tuple(row) for row in part]
    return [PlannedDigest(*(*row, None)) for row in rows]


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


def _silence(connection: Connection, first_member: int, last_member: int) -> dict[int, tuple[int, datetime, datetime]]:
    """By member key the digests since they were last heard of, when the newest was, and when they were heard of."""
    said = (
        select(FEEDBACK.c.member_id, func.max(FEEDBACK.c.at).label("at"))
        .where(FEEDBACK.c.member_id.between(first_member, last_member))
        .group_by(FEEDBACK.c.member_id)
        .subquery()
    )
    seen = func.coalesce(MEMBER.c.seen_at, MEMBER.c.joined_at)
    heard = case((said.c.at > seen, said.c.at), else_=seen)
    query = (
        select(DIGEST.c.member_id, func.count(), func.max(EDITION.c.as_of), func.max(heard, type_=UtcDateTime))
        .join_from(DIGEST, EDITION, EDITION.c.id == DIGEST.c.edition_id)
        .join(MEMBER, MEMBER.c.id == DIGEST.c.member_id)
        .join(said, said.c.member_id == DIGEST.c.member_id, isouter=True)
        .where(DIGEST.c.member_id.between(first_member, last_member), DIGEST.c.state == "composed")
        .where(EDITION.c.kind == "weekly", EDITION.c.as_of > heard)
        .group_by(DIGEST.c.member_id)
    )
    return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(query)}


def matched_audience(connection: Connection, edition_key: int, after: int, limit: int) -> list[PlannedDigest]:
    """Members of an edition's audience who were due a digest, by key beyond `after`: who got one, and for whom nothing fitted or
    was allowed. They are given as they are now, without their last digest."""
    due = or_(DIGEST.c.state == "composed", DIGEST.c.reason.in_(MATCHED_REASONS))
    query = (
        select(DIGEST.c.id, MEMBER.c.id, MEMBER.c.public_id, *(MEMBER.c[name] for name in _OF_MEMBER))
        .join_from(DIGEST, MEMBER, DIGEST.c.member_id == MEMBER.c.id)
        .where(DIGEST.c.edition_id == edition_key, DIGEST.c.member_id > after, due)
        .order_by(DIGEST.c.member_id)
        .limit(limit)
    )
    rows: list[tuple[Any, ...]] = [tuple(row) for row in connection.execute(query)]
    return [PlannedDigest(*(*row, None)) for row in rows]


def audience_size(connection: Connection, network_key: int) -> int:
    query = select(func.count()).where(MEMBER.c.network_id == network_key, MEMBER.c.status.in_(AUDIENCE_STATUSES))
    return connection.execute(query).scalar_one()


def _last_digests(connection: Connection, first_member: int, last_member: int) -> dict[int, datetime]:
    query = (
        select(DIGEST.c.member_id, func.max(EDITION.c.as_of))
        .join_from(DIGEST, EDITION, DIGEST.c.edition_id == EDITION.c.id)
        .join(MEMBER, MEMBER.c.id == DIGEST.c.member_id)
        .where(DIGEST.c.member_id.between(first_member, last_member), DIGEST.c.state == "composed")
        .where(MEMBER.c.cadence != "weekly", EDITION.c.kind == "weekly")
        .group_by(DIGEST.c.member_id)
    )
    return _pairs(connection, query)


def sent_pairs(
    connection: Connection,
    first_member: int,
    last_member: int,
    items: Sequence[int],
    before: datetime | None = None,
) -> npt.NDArray[np.int64]:
    """Pairs (member key, item key) already chosen in any edition, or in one of before a moment: of shape (n, 2), for members in
    the closed range."""
    query = select(DIGEST_ITEM.c.member_id, DIGEST_ITEM.c.item_id).where(
        DIGEST_ITEM.c.member_id.between(first_member, last_member),
        DIGEST_ITEM.c.item_id.in_(bindparam("items", expanding=True, literal_execute=True)),
    )
    if before is not None:
        query = query.join(DIGEST, DIGEST.c.id == DIGEST_ITEM.c.digest_id).join(
            EDITION, EDITION.c.id == DIGEST.c.edition_id
        )
        query = query.where(EDITION.c.as_of < before)
    rows = connection.execute(query, {"items": list(items)}).all() if items else []
    return np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, 2)


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
    columns = ("digest_id", "rank", "member_id", "item_id", "score", "match", "reason", "note")
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


def counts(connection: Connection, edition_key: int) -> Counts:
    considered = connection.execute(
        select(EDITION.c.members_considered).where(EDITION.c.id == edition_key)
    ).scalar_one()
    of = select(DIGEST.c.state, func.count()).where(DIGEST.c.edition_id == edition_key).group_by(DIGEST.c.state)
    digests: dict[str, int] = _pairs(connection, of)
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
    query = select(OUTBOX.c.state, func.count()).where(OUTBOX.c.edition_id == edition_key).group_by(OUTBOX.c.state)
    return _pairs(connection, query.order_by(OUTBOX.c.state))


def skipped_reasons(connection: Connection, edition_key: int) -> dict[str, int]:
    """How many members got nothing, by reason, most frequent first."""
    query = (
        select(DIGEST.c.reason, func.count())
        .where(DIGEST.c.edition_id == edition_key, DIGEST.c.state == "skipped")
        .group_by(DIGEST.c.reason)
        .order_by(func.count().desc(), DIGEST.c.reason)
    )
    return _pairs(connection, query)


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
    return list(_pairs(connection, query).items())


def digest_sizes(connection: Connection, edition_key: int) -> dict[int, int]:
    """How many digests have how many items."""
    query = (
        select(DIGEST.c["items"], func.count())
        .where(DIGEST.c.edition_id == edition_key, DIGEST.c.state == "composed")
        .group_by(DIGEST.c["items"])
        .order_by(DIGEST.c["items"])
    )
    return _pairs(connection, query)


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
    `to_choose_from` counts the edition's items."""

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
        to_choose_from=len(item_keys(connection, edition.key)),
        sent=[SentItem(*found) for found in connection.execute(sent)],
        left=[LeftItem(*found) for found in connection.execute(left)],
    )


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


def _pairs(connection: Connection, query: Select[Any]) -> dict[Any, Any]:
    return {row[0]: row[1] for row in connection.execute(query)}


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
