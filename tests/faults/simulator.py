"""Randomised fault schedules: processes, a mail server, a clock and a database, all interleaved by one seed.

What is simulated is time, death and the network. What changes the state is the production code: the updates of
`store.editions` and `store.outbox`, the commit of `jobs.journal`, the decisions of `jobs.schedule`, `delivery.retry` and
`profiles.standing`, on a real SQLite database in memory. A process is a generator that yields wherever a real one could be
killed, stopped or overtaken: between any two transactions, before a dot, before a reply is read.

    python -m tests.faults.simulator SEED [GUARD]

plays one schedule again and tells every step; GUARD is one of `tests.faults.broken.GUARDS`, to be taken out.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from delivery.retry import retry_at
from store import editions, items, members, outbox
from store.database import DatabaseBusy, StoreError
from store.editions import NotMine
from store.networks import Network
from store.outbox import Claim, Settled
from tests.builders import NOW
from tests.faults.simulated_process import LEASE_S, Process, edition_due, serve
from tests.faults.simulated_store import MEMBERS, Store

FIRST_RETRY_S, GIVE_UP_AFTER_H = 60.0, 24.0
MOST_STARTED = 4
OUTBOX, EDITION = editions.OUTBOX, editions.EDITION


@dataclass(frozen=True)
class Taken:
    """What the mail server took: the truth."""

    member: int
    slot: str
    message_id: str
    process: str


class World:
    """One schedule. `violations` is what it came to that must never be."""

    def __init__(self, store: Store, seed: int, tell: Callable[[str], None] | None = None) -> None:
        self.store, self.rng, self._tell = store, Random(seed), tell
        self.now = NOW + timedelta(seconds=self.rng.randint(0, 600))
        self.latest = self.now
        self.passed_s = 0.0
        """What a clock says that nobody sets."""
        self.network: Network = store.network
        self.processes: list[Process] = []
        self.gone: set[str] = set()
        self.taken: list[Taken] = []
        self.refused: set[tuple[int, str]] = set()
        self.in_doubt = 0
        """How many messages may at most be uncertain: dots whose reply nobody could read or write down."""
        self.on_their_way: dict[str, set[int]] = {}
        """Of each process the outbox rows whose dot is recorded and whose outcome is not."""
        self.not_mailed: dict[int, Counter[str]] = {}
        """Members that stopped mail, with what may still come to them, by slot."""
        self.withdrawn: set[int] = set()
        self.calm = False
        self._started = 0
        composed = store.has_composed and self.rng.random() < 0.6
        self._members = self.rng.randint(2, MEMBERS) if store.has_composed and not composed else MEMBERS
        store.reset(self._members, composed=composed)

    def tell(self, text: str) -> None:
        if self._tell:
            self._tell(f"{self.now:%d %H:%M:%S} {text}")

    # the processes

    def start(self) -> None:
        self._started += 1
        process = Process(f"host:{self._started}:0", known_host=self.rng.random() < 0.8)
        process.steps = serve(self, process)
        self.processes.append(process)
        self.tell(f"{process.name} starts")

    def is_gone(self, owner: str) -> bool:
        return owner.partition("#")[0] in self.gone

    def step(self, process: Process) -> None:
        """Let it go on until its next yield. What may end it: it is done, or another was faster, or the database failed."""
        try:
            next(process.steps)
        except (StopIteration, NotMine, StoreError, IntegrityError) as error:
            self.tell(f"{process.name} ends {error or ''}")
            self._end(process)

    def kill(self, process: Process) -> None:
        self.tell(f"{process.name} is killed")
        self._end(process)
        process.steps = iter(())  # what the generator's `finally` does is for those that are still among the living

    def _end(self, process: Process) -> None:
        self.processes.remove(process)
        self.in_doubt += len(self.on_their_way.pop(process.name, ()))
        if process.known_host:
            self.gone.add(process.name)

    # the faults

    def disturb(self) -> None:
        """One thing happens: most often a process makes a step."""
        ready = [process for process in self.processes if not process.stopped_for]
        for process in self.processes:
            process.stopped_for -= bool(process.stopped_for)
        if self.processes and self.rng.random() < 0.78:
            for process in ready and [self.rng.choice(ready)]:
                self.step(process)
        elif self.processes:
            (fault,) = self.rng.choices((*FAULTS,), (*FAULTS.values(),))
            fault(self)
        else:
            self._start_another()

    def _start_another(self) -> None:
        if self._started < MOST_STARTED:
            self.start()

    def _kill_one(self) -> None:
        self.kill(self.rng.choice(self.processes))

    def _lock(self) -> None:
        self.store.locked_for = self.rng.randint(1, 3)

    def _stop_one(self) -> None:
        process = self.rng.choice(self.processes)
        process.stopped_for = self.rng.randint(5, 25)
        self.pass_time(self.rng.choice((1.0, LEASE_S / 2, 2 * LEASE_S, 2 * LEASE_S)))
        self.tell(f"{process.name} stands still")
        self._start_another()

    def _stop_mail(self) -> None:
        """A member leaves or pauses: what was recorded as about to be sent may still come, and nothing else."""
        key = self.store.keys("member")[self.rng.randrange(self._members)]
        with suppress(DatabaseBusy), self.store.writing() as connection:
            if self.rng.random() < 0.7:
                members.leave(connection, key, self.now, "a test")
            else:
                members.change(connection, key, self.now, status="paused", basis="a test")
            if key not in self.not_mailed:
                coming = select(EDITION.c.slot).join_from(OUTBOX, EDITION, OUTBOX.c.edition_id == EDITION.c.id)
                # A slow process may still send what another calls uncertain by now: its record came before.
                recorded = OUTBOX.c.state.in_(("claimed", "uncertain")), OUTBOX.c.dot_sent
                rows = coming.where(OUTBOX.c.member_id == key, *recorded)
                self.not_mailed[key] = Counter(connection.execute(rows).scalars())
                self.not_mailed[key].update(one.slot for one in self.taken if one.member == key)
            self.tell(f"member {key} stops mail")

    def _withdraw(self) -> None:
        key = self.rng.choice(self.store.keys("item"))
        with suppress(DatabaseBusy), self.store.writing() as connection:
            items.withdraw(connection, key, self.now, "a test")
            self.withdrawn.add(key)
            self.tell(f"item {key} is withdrawn")

    def _jump(self) -> None:
        back, ahead = timedelta(hours=self.rng.choice((1, 1, 30))), timedelta(hours=self.rng.choice((1, 1, 24, 168)))
        self.now += self.rng.choice((-back, ahead))
        self.latest = max(self.latest, self.now)
        self.tell("the clock jumps")

    def pass_time(self, seconds: float) -> None:
        self.passed_s += seconds
        self.now += timedelta(seconds=seconds)
        self.latest = max(self.latest, self.now)

    # the mail server

    def before_dot(self, claim: Claim) -> Settled | None:
        """What the server says to MAIL, RCPT and DATA: an outcome, or None when it waits for the dot."""
        draw = 1.0 if self.calm else self.rng.random()
        if draw < 0.06:
            return self._settled(claim, "deferred", "451 try later")
        if draw < 0.08:
            self._refuse(claim)
            return self._settled(claim, "refused", "550 no such user")
        return self._settled(claim, "deferred", "the connection was cut") if draw < 0.12 else None

    def dot(self, claim: Claim, process: Process) -> Settled:
        """The final dot arrives: what the process will know of it once it has read the reply."""
        draw = 1.0 if self.calm else self.rng.random()
        if draw < 0.05:
            self.in_doubt += 1
            return self._settled(claim, "uncertain", "cut after the dot, not taken")
        if draw < 0.08:
            return self._settled(claim, "deferred", "451 after the dot")
        if draw < 0.10:
            self._refuse(claim)
            return self._settled(claim, "refused", "554 after the dot")
        self.taken.append(Taken(*self._of(claim), claim.message_id, process.name))
        self.tell(f"taken from {process.name}: {claim.message_id}")
        if draw < 0.16:
            self.in_doubt += 1
            return self._settled(claim, "uncertain", "cut after the dot, taken")
        return self._settled(claim, "handed_over", "")

    def not_sent(self, claim: Claim) -> Settled:
        """As `jobs.dispatch` has it for a dot that would come too late after its record."""
        attempt = claim.attempts + 1
        return Settled(claim.key, "deferred", attempt, self.now, not_before=self.now, number=claim.number)

    def _refuse(self, claim: Claim) -> None:
        self.refused.add(self._of(claim))

    def _of(self, claim: Claim) -> tuple[int, str]:
        query = "SELECT member_id, slot FROM outbox JOIN edition ON edition.id = edition_id WHERE outbox.id = ?"
        with self.store.seeing() as connection:
            member, slot = connection.exec_driver_sql(query, (claim.key,)).one()
        return member, slot

    def _settled(self, claim: Claim, state: outbox.State, reason: str) -> Settled:
        attempt, later = claim.attempts + 1, None
        if state == "deferred":
            later = retry_at(
                attempt, since=claim.created_at, now=self.now, first_retry_s=FIRST_RETRY_S,
                give_up_after_h=GIVE_UP_AFTER_H, seed=claim.message_id,
            )  # fmt: skip
            if later is None:
                self._refuse(claim)
                state = "refused"
        return Settled(claim.key, state, attempt, self.now, reason=reason, not_before=later, number=claim.number)

    # the end

    def settle_down(self) -> None:
        """No more faults: what runs ends, and new processes are started, an hour apart, until nothing is left to do."""
        self.calm, self.store.locked_for = True, 0
        while self.processes:
            self.step(self.rng.choice(self.processes))
        self.now = self.latest
        for _ in range(60):
            self.start()
            while self.processes:
                self.step(self.processes[0])
            if self._idle():
                return
            self.pass_time(3600)

    def _idle(self) -> bool:
        """No edition is open but those that a later one has overtaken."""
        newest = "SELECT coalesce(max(slot), '') FROM edition"
        query = f"SELECT 1 FROM edition WHERE state = 'released' OR state <> 'finished' AND slot = ({newest}) LIMIT 1"
        with self.store.seeing() as connection:
            return connection.exec_driver_sql(query).first() is None

    def violations(self) -> list[str]:
        query = "SELECT outbox.state, member_id, slot FROM outbox JOIN edition ON edition.id = edition_id"
        with self.store.seeing() as connection:
            stored = editions.latest(connection, self.network.key, 100)
            newest = max((edition.slot for edition in stored), default="")
            # An edition that a later one overtook before it was composed stays shut.
            current = [e for e in stored if e.slot == newest or e.state in {"released", "finished"}]
            counts = {edition.slot: editions.counts(connection, edition.key) for edition in current}
            ledger: dict[str, set[tuple[int, str]]] = {"handed_over": set(), "uncertain": set()}
            for state, member, slot in connection.exec_driver_sql(query):
                ledger.setdefault(state, set()).add((member, slot))
        found = [f"{n} editions {slot}" for slot, n in Counter(edition.slot for edition in stored).items() if n > 1]
        for edition in current:
            if edition.state != "finished" or not counts[edition.slot].done:
                found.append(f"unbalanced: {edition.slot} is {edition.state}, {counts[edition.slot]}")
        return [*found, *self._wrongly_sent(), *self._lost(set(counts), ledger["uncertain"]), *self._wrong(ledger)]

    def _wrongly_sent(self) -> Iterator[str]:
        for (member, slot), times in Counter((one.member, one.slot) for one in self.taken).items():
            if times > 1:
                yield f"twice: member {member} got {times} in {slot}"
            if member in self.not_mailed and times > self.not_mailed[member][slot]:
                yield f"after leaving: member {member} got {slot}"

    def _lost(self, slots: set[str], uncertain: set[tuple[int, str]]) -> Iterator[str]:
        """Who never stopped mail gets each current edition, but for a refusal, a doubt, or items that were withdrawn."""
        excused = {(one.member, one.slot) for one in self.taken} | self.refused | uncertain
        for member in self.store.keys("member")[: self._members]:
            if member not in self.not_mailed and not self.withdrawn:
                yield from (f"lost: member {member} in {slot}" for slot in slots if (member, slot) not in excused)

    def _wrong(self, ledger: dict[str, set[tuple[int, str]]]) -> Iterator[str]:
        """Where the ledger does not say what the mail server says."""
        arrived = {(one.member, one.slot) for one in self.taken}
        handed_over, uncertain = ledger["handed_over"], ledger["uncertain"]
        yield from (f"called handed over, and never taken: {one}" for one in handed_over - arrived)
        yield from (f"taken, and not in the ledger: {one}" for one in arrived - handed_over - uncertain)
        if len(uncertain) > self.in_doubt:
            yield f"{len(uncertain)} in doubt, and only {self.in_doubt} dots without a known reply"


FAULTS: dict[Callable[[World], None], int] = {
    World._start_another: 5,
    World._kill_one: 5,
    World._stop_one: 6,
    World._stop_mail: 3,
    World._withdraw: 1,
    World._lock: 1,
    World._jump: 3,
}
"""What may happen beside a step, and how often."""


def new_store(*, unique_keys: bool = True) -> Store:
    """A store that also knows the state after an undisturbed composition: most schedules are about sending."""
    store = Store(unique_keys=unique_keys)
    world = World(store, 0)
    world.calm = True
    process = Process("host:0:0", known_host=True)
    process.steps = edition_due(world, process)
    world.processes.append(process)
    while world.processes:
        world.step(process)
    store.keep_as_composed()
    return store


def play(store: Store, seed: int, tell: Callable[[str], None] | None = None) -> list[str]:
    """One schedule from this seed: what it came to that must never be."""
    world = World(store, seed, tell)
    world.start()
    for _ in range(world.rng.randint(10, 45)):
        world.disturb()
    world.settle_down()
    return world.violations()


def main() -> None:
    from tests.faults import broken

    if len(sys.argv) > 2:
        broken.GUARDS[sys.argv[2]](broken.for_good)
    found = play(new_store(), int(sys.argv[1]), print)
    print("\n".join(found) or "nothing that must not be")


if __name__ == "__main__":
    main()
