"""Items of a network: read for an edition, saved from an import, withdrawn."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Select,
    String,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    type_coerce,
    update,
)

from digest.items import STATES, URGENT, Audience, Item, State
from store import outbox
from store.budgets import GIVEN_BACK
from store.database import insert_rows
from store.identifiers import new_public_id
from store.tables import DigestItem as DigestItemRow
from store.tables import Edition as EditionRow
from store.tables import Feedback as FeedbackRow
from store.tables import Item as ItemRow
from store.tables import Member as MemberRow
from store.tables import Outbox as OutboxRow
from store.types import UtcDateTime

TABLE = ItemRow.__table__  # type: ignore[attr-defined]
CHOSEN = DigestItemRow.__table__  # type: ignore[attr-defined]
EDITION = EditionRow.__table__  # type: ignore[attr-defined]
MEMBER = MemberRow.__table__  # type: ignore[attr-defined]
FEEDBACK = FeedbackRow.__table__  # type: ignore[attr-defined]
OUTBOX = OutboxRow.__table__  # type: ignore[attr-defined]

FINAL: frozenset[State] = frozenset({"closed", "withdrawn", "expired"})
"""States that an import never changes."""
UNSEEN: frozenset[State] = frozenset({"draft", "held"})
"""States in which an item has no date of publication yet, unless its source gives one."""

COLUMNS = tuple(f.name for f in fields(Item) if f.name != "key")
CONTENT = tuple(name for name in COLUMNS if name != "public_id")
KEYS_AT_ONCE = 5_000

Posting = tuple[Item, frozenset[str]]
"""An item and the names of the fields that its source said something about; the others stay as they are stored."""


class Change(NamedTuple):
    """What saving an item means: `before` is None for a new one; `names` are the fields that change."""

    before: Item | None
    after: Item
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a batch. `repeated` counts items whose external id came earlier in the batch; the last one holds."""

    added: tuple[Change, ...]
    changed: tuple[Change, ...]
    unchanged: int
    repeated: int


class Reach(NamedTuple):
    """How many digests hold an item, without those whose mail was stopped or came back, and how many of their mails a server has
    taken with it."""

    chosen: int
    handed_over: int


def load(connection: Connection, network_key: int, keys: Sequence[int] | None = None) -> list[Item]:
    """Every item of the network by key, or those with the given keys in the order of `keys`; unknown keys are left out."""
    query = _items(network_key)
    if keys is None:
        return _read(connection, query.order_by(TABLE.c.id))
    found = {item.key: item for part in _parts(keys) for item in _read(connection, query.where(TABLE.c.id.in_(part)))}
    return [found[key] for key in keys if key in found]


def load_any(connection: Connection, keys: Sequence[int]) -> list[Item]:
    """The items with these keys, of whatever network."""
    query = select(TABLE.c.id, *(TABLE.c[name] for name in COLUMNS))
    return [item for part in _parts(keys) for item in _read(connection, query.where(TABLE.c.id.in_(part)))]


def open_items(connection: Connection, network_key: int, now: datetime, published_after: datetime) -> list[Item]:
    """Items that may be sent at `now` (see `Item.is_open`) and were published after `published_after`, by key."""
    dates = (TABLE.c.published_at > published_after, TABLE.c.published_at <= now)
    return _read(connection, _items(network_key).where(*dates, *_open(now)).order_by(TABLE.c.id))


def background(connection: Connection, network_key: int, before: datetime, limit: int) -> list[Item]:
    """The most recent `limit` items published before a time, newest first, but for drafts, held and withdrawn ones."""
    seen = [state for state in STATES if state not in {"draft", "held", "withdrawn"}]
    query = _items(network_key).where(TABLE.c.state.in_(seen), TABLE.c.published_at < before)
    return _read(connection, query.order_by(TABLE.c.published_at.desc(), TABLE.c.id.desc()).limit(limit))


