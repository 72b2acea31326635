"""Draining the outbox: claim a batch, compose each message, hand it over, write down what became of it."""

import asyncio
import logging
import math
import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from delivery.alarm import Alarm
from delivery.retry import retry_at
from delivery.routes import Way
from delivery.smtp import MailServerError, Parcel, Receipt
from delivery.traffic import Traffic, Trip
from jobs import routing
from jobs.failpoints import reach
from jobs.journal import CLAIM_LOST, Journal
from jobs.letters import Letter, Letters, place_of
from jobs.services import Services, process_name
from jobs.signals import alongside
from store import pacing
from store.database import StoreError
from store.outbox import Claim, Scope, Settled, State

log = logging.getLogger("germane.send")

Found = TypeVar("Found")

LOOK_ROUND_S = 0.1
"""How often it is looked what takes too long, what must be put off, and whether another connection is of use."""
AT_MOST_S = 60.0
"""A message whose turn a rate brings only later than this is put off, so that a run does not hold it."""
STOOD_STILL = "this process stood still between the record of the final dot and the dot, which was not sent"
PAUSED_FOR = timedelta(hours=1)
"""Messages to a paused destination are looked at again after this."""


@dataclass
class Tally:
    """What a run came to: for each outcome how many messages, by reason."""

    outcomes: dict[State, Counter[str]] = field(default_factory=dict)
    commits: int = 0
    errors: int = 0
    """Messages that met an error nobody foresaw: logged, given back, and tried again by the next run."""
    postponed: int = 0
    """Messages put off, because their destination rests, is paused, or may not get more in this while."""
    paused: list[str] = field(default_factory=list)
    stopped: bool = False
    mail_server_problem: str = ""
    lost_processes: int = 0
    """Other processes that took part and ended too early: see `jobs.senders`."""

    def note(self, state: State, reason: str) -> None:
        self.outcomes.setdefault(state, Counter())[reason] += 1


@dataclass(eq=False, slots=True)
class Ready:
    """A composed message on its way over a route. `upcoming` is the one that is to go next, in its place."""

    trip: Trip[Letter]
    way: Way
    parcel: Parcel
    upcoming: "Ready | None" = None


