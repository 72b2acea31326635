"""What budgets leave to the mails of an edition, and what these draw from them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from digest.asking import Asked
from digest.budgets import Allowance, Bounds, Room, Wished, room
from digest.composition import Edition as Fitted
from digest.decision import NO_LIMIT
from digest.eligibility import Block
from jobs.due import due_at
from store.budgets import Account
from store.considered import PlannedDigest
from store.editions import Decided, Edition
from store.networks import Network

if TYPE_CHECKING:
    from jobs.combined import Present

Bools = npt.NDArray[np.bool_]

ALL = 0
"""In place of a network's key: all of them together."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What budgets need to know of items, by key: those that ask for help, and those from other networks."""

    requests: frozenset[int]
    networks: Mapping[int, int]


def day_of(moment: datetime, network: Network) -> int:
    """The ordinal of a moment's day by the network's calendar."""
    return moment.astimezone(ZoneInfo(network.time_zone)).toordinal()


def rooms_of(
    members: Sequence[PlannedDigest], accounts: Mapping[int, Account], network: Network, edition: Edition
) -> list[Room]:
    """What each member's budgets leave for a mail of this edition."""
    limits = edition.settings.get("budget")
    if limits is None:  # an edition of before there were budgets
        return [Room(1, NO_LIMIT, edition.as_of)] * len(members)
    zone, greedy = ZoneInfo(network.time_zone), edition.settings.get("policy") == "greedy"
    found = []
    for member, (own, altogether) in zip(members, _allowances(members, accounts, network, limits), strict=True):
        at, account = due_at(member, network, edition), accounts.get(member.member_key)
        day = at.astimezone(zone).toordinal()
        left = room(account.drawn if account else (), network.key, own, altogether, at, day)
        if edition.kind == "urgent" and left.not_before > at:
            left = left._replace(mails=0)  # it does not wait: it goes to others
        found.append(left._replace(asks=NO_LIMIT) if greedy else left)
    return found


def take_no_requests(
    members: Sequence[PlannedDigest], accounts: Mapping[int, Account], network: Network, edition: Edition
) -> Bools:
    """Whether each member allows no request at all, here or over all networks: theirs are not carried over, as none ever fits."""
    limits = edition.settings.get("budget")
    if limits is None or edition.settings.get("policy") == "greedy":
        return np.zeros(len(members), dtype=np.bool_)
    allowed = _allowances(members, accounts, network, limits)
    return np.array(
        [min(own.asks_per_month, over_all.asks_per_month) == 0 for own, over_all in allowed], dtype=np.bool_
    )


def _allowances(
    members: Sequence[PlannedDigest], accounts: Mapping[int, Account], network: Network, limits: dict[str, int]
) -> Iterator[tuple[Allowance, Allowance]]:
    """What holds for each member in this network, and over all."""
    bounds, overall = bounds_of(limits)
    of_network = Wished(*(getattr(network, name) for name in Wished._fields))
    for member in members:
        account = accounts.get(member.member_key)
        own = bounds.allowance(of_network, Wished(*(getattr(member, name) for name in Wished._fields)))
        yield own, overall.allowance(Wished(), account.wished) if account else overall.usual


def asked_lately(
    members: Sequence[PlannedDigest], accounts: Mapping[int, Account], network: Network, edition: Edition
) -> Asked:
    """How often members were asked lately, beside what the network allows in a month, or they where that is more."""
    limits = edition.settings.get("budget")
    if limits is None:
        return Asked(*np.zeros((2, len(members)), np.int64))
    bounds, _ = bounds_of(limits)
    of_network = Wished(*(getattr(network, name) for name in Wished._fields))
    wished = (Wished(asks_per_month=member.asks_per_month) for member in members)
    allowed = np.array([bounds.allowance(of_network, wish).asks_per_month for wish in wished], dtype=np.int64)
    known = [accounts.get(member.member_key) for member in members]
    lately = np.array([account.asked if account else 0 for account in known], dtype=np.int64)
    usual = bounds.allowance(of_network, Wished()).asks_per_month
    return Asked(lately, np.maximum(allowed, usual))


def bounds_of(limits: dict[str, int]) -> tuple[Bounds, Bounds]:
    """Of one network and over all, from the section `budget` of the settings."""
    one = Allowance(limits["mails_per_week"], limits["hours_between_mails"], limits["asks_per_month"])
    most = Allowance(limits["most_mails_per_week"], limits["least_hours_between_mails"], limits["most_asks_per_month"])
    over_all = Allowance(
        limits["overall_mails_per_week"], limits["overall_hours_between_mails"], limits["overall_asks_per_month"]
    )
    return Bounds(one, most), Bounds(over_all, over_all)