def listing(
    connection: Connection,
    network_key: int,
    *,
    kind: str | None = None,
    state: str | None = None,
    topics: Sequence[str] = (),
    open_at: datetime | None = None,
    limit: int = 50,
) -> list[Item]:
    """The newest items that pass each filter that is set; `topics` passes those with any of them."""
    query = _items(network_key)
    for column, word in ((TABLE.c.kind, kind), (TABLE.c.state, state)):
        query = query.where(column == word) if word else query
    if topics:
        query = query.where(or_(*(_has_topic(topic) for topic in topics)))
    if open_at:
        query = query.where(*_open(open_at), or_(TABLE.c.published_at.is_(None), TABLE.c.published_at <= open_at))
    newest = func.coalesce(TABLE.c.published_at, TABLE.c.created_at).desc()
    return _read(connection, query.order_by(newest, TABLE.c.id.desc()).limit(limit))


def find(connection: Connection, network_key: int, who: str) -> Item | None:
    """By public id, else by external id."""
    query = _items(network_key).where(or_(TABLE.c.public_id == who, TABLE.c.external_id == who))
    found = _read(connection, query)
    return next((item for item in found if item.public_id == who), found[0] if found else None)


def reach(connection: Connection, key: int) -> Reach:
    taken = func.count().filter(OUTBOX.c.state.in_(("handed_over", "complained")))
    joined = CHOSEN.outerjoin(OUTBOX, OUTBOX.c.digest_id == CHOSEN.c.digest_id)
    stands = or_(OUTBOX.c.state.is_(None), OUTBOX.c.state.not_in(GIVEN_BACK))
    holds_it = (CHOSEN.c.item_id == key, CHOSEN.c.dropped == "", stands)
    row = connection.execute(select(func.count(), taken).select_from(joined).where(*holds_it)).one()
    return Reach(int(row[0]), int(row[1]))


def state_reason(connection: Connection, key: int) -> str:
    """Why an item was withdrawn, in the words of whoever did it."""
    return str(connection.execute(select(TABLE.c.state_reason).where(TABLE.c.id == key)).scalar_one())


def publish(connection: Connection, key: int, now: datetime) -> bool:
    """Publish a draft or held item, from now on unless it has a later date. False for an item in any other state, and for an
    urgent one, which needs an approval."""
    statement = update(TABLE).where(TABLE.c.id == key, TABLE.c.state.in_(sorted(UNSEEN)), ~TABLE.c.urgent)
    later = case((TABLE.c.published_at > now, TABLE.c.published_at), else_=bindparam("at", now, UtcDateTime))
    return bool(connection.execute(statement.values(state="published", published_at=later, updated_at=now)).rowcount)


def withdraw(connection: Connection, key: int, now: datetime, reason: str = "") -> bool:
    """Nothing that is handed over from now on holds the item. False when it was withdrawn already."""
    statement = update(TABLE).where(TABLE.c.id == key, TABLE.c.state != "withdrawn")
    changes = {"state": "withdrawn", "state_reason": reason, "updated_at": now}
    changed = bool(connection.execute(statement.values(**changes)).rowcount)
    if changed:
        outbox.take_back(connection, [key], now)
    return changed


def post_urgent(
    connection: Connection, network_key: int, item: Item, by: int, now: datetime, quota: int, since: datetime
) -> Item | None:
    """Hold an urgent item of the coordinator `by` for an approval; None when they posted `quota` of them since a moment.

    Those that were withdrawn do not count. On PostgreSQL the coordinator's row is locked, so that two at once count each other.
    """
    connection.execute(select(MEMBER.c.id).where(MEMBER.c.id == by).with_for_update())
    mine = (TABLE.c.posted_by == by, TABLE.c.urgent, TABLE.c.created_at > since, TABLE.c.state != "withdrawn")
    if connection.execute(select(func.count()).where(*mine)).scalar_one() >= quota:
        return None
    held = add(connection, network_key, replace(item, state="held", urgent=True, published_at=None), now)
    connection.execute(update(TABLE).where(TABLE.c.id == held.key).values(posted_by=by))
    return held


