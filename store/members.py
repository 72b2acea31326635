"""Members, and the record of what they agreed to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Text, bindparam, cast, func, literal, or_, select, true, update

from profiles.address import erased_key, normalise
from profiles.joining import DEFAULTS, Decision, Entry, decide
from profiles.member import GONE, Member, Preferences, Profile, Status
from store import bounces, budgets, feedback, suppression, tables, thresholds
from store.database import Database, StoreError, insert_rows
from store.identifiers import new_public_id
from store.types import UtcDateTime

TABLE = tables.Member.__table__  # type: ignore[attr-defined]
CONSENT = tables.Consent.__table__  # type: ignore[attr-defined]
DELIVERY = tables.Delivery.__table__  # type: ignore[attr-defined]
DIGEST = tables.Digest.__table__  # type: ignore[attr-defined]
DIGEST_ITEM = tables.DigestItem.__table__  # type: ignore[attr-defined]
EDITION = tables.Edition.__table__  # type: ignore[attr-defined]
NETWORK = tables.Network.__table__  # type: ignore[attr-defined]
OUTBOX = tables.Outbox.__table__  # type: ignore[attr-defined]

ASKED_AT_ONCE = 900
STREAMED_AT_ONCE = 1000
FIELDS = tuple(DEFAULTS)
_INSERTED = ("public_id", "network_id", "address", "address_key", *FIELDS, "joined_at", "left_at", "updated_at")
_CONSENT = ("member_id", "action", "basis", "wording", "at")


class AlreadyMember(StoreError):
    """The address is known in this network, was erased from it, or is suppressed everywhere."""


class DueMoved(Exception):
    """Another edition mailed one of these members meanwhile; whatever was being written is rolled back."""


@dataclass(frozen=True, slots=True)
class StoredMember:
    """A member with what only the store knows. `left_at` is when the status became left, bounced or erased."""

    key: int
    public_id: str
    network_key: int
    address_key: str
    joined_at: datetime
    left_at: datetime | None
    member: Member


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """What somebody agreed to or withdrew; see the table."""

    action: str
    basis: str
    wording: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PastDigest:
    """One member's part of an edition, newest first in lists; `delivery` is the state in the outbox, empty for none."""

    slot: str
    as_of: datetime
    state: str
    reason: str
    items: int
    delivery: str


def find(connection: Connection, network_key: int, who: str) -> StoredMember | None:
    """The member with this address (however spelt) or public id."""
    try:
        same = TABLE.c.address_key == normalise(who).key
    except ValueError:
        same = TABLE.c.public_id == who.strip()
    return _first(connection, select(TABLE).where(TABLE.c.network_id == network_key, same))


def find_by_public_id(connection: Connection, public_id: str) -> StoredMember | None:
    return _first(connection, select(TABLE).where(TABLE.c.public_id == public_id))


def seen(connection: Connection, key: int, now: datetime) -> None:
    """They did something on a page of ours."""
    connection.execute(update(TABLE).where(TABLE.c.id == key).values(seen_at=now))


def networks_of(connection: Connection, address_key: str) -> int:
    """In how many networks somebody with this address is active or paused."""
    here = TABLE.c.address_key == address_key, TABLE.c.status.in_(("active", "paused"))
    return connection.execute(select(func.count()).where(*here)).scalar_one()


def stream(
    connection: Connection,
    network_key: int,
    *,
    statuses: Sequence[str] = (),
    topic: str = "",
    region: str = "",
    search: str = "",
    limit: int | None = None,
) -> Iterator[StoredMember]:
    """Members in the order they joined, in constant memory. `search` is part of a name, an address or an organisation."""
    found = select(TABLE).where(TABLE.c.network_id == network_key).order_by(TABLE.c.id).limit(limit)
    if statuses:
        found = found.where(TABLE.c.status.in_(statuses))
    if topic:
        chosen = literal("\n") + cast(TABLE.c.chosen, Text) + literal("\n")
        found = found.where(chosen.contains(f"\n{topic}\n", autoescape=True))
    if region:
        found = found.where(func.lower(TABLE.c.region) == region.lower())
    if search:
        columns = (TABLE.c.name, TABLE.c.address, TABLE.c.organisation)
        found = found.where(or_(*(column.icontains(search, autoescape=True) for column in columns)))
    rows = connection.execute(found.execution_options(stream_results=True, yield_per=STREAMED_AT_ONCE))
    return (_stored(row) for row in rows.mappings())


def consents(connection: Connection, key: int) -> list[ConsentRecord]:
    """Everything on record for a member, oldest first."""
    columns = (CONSENT.c.action, CONSENT.c.basis, CONSENT.c.wording, CONSENT.c.at)
    rows = connection.execute(select(*columns).where(CONSENT.c.member_id == key).order_by(CONSENT.c.id))
    return [ConsentRecord(*row) for row in rows]


