"""The outbox: messages claimed, marked before their final dot, and settled, only by updates that say what they expect.

A claim names its owner; nobody else's update touches the row until the claim is released. `TRANSITIONS` says which state may
follow which: every update of a state asks the database for one of those it may come from, and changes nothing otherwise.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    JSON,
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate, Update

from store import tables, version
from store.database import insert_rows
from store.types import UtcDateTime

OUTBOX = tables.Outbox.__table__  # type: ignore[attr-defined]
DELIVERY = tables.Delivery.__table__  # type: ignore[attr-defined]
MEMBER = tables.Member.__table__  # type: ignore[attr-defined]
EDITION = tables.Edition.__table__  # type: ignore[attr-defined]
DIGEST = tables.Digest.__table__  # type: ignore[attr-defined]
DIGEST_ITEM = tables.DigestItem.__table__  # type: ignore[attr-defined]

State = Literal["handed_over", "deferred", "refused", "uncertain", "cancelled"]
CameBack = Literal["bounced", "complained"]

TRANSITIONS: dict[str, tuple[str, ...]] = {
    "planned": ("claimed", "cancelled"),
    "deferred": ("claimed", "cancelled", "planned"),
    "claimed": ("handed_over", "deferred", "refused", "uncertain", "cancelled", "planned"),
    "uncertain": ("handed_over", "deferred", "refused", "planned", "bounced", "complained"),
    "handed_over": ("bounced", "complained"),
    "refused": ("planned",),
    "bounced": ("complained",),
    "complained": (),
    "cancelled": (),
}
"""Each state with those that may follow it. A late reply, a bounce, the mail server's log or a decision to send it again settle
what is uncertain; an operator may plan again what was deferred or refused."""
BEFORE: dict[str, tuple[str, ...]] = {
    after: tuple(before for before, follow in TRANSITIONS.items() if after in follow) for after in TRANSITIONS
}

WAITING = ("planned", "deferred")
_SETTLED = ("state", "reason", "attempts", "not_before", "dot_sent", "settled_at")
KEYS_AT_ONCE = 10_000
"""SQLite takes at most 32,766 values in one statement."""
TAKEN_BACK = "taken back"
"""The owner of claims that were taken from their owner; nobody renews these."""
STOPPED = "the process that was sending it stopped before the mail server's reply was written down"


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this process may hand over now, with what the envelope and the greeting need of its member."""

    key: int
    kind: str
    digest_key: int | None
    edition_key: int | None
    message_id: str
    attempts: int
    resends: int
    number: int
    """Which claim of this message it is: the record of its dot asks for the latest one."""
    created_at: datetime
    dated_at: datetime
    address: str
    name: str
    status: str
    member_public_id: str
    language: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a claimed message. `not_before` is when a deferred one is due again; `number` is that of the claim, 0 for
    whichever it is."""

    key: int
    state: State
    attempt: int
    at: datetime
    reason: str = ""
    not_before: datetime | None = None
    code: int = 0
    enhanced_status: str = ""
    step: str = ""
    verdict: str = ""
    reply: str = ""
    route: str = ""
    elapsed_ms: int = 0
    number: int = 0


class Chosen(NamedTuple):
    """An item of a digest; `terms` are (label, source) pairs, heaviest first, after a note ("", "deep" or "bridging") if any."""

    item_key: int
    match: float
    terms: tuple[tuple[str, str], ...]
    member_public_id: str = ""
    """The membership through which it came: of the item's own network."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which messages are meant: all, or those of one edition or one network."""

    edition_key: int | None = None
    network_key: int | None = None

    def condition(self) -> ColumnElement[bool]:
        if self.edition_key is not None:
            return OUTBOX.c.edition_id == self.edition_key  # type: ignore[no-any-return]
        if self.network_key is not None:
            editions = select(EDITION.c.id).where(EDITION.c.network_id == self.network_key)
            members = select(MEMBER.c.id).where(MEMBER.c.network_id == self.network_key)
            alone = and_(OUTBOX.c.edition_id.is_(None), OUTBOX.c.member_id.in_(members))
            return or_(OUTBOX.c.edition_id.in_(editions), alone)
        return true()


@dataclass(frozen=True, slots=True)
class Open:
    """A released edition: its messages may be handed over. `as_of` is the moment it was composed for."""

    key: int
    public_id: str
    network_key: int
    slot: str
    as_of: datetime


