"""What came back, and what follows from it for addresses: decided by `profiles.reachability`, done here, each step to be undone.

Everything happens in the caller's transaction: the event, the address's record, its members and the ledger change together.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, and_, exists, insert, not_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from profiles import reachability
from profiles.address import normalise
from profiles.reachability import Decision, Fault, Reach, Rule
from profiles.suppression import hash_of_key
from store import networks, outbox, suppression, tables
from store.database import WrongName
from store.identifiers import new_public_id
from store.networks import Network

EVENT = tables.CameBack.__table__  # type: ignore[attr-defined]
REACH = tables.Reachability.__table__  # type: ignore[attr-defined]
MEMBER = tables.Member.__table__  # type: ignore[attr-defined]
NETWORK = tables.Network.__table__  # type: ignore[attr-defined]
OUTBOX = tables.Outbox.__table__  # type: ignore[attr-defined]
DELIVERY = tables.Delivery.__table__  # type: ignore[attr-defined]

REFUSALS: Mapping[str, Fault] = {"address": "hard", "mailbox": "soft", "unknown": "unknown"}
"""What a refusal is about (`delivery.verdicts`) that says something about the address; every other one counts against nobody."""

PROBE_PREFIX = "p."
"""Before the id in a probe's Message-ID, which stands in its return path where a digest has its edition's."""

_ADDRESS = re.compile(r"[^\s<>()\[\]:;,\"']{1,80}@[^\s<>()\[\]:;,\"']{1,255}")
_REACH = tuple(field.name for field in fields(Reach))


@dataclass(frozen=True, slots=True)
class Report:
    """A bounce or a complaint as it came in. `signed` says that it carried what only we can make; `said` names no address.

    `fault` is empty for a complaint, and for a refusal because of policy or content. `delayed`: nothing has failed yet.
    """

    kind: Literal["bounce", "complaint", "refusal"]
    fault: Fault | Literal[""]
    at: datetime
    signed: bool
    status: str = ""
    said: str = ""
    inbound_key: int | None = None
    delayed: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something that came back, as operators see it."""

    key: int
    at: datetime
    kind: str
    fault: str
    status: str
    said: str
    signed: bool
    action: str
    reason: str
    member: str
    address: str
    undone_at: datetime | None
    undone_by: str


class AboutUs(NamedTuple):
    """A message that came back because of policy, content or authentication: its event, the route it went over, its member."""

    event: int
    route: str
    address_key: str


@dataclass(frozen=True, slots=True)
class _Known:
    """A member whom a report is about, with the key and hash of the address."""

    key: int
    address: str
    address_key: str
    hash: str


def record(
    connection: Connection, report: Report, secret: bytes, rule: Rule, *, member: str = "", message: int | None = None
) -> str:
    """Take in a report about a member (public id) or a message (key in the outbox); returns what followed, in a few words.

    Without a signature nothing follows: what came in is noted, for people to see. A complaint suppresses at once. A bounce
    settles the message in the ledger and counts as a failure of the address, once for each message. A warning that the
    next server still tries is neither.
    """
    known = _member(connection, secret, member, message)
    if known is None:
        _note(connection, report, None, message, Decision(Reach(), "none", "nobody we know"), {})
        return "about nobody we know"
    if not report.signed:
        _note(connection, report, known, message, Decision(Reach(), "none", "not signed by us: it changes nothing"), {})
        return "noted only: not signed by us"
    if report.kind == "complaint":
        return _complained(connection, report, known, message, secret)
    if report.delayed:
        return _delayed(connection, report, known, message)
    return _failed(connection, report, known, message, rule)


