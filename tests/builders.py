"""Values with sensible defaults, so that a test names only what it is about; and the same as rows of a database."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, insert, select, update

from digest.items import Item, Topic
from jobs.services import Services
from jobs.settings import Settings
from profiles.member import Member, Preferences, Profile
from store import tables
from store.database import Database
from store.identifiers import new_public_id
from store.networks import Network

NOW = datetime(2026, 11, 16, 7, 30, tzinfo=UTC)
"""A Monday, half past seven in London, in ISO week 47."""

_numbers = count(1)


def a_profile(**changes: Any) -> Profile:
    values: dict[str, Any] = {
        "stated": "early supported discharge after stroke",
        "chosen": ("stroke",),
        "languages": ("en",),
    }
    return Profile(**values | changes)


def some_preferences(**changes: Any) -> Preferences:
    return Preferences(**changes)


def a_member(**changes: Any) -> Member:
    values: dict[str, Any] = {
        "address": f"member{next(_numbers)}@example.org",
        "name": "Ann Example",
        "profile": a_profile(),
    }
    return Member(**values | changes)


def an_item(**changes: Any) -> Item:
    number = next(_numbers)
    values: dict[str, Any] = {
        "title": f"Early supported discharge after stroke, part {number}",
        "body": "How three hospitals set up **early supported discharge** for people after a stroke.",
        "topics": ("stroke",),
        "language": "en",
        "published_at": NOW - timedelta(days=2),
        "external_id": f"item-{number}",
    }
    return Item(**values | changes)


def a_topic(**changes: Any) -> Topic:
    return Topic(**{"key": "stroke", "label": "Stroke"} | changes)


def a_network(**changes: Any) -> Network:
    values: dict[str, Any] = {
        "slug": f"network-{next(_numbers)}",
        "name": "The Example Network",
        "sender_name": "The Example Network",
        "sender_address": "digest@news.example.org",
        "reply_to": "office@example.org",
        "postal_address": "1 Example Street, Cardiff CF10 1AA",
        "list_id": "digest.news.example.org",
    }
    return Network(**values | changes)


def stored_network(connection: Connection, **changes: Any) -> int:
    """Insert a network and return its key; so do the other `stored_*`."""
    network = a_network(**changes)
    columns = {name: getattr(network, name) for name in Network.__slots__ if name not in {"key", "public_id"}}
    return _insert(connection, tables.Network, **columns, public_id=new_public_id(), created_at=NOW)


def stored_member(connection: Connection, network: int, member: Member | None = None, **changes: Any) -> int:
    """`changes` are changes of `a_member()`."""
    member = member or a_member(**changes)
    row: dict[str, Any] = {name: getattr(member, name) for name in ("address", "name", "status", "role")}
    for part in (member.profile, member.preferences):
        row |= {name: getattr(part, name) for name in type(part).__slots__}
    row |= {"network_id": network, "address_key": member.address.casefold(), "public_id": new_public_id()}
    return _insert(connection, tables.Member, **row, joined_at=NOW - timedelta(days=90), updated_at=NOW)


def stored_item(connection: Connection, network: int, item: Item | None = None, **changes: Any) -> int:
    """`changes` are changes of `an_item()`; its audience stays open to everybody."""
    item = item or an_item(**changes)
    row: dict[str, Any] = {
        name: getattr(item, name) for name in Item.__slots__ if name not in {"key", "public_id", "audience"}
    }
    row |= {"network_id": network, "public_id": item.public_id or new_public_id(), "audience": {}}
    return _insert(connection, tables.Item, **row, created_at=NOW, updated_at=NOW)


def stored_topic(connection: Connection, network: int, **changes: Any) -> int:
    topic = a_topic(**changes)
    return _insert(connection, tables.Topic, network_id=network, **{n: getattr(topic, n) for n in Topic.__slots__})


def stored_edition(connection: Connection, network: int, **changes: Any) -> int:
    values: dict[str, Any] = {
        "slot": f"2026-W{next(_numbers):03d}",
        "state": "composed",
        "as_of": NOW,
        "skipped": {},
        "settings": {},
    }
    return _insert(connection, tables.Edition, network_id=network, public_id=new_public_id(), **values | changes)


def stored_digest(connection: Connection, edition: int, member: int, items: tuple[int, ...]) -> int:
    """A composed digest with these items, best first, and its row in the outbox; returns the key of the outbox row."""
    row: dict[str, Any] = {"edition_id": edition, "member_id": member, "state": "composed", "items": len(items)}
    digest = _insert(connection, tables.Digest, **row)
    for rank, item in enumerate(items):
        chosen = {"digest_id": digest, "rank": rank, "member_id": member, "item_id": item}
        scored = {
            "score": 0.5,
            "rest": 0.45,
            "field": 0.05,
            "share": 1.0,
            "match": 60.0 - rank,
            "reason": [["stroke", 0.5, "stated"]],
        }
        connection.execute(insert(_table(tables.DigestItem)).values(**chosen, **scored))
    counts = _table(tables.Edition).c
    statement = update(counts.id.table).where(counts.id == edition)
    connection.execute(statement.values(digests=counts.digests + 1, members_considered=counts.members_considered + 1))
    return stored_outbox(connection, digest, edition, member)


def stored_outbox(connection: Connection, digest: int, edition: int, member: int, **changes: Any) -> int:
    ids = _public_id(connection, tables.Edition, edition), _public_id(connection, tables.Member, member)
    message_id = f"<{ids[0]}.{ids[1]}@news.example.org>"
    row: dict[str, Any] = {"digest_id": digest, "edition_id": edition, "member_id": member, "message_id": message_id}
    return _insert(connection, tables.Outbox, **row | {"not_before": NOW, "created_at": NOW} | changes)


def stored_edition_to_send(
    connection: Connection, members: int, *, items: int = 2, **network: Any
) -> tuple[int, list[str]]:
    """A released edition of a network of its own with a digest for each member in the outbox: its key, and the addresses."""
    key = stored_network(connection, **network)
    edition = stored_edition(connection, key, state="released")
    chosen = tuple(stored_item(connection, key) for _ in range(items))
    addresses = [f"m{n:03d}@{network.get('slug', 'example')}.example.org" for n in range(members)]
    for address in addresses:
        stored_digest(connection, edition, stored_member(connection, key, address=address), chosen)
    return edition, addresses


def some_services(database: Database, *, now: datetime = NOW, **sections: dict[str, Any]) -> Services:
    """Services on this database with a fixed clock and a secret key. `sections` are changes: smtp={"port": 2525}."""
    settings = Settings()
    changed: dict[str, Any] = {"secret_key": SecretStr("k" * 40)}
    changed |= {name: getattr(settings, name).model_copy(update=values) for name, values in sections.items()}
    return Services(settings.model_copy(update=changed), database, lambda: now)


def _public_id(connection: Connection, row: Any, key: int) -> str:
    table = _table(row)
    return str(connection.execute(select(table.c.public_id).where(table.c.id == key)).scalar_one())


def _insert(connection: Connection, row: Any, **values: Any) -> int:
    """Defaults of the SQLModel class are not the table's: they are filled in here."""
    table = _table(row)
    fields = row.model_fields
    defaults = {n: f.get_default(call_default_factory=True) for n, f in fields.items() if not f.is_required()}
    columns = {name: value for name, value in defaults.items() if name != "id"} | values
    return int(connection.execute(insert(table).values(**columns).returning(table.c.id)).scalar_one())


def _table(row: Any) -> Any:
    return row.__table__
