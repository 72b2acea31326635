"""One mail for somebody in several networks: items of the others join those of their home network in its edition.

The home is the network that they joined first, of those in which they get digests and want them combined. Each network's items
are matched in its own space with what the member said there; the choice is one, under one budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from digest.composition import Edition as Fitted
from digest.composition import Parts, Wants, gather
from digest.decision import Decision, Reach
from digest.duplicates import Duplicates, normalised_link
from digest.eligibility import Block
from digest.items import Item
from digest.pool import Pool
from digest.reasons import Reason
from jobs.considering import batch_of, heard_of, listen, preferences_of, profile_of
from jobs.deciding import reach_of
from jobs.fitting import edition_settings, fit_edition
from store import considered, editions, items, networks
from store.considered import PlannedDigest
from store.editions import Edition

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from jobs.services import Services
    from store.networks import Network

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Guest:
    """Another network in an edition's combined mails; `first` is the column of its first item."""

    network: "Network"
    edition: Edition
    fitted: Fitted
    reach: Reach
    first: int

    @property
    def columns(self) -> range:
        return range(self.first, self.first + len(self.fitted.items))


@dataclass(frozen=True)
class Present:
    """A guest's members among a batch: their places in it, and what they want there."""

    guest: Guest
    members: dict[int, PlannedDigest]
    """By the key of their membership in the home network."""
    wants: Wants
    row: dict[int, int]


