"""Members as an edition sees them: who is due a digest, what they want and said, and what they had before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from digest.composition import NOTHING_HEARD, Batch, Heard
from digest.composition import Edition as Fitted
from digest.feedback import PASSED_OVER, Said, Told
from jobs.budgeting import asked_lately, day_of, rooms_of, take_no_requests
from jobs.due import is_due
from profiles.member import Preferences, Profile
from profiles.standing import NEVER_QUIET, Quiet, why_no_mail
from store import budgets, considered, feedback
from store.considered import PlannedDigest
from store.editions import Edition
from store.feedback import Known, Standing
from store.networks import Network

Ints = npt.NDArray[np.int64]


def batch_of(
    connection: Connection, network: Network, edition: Edition, fitted: Fitted, able: Sequence[PlannedDigest]
) -> Batch:
    """Members who are due a digest as the edition sees them: wishes, history, feedback and what is left of their budgets."""
    first, last = able[0].member_key, able[-1].member_key
    profiles, wishes, names = zip(*((profile_of(m), preferences_of(m), m.name) for m in able), strict=True)
    day = day_of(edition.as_of, network)
    accounts = budgets.accounts(connection, network.key, first, last, day)
    rooms = rooms_of(able, accounts, network, edition)
    items_left = [fitted.most_items if room.mails else 0 for room in rooms]
    carried = considered.carried_pairs(connection, first, last, [item.key for item in fitted.items])
    again, spent = (_pairs_at(able, fitted, pairs) for pairs in carried)
    return Batch(
        profiles=profiles,
        preferences=wishes,
        names=names,
        sent=sent_places(able, fitted, already_sent(connection, fitted, first, last)),
        heard=heard_of(able, fitted, listen(connection, first, last, edition.as_of)),
        draws=np.array([draw_of(network, edition, member) for member in able], dtype=np.uint64),
        room=np.array(items_left, dtype=np.int64),
        asks=np.array([room.asks for room in rooms], dtype=np.int64),
        asked=asked_lately(able, accounts, network, edition),
        no_requests=take_no_requests(able, accounts, network, edition),
        carried=again,
        spent=spent,
    )


def _pairs_at(members: Sequence[PlannedDigest], fitted: Fitted, pairs: Ints) -> tuple[Ints, Ints]:
    """Rows and columns of pairs of keys, of those that are here."""
    row, mine = _places(pairs[:, 0], [member.member_key for member in members])
    column, here = _places(pairs[:, 1], [item.key for item in fitted.items])
    return row[mine & here], column[mine & here]


@dataclass(frozen=True, slots=True)
class Voices:
    """What some members said about items, which learned terms they want forgotten, and what became of what they were sent, by
    their keys."""

    standing: Standing
    forgotten: dict[int, list[str]]
    known: Known


def listen(connection: Connection, first_member: int, last_member: int, moment: datetime) -> Voices:
    """What members in the closed range of keys had said by `moment`, and what they want forgotten now."""
    return Voices(
        standing=feedback.standing(connection, first_member, last_member, moment),
        forgotten=feedback.forgotten_by(connection, first_member, last_member),
        known=feedback.known_pairs(connection, first_member, last_member, moment),
    )


def heard_of(members: Sequence[PlannedDigest], fitted: Fitted, voices: Voices | None) -> Heard:
    """What these members said, as rows and columns of the edition."""
    if voices is None:
        return NOTHING_HEARD
    row, mine = _places(voices.standing.member, [member.member_key for member in members])
    column, known = _places(voices.standing.item, fitted.past_keys)
    said = Said(
        member=row[mine],
        item=np.where(known, column, -1)[mine],
        verdict=voices.standing.verdict[mine],
        age_days=voices.standing.age_days[mine],
        judged=voices.standing.judged[mine],
    )
    gone = {n: voices.forgotten[m.member_key] for n, m in enumerate(members) if m.member_key in voices.forgotten}
    return Heard(said, gone, _told(members, fitted, voices.known))


def _told(members: Sequence[PlannedDigest], fitted: Fitted, known: Known) -> Told:
    row, mine = _places(known.member, [member.member_key for member in members])
    column, _ = _places(known.item, fitted.past_keys)
    weight = np.where(known.said, 1.0, PASSED_OVER)
    parts = known.rest[mine], known.field[mine], known.share[mine]
    return Told(row[mine], column[mine], *parts, known.good[mine], weight[mine])


def _places(wanted: Ints, keys: Sequence[int]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Where each wanted value stands among the keys, and whether it is there at all."""
    place = {key: n for n, key in enumerate(keys)}
    found = np.array([place.get(key, -1) for key in wanted.tolist()], dtype=np.int64)
    return found, found >= 0


