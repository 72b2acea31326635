"""Suppressed addresses: kept as keyed hashes, in force over every network of the installation until they are lifted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, true, update

from profiles.address import normalise
from profiles.suppression import Reason, hash_of_key
from store import tables

TABLE = tables.Suppression.__table__  # type: ignore[attr-defined]
MEMBER = tables.Member.__table__  # type: ignore[attr-defined]
CONSENT = tables.Consent.__table__  # type: ignore[attr-defined]

ASKED_AT_ONCE = 900
HERE = ("pending", "active", "paused")
IN_FORCE = TABLE.c.lifted_at.is_(None)
_ANY_IN_FORCE = select(true()).where(IN_FORCE).limit(1)


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A suppression in force: why, on what grounds, since when."""

    reason: str
    basis: str
    at: datetime


def add(connection: Connection, address: str, secret: bytes, reason: Reason, now: datetime, basis: str) -> bool:
    """Suppress an address and, in this transaction, stop the mail of every member who has it. False when it was before.

    A dead address makes its members `bounced`; for every other reason they have left. Raises ValueError for no address.
    """
    key = normalise(address).key
    digest = hash_of_key(key, secret)
    stop(connection, [key], reason, now, basis)
    if find_hash(connection, digest):
        return False
    connection.execute(insert(TABLE).values(hash=digest, reason=reason, basis=basis, at=now))
    return True


def lift(connection: Connection, address: str, secret: bytes, now: datetime, why: str) -> bool:
    """Take a suppression back; False when there is none. Members stay as they are: only they themselves come back."""
    digest = hash_of_key(normalise(address).key, secret)
    lifted = update(TABLE).where(TABLE.c.hash == digest, IN_FORCE).values(lifted_at=now, lifted_why=why)
    return connection.execute(lifted).rowcount > 0


def find(connection: Connection, address: str, secret: bytes) -> Suppressed | None:
    """The suppression of an address, however it is spelt. Raises ValueError for what is no address."""
    return find_hash(connection, hash_of_key(normalise(address).key, secret))


def find_hash(connection: Connection, digest: str) -> Suppressed | None:
    columns = select(TABLE.c.reason, TABLE.c.basis, TABLE.c.at)
    row = connection.execute(columns.where(TABLE.c.hash == digest, IN_FORCE)).first()
    return Suppressed(*row) if row else None


def among(connection: Connection, address_keys: Iterable[str], secret: bytes | None) -> set[str]:
    """Which of these address keys (`profiles.address`, `Member.address_key`) are suppressed, asked in bulk.

    Without a secret nothing can be known: then there may be no suppression, or StoreError's like must be raised before.
    """
    if secret is None or not any_in_force(connection):
        return set()
    keys = {hash_of_key(key, secret): key for key in address_keys}
    asked = list(keys)
    return {
        keys[digest]
        for start in range(0, len(asked), ASKED_AT_ONCE)
        for digest in connection.execute(
            select(TABLE.c.hash).where(TABLE.c.hash.in_(asked[start : start + ASKED_AT_ONCE]), IN_FORCE)
        ).scalars()
    }


def among_addresses(connection: Connection, addresses: Iterable[str], secret: bytes | None) -> set[str]:
    """`among` for addresses as they are written, in any spelling; what is no address is not suppressed."""
    keys: dict[str, list[str]] = {}
    for address in addresses:
        try:
            keys.setdefault(normalise(address).key, []).append(address)
        except ValueError:
            continue
    return {address for key in among(connection, keys, secret) for address in keys[key]}


def any_in_force(connection: Connection) -> bool:
    return connection.execute(_ANY_IN_FORCE).first() is not None


def counts(connection: Connection) -> dict[str, int]:
    """How many suppressions of each reason are in force."""
    query = select(TABLE.c.reason, func.count()).where(IN_FORCE).group_by(TABLE.c.reason).order_by(TABLE.c.reason)
    return {row[0]: row[1] for row in connection.execute(query)}


def stop_members(connection: Connection, network_key: int, secret: bytes, now: datetime) -> int:
    """Stop the members of a network whose address is suppressed but who would still get mail (a restored or edited
    database); how many these were."""
    if not any_in_force(connection):
        return 0
    here = select(MEMBER.c.address_key).where(MEMBER.c.network_id == network_key, MEMBER.c.status.in_(HERE))
    found = among(connection, connection.execute(here).scalars(), secret)
    return stop(connection, sorted(found), "request", now, "the address is suppressed")


def stop(connection: Connection, address_keys: Sequence[str], reason: Reason, now: datetime, basis: str) -> int:
    """Mail stops for every member, of any network, who has one of these addresses; how many these were."""
    status = "bounced" if reason == "bounce" else "left"
    stopping = HERE if reason == "bounce" else (*HERE, "bounced")
    members: list[int] = []
    for start in range(0, len(address_keys), ASKED_AT_ONCE):
        these = MEMBER.c.address_key.in_(address_keys[start : start + ASKED_AT_ONCE]), MEMBER.c.status.in_(stopping)
        changed = update(MEMBER).where(*these).values(status=status, left_at=now, updated_at=now)
        members += connection.execute(changed.returning(MEMBER.c.id)).scalars()
    if status == "left" and members:
        rows = [{"member_id": key, "action": "left", "basis": basis, "at": now} for key in members]
        connection.execute(insert(CONSENT), rows)
    return len(members)