class Dispatch:
    """One run over what is due. `advance` is called with the number of messages done; `letters` reads and composes them."""

    def __init__(
        self,
        services: Services,
        scope: Scope,
        limit: int | None,
        advance: Callable[[int], None],
        letters: type[Letters] = Letters,
    ) -> None:
        self.tally = Tally()
        self._services = services
        self._sending = services.settings.sending
        self._advance = advance
        self._owner = f"{process_name()}#{secrets.token_hex(4)}"
        self._letters = letters(services, scope, self._owner, limit)
        self._destinations = routing.destinations(services.settings)
        self._alarm = Alarm(self._sending.alarm_least, self._sending.alarm_share, self._sending.alarm_domain_share)
        self._bell = asyncio.Event()
        self._workers: set[asyncio.Task[None]] = set()
        self._under_way: set[Ready] = set()
        self._stopping = self._exhausted = False
        self._failure: StoreError | None = None

    async def run(self) -> None:
        """Raises StoreError when the database fails, TemplateError before anything is claimed."""
        with ThreadPoolExecutor(1, "germane-store") as thread:
            self._thread: Executor = thread
            paces = await self._in_thread(self._letters.open)
            if not self._letters.edition_keys:
                return
            self._clock_s = asyncio.get_running_loop().time
            self._ways = routing.ways(self._services.settings, paces)
            self._traffic: Traffic[Letter] = routing.traffic(self._services.settings, self._destinations, paces)
            try:
                async with self._ways:
                    await self._hand_over_all()
            finally:
                await self._in_thread(self._letters.release)
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        """Take no new message; those on their way are finished."""
        self._stopping = self.tally.stopped = True
        self._bell.set()

    async def _hand_over_all(self) -> None:
        self._journal = Journal(self._services.database, self._owner, self._thread, 1, self._services.secret_key)
        self._ahead: asyncio.Task[list[Letter]] | None = None
        try:
            async with self._journal:
                with alongside(self._renew_often()):
                    while await self._goes_on():
                        self._start_workers()
                        await self._pause()
                    await asyncio.gather(*self._workers)
                    await self._save_paces()
        finally:
            self.tally.commits = self._journal.commits
            if self._ahead:
                await asyncio.gather(self._ahead, return_exceptions=True)  # what it claimed is given back

    async def _goes_on(self) -> bool:
        """Take in what was claimed, put off what must not go; False when nothing is left to be started."""
        self._stop_without_a_way()
        if self._stopping:
            return False
        try:
            await self._refill()
            await self._put_off()
            await self._save_paces(urgent_only=True)
        except StoreError as error:
            self._fail(error)
        self._look_round()
        idle = not (self._workers or self._traffic or self._ahead)
        return not self._stopping and not (self._exhausted and idle)

    def _look_round(self) -> None:
        """What is ready to go after a message that takes too long does not wait for it: another connection takes it."""
        self._traffic.look_round(self._clock_s())
        for ready in self._under_way:
            if ready.trip.slow and ready.upcoming:
                self._traffic.give_back(ready.trip, ready.upcoming.trip)
                ready.upcoming = None

    def _stop_without_a_way(self) -> None:
        problem = self._ways.problem(self._clock_s())
        if problem and not self._stopping:
            self._stopping, self.tally.mail_server_problem = True, problem

    async def _refill(self) -> None:
        """Take over the batch that was claimed ahead; have the next one claimed before this one is at its end."""
        if self._ahead and (self._ahead.done() or not (self._traffic or self._workers)):
            ahead, self._ahead = self._ahead, None
            letters = await ahead
            self._exhausted = not letters
            for letter in letters:
                self._take_in(letter)
        if not (self._ahead or self._exhausted) and len(self._traffic) < self._sending.batch:
            self._ahead = asyncio.create_task(self._in_thread(self._claim))
            self._ahead.add_done_callback(lambda _: self._bell.set())

    def _claim(self) -> list[Letter]:
        if self._stopping:
            return []
        return self._letters.claim(self._destinations, self._ways, self._sending.batch)

    def _take_in(self, letter: Letter) -> None:
        if letter.obstacle:
            self._settle(self._cancelled(letter.claim, letter.obstacle))
        else:
            self._traffic.put(letter, self._destinations.of(letter.claim.address))

    async def _put_off(self) -> None:
        now = self._services.now()
        for name, letters in self._traffic.held(now).items():
            learned = self._traffic.pacer(name).learned
            await self._postpone(letters, now + PAUSED_FOR if learned.paused else learned.resting_until or now)
        for name, letters in self._traffic.surplus(AT_MOST_S).items():
            wait_s = AT_MOST_S + len(letters) / self._traffic.pacer(name).rate_per_s
            await self._postpone(letters, now + timedelta(seconds=wait_s))

    async def _postpone(self, letters: list[Letter], until: datetime) -> None:
        await self._in_thread(lambda: self._letters.postpone(letters, until))
        self.tally.postponed += len(letters)
        self._advance(len(letters))

    def _start_workers(self) -> None:
        while len(self._workers) < self._ways.most and (ready := self._ready()):
            worker = asyncio.create_task(self._work(ready))
            self._workers.add(worker)
            worker.add_done_callback(self._ended)
        self._journal.parties = max(1, len(self._workers))

    def _ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._journal.parties = max(1, len(self._workers))
        self._bell.set()

    async def _pause(self) -> None:
        """Until a worker ends, a batch is there, or it is time to look round."""
        self._bell.clear()
        now, clock_s = self._services.now(), self._clock_s()
        waits = (self._traffic.wait_s(now, clock_s), self._ways.wait_s(clock_s)) if self._traffic else ()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), min(max(filter(None, waits), default=LOOK_ROUND_S), LOOK_ROUND_S))

    async def _work(self, ready: Ready | None) -> None:
        """Hand messages over, one after the other, for as long as one may go."""
        while ready:
            way = ready.way
            upcoming = await self._hand_over(ready)
            if upcoming is None:
                way.busy -= 1
                upcoming = self._ready()
            ready = upcoming
            if len(self._traffic) < self._sending.batch // 2 and not (self._ahead or self._exhausted):
                self._bell.set()

    def _ready(self, after: Ready | None = None) -> Ready | None:
        """The next message that may go, composed: over the same route, and in place of the one before, when there is one."""
        while not self._stopping:
            clock_s = self._clock_s()
            way = self._ways.pick(clock_s, after.way if after else None)
            trip = self._traffic.take(self._services.now(), clock_s, after.trip if after else None) if way else None
            if way is None or trip is None:
                break
            way.take(clock_s)
            parcel = self._letters.parcel(trip.letter)
            reach("send.composed")
            if isinstance(parcel, Parcel):
                way.busy += after is None
                trip.started_s = math.inf
                return Ready(trip, way, parcel)
            self._traffic.end(trip, clock_s, answered=False)
            self._settle(self._sent(trip.letter.claim, parcel, ""))
        return None

    async def _hand_over(self, ready: Ready) -> Ready | None:
        """Hand one message over; returns the one that was composed while its record was written, and is to go next."""
        obstacle, claim = "", ready.trip.letter.claim

        async def before_dot() -> bool:
            nonlocal obstacle
            reach("send.content_sent")
            spent_s, ready.trip.started_s = self._clock_s() - ready.trip.started_s, math.inf
            stood_still = self._watch()
            answer = self._journal.dot(claim.key, claim.number)
            ready.upcoming = ready.upcoming or self._ready(after=ready)
            obstacle = await answer
            ready.trip.started_s = self._clock_s() - spent_s  # the server is not slow because the database is
            reach("send.before_dot")
            obstacle = obstacle or stood_still()
            return not obstacle

        ready.trip.started_s = self._clock_s()
        self._under_way.add(ready)
        receipt: Receipt | None = None
        try:
            receipt = await ready.way.pool.send(ready.parcel, before_dot)
        except MailServerError as error:
            self._give_back(ready, error)
            return ready.upcoming
        except StoreError as error:
            self._fail(error)
            return None
        except Exception as error:  # whatever is wrong with one message must not stop the others
            self.tally.errors += 1
            self._traffic.end(ready.trip, self._clock_s(), answered=False)
            log.error("outbox row %s met an unexpected error: %s", claim.key, place_of(error))
            return ready.upcoming
        finally:
            self._under_way.discard(ready)
        reach("send.replied")
        self._done(ready, receipt, obstacle)
        return ready.upcoming

    def _watch(self) -> Callable[[], str]:
        """Begun before a record, it says after it whether the dot would come too late: somebody else may believe by then that
        this process is dead. The wall clock is asked too, because the other one stands still while a machine sleeps."""
        clock_s, now = self._clock_s(), self._services.now()
        most_s = self._sending.lease_s / 3  # a claim is renewed so often: one renewal may have failed

        def stood_still() -> str:
            passed_s = max(self._clock_s() - clock_s, (self._services.now() - now).total_seconds())
            return STOOD_STILL if passed_s > most_s else ""

        return stood_still

    def _give_back(self, ready: Ready, error: MailServerError) -> None:
        """The route failed before anything was said about this message: another may take it."""
        ready.way.fail(error, self._clock_s())
        log.warning("%s", error)
        self._traffic.end(ready.trip, self._clock_s(), answered=False)
        self._traffic.put(ready.trip.letter, ready.trip.destination, first=True)
        self._stop_without_a_way()

    def _fail(self, error: StoreError) -> None:
        self._stopping, self._failure = True, error

    def _done(self, ready: Ready, receipt: Receipt | None, obstacle: str) -> None:
        claim = ready.trip.letter.claim
        self._traffic.end(ready.trip, self._clock_s(), answered=bool(receipt and receipt.code))
        if obstacle == CLAIM_LOST:
            self._advance(1)
        elif obstacle == STOOD_STILL:
            self._settle(self._not_sent(claim))
        elif receipt is None:
            self._settle(self._cancelled(claim, obstacle))
        else:
            self._learn(ready, receipt)
            self._settle(self._sent(claim, receipt, ready.way.pool.route.where))

    def _learn(self, ready: Ready, receipt: Receipt) -> None:
        """What a reply says about the route and the destination."""
        way, pacer, verdict = ready.way, self._traffic.pacer(ready.trip.destination), receipt.verdict
        if receipt.outcome == "handed_over":
            way.succeed()
            way.pacer.accept()
            pacer.accept()
        elif verdict and verdict.back_off:
            pacer.push_back(self._services.now())
        of_route, of_destination = self._alarm.note(way.name, ready.trip.destination, verdict)
        if of_route and not way.pacer.learned.paused:
            way.pacer.pause(of_route)
            self._tell_pause(f"the route {way.name} is paused: {of_route}")
        if of_destination and not pacer.learned.paused:
            pacer.pause(of_destination)
            self._tell_pause(f"messages to {ready.trip.destination} are paused: {of_destination}")

    def _tell_pause(self, what: str) -> None:
        log.error("%s", what)
        self.tally.paused.append(what)
        self._bell.set()

    def _settle(self, settled: Settled) -> None:
        self.tally.note(settled.state, _reason(settled))
        self._journal.settle(settled)
        self._advance(1)

    def _sent(self, claim: Claim, receipt: Receipt, where: str) -> Settled:
        now = self._services.now()
        state, reason, not_before = receipt.outcome, "" if receipt.outcome == "handed_over" else receipt.reply, None
        if state == "deferred":
            not_before = self._retry_at(claim, now)
            if not_before is None:
                state, reason = "refused", f"given up after {self._sending.give_up_after_h:g} h: {receipt.reply}"
        return Settled(
            key=claim.key,
            state=state,
            attempt=claim.attempts + 1,
            at=now,
            reason=reason,
            not_before=not_before,
            code=receipt.code,
            enhanced_status=receipt.enhanced_status,
            step=receipt.step,
            verdict=receipt.verdict.about if receipt.verdict else "",
            reply=receipt.reply,
            route=where,
            elapsed_ms=receipt.elapsed_ms,
            number=claim.number,
        )

    def _retry_at(self, claim: Claim, now: datetime) -> datetime | None:
        return retry_at(
            claim.attempts + 1,
            since=claim.created_at,
            now=now,
            first_retry_s=self._sending.first_retry_s,
            give_up_after_h=self._sending.give_up_after_h,
            seed=claim.message_id,
        )

    def _not_sent(self, claim: Claim) -> Settled:
        """Its dot was recorded, and did not go out: it may be sent at once."""
        now, attempt = self._services.now(), claim.attempts + 1
        return Settled(
            claim.key, "deferred", attempt, now, reason=STOOD_STILL, not_before=now, step="dot", number=claim.number
        )

    def _cancelled(self, claim: Claim, why: str) -> Settled:
        now, number = self._services.now(), claim.number
        return Settled(claim.key, "cancelled", claim.attempts, now, reason=why, number=number)

    async def _save_paces(self, *, urgent_only: bool = False) -> None:
        """Write down what was learned: pauses and rests at once, the rest at the end of the run."""
        scoped = [("route", way.pacer) for way in self._ways]
        scoped += [("destination", pacer) for pacer in self._traffic.pacers()]
        changed = [(scope, p) for scope, p in scoped if p.changed and not (urgent_only and not p.is_urgent)]
        if changed:
            paces = [routing.pace_of(self._services.settings, scope, pacer) for scope, pacer in changed]  # type: ignore[arg-type]
            for _, pacer in changed:
                pacer.changed = pacer.is_urgent = False
            await self._in_thread(lambda: self._write_paces(paces))

    def _write_paces(self, paces: list[pacing.Pace]) -> None:
        with self._services.database.writing() as connection:
            pacing.save(connection, paces, self._services.now())

    async def _in_thread(self, act: Callable[[], Found]) -> Found:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)

    async def _renew_often(self) -> None:
        while True:
            await asyncio.sleep(self._sending.lease_s / 3)
            try:
                await self._in_thread(self._letters.renew)
            except StoreError as error:
                log.warning("claims could not be renewed: %s", error)


def _reason(settled: Settled) -> str:
    """The reason as it may be counted and shown: the code only, because a server's text often holds the address."""
    if settled.code:
        given_up = "given up: " if settled.reason.startswith("given up") else ""
        return f"{given_up}{settled.code} {settled.enhanced_status}".rstrip()
    return settled.reason
