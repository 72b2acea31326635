"""When a member's digest of an edition is due: their wish, their last one, and the moment the schedule wanted the edition."""

from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from digest.slots import WEEK, Wish, due, next_due, release_time
from profiles.standing import PERIOD_DAYS

if TYPE_CHECKING:
    from store.considered import PlannedDigest
    from store.editions import Edition
    from store.networks import Network


def due_at(member: "PlannedDigest", network: "Network", edition: "Edition") -> datetime:
    """Not before the edition's moment; an urgent one is due at once. One that is only imagined takes everybody as if a whole
    period had gone by: what it shows is what comes next."""
    if edition.kind != "weekly":
        return edition.as_of
    last = member.last_due_at if edition.key else None
    return next_due(_wish(member, network, edition), last, _start(network, edition), edition.as_of)


def is_due(member: "PlannedDigest", network: "Network", edition: "Edition") -> bool:
    """Whether the digest is this edition's, and not that of the one a week later."""
    return edition.kind != "weekly" or due_at(member, network, edition) < edition.as_of + WEEK


def start_of(network: "Network", moment: datetime) -> datetime:
    """When the schedule wanted the edition that runs at `moment`."""
    return due(moment, network.time_zone, network.weekday, network.hour, network.minute).instant


def _start(network: "Network", edition: "Edition") -> datetime:
    kept = edition.settings.get("start")
    return datetime.fromisoformat(kept) if kept else start_of(network, edition.as_of)


def _wish(member: "PlannedDigest", network: "Network", edition: "Edition") -> Wish:
    days = PERIOD_DAYS.get(member.cadence, PERIOD_DAYS["weekly"])  # type: ignore[call-overload]
    zone = member.time_zone or network.time_zone
    if member.hour is not None:
        minute = _minute(member.member_public_id, edition.settings.get("spread_min", 60))
        return Wish(zone, member.weekday, member.hour, minute, days)
    if member.weekday is None:
        return Wish(zone, days=days)
    out = release_time(zone, edition.as_of.year, network.time_zone, network.hour, network.minute)
    return Wish(zone, member.weekday, out.hour, out.minute, days)


def _minute(member_public_id: str, spread_min: int) -> int:
    """A member's own minute of the hour they chose: looks random, and stays the same."""
    return int.from_bytes(sha256(f"minute.{member_public_id}".encode()).digest()[:4]) % spread_min
