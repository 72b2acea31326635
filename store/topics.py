"""Topics of a network: a tree, read whole, merged from an import."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from digest.items import Topic
from store.tables import Topic as TopicRow

TABLE = TopicRow.__table__  # type: ignore[attr-defined]
COLUMNS = tuple(f.name for f in fields(Topic))


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of topics: new ones, (before, after) of changed ones, and how many were as stored."""

    added: tuple[Topic, ...]
    changed: tuple[tuple[Topic, Topic], ...]
    unchanged: int


def load(connection: Connection, network_key: int) -> list[Topic]:
    """Every topic of the network, in the order in which they came in."""
    query = select(*(TABLE.c[name] for name in COLUMNS)).where(TABLE.c.network_id == network_key).order_by(TABLE.c.id)
    return [Topic(*row) for row in connection.execute(query)]


def compare(connection: Connection, network_key: int, topics: Sequence[Topic]) -> Merged:
    """What `merge` would do; nothing is written."""
    stored = {topic.key: topic for topic in load(connection, network_key)}
    added = tuple(topic for topic in topics if topic.key not in stored)
    known = [topic for topic in topics if topic.key in stored]
    changed = tuple((stored[topic.key], topic) for topic in known if stored[topic.key] != topic)
    return Merged(added, changed, len(known) - len(changed))


def merge(connection: Connection, network_key: int, topics: Sequence[Topic]) -> Merged:
    """Insert what is new and update what changed, by key; topics that are not named stay as they are."""
    merged = compare(connection, network_key, topics)
    if merged.added:
        connection.execute(insert(TABLE), [{"network_id": network_key} | _row(topic) for topic in merged.added])
    if merged.changed:
        here = (TABLE.c.network_id == network_key, TABLE.c.key == bindparam("of_key"))
        rows = [_row(topic) | {"of_key": topic.key} for _, topic in merged.changed]
        names = [name for name in COLUMNS if name != "key"]
        statement = update(TABLE).where(*here).values({name: bindparam(name) for name in names})
        connection.execute(statement, [{k: v for k, v in row.items() if k != "key"} for row in rows])
    return merged


def _row(topic: Topic) -> dict[str, Any]:
    return {name: getattr(topic, name) for name in COLUMNS}