def approve(connection: Connection, key: int, by: int, now: datetime) -> bool:
    """Publish an urgent item that is held; False when it is not, or when its own poster approves."""
    waits = update(TABLE).where(TABLE.c.id == key, TABLE.c.state == "held", TABLE.c.urgent, TABLE.c.posted_by != by)
    values = {"state": "published", "approved_by": by, "approved_at": now, "published_at": now, "updated_at": now}
    return bool(connection.execute(waits.values(**values)).rowcount)


def urgent_to_send(connection: Connection, network_key: int, now: datetime) -> list[Item]:
    """Approved urgent items that are open and whose own edition was not begun; and those, open or not, whose edition was begun
    and not composed to its end, since what is over by then is taken out of a mail when it is handed over."""
    slot = literal(URGENT, String) + TABLE.c.public_id
    begun = exists().where(EDITION.c.network_id == TABLE.c.network_id, EDITION.c.slot == slot)
    unfinished = begun.where(EDITION.c.state.not_in(("released", "finished")))
    to_begin = and_(*_open(now), ~begun)
    query = _items(network_key).where(TABLE.c.urgent, TABLE.c.approved_at.is_not(None), or_(to_begin, unfinished))
    return _read(connection, query.order_by(TABLE.c.approved_at, TABLE.c.id))


def close(connection: Connection, key: int, now: datetime, reason: str = "") -> bool:
    """It is answered, or needs no more readers: nothing that is handed over from now on holds it. False for an item that is not
    published."""
    statement = update(TABLE).where(TABLE.c.id == key, TABLE.c.state == "published")
    changes = {"state": "closed", "state_reason": reason, "updated_at": now}
    changed = bool(connection.execute(statement.values(**changes)).rowcount)
    if changed:
        outbox.take_back(connection, [key], now)
    return changed


ANSWERED = "enough members offered help"


def close_answered(connection: Connection, network_key: int, wanted: int, now: datetime) -> int:
    """Close every published request that has as many offers of help as it wants, or `wanted` where it says nothing; 0 sets no
    end. No message that is handed over from now on holds one. Returns how many were closed."""
    offers = (
        select(func.count())
        .where(FEEDBACK.c.item_id == TABLE.c.id, FEEDBACK.c.verdict == "can_help", FEEDBACK.c.ended == "")
        .scalar_subquery()
    )
    enough = func.coalesce(TABLE.c.answers_wanted, wanted)
    here = (TABLE.c.network_id == network_key, TABLE.c.kind == "request", TABLE.c.state == "published")
    statement = update(TABLE).where(*here, enough > 0, offers >= enough)
    changes = {"state": "closed", "state_reason": ANSWERED, "updated_at": now}
    closed = connection.execute(statement.values(**changes).returning(TABLE.c.id)).scalars().all()
    outbox.take_back(connection, closed, now)
    return len(closed)


def add(connection: Connection, network_key: int, item: Item, now: datetime) -> Item:
    """Store one new item and return it as stored. Raises IntegrityError when its external id is taken."""
    row = _row(_dated(item, now)) | {"network_id": network_key, "public_id": new_public_id()}
    connection.execute(insert(TABLE).values(**row, state_reason="", created_at=now, updated_at=now))
    found = find(connection, network_key, row["public_id"])
    assert found is not None
    return found


def compare(connection: Connection, network_key: int, postings: Iterable[Posting], now: datetime) -> Saved:
    """What `save` would do; nothing is written."""
    postings = list(postings)
    stored = _by_external_id(connection, network_key, [item.external_id for item, _ in postings])
    after: dict[str, Item] = {}
    for item, given in postings:
        known = after.get(item.external_id) or stored.get(item.external_id)
        after[item.external_id] = _merged(known, item, given) if known else item
    changes = [_change(stored.get(key), _dated(item, now)) for key, item in after.items()]
    added = tuple(change for change in changes if change.before is None)
    changed = tuple(change for change in changes if change.before and change.names)
    return Saved(added, changed, len(after) - len(added) - len(changed), len(postings) - len(after))