def take_refusals(connection: Connection, secret: bytes, rule: Rule, now: datetime, limit: int = 500) -> int:
    """Count what the mail server itself refused since the last time; how many of these said something about an address."""
    seen = exists().where(EVENT.c.outbox_id == OUTBOX.c.id, EVENT.c.kind == "refusal")
    query = (
        select(OUTBOX.c.id, DELIVERY.c.verdict, DELIVERY.c.enhanced_status, DELIVERY.c.code)
        .join_from(OUTBOX, DELIVERY, and_(DELIVERY.c.outbox_id == OUTBOX.c.id, DELIVERY.c.attempt == OUTBOX.c.attempts))
        .where(
            OUTBOX.c.state == "refused", DELIVERY.c.outcome == "refused", DELIVERY.c.verdict.in_(REFUSALS), not_(seen)
        )
        .order_by(OUTBOX.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    for key, verdict, status, code in rows:
        report = Report("refusal", REFUSALS[verdict], now, signed=True, status=status, said=f"refused with {code}")
        record(connection, report, secret, rule, message=key)
    return len(rows)


def take_due(connection: Connection, secret: bytes, rule: Rule, now: datetime, limit: int = 500) -> int:
    """Probe held addresses whose time has come, and open those whose probe did not come back; how many these were."""
    due = select(REACH).where(REACH.c.due_at <= now, REACH.c.state.in_(("held", "probed"))).order_by(REACH.c.due_at)
    rows = connection.execute(due.limit(limit).with_for_update(skip_locked=True)).mappings().all()
    for row in rows:
        _wait_is_over(connection, dict(row), rule, now, secret)
    return len(rows)


def about_us(connection: Connection, since: datetime) -> list[AboutUs]:
    """The messages that came back since a moment because of what we send, and have not paused anything yet."""
    found = (
        select(EVENT.c.id, EVENT.c.outbox_id, DELIVERY.c.route, MEMBER.c.address_key)
        .join_from(EVENT, DELIVERY, DELIVERY.c.outbox_id == EVENT.c.outbox_id)
        .join(MEMBER, MEMBER.c.id == EVENT.c.member_id)
        .where(EVENT.c.kind == "bounce", EVENT.c.fault == "", EVENT.c.signed, EVENT.c.action == "none")
        .where(EVENT.c.at > since, EVENT.c.undone_at.is_(None), DELIVERY.c.outcome == "handed_over")
        .order_by(EVENT.c.id)
    )
    by_message = {row.outbox_id: AboutUs(row.id, row.route, row.address_key) for row in connection.execute(found)}
    return list(by_message.values())


def note_pause(connection: Connection, events: Iterable[int]) -> None:
    """These led to a pause: they lead to no other one."""
    connection.execute(update(EVENT).where(EVENT.c.id.in_(list(events))).values(action="pause"))


def undo(connection: Connection, key: int, now: datetime, by: str, secret: bytes) -> str:
    """Put back what an event changed: the address's record, its members' statuses, a suppression. Raises WrongName."""
    row = connection.execute(select(EVENT).where(EVENT.c.id == key).with_for_update()).mappings().first()
    if row is None or row["undone_at"] or not row["before"]:
        said = "is not there" if row is None else "was undone before" if row["undone_at"] else "changed nothing"
        raise WrongName(f"event {key} {said}; `germane bounces list` shows them")
    before = row["before"]
    back = [_put_back(connection, member, now) for member in before.get("members", [])]
    if "reach" in before:
        _write_reach(connection, before["hash"], _read_reach(before["reach"]), row["member_id"])
    member = _member(connection, secret, "", None, key=row["member_id"]) if row["member_id"] else None
    if before.get("suppressed") and member is not None:
        suppression.lift(connection, member.address, secret, now, f"event {key} was undone by {by}")
    connection.execute(update(EVENT).where(EVENT.c.id == key).values(undone_at=now, undone_by=by))
    return f"{sum(back)} members put back"


def latest(connection: Connection, limit: int, *, action: str = "", member: int | None = None) -> list[Event]:
    """Events, newest first, perhaps only those that led to an action, or of one member."""
    query = _events().order_by(EVENT.c.id.desc()).limit(limit)
    if action:
        query = query.where(EVENT.c.action == action)
    if member is not None:
        query = query.where(EVENT.c.member_id == member)
    return [_event(row) for row in connection.execute(query)]


def find(connection: Connection, key: int) -> Event | None:
    row = connection.execute(_events().where(EVENT.c.id == key)).first()
    return _event(row) if row else None


def reach_of(connection: Connection, address_key: str, secret: bytes) -> Reach:
    """What is known of an address; a record of its own kind for one that never failed."""
    return _read(connection, hash_of_key(address_key, secret))


def probe(connection: Connection, member: str, probe_id: str) -> int | None:
    """The key of a probe by the public id of its member and the id in its Message-ID and return path."""
    query = select(OUTBOX.c.id).join(MEMBER, MEMBER.c.id == OUTBOX.c.member_id)
    query = query.where(OUTBOX.c.kind == "probe", MEMBER.c.public_id == member)
    mine = query.where(OUTBOX.c.message_id.startswith(f"<{PROBE_PREFIX}{probe_id}@", autoescape=True))
    return connection.execute(mine).scalar_one_or_none()


def network_of(connection: Connection, message: int) -> Network:
    """The network that a message is from."""
    query = select(MEMBER.c.network_id).join(OUTBOX, OUTBOX.c.member_id == MEMBER.c.id).where(OUTBOX.c.id == message)
    return networks.by_key(connection, connection.execute(query).scalar_one())


def is_for(connection: Connection, message: int, member: str) -> bool:
    query = select(OUTBOX.c.id).join(MEMBER, MEMBER.c.id == OUTBOX.c.member_id)
    return connection.execute(query.where(OUTBOX.c.id == message, MEMBER.c.public_id == member)).first() is not None


def member_named(connection: Connection, address: str) -> str:
    """The public id of a member with this address, however it is spelt, or ""."""
    try:
        key = normalise(address).key
    except ValueError:
        return ""
    query = (
        select(MEMBER.c.public_id).where(MEMBER.c.address_key == key, MEMBER.c.status != "erased").order_by(MEMBER.c.id)
    )
    return connection.execute(query.limit(1)).scalar_one_or_none() or ""


def without_addresses(text: str) -> str:
    """What a server said, without the addresses in it: it is kept for longer than the member may wish to be known."""
    said = text[:1000].strip().removeprefix("smtp;").removeprefix("SMTP;")
    return " ".join(_ADDRESS.sub("...", said).split())[:300]


def forget(connection: Connection, member_key: int) -> None:
    """Erase what mail servers said about a member; that something came back stays, for the counts."""
    connection.execute(update(EVENT).where(EVENT.c.member_id == member_key).values(said="", before={}))


def _complained(connection: Connection, report: Report, known: _Known, message: int | None, secret: bytes) -> str:
    before = _before(connection, known, suppressed=True)
    added = suppression.add(connection, known.address, secret, "complaint", report.at, "a complaint came back")
    if message is not None:
        outbox.came_back(connection, message, "complained", report.at, detail=report.said)
    _note(
        connection, report, known, message, Decision(Reach(), "none", "complaint"), before if added else {}, "suppress"
    )
    return "complaint: suppressed" if added else "complaint: was suppressed before"


def _delayed(connection: Connection, report: Report, known: _Known, message: int | None) -> str:
    late = Decision(Reach(), "none", "nothing has failed yet, it is late")
    if message is not None:
        outbox.settle_doubt(connection, message, report.at, "a warning came back that the next server still tries")
    _note(connection, report, known, message, late, {}, "delayed")
    return late.reason


def _failed(connection: Connection, report: Report, known: _Known, message: int | None, rule: Rule) -> str:
    about = _message(connection, message)
    if report.kind == "bounce" and message is not None:
        outbox.came_back(connection, message, "bounced", report.at, status=report.status, detail=report.said)
    if message is not None and _counted(connection, message):
        _note(connection, report, known, message, Decision(Reach(), "none", "this message was counted before"), {})
        return "counted before"
    if not report.fault:
        _note(
            connection,
            report,
            known,
            message,
            Decision(Reach(), "none", "about what we sent, not about the address"),
            {},
        )
        return "about what we sent, not about the address"
    reach, fault = _read(connection, known.hash), report.fault
    between = message is not None and _passed_between(connection, known.key, reach, about)
    probe = about.get("kind") == "probe"
    decision = reachability.failed(reach, fault, report.at, rule, passed_between=between, probe=probe)
    before = _before(connection, known, suppressed=decision.action == "remove")
    _act(connection, known, decision, report.at)
    _note(connection, report, known, message, decision, before)
    return f"{fault}: {decision.reason}" + (f" -> {decision.action}" if decision.action != "none" else "")


def _act(connection: Connection, known: _Known, decision: Decision, at: datetime) -> None:
    _write_reach(connection, known.hash, decision.reach, known.key)
    if decision.action in {"hold", "remove"}:
        suppression.stop(connection, [known.address_key], "bounce", at, decision.reason)
    if decision.action == "remove" and not suppression.find_hash(connection, known.hash):
        values = {"hash": known.hash, "reason": "bounce", "basis": decision.reason, "at": at}
        connection.execute(insert(suppression.TABLE).values(**values))


def _wait_is_over(connection: Connection, row: dict[str, Any], rule: Rule, now: datetime, secret: bytes) -> None:
    known = _member(connection, secret, "", None, key=row["member_id"]) if row["member_id"] else None
    reach = _read_reach(row)
    decision = reachability.waited(reach, now, rule)
    if known is None or known.hash != row["hash"] or not _is_held(connection, known):
        gone = Decision(Reach(), "none", "nobody is held at this address any more")
        _write_reach(connection, row["hash"], gone.reach, None)
        return
    if reach.state == "probed" and _probe_is_under_way(connection, known.key):
        later = Reach(**_plain(reach) | {"due_at": now + rule.probe_wait})
        _write_reach(connection, row["hash"], later, known.key)
        return
    before = _before(connection, known, suppressed=False)
    _write_reach(connection, known.hash, decision.reach, known.key)
    message = None
    if decision.action == "probe":
        message_id = f"<{PROBE_PREFIX}{new_public_id()}@{_domain_of(connection, known.key)}>"
        message = outbox.add(connection, "probe", known.key, message_id, now=now)
    elif decision.action == "open":
        _open(connection, known, now)
    values = {"at": now, "kind": "waited", "fault": "", "signed": True}
    _insert(connection, values, known, message, decision, before, decision.action)


def _domain_of(connection: Connection, member_key: int) -> str:
    """The domain that the member's network writes from."""
    query = select(NETWORK.c.sender_address).join(MEMBER, MEMBER.c.network_id == NETWORK.c.id)
    sender = connection.execute(query.where(MEMBER.c.id == member_key)).scalar_one_or_none() or ""
    return sender.rpartition("@")[2] or "localhost"


def _open(connection: Connection, known: _Known, now: datetime) -> None:
    """Give the held members the status back that the hold took, as its event has it."""
    held = select(EVENT.c.before).where(
        EVENT.c.member_id == known.key, EVENT.c.action == "hold", EVENT.c.undone_at.is_(None)
    )
    row = connection.execute(held.order_by(EVENT.c.id.desc()).limit(1)).first()
    for member in row.before.get("members", []) if row else [[known.key, "active"]]:
        _put_back(connection, member, now)


def _put_back(connection: Connection, member: list[Any], now: datetime) -> bool:
    """A status that a hold, a removal or a complaint took away; not for who left, came back or was erased meanwhile."""
    key, status = member[0], member[1]
    since = MEMBER.c.status == "bounced" if len(member) < 3 else MEMBER.c.status.in_(("bounced", "left"))
    this = update(MEMBER).where(MEMBER.c.id == key, since)
    return connection.execute(this.values(status=status, left_at=None, updated_at=now)).rowcount > 0


def _before(connection: Connection, known: _Known, *, suppressed: bool) -> dict[str, Any]:
    statuses = (*suppression.HERE, "bounced") if suppressed else suppression.HERE
    these = select(MEMBER.c.id, MEMBER.c.status)
    these = these.where(MEMBER.c.address_key == known.address_key, MEMBER.c.status.in_(statuses))
    members = [
        [row.id, row.status, "left"] if suppressed else [row.id, row.status] for row in connection.execute(these)
    ]
    reach = {name: _text(value) for name, value in _plain(_read(connection, known.hash)).items()}
    return {"hash": known.hash, "reach": reach, "members": members, "suppressed": suppressed}


def _note(
    connection: Connection,
    report: Report,
    known: _Known | None,
    message: int | None,
    decision: Decision,
    before: dict[str, Any],
    action: str = "",
) -> None:
    values = {name: getattr(report, name) for name in ("at", "kind", "fault", "status", "signed")}
    values |= {"said": report.said[:500], "inbound_id": report.inbound_key}
    _insert(connection, values, known, message, decision, before, action or decision.action)


def _insert(
    connection: Connection,
    values: dict[str, Any],
    known: _Known | None,
    message: int | None,
    decision: Decision,
    before: dict[str, Any],
    action: str,
) -> None:
    row = {"status": "", "said": "", "undone_by": "", "member_id": known.key if known else None, "outbox_id": message}
    row |= values | {"action": action, "reason": decision.reason, "before": before}
    connection.execute(insert(EVENT).values(**row))


def _member(
    connection: Connection, secret: bytes, public_id: str, message: int | None, *, key: int | None = None
) -> _Known | None:
    query = select(MEMBER.c.id, MEMBER.c.address, MEMBER.c.address_key).where(MEMBER.c.status != "erased")
    if key is not None:
        query = query.where(MEMBER.c.id == key)
    elif public_id:
        query = query.where(MEMBER.c.public_id == public_id)
    else:
        query = query.join(OUTBOX, OUTBOX.c.member_id == MEMBER.c.id).where(OUTBOX.c.id == message)
    row = connection.execute(query).first()
    return _Known(row[0], row[1], row[2], hash_of_key(row[2], secret)) if row else None


def _message(connection: Connection, message: int | None) -> dict[str, Any]:
    row = connection.execute(select(OUTBOX).where(OUTBOX.c.id == message)).mappings().first() if message else None
    return dict(row) if row else {}


def _counted(connection: Connection, message: int) -> bool:
    """A message counts once, by whatever and however often it comes back; a taken-back count does not stand in the way."""
    found = select(EVENT.c.id).where(
        EVENT.c.outbox_id == message,
        EVENT.c.signed,
        EVENT.c.kind.in_(("bounce", "refusal")),
        EVENT.c.action != "delayed",
        EVENT.c.undone_at.is_(None),
    )
    return connection.execute(found.limit(1)).first() is not None


def _passed_between(connection: Connection, member_key: int, reach: Reach, about: Mapping[str, Any]) -> bool:
    """True when a message handed over after the last failed one and before this one did not come back."""
    failed_before = (
        select(OUTBOX.c.settled_at)
        .join(EVENT, EVENT.c.outbox_id == OUTBOX.c.id)
        .where(OUTBOX.c.member_id == member_key, EVENT.c.signed, EVENT.c.fault != "")
        .order_by(OUTBOX.c.settled_at.desc())
        .limit(1)
    )
    last = connection.execute(failed_before).scalar_one_or_none()
    if last is None or not reach.failures or about.get("settled_at") is None:
        return False
    passed = select(OUTBOX.c.id).where(
        OUTBOX.c.member_id == member_key,
        OUTBOX.c.state == "handed_over",
        OUTBOX.c.kind == "digest",
        OUTBOX.c.settled_at > last,
        OUTBOX.c.settled_at < about["settled_at"],
    )
    return connection.execute(passed.limit(1)).first() is not None


def _is_held(connection: Connection, known: _Known) -> bool:
    held = select(MEMBER.c.id).where(MEMBER.c.address_key == known.address_key, MEMBER.c.status == "bounced")
    return connection.execute(held.limit(1)).first() is not None


def _probe_is_under_way(connection: Connection, member_key: int) -> bool:
    waiting = OUTBOX.c.state.in_(("planned", "claimed", "deferred"))
    query = select(OUTBOX.c.id).where(OUTBOX.c.member_id == member_key, OUTBOX.c.kind == "probe", waiting)
    return connection.execute(query.limit(1)).first() is not None


def _read(connection: Connection, digest: str) -> Reach:
    row = connection.execute(select(REACH).where(REACH.c.hash == digest).with_for_update()).mappings().first()
    return _read_reach(dict(row)) if row else Reach()


def _read_reach(row: Mapping[str, Any]) -> Reach:
    values: dict[str, Any] = {name: row.get(name) for name in _REACH}
    for name, value in values.items():
        if isinstance(value, str) and name.endswith("_at"):
            values[name] = datetime.fromisoformat(value)
    return Reach(**values)


def _write_reach(connection: Connection, digest: str, reach: Reach, member_key: int | None) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = _plain(reach) | {"member_id": member_key}
    written = dialect.insert(REACH).values(hash=digest, **values)
    connection.execute(written.on_conflict_do_update(index_elements=[REACH.c.hash], set_=values))


def _plain(reach: Reach) -> dict[str, Any]:
    return {name: getattr(reach, name) for name in _REACH}


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _events() -> Any:
    columns = [EVENT.c[name] for name in ("id", "at", "kind", "fault", "status", "said", "signed", "action", "reason")]
    columns += [MEMBER.c.public_id, MEMBER.c.address, EVENT.c.undone_at, EVENT.c.undone_by]
    return select(*columns).outerjoin(MEMBER, MEMBER.c.id == EVENT.c.member_id)


def _event(row: Any) -> Event:
    values: Iterable[Any] = [*row[:9], row[9] or "", row[10] or "", *row[11:]]
    return Event(*values)
