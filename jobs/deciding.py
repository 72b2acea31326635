"""Deciding an edition: everybody matched, shard by shard, then one decision, which is kept until it is written."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from digest.composition import Edition as Fitted
from digest.composition import Wants, gather
from digest.composition import decided as decide_all
from digest.decision import Decision, Reach, Shortfall
from digest.pool import Pool
from digest.reach import limits_for, reach_left, unused_words
from jobs.considering import batch_of, due_members, is_combined
from jobs.failpoints import reach as fail_point
from jobs.services import Services
from store import considered, decisions, editions, records
from store.considered import PlannedDigest
from store.database import StoreError
from store.editions import Edition
from store.networks import Network

Bools = npt.NDArray[np.bool_]


class OtherNetworks(Protocol):
    """What joins an edition from other networks; see `jobs.combined.Company`."""

    def whole(self, fitted: Fitted) -> Fitted: ...
    def reach(self, home: Reach) -> Reach: ...
    def pooled(self, connection: Connection, able: Sequence[PlannedDigest], pool: Pool, is_ask: Bools) -> Pool: ...
    def present(self, connection: Connection, batch: Sequence[PlannedDigest]) -> Sequence[Any]: ...
    @property
    def networks(self) -> Mapping[int, int]:
        """By item key the network that it comes from."""
        ...


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that an edition is decided from: the members matched, in the order of their keys, and their pool."""

    member_keys: list[int]
    pool: Pool
    wants: dict[int, Wants]
    """By the first member key of a shard; kept of a small audience only, so that its reasons need no second matching."""
    sample: list[tuple[Wants, list[str]]]
    """What members of the first shards want, as it is matched and in their own words: for what would bring an item to more."""
    elsewhere: int
    """Members who are not among these, as what fits them comes in the mail of another network."""


@dataclass(frozen=True, slots=True)
class Part:
    """What was decided for some members, by member key and place, with what they want where that is still at hand."""

    member_keys: list[int]
    decision: Decision
    wants: Wants | None = None


KEPT_WANTS = 20_000
"""Members whose wants are kept in memory between matching and explaining (some 6 KB each)."""


def gather_edition(
    services: Services,
    network: Network,
    edition: Edition,
    fitted: Fitted,
    reach: Reach,
    batches: Iterable[list[PlannedDigest]],
    company: OtherNetworks | None = None,
) -> Gathered:
    """Match everybody who is due a digest, shard by shard, and keep the pairs that the edition can choose from.

    `company` brings the items of members' other networks, after those of this one.
    """
    keys: list[int] = []
    pools: list[Pool] = []
    wants: dict[int, Wants] = {}
    sample: list[tuple[Wants, list[str]]] = []
    elsewhere = 0
    for batch in batches:
        able = due_members(batch, network, edition)
        elsewhere += sum(is_combined(member, edition) for member in batch)
        if not able:
            continue
        with services.database.reading() as connection:
            asked = batch_of(connection, network, edition, fitted, able)
        wanted, pool = gather(fitted, asked, reach)
        if company:
            with services.database.reading() as connection:
                pool = company.pooled(connection, able, pool, fitted.asks)
        pools.append(pool)
        keys += [member.member_key for member in able]
        if len(keys) <= KEPT_WANTS:
            wants[able[0].member_key] = wanted
            sample.append((wanted, [member.stated for member in able]))
    width = len(company.whole(fitted).items) if company else len(fitted.items)
    return Gathered(keys, Pool.joined(pools, width), wants if len(keys) <= KEPT_WANTS else {}, sample, elsewhere)


def reach_of(connection: Connection, settings: dict[str, Any], fitted: Fitted, as_of: datetime) -> Reach:
    """What is left of the reach that each item needs and may have, after the editions before."""
    rules = settings.get("reach", {})
    keys = [item.key for item in fitted.items]
    got, offers = decisions.reach_so_far(connection, keys), decisions.offers(connection, keys)
    pairs = [reach_left(item, rules, got.get(item.key, 0), offers.get(item.key, 0), as_of) for item in fitted.items]
    needed, most = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Reach(needed, most)


@dataclass(frozen=True, slots=True)
class Found:
    """A decision, in memory if this process made it, else in the store."""

    edition_key: int
    whole: Part | None = None
    wants: dict[int, Wants] = field(default_factory=dict)

    def of(self, connection: Connection, batch: Sequence[PlannedDigest]) -> Part:
        """What was decided for the members of a batch."""
        first, last = batch[0].member_key, batch[-1].member_key
        if self.whole:
            return _cut(self.whole, first, last, self.wants)
        stored = decisions.load_decision(connection, self.edition_key, first, last)
        return _joined([_cut(_part_from(data), first, last, {}) for data in stored])


