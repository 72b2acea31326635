"""Members whom an edition considers, as it finds them: what they wish, what they had before, and what else they are in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
    union_all,
)

from store.editions import (
    AUDIENCE_STATUSES,
    DIGEST,
    DIGEST_ITEM,
    EDITION,
    EDITION_ITEM,
    FEEDBACK,
    LEFT_OUT,
    MATCHED_REASONS,
    MEMBER,
    NETWORK,
    by_first,
)
from store.types import UtcDateTime


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
    """Keys of the networks that members of this one joined later, where they want both in one mail."""
    other = MEMBER.alias()
    joined_later = or_(
        other.c.joined_at > MEMBER.c.joined_at,
        and_(other.c.joined_at == MEMBER.c.joined_at, other.c.id > MEMBER.c.id),
    )
    query = (
        select(other.c.network_id)
        .join_from(MEMBER, other, and_(other.c.address_key == MEMBER.c.address_key, other.c.id != MEMBER.c.id))
        .where(MEMBER.c.network_id == network_key, _combines(MEMBER), _combines(other), joined_later)
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


def _silence(connection: Connection, first_member: int, last_member: int) -> dict[int, tuple[int, datetime, datetime]]:
    """By member key the digests since they were last heard of, when the newest was, and when they were heard of."""
    mine = MEMBER.c.id.between(first_member, last_member)
    signs = union_all(
        select(FEEDBACK.c.member_id, FEEDBACK.c.at).where(FEEDBACK.c.member_id.between(first_member, last_member)),
        *_signs_elsewhere(mine),
    ).subquery()
    said = select(signs.c.member_id, func.max(signs.c.at).label("at")).group_by(signs.c.member_id).subquery()
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


def _signs_elsewhere(mine: ColumnElement[bool]) -> list[Select[Any]]:
    """What members said in, and when they looked at their preferences of, networks whose items come in one mail with these."""
    other = MEMBER.alias()
    same = and_(other.c.address_key == MEMBER.c.address_key, other.c.id != MEMBER.c.id)
    together = (mine, _combines(MEMBER), _combines(other))
    said = select(MEMBER.c.id, FEEDBACK.c.at).join_from(MEMBER, other, same)
    seen = select(MEMBER.c.id, other.c.seen_at).join_from(MEMBER, other, same)
    return [
        said.join(FEEDBACK, FEEDBACK.c.member_id == other.c.id).where(*together),
        seen.where(*together, other.c.seen_at.is_not(None)),
    ]


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


def first_and_last(connection: Connection, network_key: int) -> tuple[int, int]:
    """The lowest and the highest key of a network's members; (0, 0) where it has none."""
    first, last = connection.execute(
        select(func.min(MEMBER.c.id), func.max(MEMBER.c.id)).where(MEMBER.c.network_id == network_key)
    ).one()
    return first or 0, last or 0


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
    return by_first(connection, query)


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