def save(connection: Connection, network_key: int, postings: Iterable[Posting], now: datetime) -> Saved:
    """Insert what is new and update what changed, by external id; saving the same again changes nothing.

    The state of an item that is closed, withdrawn or expired never changes, and a published one without a date gets `now`.
    Nothing that is handed over from now on holds an item that is not open any more.
    """
    saved = compare(connection, network_key, postings, now)
    _insert(connection, network_key, [change.after for change in saved.added], now)
    _update(connection, [change.after for change in saved.changed], now)
    over = [one.after.key for one in saved.changed if one.before and one.before.is_open(now) > one.after.is_open(now)]
    outbox.take_back(connection, over, now)
    return saved


def _merged(stored: Item, item: Item, given: frozenset[str]) -> Item:
    names = given & set(CONTENT) - ({"state"} if stored.state in FINAL else set())
    return replace(stored, **{name: getattr(item, name) for name in names})


def _dated(item: Item, now: datetime) -> Item:
    return item if item.published_at or item.state in UNSEEN else replace(item, published_at=now)


def _change(before: Item | None, after: Item) -> Change:
    names = tuple(n for n in CONTENT if before is None or getattr(before, n) != getattr(after, n))
    return Change(before, after, names)


def _insert(connection: Connection, network_key: int, items: Sequence[Item], now: datetime) -> None:
    columns = ("network_id", "public_id", "state_reason", "created_at", "updated_at", *CONTENT)
    rows = [(network_key, new_public_id(), "", now, now, *_row(item).values()) for item in items]
    insert_rows(connection, TABLE, columns, rows)


def _update(connection: Connection, items: Sequence[Item], now: datetime) -> None:
    if items:
        statement = update(TABLE).where(TABLE.c.id == bindparam("of_key"))
        names = [*CONTENT, "updated_at"]
        rows = [_row(item) | {"of_key": item.key, "updated_at": now} for item in items]
        connection.execute(statement.values({name: bindparam(name) for name in names}), rows)


def _row(item: Item) -> dict[str, Any]:
    row = {name: getattr(item, name) for name in CONTENT}
    row["audience"] = {name: list(words) for name, words in asdict(item.audience).items() if words}
    return row


def _by_external_id(connection: Connection, network_key: int, external_ids: Sequence[str]) -> dict[str, Item]:
    query = _items(network_key)
    parts = _parts(external_ids)
    return {i.external_id: i for part in parts for i in _read(connection, query.where(TABLE.c.external_id.in_(part)))}


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """SQLite takes at most 32,766 values in one statement."""
    for start in range(0, len(values), KEYS_AT_ONCE):
        yield values[start : start + KEYS_AT_ONCE]


def _open(now: datetime) -> list[Any]:
    ends = (TABLE.c.deadline, TABLE.c.event_at, TABLE.c.expires_at)
    return [TABLE.c.state == "published", *(or_(end.is_(None), end > now) for end in ends)]


def _has_topic(topic: str) -> Any:
    lines = literal("\n", String) + type_coerce(TABLE.c.topics, Text) + literal("\n", String)
    return lines.contains(f"\n{topic}\n", autoescape=True)


def _items(network_key: int) -> Select[Any]:
    return select(TABLE.c.id, *(TABLE.c[name] for name in COLUMNS)).where(TABLE.c.network_id == network_key)


def _read(connection: Connection, query: Select[Any]) -> list[Item]:
    return [_item(*row) for row in connection.execute(query)]


def _item(key: int, *values: Any) -> Item:
    plain = dict(zip(COLUMNS, values, strict=True))
    audience = plain["audience"]
    plain["audience"] = Audience(**{n: tuple(words) for n, words in audience.items()}) if audience else EVERYBODY
    return Item(**plain, key=key)


EVERYBODY = Audience()
