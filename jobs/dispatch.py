"""Draining the outbox: claim a batch, compose each message, hand it over, write down what became of it."""

import asyncio
import logging
import secrets
import traceback
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeVar

from delivery.pool import SmtpPool
from delivery.retry import retry_at
from delivery.smtp import Envelope, MailServerError, Outcome, Parcel, Receipt
from digest.message import Entry
from digest.mime import wire_address
from jobs.failpoints import reach
from jobs.journal import CLAIM_LOST, Journal
from jobs.press import press_for, recipient_for
from jobs.services import Services, process_is_gone, process_name, smtp_route
from profiles.links import sign_feedback
from profiles.verp import return_path
from store import editions, items, networks, outbox, topics
from store.database import StoreError
from store.outbox import Chosen, Claim, Open, Scope, Settled, State

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from digest.items import Item
    from digest.message import DigestPress

log = logging.getLogger("germane.send")

Found = TypeVar("Found")

NO_ITEM_LEFT = "withdrawn"
"""Why a digest is cancelled whose items were all withdrawn, or ended, before it was handed over."""


@dataclass
class Tally:
    """What a run came to: for each outcome how many messages, by reason."""

    outcomes: dict[State, Counter[str]] = field(default_factory=dict)
    commits: int = 0
    errors: int = 0
    """Messages that met an error nobody foresaw: logged, given back, and tried again by the next run."""
    stopped: bool = False
    mail_server_problem: str = ""

    def note(self, state: State, reason: str) -> None:
        self.outcomes.setdefault(state, Counter())[reason] += 1


@dataclass(frozen=True, slots=True)
class Issue:
    """What all messages of one edition share."""

    edition: Open
    domain: str
    """Where what could not be delivered comes back to."""
    press: "DigestPress"


@dataclass(frozen=True, slots=True)
class Letter:
    """A claimed message with what goes into it; `obstacle` says why it must not be sent after all."""

    claim: Claim
    issue: Issue
    entries: Sequence[Entry]
    obstacle: str = ""