def _cut(part: Part, first: int, last: int, wants: dict[int, Wants]) -> Part:
    start, stop = bisect_left(part.member_keys, first), bisect_right(part.member_keys, last)
    keys = part.member_keys[start:stop]
    at_hand = wants.get(keys[0]) if keys else None
    complete = at_hand is not None and at_hand.rows.shape[0] == len(keys)
    return Part(keys, part.decision.part(start, stop), at_hand if complete else None)


def _joined(parts: Sequence[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    keys = [key for part in parts for key in part.member_keys]
    return Part(keys, Decision.joined([part.decision for part in parts]))


def _part_to(part: Part) -> bytes:
    keys = np.array(part.member_keys, dtype=np.int64).tobytes()
    return len(keys).to_bytes(8) + keys + part.decision.to_bytes()


def _part_from(data: bytes) -> Part:
    end = 8 + int.from_bytes(data[:8])
    try:
        return Part(np.frombuffer(data[8:end], dtype=np.int64).tolist(), Decision.from_bytes(data[end:]))
    except ValueError as error:
        raise StoreError(
            "the decision stored with this edition cannot be read; finish it with the version of Germane that opened it"
        ) from error


def decide_once(
    services: Services,
    network: Network,
    edition: Edition,
    fitted: Fitted,
    owner: str,
    company: OtherNetworks | None = None,
) -> Found:
    """The decision that an earlier process made, or a new one, kept in one transaction with what it could not reach."""
    with services.database.reading() as connection:
        if decisions.is_decided(connection, edition.key):
            return Found(edition.key)
        reach = reach_of(connection, edition.settings, fitted, edition.as_of)
    batches = _planned(services, edition.key)
    gathered = gather_edition(services, network, edition, fitted, reach, batches, company)
    decision, short = decide_whole(fitted, gathered, reach, company)
    whole = Part(gathered.member_keys, decision)
    stored = [stored_shortfall(edition, fitted, gathered, one) for one in short if one.item < len(fitted.items)]
    size = services.settings.digest.shard
    with services.database.writing() as connection:
        editions.renew(connection, edition.key, owner, services.now(), services.settings.schedule.lease_s)
        decisions.save_decision(connection, edition.key, _parts(whole, size))
        decisions.save_shortfalls(connection, edition.key, stored)
    fail_point("run.decided")
    return Found(edition.key, whole, gathered.wants)


def decide_whole(
    fitted: Fitted, gathered: Gathered, reach: Reach, company: OtherNetworks | None
) -> tuple[Decision, list[Shortfall]]:
    """One decision over the items of all networks."""
    if company is None:
        return decide_all(fitted, gathered.pool, reach)
    return decide_all(company.whole(fitted), gathered.pool, company.reach(reach))


def _parts(whole: Part, size: int) -> Iterator[tuple[int, int, bytes]]:
    """Runs of members; one at least, so that a decision for nobody is one all the same."""
    for start in range(0, max(1, len(whole.member_keys)), size):
        keys = whole.member_keys[start : start + size]
        part = Part(keys, whole.decision.part(start, start + len(keys)))
        yield (keys[0], keys[-1], _part_to(part)) if keys else (0, 0, _part_to(part))


def _planned(services: Services, edition_key: int) -> Iterator[list[PlannedDigest]]:
    after = 0
    while True:
        with services.database.reading() as connection:
            batch = considered.planned(connection, edition_key, services.settings.digest.shard, after)
        if not batch:
            return
        yield batch
        after = batch[-1].member_key


def stored_shortfall(edition: Edition, fitted: Fitted, gathered: Gathered, short: Shortfall) -> decisions.Shortfall:
    """With the words that members use. Where too few may receive it as they do not take urgent mail, or get it elsewhere, that is
    the cause."""
    wants, stated = [some for some, _ in gathered.sample], [text for _, texts in gathered.sample for text in texts]
    words = unused_words(fitted, wants, stated, short.item)
    cause: str = short.cause
    if cause in {"nobody_eligible", "too_few"}:
        cause = "not_urgent" if edition.kind == "urgent" else "elsewhere" if gathered.elsewhere else cause
    return decisions.Shortfall(fitted.items[short.item].key, short.needed, short.got, cause, short.counts, words)


def lost_readers(connection: Connection, edition: Edition, fitted: Fitted) -> list[decisions.Shortfall]:
    """Items that were to reach as many members as they need and do not, since some of these left, or were asked by others,
    between the decision and its writing; without those whose lack was told when it was decided."""
    if fitted.policy == "greedy" or fitted.comparison:
        return []
    rules = edition.settings.get("reach", {})
    told = {one.item_key for one in decisions.shortfalls(connection, edition.key)}
    so_far = decisions.reach_so_far(connection, [item.key for item in fitted.items])
    here = dict(records.reaches(connection, edition.key))
    found = []
    for item in fitted.items:
        lacking, got = limits_for(item, rules)[0] - so_far.get(item.key, 0), here.get(item.key, 0)
        if lacking > 0 and item.key not in told:
            found.append(decisions.Shortfall(item.key, lacking + got, got, "lost_meanwhile", {}, []))
    return found