def draw_of(network: Network, edition: Edition, member: PlannedDigest) -> int:
    """A number of 64 bits for a member in an edition: looks random, and is the same whenever it is asked for."""
    name = f"{network.public_id}.{edition.slot}.{member.member_public_id}"
    return int.from_bytes(sha256(name.encode()).digest()[:8])


def due_members(batch: Sequence[PlannedDigest], network: Network, edition: Edition) -> list[PlannedDigest]:
    """Those who get a digest in this edition if anything fits them."""
    today = edition.as_of.astimezone(ZoneInfo(network.time_zone)).date()
    return [member for member in batch if why_nothing(member, network, edition, today) is None]


def why_nothing(member: PlannedDigest, network: Network, edition: Edition, today: Any) -> str | None:
    """How often somebody wants the digest says nothing of urgent mail, which they agreed to by itself."""
    urgent = edition.kind == "urgent"
    if urgent and not member.urgent:
        return "not_urgent"
    combined = "combined" if is_combined(member, edition) else None
    reason = combined or why_no_mail(
        status=member.status,  # type: ignore[arg-type]
        paused_until=member.paused_until,
        cadence="weekly" if urgent else member.cadence,  # type: ignore[arg-type]
        last_digest_at=None if urgent else member.last_digest_at,
        has_profile=bool(member.stated.strip() or member.chosen),
        now=edition.as_of,
        today=today,
        unanswered=member.unanswered,
        quiet=NEVER_QUIET if urgent else quiet_of(edition),
    )
    return reason or (None if is_due(member, network, edition) else "cadence")


def is_combined(member: PlannedDigest, edition: Edition) -> bool:
    """Whether what fits them comes in the mail of another network of theirs."""
    return bool(member.home and edition.kind == "weekly" and edition.settings.get("combine"))


def quiet_of(edition: Edition) -> Quiet:
    return Quiet(**edition.settings.get("quiet", {}))


def profile_of(member: PlannedDigest) -> Profile:
    return Profile(**{name: getattr(member, name) for name in Profile.__slots__})


def preferences_of(member: PlannedDigest) -> Preferences:
    return Preferences(**{name: getattr(member, name) for name in _WISHES})


_WISHES = [name for name in Preferences.__slots__ if name in PlannedDigest.__slots__]


def already_sent(
    connection: Connection, fitted: Fitted, first_member: int, last_member: int, before: datetime | None = None
) -> Ints:
    """Pairs (member key, item key) that editions (those of `before` a moment) have sent, of shape (n, 2), for members in the
    closed range: of the edition's items and of earlier ones that are the same thing."""
    return considered.sent_pairs(connection, first_member, last_member, _known_keys(fitted), before)


def sent_before(connection: Connection, fitted: Fitted, batch: Sequence[PlannedDigest]) -> Ints:
    """The same of a batch, for a matcher that picks once more after the decision; no pairs where none is compared."""
    if fitted.comparison is None:
        return np.empty((0, 2), dtype=np.int64)
    return already_sent(connection, fitted, batch[0].member_key, batch[-1].member_key)


def _known_keys(fitted: Fitted) -> list[int]:
    return list(fitted.duplicates.columns) if fitted.duplicates else [item.key for item in fitted.items]


def sent_places(members: Sequence[PlannedDigest], fitted: Fitted, sent: Ints) -> tuple[Ints, Ints]:
    """Rows and columns of all that was sent, and of all that is the same thing as something sent."""
    row = {member.member_key: n for n, member in enumerate(members)}
    columns = fitted.duplicates.columns if fitted.duplicates else {i.key: (n,) for n, i in enumerate(fitted.items)}
    found = [(row[m], column) for m, i in sent.tolist() if m in row for column in columns[i]]
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