class Dispatch:
    """One run over what is due. `advance` is called with the number of messages done."""

    def __init__(self, services: Services, scope: Scope, limit: int | None, advance: Callable[[int], None]) -> None:
        self.tally = Tally()
        self._services = services
        self._scope = scope
        self._left = limit
        self._advance = advance
        self._route = smtp_route(services.settings)
        self._owner = f"{process_name()}#{secrets.token_hex(4)}"
        self._letters: deque[Letter] = deque()
        self._turn = asyncio.Lock()
        self._stopping = False
        self._failure: StoreError | None = None
        self._issues: dict[int, Issue] = {}
        self._known: dict[int, Item] = {}

    async def run(self) -> None:
        """Raises StoreError when the database fails, TemplateError before anything is claimed."""
        with ThreadPoolExecutor(1, "germane-store") as thread:
            self._thread: Executor = thread
            await self._in_thread(self._open_issues)
            if not self._issues:
                return
            try:
                async with SmtpPool(self._route) as pool:
                    await self._hand_over_all(pool)
            except MailServerError as error:
                self.tally.mail_server_problem = str(error)
            finally:
                await self._in_thread(self._release)
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        """Take no new message; those on their way are finished."""
        self._stopping = self.tally.stopped = True

    async def _hand_over_all(self, pool: SmtpPool) -> None:
        journal = Journal(self._services.database, self._owner, self._thread, self._route.connections)
        self._ahead = asyncio.create_task(self._in_thread(self._claim))
        try:
            async with journal, self._holding_claims():
                await asyncio.gather(*(self._work(pool, journal) for _ in range(self._route.connections)))
        finally:
            self.tally.commits = journal.commits
            await asyncio.gather(self._ahead, return_exceptions=True)  # what it claimed is given back

    async def _work(self, pool: SmtpPool, journal: Journal) -> None:
        while letter := await self._next():
            try:
                await self._hand_over(letter, pool, journal)
            except MailServerError as error:
                self._stopping, self.tally.mail_server_problem = True, str(error)
            except StoreError as error:
                self._stopping, self._failure = True, error
            except Exception as error:  # whatever is wrong with one message must not stop the others
                self.tally.errors += 1
                log.error("outbox row %s met an unexpected error: %s", letter.claim.key, _place(error))

    async def _next(self) -> Letter | None:
        async with self._turn:
            if not self._letters and not self._stopping:
                await self._refill()
            return self._letters.popleft() if self._letters and not self._stopping else None

    async def _refill(self) -> None:
        """Take over the batch that was claimed ahead, and have the next one claimed meanwhile."""
        try:
            self._letters.extend(await self._ahead)
        except StoreError as error:
            self._failure = error
        if self._letters:
            self._ahead = asyncio.create_task(self._in_thread(self._claim))
        else:
            self._stopping = True

    async def _hand_over(self, letter: Letter, pool: SmtpPool, journal: Journal) -> None:
        obstacle = letter.obstacle

        async def before_dot() -> bool:
            nonlocal obstacle
            reach("send.content_sent")
            obstacle = await journal.dot(letter.claim.key)
            reach("send.before_dot")
            return not obstacle

        receipt: Receipt | None = None
        if not obstacle:
            content = self._compose(letter)
            reach("send.composed")
            envelope = Envelope(self._return_path(letter), letter.claim.address)
            receipt = (
                content if isinstance(content, Receipt) else await pool.send(Parcel(envelope, content), before_dot)
            )
        reach("send.replied")
        if obstacle != CLAIM_LOST:
            settled = self._sent(letter.claim, receipt) if receipt else self._cancelled(letter.claim, obstacle)
            self.tally.note(settled.state, _reason(settled))
            journal.settle(settled)
        self._advance(1)

    def _return_path(self, letter: Letter) -> str:
        issue, member = letter.issue, letter.claim.member_public_id
        return return_path(self._services.secret_key, member, issue.edition.public_id, issue.domain)

    def _compose(self, letter: Letter) -> bytes | Receipt:
        claim = letter.claim
        language = claim.language or next(iter(claim.languages), "")
        recipient = recipient_for(self._services, claim.member_public_id, claim.address, claim.name, language)
        try:
            return letter.issue.press.message(recipient, letter.entries, claim.message_id, claim.dated_at)
        except ValueError as error:
            return _not_composed(claim, error, "refused")
        except Exception as error:  # one member's mail must not stop the others'
            return _not_composed(claim, error, "deferred")

    def _sent(self, claim: Claim, receipt: Receipt) -> Settled:
        now = self._services.now()
        state, reason, not_before = receipt.outcome, "" if receipt.outcome == "handed_over" else receipt.reply, None
        if state == "deferred":
            not_before = self._retry_at(claim, now)
            if not_before is None:
                hours = self._services.settings.sending.give_up_after_h
                state, reason = "refused", f"given up after {hours:g} h: {receipt.reply}"
        return Settled(
            key=claim.key,
            state=state,
            attempt=claim.attempts + 1,
            at=now,
            reason=reason,
            not_before=not_before,
            code=receipt.code,
            enhanced_status=receipt.enhanced_status,
            reply=receipt.reply,
            route=self._route.where,
            elapsed_ms=receipt.elapsed_ms,
        )

    def _retry_at(self, claim: Claim, now: datetime) -> datetime | None:
        sending = self._services.settings.sending
        return retry_at(
            claim.attempts + 1,
            since=claim.created_at,
            now=now,
            first_retry_s=sending.first_retry_s,
            give_up_after_h=sending.give_up_after_h,
            seed=claim.message_id,
        )

    def _cancelled(self, claim: Claim, why: str) -> Settled:
        return Settled(claim.key, "cancelled", claim.attempts, self._services.now(), reason=why)

    async def _in_thread(self, act: Callable[[], Found]) -> Found:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)

    @asynccontextmanager
    async def _holding_claims(self) -> AsyncIterator[None]:
        renewing = asyncio.create_task(self._renew_often())
        try:
            yield
        finally:
            renewing.cancel()

    async def _renew_often(self) -> None:
        while True:
            await asyncio.sleep(self._services.settings.sending.lease_s / 3)
            try:
                await self._in_thread(self._renew)
            except StoreError as error:
                log.warning("claims could not be renewed: %s", error)

    # what follows runs in the store's thread

    def _open_issues(self) -> None:
        now = self._services.now()
        with self._services.database.writing() as connection:
            outbox.release_stale(connection, now, lambda owner: process_is_gone(owner.partition("#")[0]))
        reach("send.stale_released")
        with self._services.database.reading() as connection:
            by_key = {network.key: network for network in networks.every(connection)}
            for edition in outbox.open_editions(connection, now, self._scope):
                network = by_key[edition.network_key]
                labels = topics.load(connection, network.key)
                press = press_for(
                    self._services, network, labels, edition_id=edition.public_id, slot=edition.slot, signed=True
                )
                domain = wire_address(network.sender_address).rpartition("@")[2]
                self._issues[edition.key] = Issue(edition, domain, press)

    def _claim(self) -> list[Letter]:
        limit = self._services.settings.sending.batch
        limit = limit if self._left is None else min(limit, self._left)
        if not limit or self._stopping:
            return []
        now = self._services.now()
        with self._services.database.writing() as connection:
            self._close_answered(connection, now)
            claims = outbox.claim(
                connection, self._owner, list(self._issues), now=now, lease_until=self._lease(now), limit=limit
            )
        reach("send.claimed")
        if self._left is not None:
            self._left -= len(claims)
        with self._services.database.reading() as connection:
            chosen = outbox.chosen_items(connection, [claim.digest_key for claim in claims])
            found = list(self._items(connection, chosen.values()))
        still_open = cache(lambda moment: {item.key: item for item in found if item.is_open(moment)})
        letters = [self._letter(claim, chosen.get(claim.digest_key or 0, []), still_open, now) for claim in claims]
        self._note_dropped(letters, chosen, {item.key: item for item in found})
        return letters

    def _note_dropped(self, letters: list[Letter], chosen: dict[int, list[Chosen]], found: "dict[int, Item]") -> None:
        """Write down which items of these messages were withdrawn, closed or over before they could be handed over."""
        dropped: list[tuple[int, int, str]] = []
        for letter in letters:
            digest, kept = letter.claim.digest_key or 0, {entry.item.key for entry in letter.entries}
            gone = [one.item_key for one in chosen.get(digest, []) if one.item_key not in kept]
            dropped += [(digest, key, why_dropped(found.get(key))) for key in gone]
        if dropped:
            requests = {item.key for item in found.values() if item.kind == "request"}
            with self._services.database.writing() as connection:
                editions.drop_items(connection, dropped, requests)

    def _close_answered(self, connection: "Connection", now: datetime) -> None:
        wanted = self._services.settings.reach.answers_wanted
        for network in {issue.edition.network_key for issue in self._issues.values()}:
            items.close_answered(connection, network, wanted, now)

    def _items(self, connection: "Connection", chosen: Iterable[list[Chosen]]) -> "Iterable[Item]":
        keys = sorted({one.item_key for digest in chosen for one in digest})
        for network in {issue.edition.network_key for issue in self._issues.values()} if keys else ():
            yield from map(self._as_known, items.load(connection, network, keys))

    def _as_known(self, item: "Item") -> "Item":
        """The same object for an item that is as it was, so that the press need not compare it again for each member."""
        known = self._known.get(item.key)
        if known != item:
            known = self._known[item.key] = item
        return known

    def _letter(
        self, claim: Claim, chosen: list[Chosen], still_open: "Callable[[datetime], dict[int, Item]]", now: datetime
    ) -> Letter:
        issue = self._issues[claim.edition_key or 0]
        found = still_open(issue.edition.as_of + (now - claim.created_at))  # it may be run for another day than today
        about = partial(sign_feedback, self._services.secret_key, claim.member_public_id)
        entries = [
            Entry(found[key], match, terms, about(found[key].public_id)) for key, match, terms in chosen if key in found
        ]
        obstacle = claim.status if claim.status != "active" else "" if entries else NO_ITEM_LEFT
        return Letter(claim, issue, entries, obstacle)

    def _release(self) -> None:
        with self._services.database.writing() as connection:
            outbox.release(connection, self._owner, self._services.now())
        reach("send.released")

    def _renew(self) -> None:
        with self._services.database.writing() as connection:
            outbox.renew(connection, self._owner, self._lease(self._services.now()))

    def _lease(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._services.settings.sending.lease_s)


def _reason(settled: Settled) -> str:
    """The reason as it may be counted and shown: the code only, because a server's text often holds the address."""
    if settled.code:
        given_up = "given up: " if settled.reason.startswith("given up") else ""
        return f"{given_up}{settled.code} {settled.enhanced_status}".rstrip()
    return settled.reason


def _not_composed(claim: Claim, error: Exception, outcome: Outcome) -> Receipt:
    log.error("outbox row %s could not be composed: %s", claim.key, _place(error))
    return Receipt(outcome, reply=f"the mail could not be composed ({type(error).__name__})")


def _place(error: Exception) -> str:
    """Kind and place of an error, without its text: that may hold somebody's name or address."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.name}, {PurePath(frame.filename).name} line {frame.lineno}"


def why_dropped(item: "Item | None") -> str:
    """Why an item that was chosen for a digest is not in its mail."""
    return item.state if item and item.state in {"withdrawn", "closed"} else "over"