def open_editions(connection: Connection, now: datetime, scope: Scope) -> list[Open]:
    """The released editions that have a message due."""
    query = (
        select(EDITION.c.id, EDITION.c.public_id, EDITION.c.network_id, EDITION.c.slot, EDITION.c.as_of)
        .where(EDITION.c.state == "released", exists().where(OUTBOX.c.edition_id == EDITION.c.id, _due(now, scope)))
        .order_by(EDITION.c.id)
    )
    return [Open(*row) for row in connection.execute(query)]


def released(connection: Connection, scope: Scope) -> list[int]:
    """The editions that senders may have and that are not finished, whether or not anything of them is due."""
    query = select(EDITION.c.id).where(EDITION.c.state == "released").order_by(EDITION.c.id)
    if scope.edition_key is not None:
        query = query.where(EDITION.c.id == scope.edition_key)
    elif scope.network_key is not None:
        query = query.where(EDITION.c.network_id == scope.network_key)
    return list(connection.execute(query).scalars())


def add(
    connection: Connection,
    kind: str,
    member_key: int,
    message_id: str,
    *,
    now: datetime,
    not_before: datetime | None = None,
) -> int:
    """Plan a message that belongs to no edition; returns its key. A Message-ID that is there already is an IntegrityError."""
    values = {"kind": kind, "member_id": member_key, "message_id": message_id, "state": "planned", "reason": ""}
    values |= {"attempts": 0, "claimed_by": "", "dot_sent": False, "created_at": now, "not_before": not_before or now}
    return int(connection.execute(insert(OUTBOX).values(**values).returning(OUTBOX.c.id)).scalar_one())


def claim(
    connection: Connection,
    owner: str,
    editions: Sequence[int | None],
    *,
    now: datetime,
    lease_until: datetime,
    limit: int,
) -> list[Claim]:
    """Take up to `limit` due messages of these editions, None meaning those of no edition. Rows that another process is taking
    just now are passed over."""
    keys: list[int] = []
    for edition, state in product(editions, WAITING):
        if len(keys) < limit:
            keys += _take(connection, edition, state, owner, now, lease_until, limit - len(keys))
    version.confirm(connection)
    return _claims(connection, keys)


def _take(
    connection: Connection,
    edition: int | None,
    state: str,
    owner: str,
    now: datetime,
    lease_until: datetime,
    limit: int,
) -> list[int]:
    waiting = _WAITING_ALONE if edition is None else _WAITING
    found: dict[str, Any] = {"waiting": state, "now": now, "most": limit}
    keys = connection.execute(waiting, found if edition is None else found | {"edition": edition}).scalars().all()
    taken = _these(keys) | {"waiting": state, "owner": owner, "now": now, "lease": lease_until}
    return list(connection.execute(_TAKE, taken).scalars().all()) if keys else []


def _claims(connection: Connection, keys: Sequence[int]) -> list[Claim]:
    return [Claim(*row) for row in connection.execute(_CLAIM_ROWS, _these(keys)).all()] if keys else []


def chosen_items(connection: Connection, digest_keys: Iterable[int | None]) -> dict[int, list[Chosen]]:
    """For each digest the items chosen for it, best first, without those of another network that its reader has left."""
    query = (
        select(
            DIGEST_ITEM.c.digest_id,
            DIGEST_ITEM.c.item_id,
            DIGEST_ITEM.c.match,
            DIGEST_ITEM.c.reason,
            DIGEST_ITEM.c.note,
            MEMBER.c.public_id,
        )
        .join_from(DIGEST_ITEM, MEMBER, MEMBER.c.id == DIGEST_ITEM.c.member_id)
        .join(DIGEST, DIGEST.c.id == DIGEST_ITEM.c.digest_id)
        .where(or_(DIGEST.c.member_id == MEMBER.c.id, MEMBER.c.status == "active"))
        .where(DIGEST_ITEM.c.digest_id.in_([key for key in digest_keys if key is not None]))
        .order_by(DIGEST_ITEM.c.digest_id, DIGEST_ITEM.c.rank)
    )
    found: dict[int, list[Chosen]] = {}
    for digest_key, item_key, match, reason, note, public_id in connection.execute(query):
        terms = tuple((label, source) for label, _weight, source in reason)
        terms = (("", note), *terms) if note else terms
        found.setdefault(digest_key, []).append(Chosen(item_key, match, terms, public_id))
    return found


def asking(connection: Connection, digest_keys: Iterable[int]) -> set[int]:
    """Of these digests those that ask their reader whether they still want it."""
    these = DIGEST.c.id.in_(list(digest_keys)), DIGEST.c.notice == "still_there"
    return set(connection.execute(select(DIGEST.c.id).where(*these)).scalars())


