"""Thresholds of a network: set, with who and when beside it, and taken back; and pairs that somebody judged by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from store import networks, tables
from store.feedback import TELLING
from store.networks import Network

CHANGE = tables.ThresholdChange.__table__  # type: ignore[attr-defined]
JUDGEMENT = tables.Judgement.__table__  # type: ignore[attr-defined]
MEMBER = tables.Member.__table__  # type: ignore[attr-defined]
FEEDBACK = tables.Feedback.__table__  # type: ignore[attr-defined]
CHOSEN = tables.DigestItem.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Change:
    """`kind` is empty for the whole network; None in `before` or `after` means that it had none of its own.

    `undoes` is the key of the change that this one took back.
    """

    key: int
    kind: str
    before: float | None
    after: float | None
    by: str
    at: datetime
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether an item should be sent to a member, as somebody judged it who saw both, and the match at that time."""

    member_key: int
    item_key: int
    good: bool
    match: float
    by: str
    at: datetime


class Label(NamedTuple):
    """Whether an item was good for a member, and the match when it was sent or judged."""

    member_key: int
    item_key: int
    match: float
    good: bool


def put(connection: Connection, network: Network, kind: str, after: float | None, by: str, now: datetime) -> Network:
    """Set the threshold of a kind, or with an empty `kind` of the whole network, and write it down in the history."""
    return _put(connection, network, kind, after, by, now, None)


def _put(
    connection: Connection, network: Network, kind: str, after: float | None, by: str, now: datetime, undoes: int | None
) -> Network:
    before = network.kind_thresholds.get(kind) if kind else network.threshold
    values = {"kind": kind, "before": before, "after": after, "by": by, "at": now, "undoes": undoes}
    connection.execute(insert(CHANGE).values(network_id=network.key, **values))
    if not kind:
        return networks.change(connection, network.slug, threshold=after)
    kinds = {name: match for name, match in network.kind_thresholds.items() if name != kind}
    kinds |= {} if after is None else {kind: after}
    return networks.change(connection, network.slug, kind_thresholds=kinds)


def history(connection: Connection, network_key: int, limit: int | None = None) -> list[Change]:
    """The changes of a network's thresholds, newest first."""
    query = select(*(CHANGE.c[name] for name in ("id", *Change.__slots__[1:]))).where(
        CHANGE.c.network_id == network_key
    )
    return [Change(*row) for row in connection.execute(query.order_by(CHANGE.c.id.desc()).limit(limit))]


def undo(connection: Connection, network: Network, by: str, now: datetime) -> Change | None:
    """Take back the newest change that stands, and return it; None where there is none.

    Doing it again takes back the one before that; what was taken back stays in the history.
    """
    changes = history(connection, network.key)
    undone = {change.undoes for change in changes}
    for change in changes:
        if change.undoes is None and change.key not in undone:
            _put(connection, network, change.kind, change.before, by, now, change.key)
            return change
    return None


def judge(connection: Connection, judgements: Sequence[Judgement]) -> None:
    """Write judgements down; of the same pair the latest holds."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    names = {"member_id": "member_key", "item_id": "item_key"}
    columns = [column.name for column in JUDGEMENT.c]
    statement = dialect.insert(JUDGEMENT).values({name: bindparam(name) for name in columns})
    later = {name: statement.excluded[name] for name in columns if name not in names}
    statement = statement.on_conflict_do_update(index_elements=list(names), set_=later)
    rows = [{name: getattr(one, names.get(name, name)) for name in columns} for one in judgements]
    if rows:
        connection.execute(statement, rows)


def judgements(connection: Connection, network_key: int) -> list[Judgement]:
    """Every judgement in a network, in the order in which they were made."""
    columns = (JUDGEMENT.c[name] for name in ("member_id", "item_id", *Judgement.__slots__[2:]))
    query = select(*columns).join_from(JUDGEMENT, MEMBER, MEMBER.c.id == JUDGEMENT.c.member_id)
    query = query.where(MEMBER.c.network_id == network_key)
    rows = connection.execute(query.order_by(JUDGEMENT.c.at, JUDGEMENT.c.member_id, JUDGEMENT.c.item_id))
    return [Judgement(*row) for row in rows]


def labels(connection: Connection, network_key: int) -> list[Label]:
    """What is known about pairs of members and items: what members said of items that they were sent, and what was judged by
    hand. Of a pair that has both, the member's word holds; one good word outweighs a bad one."""
    judged = judgements(connection, network_key)
    known = {(one.member_key, one.item_key): Label(one.member_key, one.item_key, one.match, one.good) for one in judged}
    sent = (FEEDBACK.c.member_id == CHOSEN.c.member_id) & (FEEDBACK.c.item_id == CHOSEN.c.item_id)
    query = (
        select(FEEDBACK.c.member_id, FEEDBACK.c.item_id, CHOSEN.c.match, FEEDBACK.c.verdict != "less")
        .join_from(FEEDBACK, CHOSEN, sent)
        .join(MEMBER, MEMBER.c.id == FEEDBACK.c.member_id)
        .where(MEMBER.c.network_id == network_key, FEEDBACK.c.ended == "", FEEDBACK.c.verdict.in_(TELLING))
        .order_by(FEEDBACK.c.verdict != "less", FEEDBACK.c.id)
    )
    said = [Label(row[0], row[1], row[2], bool(row[3])) for row in connection.execute(query)]
    return list((known | {(one.member_key, one.item_key): one for one in said}).values())


def erase(connection: Connection, member_key: int) -> None:
    """Delete what was judged for a member."""
    connection.execute(delete(JUDGEMENT).where(JUDGEMENT.c.member_id == member_key))