def recent_digests(connection: Connection, key: int, limit: int = 10) -> list[PastDigest]:
    columns = (EDITION.c.slot, EDITION.c.as_of, DIGEST.c.state, DIGEST.c.reason, DIGEST.c["items"], OUTBOX.c.state)
    found = (
        select(*columns)
        .join_from(DIGEST, EDITION, EDITION.c.id == DIGEST.c.edition_id)
        .outerjoin(OUTBOX, OUTBOX.c.digest_id == DIGEST.c.id)
        .where(DIGEST.c.member_id == key)
        .order_by(EDITION.c.as_of.desc())
        .limit(limit)
    )
    return [PastDigest(*row[:5], row[5] or "") for row in connection.execute(found)]


def add(
    connection: Connection,
    network_key: int,
    member: Member,
    now: datetime,
    basis: str,
    wording: str = "",
    secret: bytes | None = None,
) -> StoredMember:
    """Store one new member with a consent row. Raises AlreadyMember for an address that is known, or was erased (which
    only `secret` can tell), and ValueError for one that is none."""
    entry = Entry(0, normalise(member.address), flat(member), wording)
    _lock(connection, network_key)
    if suppression.among(connection, [entry.address.key], secret):
        raise AlreadyMember(
            f"{entry.address.display} is suppressed: it must not be mailed again; see `germane suppress check`"
        )
    known = _known(connection, network_key, [entry], secret).get(entry.address.key)
    if known:
        raise AlreadyMember(
            f"{entry.address.display} is in this network already, with status {known['status']}; nothing was changed"
        )
    _insert_members(connection, network_key, [entry], now, basis)
    found = find(connection, network_key, entry.address.display)
    assert found is not None
    return found


def leave(connection: Connection, key: int, now: datetime, basis: str) -> bool:
    """From the next message on this member gets none. False when they had left or were erased before."""
    return _set_status(connection, key, now, "left", "left", basis, unless=("left", "erased"))


def rejoin(
    connection: Connection, key: int, now: datetime, basis: str, wording: str = "", secret: bytes | None = None
) -> bool:
    """Mail starts again for somebody who left, bounced, paused or had not confirmed: only ever by their own act.

    With `secret` that act lifts what a bounce or a complaint had suppressed; what was suppressed on request stays so, and
    False is the answer.
    """
    if secret is not None and not _lift(connection, key, secret, now, basis):
        return False
    return _set_status(connection, key, now, "active", "joined", basis, unless=("active", "erased"), wording=wording)


def change(
    connection: Connection,
    key: int,
    now: datetime,
    *,
    profile: Profile | None = None,
    preferences: Preferences | None = None,
    name: str | None = None,
    status: Status | None = None,
    basis: str = "",
) -> bool:
    """Change what is given. False, and nothing changed, for somebody who left or was erased. Pausing and resuming are
    recorded with the basis."""
    values: dict[str, Any] = {"updated_at": now}
    for part in (profile, preferences):
        values |= {name: getattr(part, name) for name in type(part).__slots__} if part else {}
    values |= {} if name is None else {"name": name}
    here = TABLE.c.id == key, TABLE.c.status.not_in(("left", "erased"))
    if not connection.execute(update(TABLE).where(*here).values(**values)).rowcount:
        return False
    if status:
        action = {"paused": "paused", "active": "resumed", "left": "left"}.get(status, "")
        _set_status(connection, key, now, status, action, basis, unless=(status,))
    return True


def erase(connection: Connection, key: int, now: datetime, secret: bytes, basis: str) -> bool:
    """Delete what is known of a person. Their row stays with a keyed hash of the address, so that they stay gone whatever
    is imported. False when they were erased before. Call `scrub` after the transaction."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
    found = select(TABLE.c.address_key, TABLE.c.left_at).where(TABLE.c.id == key, TABLE.c.status != "erased")
    row = connection.execute(found.with_for_update()).first()
    if row is None:
        return False
    gone = {**DEFAULTS, "status": "erased", "address": "", "address_key": erased_key(row.address_key, secret)}
    dates = {"left_at": row.left_at or now, "updated_at": now, "seen_at": None, "asked_at": None}
    connection.execute(update(TABLE).where(TABLE.c.id == key).values(**gone, **dates))
    connection.execute(update(CONSENT).where(CONSENT.c.member_id == key).values(wording=""))
    connection.execute(update(DIGEST_ITEM).where(DIGEST_ITEM.c.member_id == key).values(reason=[]))
    sent = select(OUTBOX.c.id).where(OUTBOX.c.member_id == key)
    connection.execute(update(DELIVERY).where(DELIVERY.c.outbox_id.in_(sent)).values(reply=""))
    bounces.forget(connection, key)
    feedback.erase(connection, key)
    thresholds.erase(connection, key)
    budgets.erase(connection, row.address_key)
    _record(connection, [(key, "left", basis, "", now)])
    return True


def scrub(database: Database) -> None:
    """Empty SQLite's write-ahead log, which keeps old pages; a PostgreSQL server does the like when it vacuums."""
    if not database.is_sqlite:
        return
    raw = database.engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        raw.close()