def within_budgets(
    decided: Decided,
    batch: Sequence[PlannedDigest],
    accounts: Mapping[int, Account],
    network: Network,
    edition: Edition,
    posted: Posted,
    present: Sequence["Present"] = (),
) -> Decided:
    """The same with what each mail draws, and without what another process has drawn for since it was decided.

    What does not fit any more is recorded as over budget, the last of a digest first. The own limits of other networks whose
    members are `present` hold as well.
    """
    members = {member.digest_key: member for member in batch}
    mailed = [members[row[0]] for row in decided.outbox]
    rooms = {m.digest_key: left for m, left in zip(mailed, rooms_of(mailed, accounts, network, edition), strict=True)}
    most = {(key, network.key): left.asks for key, left in rooms.items()}
    for one in present:
        most |= _left_elsewhere(one, mailed, accounts, edition)
    most |= _altogether(most, rooms)
    asks = _counted(decided, posted, network.key)
    if any(asks[key] > left for key, left in most.items()):
        decided = _cut_down(decided, most, posted, network.key)
    drawn = _drawn(decided, posted, network.key)
    zone, what = ZoneInfo(network.time_zone), "urgent" if edition.kind == "urgent" else "digest"
    outbox = []
    for digest, member, message_id, _ in decided.outbox:
        at, account = rooms[digest].not_before, accounts.get(member)
        outbox.append((digest, member, message_id, at))
        if account:
            day = at.astimezone(zone).toordinal()
            decided.draws.extend(
                (account.key, key, digest, what, at, day, int(key == network.key), n_asks, n_items)
                for key, (n_asks, n_items) in drawn[digest].items()
            )
    return replace(decided, outbox=outbox)


def _drawn(decided: Decided, posted: Posted, home: int) -> dict[int, dict[int, tuple[int, int]]]:
    """For each digest what it takes in each network of which it holds something: (requests, items)."""
    found: dict[int, dict[int, tuple[int, int]]] = {row[0]: {home: (0, 0)} for row in decided.outbox}
    for one in decided.chosen:
        key = posted.networks.get(one.item_key, home)
        asks, number = found[one.digest_key].get(key, (0, 0))
        found[one.digest_key][key] = (asks + (one.item_key in posted.requests), number + 1)
    return found


def requests_among(fitted: Fitted) -> frozenset[int]:
    """Keys of the items that ask for help."""
    return frozenset(item.key for item in fitted.items if item.kind == "request")


def _left_elsewhere(
    one: "Present", mailed: Sequence[PlannedDigest], accounts: Mapping[int, Account], edition: Edition
) -> dict[tuple[int, int], int]:
    """Requests that digests may hold of another network, by digest and that network, as members of it allow."""
    there = [(member, one.members[member.member_key]) for member in mailed if member.member_key in one.members]
    known = {guest.member_key: accounts[home.member_key] for home, guest in there if home.member_key in accounts}
    rooms = rooms_of([guest for _, guest in there], known, one.guest.network, edition)
    key = one.guest.network.key
    return {(home.digest_key, key): left.asks for (home, _), left in zip(there, rooms, strict=True)}


def _altogether(most: Mapping[tuple[int, int], int], rooms: Mapping[int, Room]) -> dict[tuple[int, int], int]:
    """Requests that digests may hold of all networks: as many as the one that leaves most, since what is left in each is no more
    than what is left over all; -1 where there is no room for a mail."""
    found = {(digest, ALL): 0 if left.mails else -1 for digest, left in rooms.items()}
    for (digest, _), asks in most.items():
        if found[digest, ALL] >= 0:
            found[digest, ALL] = max(found[digest, ALL], asks)
    return found


def _counted(decided: Decided, posted: Posted, home: int) -> Counter[tuple[int, int]]:
    """Requests in each digest, of all networks and of each one."""
    asked = [(one.digest_key, one.item_key) for one in decided.chosen if one.item_key in posted.requests]
    return Counter((digest, key) for digest, item in asked for key in (ALL, posted.networks.get(item, home)))


def _cut_down(decided: Decided, most: Mapping[tuple[int, int], int], posted: Posted, home: int) -> Decided:
    """Without the digests that may hold -1 requests, and without each other's last requests beyond the most."""
    kept, out, asked, places = [], [], Counter[tuple[int, int]](), Counter[int]()
    for one in sorted(decided.chosen, key=lambda one: (one.digest_key, one.rank)):
        digest, item = one.digest_key, one.item_key
        limits = [(digest, key) for key in (ALL, posted.networks.get(item, home))]
        asks = item in posted.requests
        over = asks and any(asked[limit] >= most.get(limit, NO_LIMIT) for limit in limits)
        if over or most.get((digest, ALL), NO_LIMIT) < 0:
            out.append((digest, item, Block.OVER_BUDGET.word, one.score, one.match, None))
            continue
        asked.update(limits if asks else ())
        places[digest] += 1
        kept.append(one._replace(rank=places[digest]))
    digests = [
        row if row[1] != "composed" else (row[0], *_as_composed(places[row[0]]), *row[4:]) for row in decided.digests
    ]
    return replace(
        decided,
        digests=digests,
        chosen=kept,
        left_out=[*decided.left_out, *out],
        outbox=[row for row in decided.outbox if places[row[0]]],
        picked=[row for row in decided.picked if places[row[0]]],
        asking=[row for row in decided.asking if places[row[0]]],
    )


def _as_composed(items: int) -> tuple[str, str, int]:
    return ("composed", "", items) if items else ("skipped", "over_budget", 0)
