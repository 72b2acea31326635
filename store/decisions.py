"""What an edition decided before it is written, what could not be reached, and the reach that items have had."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    exists,
    func,
    select,
    update,
)

from store.budgets import DRAW, GIVEN_BACK
from store.database import StoreError, insert_rows
from store.editions import DECISION, DIGEST_ITEM, EDITION, EDITION_ITEM, FEEDBACK, ITEM, OUTBOX, SHORTFALL


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An item that an edition could not bring to as many members as it needs; see the table."""

    item_key: int
    needed: int
    got: int
    cause: str
    counts: dict[str, int]
    words: list[str]


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
    """What the newest edition of its network that could choose an item says of its reach; None where it was not short."""
    columns = [SHORTFALL.c[name] for name in ("item_id", *Shortfall.__slots__[1:])]
    newest = (
        select(func.max(EDITION.c.id))
        .join_from(EDITION, EDITION_ITEM, EDITION_ITEM.c.edition_id == EDITION.c.id)
        .join(ITEM, ITEM.c.id == EDITION_ITEM.c.item_id)
        .where(ITEM.c.id == item_key, EDITION.c.network_id == ITEM.c.network_id, EDITION.c.state != "opened")
    )
    query = select(*columns).where(SHORTFALL.c.item_id == item_key, SHORTFALL.c.edition_id == newest.scalar_subquery())
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
    its_network = select(ITEM.c.network_id).where(ITEM.c.id == bindparam("item")).scalar_subquery()
    drawn = DRAW.c.digest_id == bindparam("digest"), DRAW.c.network_id == its_network, DRAW.c.asks > 0
    give_back = update(DRAW).where(*drawn).values(asks=DRAW.c.asks - 1)
    for digest, item, why in dropped:
        if connection.execute(drop, {"digest": digest, "item": item, "why": why}).rowcount and item in requests:
            connection.execute(give_back, {"digest": digest, "item": item})