def any_gone_for_good(connection: Connection, network_key: int) -> bool:
    """True when somebody was erased from this network or any address is suppressed: only the secret key can tell who."""
    if suppression.any_in_force(connection):
        return True
    here = TABLE.c.network_id == network_key, TABLE.c.status == "erased"
    return connection.execute(select(true()).where(*here).limit(1)).first() is not None


def was_erased(connection: Connection, address: str, secret: bytes) -> bool:
    """True when this address was erased from any network: no import brings it back there. Raises ValueError for no address."""
    erased = TABLE.c.status == "erased", TABLE.c.address_key == erased_key(normalise(address).key, secret)
    return connection.execute(select(true()).where(*erased).limit(1)).first() is not None


def decide_entries(
    connection: Connection, network_key: int, entries: Sequence[Entry], secret: bytes | None = None
) -> list[Decision]:
    """What `import_entries` would do, without doing it."""
    return _decisions(connection, entries, _known(connection, network_key, entries, secret), secret)


def import_entries(
    connection: Connection,
    network_key: int,
    entries: Sequence[Entry],
    now: datetime,
    basis: str,
    secret: bytes | None = None,
) -> list[Decision]:
    """Add and change members; a decision for each entry. No two entries may have the same address."""
    _lock(connection, network_key)
    stored = _known(connection, network_key, entries, secret)
    decisions = _decisions(connection, entries, stored, secret)
    decided = list(zip(entries, decisions, strict=True))
    added = [entry for entry, decision in decided if decision.outcome == "added"]
    changed = [(stored[e.address.key], d) for e, d in decided if d.outcome == "changed"]
    _insert_members(connection, network_key, added, now, basis)
    _update_members(connection, changed, now, basis)
    return decisions


def flat(member: Member) -> dict[str, Any]:
    """Every field of `profiles.joining.DEFAULTS` of a member, side by side as the table has them."""
    values: dict[str, Any] = {"name": member.name, "status": member.status, "role": member.role}
    for part in (member.profile, member.preferences):
        values |= {name: getattr(part, name) for name in type(part).__slots__}
    return values


def member_of(address: str, values: Mapping[str, Any]) -> Member:
    """The reverse of `flat`; fields that are not given have their default."""
    whole = {**DEFAULTS, **values}
    profile = Profile(**{name: whole[name] for name in Profile.__slots__})
    preferences = Preferences(**{name: whole[name] for name in Preferences.__slots__})
    return Member(address, whole["name"], whole["status"], whole["role"], profile, preferences)


def _decisions(
    connection: Connection, entries: Sequence[Entry], stored: Mapping[str, Mapping[str, Any]], secret: bytes | None
) -> list[Decision]:
    suppressed = suppression.among(connection, (entry.address.key for entry in entries), secret)
    return [
        Decision("protected") if entry.address.key in suppressed else decide(entry, stored.get(entry.address.key))
        for entry in entries
    ]


def _lift(connection: Connection, key: int, secret: bytes, now: datetime, basis: str) -> bool:
    """False when this member's address stays suppressed whatever they do on a page."""
    row = connection.execute(select(TABLE.c.address).where(TABLE.c.id == key, TABLE.c.address != "")).first()
    found = suppression.find(connection, row.address, secret) if row else None
    if row is None or found is None:
        return True
    return found.reason != "request" and suppression.lift(connection, row.address, secret, now, basis)


def _lock(connection: Connection, network_key: int) -> None:
    """One import of a network at a time on PostgreSQL: two that add the same person would fail on the unique key."""
    connection.execute(select(NETWORK.c.id).where(NETWORK.c.id == network_key).with_for_update(key_share=True))


def _known(
    connection: Connection, network_key: int, entries: Sequence[Entry], secret: bytes | None
) -> dict[str, dict[str, Any]]:
    """Who of the entries is stored, by address key, with id, left_at and every field; rows are locked where that is needed."""
    keys = {entry.address.key: entry.address.key for entry in entries}
    if secret is not None:
        keys |= {erased_key(key, secret): key for key in list(keys)}
    columns = [TABLE.c.id, TABLE.c.address_key, TABLE.c.left_at, *(TABLE.c[name] for name in FIELDS)]
    found = select(*columns).where(TABLE.c.network_id == network_key).with_for_update()
    asked = list(keys)
    return {
        keys[row["address_key"]]: dict(row)
        for start in range(0, len(asked), ASKED_AT_ONCE)
        for row in connection.execute(
            found.where(TABLE.c.address_key.in_(asked[start : start + ASKED_AT_ONCE]))
        ).mappings()
    }


