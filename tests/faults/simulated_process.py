"""What a process does in a randomised schedule: `germane serve`, yielding wherever it could be killed, stopped or overtaken."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jobs.journal import CLAIM_LOST, Journal
from jobs.schedule import Begun, slot_due
from profiles.standing import why_no_mail
from store import considered, editions, outbox
from store.considered import PlannedDigest
from store.editions import ChosenItem, Decided, Edition
from store.outbox import Chosen, Claim, Scope, Settled
from tests.builders import NOW
from tests.faults.simulated_store import MEMBERS

if TYPE_CHECKING:
    from tests.faults.simulator import World

LEASE_S = 60.0
GRACE = timedelta(hours=48)
CONNECTIONS = 2

Step = Iterator[None]


@dataclass
class Process:
    """A process of this host or of another, of whose death nobody knows; `stopped_for` counts the steps it misses."""

    name: str
    known_host: bool
    steps: Step = field(init=False)
    stopped_for: int = 0


def serve(world: "World", process: Process) -> Step:
    """What `germane serve` does: the edition that is due, then what is due in the outbox."""
    yield from edition_due(world, process)
    yield from _send(world, process)


def edition_due(world: "World", process: Process) -> Step:
    store, network, now = world.store, world.network, world.now
    with store.reading() as connection:
        begun = {one.slot: Begun(one.state, one.as_of) for one in editions.latest(connection, network.key)}
    slot = slot_due(now, network, NOW - timedelta(days=30), begun, GRACE)
    if slot is None:
        return
    yield
    with store.reading() as connection:
        before = editions.find(connection, network.key, slot.name)
    yield  # another may open it now, as on PostgreSQL between the statements of two transactions
    if before is None:
        with store.writing() as connection:
            editions.open_once(
                connection, network_key=network.key, slot=slot.name, as_of=now,
                item_keys=store.keys("item"), settings={},
            )  # fmt: skip
        yield
    with store.reading() as connection:
        before = editions.find(connection, network.key, slot.name)
    if before is None:
        return
    yield
    with store.writing() as connection:
        dead = world.is_gone(before.owner)
        taken = editions.claim(connection, before, process.name, world.now, LEASE_S, dead=dead)
    yield
    if taken:
        try:
            yield from _compose(world, process, before.key)
        finally:
            if process in world.processes:
                with store.writing() as connection:
                    editions.give_back(connection, before.key, process.name)


def _compose(world: "World", process: Process, key: int) -> Step:
    store, owner = world.store, process.name
    with store.reading() as connection:
        (edition,) = [e for e in editions.latest(connection, world.network.key, 100) if e.key == key]
    yield
    if edition.state == "opened":
        while True:
            with store.reading() as connection:
                batch = considered.planned(connection, key, 2)
                span = (batch[0].member_key, batch[-1].member_key) if batch else (0, 0)
                sent = considered.sent_pairs(connection, *span, store.keys("item")).tolist()
            if not batch:
                break
            decided = _decide(world, edition, batch, sent)
            yield
            with store.writing() as connection:
                editions.renew(connection, key, owner, world.now, LEASE_S)
                editions.write(connection, edition, decided, world.now)
            yield
        with store.writing() as connection:
            editions.move(connection, key, owner, "opened", "composed")
        yield
    if edition.state in {"opened", "composed"}:
        with store.writing() as connection:
            editions.move(connection, key, owner, "composed", "released")
        yield
    with store.writing() as connection:
        editions.settle(connection, key, world.now)
    yield


def _decide(world: "World", edition: Edition, batch: Sequence[PlannedDigest], sent: list[list[int]]) -> Decided:
    """Each member gets the first item that they have not had and that was not withdrawn."""
    decided = Decided(digests=[], chosen=[], left_out=[], outbox=[])
    had = {(member, item) for member, item in sent}
    for member in batch:
        reason = why_no_mail(
            status=member.status, paused_until=member.paused_until, cadence="weekly", last_digest_at=None,  # type: ignore[arg-type]
            has_profile=True, now=edition.as_of, today=edition.as_of.date(),
        )  # fmt: skip
        free = [k for k in world.store.keys("item") if (member.member_key, k) not in had and k not in world.withdrawn]
        if reason or not free:
            decided.digests.append((member.digest_key, "skipped", reason or "nothing_allowed", 0, 0, None))
            continue
        message_id = f"<{edition.public_id}.{member.member_public_id}@example.org>"
        decided.digests.append((member.digest_key, "composed", "", 1, 0, 0.0))
        item = ChosenItem(
            member.digest_key, 1, member.member_key, free[0], score=0.5, match=50.0, rest=0.5, field=None, share=None,
            reason=[], note="",
        )  # fmt: skip
        decided.chosen.append(item)
        decided.outbox.append((member.digest_key, member.member_key, message_id, edition.as_of))
    return decided


def _send(world: "World", process: Process) -> Step:
    store = world.store
    owner = f"{process.name}#{world.rng.randrange(1000)}"
    with store.writing() as connection:
        outbox.release_stale(connection, world.now, world.is_gone)
    yield
    with store.reading() as connection:
        keys = [edition.key for edition in outbox.open_editions(connection, world.now, Scope())]
    yield
    journal = Journal(store, owner, None, CONNECTIONS)  # type: ignore[arg-type]
    receipts: list[Settled] = []
    try:
        while keys:
            with store.writing() as connection:
                claims = outbox.claim(
                    connection,
                    owner,
                    keys,
                    now=world.now,
                    lease_until=_lease(world),
                    limit=world.rng.randint(1, MEMBERS),
                )
            yield
            if not claims:
                break
            yield from _hand_over(world, process, owner, claims, journal, receipts)
    finally:
        if process in world.processes:
            _close(world, owner, journal, receipts)
            world.on_their_way.pop(process.name, None)
    yield
    with store.writing() as connection:
        for key in outbox.released(connection, Scope()):
            editions.settle(connection, key, world.now)
    yield


def _hand_over(
    world: "World", process: Process, owner: str, claims: list[Claim], journal: Journal, receipts: list[Settled]
) -> Step:
    """The messages of one claim, over so many connections at a time, their records and receipts in common commits."""
    way = world.on_their_way.setdefault(process.name, set())
    with world.store.reading() as connection:
        chosen = outbox.chosen_items(connection, [claim.digest_key or 0 for claim in claims])
    for start in range(0, len(claims), CONNECTIONS):
        letters = [c for c in claims[start : start + CONNECTIONS] if not _obstacle(world, c, chosen, receipts)]
        yield
        early = {claim.key: world.before_dot(claim) for claim in letters}
        receipts += [said for said in early.values() if said]
        waiting = {claim.key: claim for claim in letters if early[claim.key] is None}
        written = list(receipts)
        refused = journal._commit_now({key: claim.number for key, claim in waiting.items()}, written)
        del receipts[: len(written)]
        way.difference_update(one.key for one in written)
        way.update(waiting.keys() - refused.keys())
        for key, why in refused.items():
            if why != CLAIM_LOST:
                receipts.append(Settled(key, "cancelled", waiting[key].attempts, world.now, reason=why))
        recorded_at, recorded_s = world.now, world.passed_s
        yield
        for key in waiting.keys() - refused.keys():
            stood_still_s = max((world.now - recorded_at).total_seconds(), world.passed_s - recorded_s)
            said = world.not_sent(waiting[key]) if stood_still_s > LEASE_S / 3 else world.dot(waiting[key], process)
            yield
            receipts.append(said)
        if world.rng.random() < 0.3:
            with world.store.writing() as connection:
                outbox.renew(connection, owner, _lease(world))
            yield


def _obstacle(world: "World", claim: Claim, chosen: dict[int, list[Chosen]], receipts: list[Settled]) -> bool:
    """Whether there is a reason not to send it that was known when it was claimed; it is cancelled then."""
    gone = all(one.item_key in world.withdrawn for one in chosen[claim.digest_key or 0])
    reason = claim.status if claim.status != "active" else "withdrawn" if gone else ""
    if reason:
        receipts.append(Settled(claim.key, "cancelled", claim.attempts, world.now, reason=reason))
    return bool(reason)


def _close(world: "World", owner: str, journal: Journal, receipts: list[Settled]) -> None:
    """A clean end: the last receipts are written, the claims that are left given back."""
    if receipts:
        journal._commit_now({}, receipts)
    with world.store.writing() as connection:
        outbox.release(connection, owner, world.now)


def _lease(world: "World") -> datetime:
    return world.now + timedelta(seconds=LEASE_S)