# As one JSON object of keys and claims' numbers, which both databases unfold: a statement whose text grows with the number of
# its values is written and parsed anew each time.
_HELD = func.json_each(bindparam("held", type_=JSON)).table_valued("key", "value")
_HELD_KEY, _HELD_NUMBER = cast(_HELD.c.key, OUTBOX.c.id.type), cast(cast(_HELD.c.value, Text), Integer)
_THESE = OUTBOX.c.id.in_(select(_HELD_KEY))
_OF_THESE_CLAIMS = tuple_(OUTBOX.c.id, OUTBOX.c.claims).in_(select(_HELD_KEY, _HELD_NUMBER))
_WHICHEVER = OUTBOX.c.id.in_(select(_HELD_KEY).where(_HELD_NUMBER == 0))
_OWNER: BindParameter[str] = bindparam("owner")
# Asked of rows that keys name, and as an expression: SQLite would go through all rows of that state, by the index on it.
_STATE = func.coalesce(OUTBOX.c.state, "")
_CLAIMED = and_(OUTBOX.c.claimed_by == _OWNER, _STATE == "claimed")

_MAY_BE_MAILED = MEMBER.c.status == case((OUTBOX.c.kind == "probe", "bounced"), else_="active")

# These run for every few messages, or in each of thousands of simulated processes: built once, because building costs more
# than running.
_NOW = bindparam("now", type_=UtcDateTime)
# No ORDER BY: each claim would sort all that waits. The index on (edition_id, state) stops after `most` rows.
_DUE = (
    select(OUTBOX.c.id)
    .where(OUTBOX.c.state == bindparam("waiting"), OUTBOX.c.not_before <= _NOW)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_WAITING = _DUE.where(OUTBOX.c.edition_id == bindparam("edition"))
_WAITING_ALONE = _DUE.where(OUTBOX.c.edition_id.is_(None))
_TAKE = (
    update(OUTBOX)
    .where(_THESE, bindparam("waiting") == _STATE)
    .values(state="claimed", claimed_by=_OWNER, lease_until=bindparam("lease", type_=UtcDateTime), dot_sent=False)
    .values(claims=OUTBOX.c.claims + 1, dated_at=func.coalesce(OUTBOX.c.dated_at, _NOW))
    .returning(OUTBOX.c.id)
)
_OF_OUTBOX = (
    "id", "kind", "digest_id", "edition_id", "message_id", "attempts", "resends", "claims", "created_at", "dated_at"
)  # fmt: skip
_OF_MEMBER = ("address", "name", "status", "public_id", "language", "languages")
_CLAIM_ROWS = (
    select(*(OUTBOX.c[name] for name in _OF_OUTBOX), *(MEMBER.c[name] for name in _OF_MEMBER))
    .join_from(OUTBOX, MEMBER, OUTBOX.c.member_id == MEMBER.c.id)
    .where(_THESE)
    .order_by(OUTBOX.c.id)
)
_OWNERS = select(OUTBOX.c.claimed_by).where(OUTBOX.c.state == "claimed").distinct()


def _giving_up(which: ColumnElement[bool]) -> tuple[Update, ReturningUpdate[Any]]:
    """What gives claims up: those without a recorded dot are planned again, the others are uncertain."""
    claimed = update(OUTBOX).where(OUTBOX.c.state == "claimed", which)
    doubt = {"state": "uncertain", "reason": STOPPED, "attempts": OUTBOX.c.attempts + 1, "settled_at": _NOW}
    doubtful = claimed.where(OUTBOX.c.dot_sent).values(**doubt).returning(OUTBOX.c.id, OUTBOX.c.attempts)
    return claimed.where(not_(OUTBOX.c.dot_sent)).values(state="planned", claimed_by="", lease_until=None), doubtful


_GIVE_UP_MINE = _giving_up(OUTBOX.c.claimed_by == _OWNER)

_MARK_DOTS = (
    update(OUTBOX)
    .where(_THESE, _OF_THESE_CLAIMS, _CLAIMED, not_(OUTBOX.c.dot_sent))
    .where(exists().where(MEMBER.c.id == OUTBOX.c.member_id, _MAY_BE_MAILED))
    .values(dot_sent=True)
    .returning(OUTBOX.c.id)
)
_MEMBERS = (
    select(MEMBER.c.id)
    .where(MEMBER.c.id.in_(select(OUTBOX.c.member_id).where(_THESE)))
    .order_by(MEMBER.c.id)
    .with_for_update(read=True)
)
_SETTLE = (
    update(OUTBOX)
    .where(_THESE, or_(_WHICHEVER, _OF_THESE_CLAIMS))
    .where(OUTBOX.c.claimed_by == _OWNER, _STATE.in_(bindparam("before", expanding=True)))
    .values({name: bindparam(f"new_{name}", type_=OUTBOX.c[name].type) for name in _SETTLED if name != "not_before"})
    .values(
        lease_until=None, not_before=func.coalesce(bindparam("new_not_before", type_=UtcDateTime), OUTBOX.c.not_before)
    )
    .returning(OUTBOX.c.id)
)


def _these(keys: Iterable[int]) -> dict[str, dict[int, int]]:
    """Messages whatever the claim."""
    return {"held": dict.fromkeys(keys, 0)}


def mark_dots(connection: Connection, owner: str, claims: Mapping[int, int]) -> set[int]:
    """Write down that the final dot of these messages is about to be sent, and return those that may be completed.

    `claims` are the messages with the numbers of the claims that they were made from. A message is missing from the answer when
    its claim was lost, also if the same owner claimed it anew, or when its member left in this very moment. Whoever leaves
    while this transaction is open waits for it: SQLite has one writer at a time, on PostgreSQL the members' rows are locked.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_MEMBERS, _these(claims)).all()
    return set(connection.execute(_MARK_DOTS, {"held": dict(claims), "owner": owner}).scalars().all())


def settle(connection: Connection, owner: str, settled: Sequence[Settled]) -> set[int]:
    """Record attempts and their outcomes. Returns the keys of those that were ours to settle; others stay untouched.

    A message that was called uncertain because its lease ran out is settled all the same when the reply came late; if that puts
    it off, its edition, which may be finished by then, is open again.
    """
    ours: set[int] = set()
    for values, alike in _alike(settled):
        held = {one.key: one.number for one in alike}
        expected = {"held": held, "owner": owner, "before": BEFORE[values["new_state"]]}
        ours.update(connection.execute(_SETTLE, expected | values).scalars().all())
    _record(connection, [one for one in settled if one.key in ours])
    put_off = [one.key for one in settled if one.state == "deferred" and one.key in ours]
    if put_off:
        _release_again(connection, put_off)
    return ours


def _release_again(connection: Connection, keys: Sequence[int]) -> None:
    """Editions of messages that wait again are finished no more."""
    of_these = EDITION.c.id.in_(select(OUTBOX.c.edition_id).where(OUTBOX.c.id.in_(keys)))
    finished = update(EDITION).where(of_these, EDITION.c.state == "finished")
    connection.execute(finished.values(state="released", finished_at=None))


def _alike(settled: Sequence[Settled]) -> Iterable[tuple[dict[str, Any], list[Settled]]]:
    """Values with those whose rows get them: nearly all are handed over, and one statement writes them, with one moment."""
    found: dict[tuple[Any, ...], list[Settled]] = {}
    for one in settled:
        found.setdefault((one.state, one.reason, one.attempt, one.not_before), []).append(one)
    for (state, reason, attempt, not_before), same in found.items():
        yield (
            {
                "new_state": state,
                "new_reason": reason,
                "new_attempts": attempt,
                "new_not_before": not_before,
                "new_dot_sent": state in {"handed_over", "uncertain"},
                "new_settled_at": None if state == "deferred" else max(one.at for one in same),
            },
            same,
        )


_DELIVERY_COLUMNS = (
    "outbox_id", "attempt", "at", "outcome", "code", "enhanced_status", "step", "verdict", "reply", "route", "elapsed_ms"
)  # fmt: skip


def _record(connection: Connection, settled: Sequence[Settled]) -> None:
    rows = [
        (
            s.key,
            s.attempt,
            s.at,
            s.state,
            s.code,
            s.enhanced_status,
            s.step,
            s.verdict,
            s.reply or s.reason,
            s.route,
            s.elapsed_ms,
        )
        for s in settled
    ]
    insert_rows(connection, DELIVERY, _DELIVERY_COLUMNS, rows)


def renew(connection: Connection, owner: str, lease_until: datetime) -> None:
    """Hold all claims of this owner for longer."""
    connection.execute(update(OUTBOX).where(*_mine(owner)).values(lease_until=lease_until))


def release(connection: Connection, owner: str, now: datetime) -> tuple[int, int]:
    """Give up all claims of an owner: those whose dot was not sent are planned again, the others are uncertain.

    Returns how many became planned and how many uncertain.
    """
    return _release(connection, _GIVE_UP_MINE, now, owner=owner)


def take_back(connection: Connection, item_keys: Sequence[int], now: datetime) -> int:
    """Take the claims of messages that hold one of these items, which must not go out any more, unless their dot is recorded;
    returns how many. Whoever made such a message cannot have its dot recorded; who claims it next makes it without the item.
    """
    taken = 0
    for start in range(0, len(item_keys), KEYS_AT_ONCE):
        holding = select(DIGEST_ITEM.c.digest_id).where(
            DIGEST_ITEM.c.item_id.in_(item_keys[start : start + KEYS_AT_ONCE])
        )
        made = update(OUTBOX).where(
            OUTBOX.c.state == "claimed", not_(OUTBOX.c.dot_sent), OUTBOX.c.digest_id.in_(holding)
        )
        taken += connection.execute(made.values(claimed_by=TAKEN_BACK, lease_until=now)).rowcount
    return taken


def release_stale(connection: Connection, now: datetime, is_dead: Callable[[str], bool]) -> tuple[int, int]:
    """Give up the claims whose lease ran out or whose owner is dead; returns how many became planned and uncertain."""
    owners = list(connection.execute(_OWNERS).scalars())
    if not owners:
        return 0, 0
    dead = [owner for owner in owners if is_dead(owner)]
    stale = or_(OUTBOX.c.lease_until < now, OUTBOX.c.claimed_by == TAKEN_BACK, OUTBOX.c.claimed_by.in_(dead))
    return _release(connection, _giving_up(stale), now)


def _release(
    connection: Connection, statements: tuple[Update, ReturningUpdate[Any]], now: datetime, **parameters: Any
) -> tuple[int, int]:
    safe, doubtful = statements
    planned = connection.execute(safe, parameters).rowcount
    uncertain = connection.execute(doubtful, parameters | {"now": now}).all()
    _record(connection, [Settled(key, "uncertain", attempts, now, reason=STOPPED) for key, attempts in uncertain])
    return planned, len(uncertain)


def postpone(connection: Connection, owner: str, keys: Sequence[int], until: datetime) -> int:
    """Give up the claims of messages that were not tried, until a moment; returns how many were ours."""
    mine = update(OUTBOX).where(_THESE, _CLAIMED, not_(OUTBOX.c.dot_sent))
    values = {"state": "planned", "claimed_by": "", "lease_until": None, "not_before": until}
    return connection.execute(mine.values(**values), _these(keys) | {"owner": owner}).rowcount


def resend(connection: Connection, now: datetime, *, since_before: datetime, most: int) -> int:
    """Plan again what is in doubt since before a moment and was not sent again `most` times yet; returns how many."""
    doubtful = and_(OUTBOX.c.state == "uncertain", OUTBOX.c.settled_at <= since_before, OUTBOX.c.resends < most)
    return _plan_again(connection, doubtful, now)


def retry(connection: Connection, keys: Sequence[int], now: datetime, *, in_doubt: bool = False) -> int:
    """Plan again what was deferred or refused, and with `in_doubt` what is uncertain, for now; returns how many."""
    states = [state for state in BEFORE["planned"] if state != "claimed" and (in_doubt or state != "uncertain")]
    return _plan_again(connection, and_(OUTBOX.c.id.in_(keys), OUTBOX.c.state.in_(states)), now)


def _plan_again(connection: Connection, condition: ColumnElement[bool], now: datetime) -> int:
    """Their editions are released again, so that they are sent."""
    doubtful = case((OUTBOX.c.state == "uncertain", 1), else_=0)
    values = {"state": "planned", "reason": "", "not_before": now, "claimed_by": "", "lease_until": None}
    values |= {"dot_sent": False, "settled_at": None, "resends": OUTBOX.c.resends + doubtful}
    again = update(OUTBOX).where(condition, OUTBOX.c.state.in_(BEFORE["planned"])).values(**values)
    keys = list(connection.execute(again.returning(OUTBOX.c.id)).scalars())
    _release_again(connection, keys)
    return len(keys)


def cancel(connection: Connection, keys: Sequence[int], reason: str, now: datetime) -> int:
    """Take waiting messages out of the outbox for good; returns how many were still waiting."""
    waiting = update(OUTBOX).where(OUTBOX.c.id.in_(bindparam("keys", expanding=True)), OUTBOX.c.state.in_(WAITING))
    values = {"state": "cancelled", "reason": reason, "settled_at": now}
    return connection.execute(waiting.values(**values), {"keys": list(keys)}).rowcount


def find(connection: Connection, *, message_id: str = "", edition: str = "", member: str = "") -> int | None:
    """The key of the message with this Message-ID, or of the one that this member got in this edition (public ids)."""
    query = select(OUTBOX.c.id)
    if message_id:
        query = query.where(OUTBOX.c.message_id == message_id)
    else:
        query = query.join(EDITION, EDITION.c.id == OUTBOX.c.edition_id).join(MEMBER, MEMBER.c.id == OUTBOX.c.member_id)
        query = query.where(EDITION.c.public_id == edition, MEMBER.c.public_id == member)
    return connection.execute(query).scalar_one_or_none()


def came_back(
    connection: Connection, key: int, state: CameBack, at: datetime, *, status: str = "", detail: str = ""
) -> bool:
    """Record that a bounce or a complaint about a message came in, which also settles one that was in doubt.

    `status` is the enhanced status code (RFC 3463) where there is one. False when the message was never handed over, or this is
    known already: nothing is changed then.
    """
    this = update(OUTBOX).where(OUTBOX.c.id == key, OUTBOX.c.state.in_(BEFORE[state]))
    values = {"state": state, "reason": detail, "came_back_at": at}
    attempts = connection.execute(this.values(**values).returning(OUTBOX.c.attempts)).scalar_one_or_none()
    if attempts is None:
        return False
    values = {"outbox_id": key, "attempt": attempts, "at": at, "outcome": state, "code": 0, "enhanced_status": status}
    connection.execute(insert(DELIVERY).values(**values, reply=detail, route="", elapsed_ms=0))
    return True


def counts(connection: Connection, scope: Scope | None = None) -> dict[str, int]:
    """How many messages are in each state."""
    condition = (scope or Scope()).condition()
    query = select(OUTBOX.c.state, func.count()).where(condition).group_by(OUTBOX.c.state).order_by(OUTBOX.c.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def due(connection: Connection, now: datetime, scope: Scope) -> int:
    """How many messages, of released editions or of none, could be handed over now."""
    released = select(EDITION.c.id).where(EDITION.c.state == "released")
    waiting = and_(_due(now, scope), or_(OUTBOX.c.edition_id.in_(released), OUTBOX.c.edition_id.is_(None)))
    return int(connection.execute(select(func.count()).where(waiting)).scalar_one())


def is_any_alone_due(connection: Connection, now: datetime) -> bool:
    """Whether a message of no edition could be handed over now."""
    alone = select(OUTBOX.c.id).where(_due(now, Scope()), OUTBOX.c.edition_id.is_(None)).limit(1)
    return connection.execute(alone).first() is not None


def _due(now: datetime, scope: Scope) -> ColumnElement[bool]:
    return and_(OUTBOX.c.state.in_(WAITING), OUTBOX.c.not_before <= now, scope.condition())


def member_states(connection: Connection, keys: Sequence[int]) -> dict[int, str]:
    """The status, as it is now, of the members these messages are for."""
    query = (
        select(OUTBOX.c.id, MEMBER.c.status)
        .join_from(OUTBOX, MEMBER, OUTBOX.c.member_id == MEMBER.c.id)
        .where(OUTBOX.c.id.in_(keys))
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def address_keys(connection: Connection, keys: Sequence[int]) -> dict[int, str]:
    """The address keys (`profiles.address`) of the members these messages are for."""
    query = select(OUTBOX.c.id, MEMBER.c.address_key).join_from(OUTBOX, MEMBER, OUTBOX.c.member_id == MEMBER.c.id)
    return {row[0]: row[1] for row in connection.execute(query.where(OUTBOX.c.id.in_(keys)))}


def _mine(owner: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return OUTBOX.c.claimed_by == owner, OUTBOX.c.state == "claimed"


def settle_doubt(connection: Connection, key: int, at: datetime, how: str) -> bool:
    """The mail server was found to have the message: it is no longer in doubt. False when it was not uncertain any more."""
    this = update(OUTBOX).where(OUTBOX.c.id == key, OUTBOX.c.state == "uncertain")
    taken = this.values(state="handed_over", reason="", settled_at=at).returning(OUTBOX.c.attempts)
    attempts = connection.execute(taken).scalar_one_or_none()
    if attempts is None:
        return False
    _record(connection, [Settled(key, "handed_over", attempts, at, reason=how)])
    return True