def _insert_members(
    connection: Connection, network_key: int, entries: Sequence[Entry], now: datetime, basis: str
) -> None:
    ids = {entry.address.key: new_public_id() for entry in entries}
    insert_rows(connection, TABLE, _INSERTED, [_row(e, ids[e.address.key], network_key, now) for e in entries])
    keys = _keys_of(connection, list(ids.values()))
    agreed = [entry for entry in entries if entry.values.get("status") != "pending"]
    _record(connection, (_joining(e, keys[ids[e.address.key]], now, basis) for e in agreed))


def _row(entry: Entry, public_id: str, network_key: int, now: datetime) -> tuple[Any, ...]:
    values = {**DEFAULTS, **entry.values}
    left_at = now if values["status"] in GONE else None
    identity = public_id, network_key, entry.address.display, entry.address.key
    return *identity, *(values[name] for name in FIELDS), now, left_at, now


def _keys_of(connection: Connection, public_ids: Sequence[str]) -> dict[str, int]:
    return {
        row.public_id: row.id
        for start in range(0, len(public_ids), ASKED_AT_ONCE)
        for row in connection.execute(
            select(TABLE.c.public_id, TABLE.c.id).where(
                TABLE.c.public_id.in_(public_ids[start : start + ASKED_AT_ONCE])
            )
        )
    }


def _joining(entry: Entry, key: int, now: datetime, basis: str) -> tuple[Any, ...]:
    action = "left" if entry.values.get("status") == "left" else "joined"
    return key, action, basis, entry.evidence, now


def _update_members(
    connection: Connection, changed: Sequence[tuple[Mapping[str, Any], Decision]], now: datetime, basis: str
) -> None:
    """`changed` are members as stored, with what changes of each."""
    if not changed:
        return
    names = sorted({name for _, decision in changed for name in decision.changes})
    rows = [_changed_row(old, decision, names, now) for old, decision in changed]
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*names, "left_at", "updated_at")}
    connection.execute(update(TABLE).where(TABLE.c.id == bindparam("key")).values(**values), rows)
    stopped = [(old["id"], decision.changes["status"][1]) for old, decision in changed if "status" in decision.changes]
    _record(connection, ((key, status, basis, "", now) for key, status in stopped if status in {"left", "paused"}))


def _changed_row(old: Mapping[str, Any], decision: Decision, names: Sequence[str], now: datetime) -> dict[str, Any]:
    new = {name: change[1] for name, change in decision.changes.items()}
    row = {f"new_{name}": new.get(name, old[name]) for name in names}
    left_at = now if new.get("status") in GONE else old["left_at"]
    return row | {"key": old["id"], "new_left_at": left_at, "new_updated_at": now}


def _set_status(
    connection: Connection,
    key: int,
    now: datetime,
    status: Status,
    action: str,
    basis: str,
    *,
    unless: tuple[Status, ...],
    wording: str = "",
) -> bool:
    values: dict[str, Any] = {"status": status, "left_at": now if status in GONE else None, "updated_at": now}
    here = TABLE.c.id == key, TABLE.c.status.not_in(unless)
    if not connection.execute(update(TABLE).where(*here).values(**values)).rowcount:
        return False
    if action:
        _record(connection, [(key, action, basis, wording, now)])
    return True


def _record(connection: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    insert_rows(connection, CONSENT, _CONSENT, list(rows))


def _first(connection: Connection, found: Select[Any]) -> StoredMember | None:
    row = connection.execute(found).mappings().first()
    return None if row is None else _stored(row)


def _stored(row: Any) -> StoredMember:
    identity = row["id"], row["public_id"], row["network_id"], row["address_key"]
    return StoredMember(*identity, row["joined_at"], row["left_at"], member_of(row["address"], row))


_CLAIM_DUE = (
    update(TABLE)
    .where(TABLE.c.id == bindparam("key"))
    .where(TABLE.c.last_due_at.is_not_distinct_from(bindparam("before", type_=UtcDateTime)))
    .values(last_due_at=bindparam("after", type_=UtcDateTime))
)


def claim_due(connection: Connection, claims: Sequence[tuple[int, datetime | None, datetime]]) -> None:
    """Move (member, last due moment as it was read, the next one) on, all or none. Raises DueMoved.

    Compare-and-swap: of two editions that saw the same moment one goes on.
    """
    rows = [{"key": key, "before": before, "after": after} for key, before, after in claims]
    if rows and connection.execute(_CLAIM_DUE, rows).rowcount != len(rows):
        raise DueMoved