@dataclass(frozen=True)
class Company:
    """All other networks in an edition."""

    guests: tuple[Guest, ...] = ()

    @property
    def networks(self) -> dict[int, int]:
        """By item key the network that it comes from."""
        return {item.key: guest.network.key for guest in self.guests for item in guest.fitted.items}

    def whole(self, fitted: Fitted) -> Fitted:
        """The edition with everybody's items, to be decided as one; links tell what was posted in two networks."""
        if not self.guests:
            return fitted
        every = [*fitted.items, *(item for guest in self.guests for item in guest.fitted.items)]
        groups = [fitted.group, *(guest.fitted.group + guest.first for guest in self.guests)]
        return replace(
            fitted,
            items=every,
            topics=[*fitted.topics, *(topic for guest in self.guests for topic in guest.fitted.topics)],
            thresholds=np.concatenate([fitted.thresholds, *(guest.fitted.thresholds for guest in self.guests)]),
            duplicates=Duplicates(_linked(every, np.concatenate(groups)), {}),
        )

    def reach(self, home: Reach) -> Reach:
        """Over the items of all."""
        parts = [home, *(guest.reach for guest in self.guests)]
        return Reach(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def pooled(self, connection: "Connection", able: Sequence[PlannedDigest], pool: Pool, is_ask: Bools) -> Pool:
        """The home network's pool of a batch, of which `is_ask` tells the requests, with the pairs of the others."""
        for guest in self.guests:
            pool = _joined(pool, *_pool_of(connection, guest, able), guest, is_ask)
        return pool

    def present(self, connection: "Connection", batch: Sequence[PlannedDigest]) -> list[Present]:
        """Who of a batch is in which other network, with what they want there."""
        found = []
        for guest in self.guests:
            places = _memberships(connection, guest, batch)
            if places:
                theirs = list(places.values())
                span = theirs[0].member_key, theirs[-1].member_key
                heard = heard_of(theirs, guest.fitted, listen(connection, *span, guest.edition.as_of))
                profiles, wishes = zip(*((profile_of(m), preferences_of(m)) for m in theirs), strict=True)
                wants = guest.fitted.wants(profiles, wishes, heard)
                found.append(Present(guest, places, wants, {key: n for n, key in enumerate(places)}))
        return found


ALONE = Company()


def company_of(services: "Services", network: "Network", edition: Edition, own: int = 0) -> Company:
    """The networks whose items may join the edition's mails: each with its vectors, stored with the edition when first fitted.

    `own` is the number of the edition's own items, for one that is not stored.
    """
    if not edition.settings.get("combine") or edition.kind != "weekly":
        return ALONE
    with services.database.reading() as connection:
        keys = considered.guest_networks(connection, network.key)
        chosen = editions.item_keys(connection, edition.key) if edition.key else None
        first = len(items.load(connection, network.key, chosen)) if chosen is not None else own
    guests = []
    for key in keys:
        guest = _guest(services, key, edition, chosen, first)
        guests.append(guest)
        first += len(guest.fitted.items)
    return Company(tuple(guests))


def _guest(services: "Services", key: int, home: Edition, chosen: list[int] | None, first: int) -> Guest:
    with services.database.reading() as connection:
        network = networks.by_key(connection, key)
        settings = edition_settings(services, network)
        wanted = chosen if chosen is not None else open_keys(connection, key, settings, home.as_of)
        model = editions.load_space(connection, home.key, key) if home.key else None
    fitted = fit_edition(services, network, settings, wanted, home.as_of, model)
    edition = replace(home, network_key=key, settings=settings)
    if model is None and home.key:
        with services.database.writing() as connection:
            editions.save_space(connection, home.key, key, fitted.space.to_bytes())
    with services.database.reading() as connection:
        reach = reach_of(connection, settings, fitted, home.as_of)
    return Guest(network, edition, fitted, reach, first)


def open_keys(connection: "Connection", network_key: int, settings: dict[str, Any], at: datetime) -> list[int]:
    """Keys of a network's items that an edition of this moment can choose from."""
    oldest = at - timedelta(days=settings["max_item_age_days"])
    return [item.key for item in items.open_items(connection, network_key, at, oldest)]


def _memberships(connection: "Connection", guest: Guest, batch: Sequence[PlannedDigest]) -> dict[int, PlannedDigest]:
    """By home membership the membership in the guest's network, in the order of the latter's keys."""
    of = {
        other: member.member_key for member in batch for network, other in member.others if network == guest.network.key
    }
    theirs = considered.members_of(connection, sorted(of))
    return {of[member.member_key]: member for member in theirs}


def _pool_of(connection: "Connection", guest: Guest, able: Sequence[PlannedDigest]) -> tuple[Ints, Pool | None]:
    """Places in the batch of the guest's members, and their pool."""
    places = _memberships(connection, guest, able)
    if not places:
        return np.empty(0, np.int64), None
    row = {member.member_key: n for n, member in enumerate(able)}
    asked = batch_of(connection, guest.network, guest.edition, guest.fitted, list(places.values()))
    _, pool = gather(guest.fitted, asked, guest.reach)
    return np.array([row[key] for key in places], dtype=np.int64), pool


def _joined(home: Pool, rows: Ints, theirs: Pool | None, guest: Guest, is_ask: Bools) -> Pool:
    width = len(guest.fitted.items)
    if theirs is None:
        return replace(home, seen=np.concatenate([home.seen, np.zeros((width, home.seen.shape[1]), np.int64)]))
    below = home.below.copy()
    code = np.where(_is_spent(theirs, guest.fitted.asks), np.uint8(Block.ASKED_ENOUGH), theirs.code)
    asked_here = _is_spent(home, is_ask) & np.isin(home.member, rows[theirs.asks > 0])
    of_home = np.where(asked_here, np.uint8(Block.ASKED_ENOUGH), home.code)
    asks = _together(home.asks, rows, theirs.asks)
    below[rows] += theirs.below
    pairs: dict[str, tuple[Any, Any]] = {
        "member": (home.member, rows[theirs.member].astype(np.int32)),
        "item": (home.item, theirs.item + np.int32(guest.first)),
        "code": (of_home, code),
    }
    for name in ("match", "score", "deep", "beside", "again"):
        pairs[name] = (getattr(home, name), getattr(theirs, name))
    together: dict[str, Any] = {name: np.concatenate(both) for name, both in pairs.items()}
    order = np.lexsort((together["item"], together["member"]))
    together = {name: values[order] for name, values in together.items()}
    return replace(home, **together, asks=asks, below=below, seen=np.concatenate([home.seen, theirs.seen]))


def _is_spent(pool: Pool, is_ask: Bools) -> Bools:
    """Which pairs are requests, of items that `is_ask` knows, of members who can be asked no more in their network."""
    known = pool.item < len(is_ask)
    spent: Bools = known & (pool.code == Block.NONE) & (pool.asks[pool.member] == 0)
    spent[known] &= is_ask[pool.item[known]]
    return spent


def _together(asks: Ints, rows: Ints, theirs: Ints) -> Ints:
    """Requests that one mail may hold: the least that any network leaves, of those that leave any."""
    found, mine = asks.copy(), asks[rows]
    found[rows] = np.where(mine == 0, theirs, np.where(theirs == 0, mine, np.minimum(mine, theirs)))
    return found


def _linked(every: Sequence[Item], group: Ints) -> Ints:
    """The same groups, with those that share a link made one."""
    first: dict[str, int] = {}
    found = group.copy()
    for n, item in enumerate(every):
        link = normalised_link(item.url)
        other = first.setdefault(link, n) if link else n
        if found[other] != found[n]:
            found[found == found[n]] = found[other]
    return found


def explain_guests(
    present: Sequence[Present], able: Sequence[PlannedDigest], decision: Decision
) -> dict[int, tuple[int, str, list[Reason], Parts]]:
    """By place of a pair that came from another network: the membership's key, the network's name, the reasons, and the parts of
    the score.

    A pair is missing whose member is not in that network any more.
    """
    found = {}
    for one in present:
        columns, fitted = one.guest.columns, one.guest.fitted
        home = [able[row].member_key for row in decision.member.tolist()]
        at = [n for n, column in enumerate(decision.item.tolist()) if column in columns and home[n] in one.members]
        rows = np.array([one.row[home[n]] for n in at], dtype=np.int64)
        places = decision.item[at].astype(np.int64) - one.guest.first
        reasons = fitted.reasons(one.wants, rows, places)
        parts = fitted.parts_of_scores(one.wants, rows, places, decision.score[at].astype(np.float64))
        for n, why, part in zip(at, reasons, parts, strict=True):
            found[n] = (one.members[home[n]].member_key, one.guest.network.name, why, part)
    return found
