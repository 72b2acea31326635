"""Networks: the communities of one installation."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from store.database import WrongName
from store.identifiers import new_public_id
from store.tables import Network as NetworkRow

TABLE = NetworkRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Network:
    """A community as plain values. None in a threshold or a cap means "as the settings have it". Weekday 0 is Monday."""

    slug: str
    name: str
    description: str = ""
    language: str = "en"
    time_zone: str = "Europe/London"
    weekday: int = 0
    hour: int = 7
    minute: int = 30
    sender_name: str = ""
    sender_address: str = ""
    reply_to: str = ""
    postal_address: str = ""
    list_id: str = ""
    threshold: float | None = None
    kind_thresholds: dict[str, float] = field(default_factory=dict)
    items_per_digest: int | None = None
    mails_per_week: int | None = None
    hours_between_mails: int | None = None
    asks_per_month: int | None = None
    bridging: bool = True
    key: int = 0
    public_id: str = ""

    def threshold_for(self, kind: str, default: float) -> float:
        """The match, 0 to 100, that an item of this kind needs: the kind's own, else the network's, else `default`."""
        fallback = default if self.threshold is None else self.threshold
        return self.kind_thresholds.get(kind, fallback)


def add(connection: Connection, network: Network, now: datetime) -> Network:
    """Store a new network. Raises WrongName when its slug is taken."""
    if connection.execute(select(TABLE.c.id).where(TABLE.c.slug == network.slug)).first():
        raise WrongName(f"there is a network {network.slug!r} already; choose another slug")
    connection.execute(insert(TABLE).values(**_columns(network), public_id=new_public_id(), created_at=now))
    return find(connection, network.slug)


def change(connection: Connection, slug: str, **changes: Any) -> Network:
    """Change some columns of a network and return it as it is now."""
    found = find(connection, slug)
    if changes:
        connection.execute(update(TABLE).where(TABLE.c.id == found.key).values(**changes))
    return find(connection, slug)


def every(connection: Connection) -> list[Network]:
    return [_network(row) for row in connection.execute(select(TABLE).order_by(TABLE.c.id)).mappings()]


def find(connection: Connection, slug: str = "") -> Network:
    """The network with this slug, or the only one when no slug is given. Raises WrongName when that names none."""
    networks = every(connection)
    slugs = ", ".join(n.slug for n in networks) or "none; `germane init` or `germane networks add` makes one"
    if slug:
        for network in networks:
            if network.slug == slug:
                return network
        raise WrongName(f"there is no network {slug!r}; there are: {slugs}")
    if len(networks) == 1:
        return networks[0]
    raise WrongName(f"say which network with --network; there are: {slugs}")


def by_key(connection: Connection, key: int) -> Network:
    """The network with this integer key, which a row of another table named. Raises LookupError when there is none."""
    row = connection.execute(select(TABLE).where(TABLE.c.id == key)).mappings().first()
    if row is None:
        raise LookupError(f"network {key}")
    return _network(row)


def added_at(connection: Connection) -> dict[int, datetime]:
    """When each network was added, by its key."""
    return {row.id: row.created_at for row in connection.execute(select(TABLE.c.id, TABLE.c.created_at))}


def _columns(network: Network) -> dict[str, Any]:
    return {c.name: getattr(network, c.name) for c in TABLE.c if c.name not in {"id", "public_id", "created_at"}}


def _network(row: Any) -> Network:
    values = {name: row[name] for name in Network.__slots__ if name not in {"key"}}
    return Network(**values, key=row["id"])
