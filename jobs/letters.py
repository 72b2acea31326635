"""Messages as the database has them: claimed in batches, read with what goes into them, and composed."""

import logging
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from delivery.smtp import Envelope, Outcome, Parcel, Receipt
from digest.message import Entry
from digest.mime import wire_address
from jobs import watermark
from jobs.failpoints import reach
from jobs.journal import SUPPRESSED
from jobs.press import press_for, recipient_for
from jobs.services import Services, process_is_gone
from profiles.links import sign_feedback
from profiles.verp import return_path
from store import decisions, items, networks, outbox, pacing, suppression, topics
from store.outbox import Chosen, Claim, Open, Scope
from store.pacing import Pace

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from delivery.pacing import Destinations
    from delivery.routes import Ways
    from digest.items import Item
    from digest.message import DigestPress

log = logging.getLogger("germane.send")

NO_ITEM_LEFT = "withdrawn"
"""Why a digest is cancelled whose items were all withdrawn, or ended, before it was handed over."""


@dataclass(frozen=True, slots=True)
class Issue:
    """What all messages of one edition share."""

    edition: Open
    domain: str
    """Where what could not be delivered comes back to."""
    press: "DigestPress"


@dataclass(frozen=True, slots=True)
class Letter:
    """A claimed message with what goes into it; `obstacle` says why it must not be sent after all. A probe has no issue."""

    claim: Claim
    issue: Issue | None
    entries: Sequence[Entry]
    obstacle: str = ""
    asked: bool = False
    """Whether it asks its reader if they still want the digest."""
    others: tuple[tuple[str, str], ...] = ()
    """Of the other networks whose items it holds the name, and the reader's membership there."""


class Letters:
    """All of this but `parcel` runs in the store's thread."""

    def __init__(self, services: Services, scope: Scope, owner: str, limit: int | None) -> None:
        self._services = services
        self._scope = scope
        self._owner = owner
        self._left = limit
        self._issues: dict[int, Issue] = {}
        self._known: dict[int, Item] = {}

    @property
    def edition_keys(self) -> Sequence[int | None]:
        """The editions that had something due; None stands for messages of no edition."""
        return list(self._issues)

    def open(self) -> dict[tuple[str, str], Pace]:
        """Give up what dead processes held, plan again what policy says, and see what is due; returns what was learned."""
        now = self._services.now()
        self._give_up_stale(now)
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
            return pacing.load(connection)

    def _give_up_stale(self, now: datetime) -> None:
        with self._services.database.writing() as connection:
            watermark.refuse_older(self._services, connection)
            outbox.release_stale(connection, now, lambda owner: process_is_gone(owner.partition("#")[0]))
            self._resend(connection, now)
        reach("send.stale_released")

    def _resend(self, connection: "Connection", now: datetime) -> None:
        sending = self._services.settings.sending
        if sending.in_doubt == "resend":
            waited = now - timedelta(seconds=sending.resend_after_s)
            outbox.resend(connection, now, since_before=waited, most=sending.most_resends)

    def claim(self, destinations: "Destinations", ways: "Ways", limit: int) -> list[Letter]:
        """The next batch; those that a window has no room for are put off in the same transaction."""
        limit = limit if self._left is None else min(limit, self._left)
        now = self._services.now()
        with self._services.database.writing() as connection:
            self._close_answered(connection, now)
            limit = _tokens(connection, ways, limit, now) if limit else 0
            claims = self._claims(connection, destinations, limit, now) if limit else []
        watermark.keep(self._services)
        reach("send.claimed")
        if self._left is not None:
            self._left -= len(claims)
        return self._read(claims, now)

    def _claims(self, connection: "Connection", destinations: "Destinations", limit: int, now: datetime) -> list[Claim]:
        claims = outbox.claim(
            connection, self._owner, self.edition_keys, now=now, lease_until=self._lease(now), limit=limit
        )
        wanted = Counter(destinations.of(claim.address) for claim in claims)
        for name, number in wanted.items():
            limits = destinations.limits(name)
            if limits.per_window:
                window = {"per_window": limits.per_window, "window_s": limits.window_s, "now": now}
                granted, until = pacing.reserve(connection, "destination", name, number, **window)  # type: ignore[arg-type]
                there = [claim for claim in claims if destinations.of(claim.address) == name]
                late = {claim.key for claim in there[granted:]}
                outbox.postpone(connection, self._owner, sorted(late), until)
                claims = [claim for claim in claims if claim.key not in late]
        return claims

    def _read(self, claims: list[Claim], now: datetime) -> list[Letter]:
        if not claims:
            return []
        with self._services.database.reading() as connection:
            chosen = outbox.chosen_items(connection, [claim.digest_key for claim in claims])
            asking = outbox.asking(connection, chosen)
            found = {item.key: item for item in self._items(connection, chosen.values())}
            addresses = [claim.address for claim in claims]
            suppressed = suppression.among_addresses(connection, addresses, self._services.secret_key)
        still_open: dict[datetime, dict[int, Item]] = {}
        letters = []
        for claim in claims:
            moment = self._moment(claim, now)
            if moment not in still_open:
                still_open[moment] = {key: item for key, item in found.items() if item.is_open(moment)}
            chosen_here = chosen.get(claim.digest_key or 0, [])
            letters.append(self._letter(claim, chosen_here, still_open[moment], claim.address in suppressed))
        letters = [replace(one, asked=True) if one.claim.digest_key in asking else one for one in letters]
        self._note_dropped(letters, chosen, found)
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
                decisions.drop_items(connection, dropped, requests)

    def _close_answered(self, connection: "Connection", now: datetime) -> None:
        wanted = self._services.settings.reach.answers_wanted
        for network in {issue.edition.network_key for issue in self._issues.values()}:
            items.close_answered(connection, network, wanted, now)

    def _moment(self, claim: Claim, now: datetime) -> datetime:
        """By which moment items are judged. What is sent again is the same message: its items are judged as they were then."""
        as_of = self._issues[claim.edition_key or 0].edition.as_of  # it may be run for another day than today
        return as_of + ((claim.dated_at if claim.resends else now) - claim.created_at)

    def _items(self, connection: "Connection", chosen: Iterable[list[Chosen]]) -> "Iterable[Item]":
        keys = sorted({one.item_key for digest in chosen for one in digest})
        yield from map(self._as_known, items.load_any(connection, keys) if keys else ())

    def _as_known(self, item: "Item") -> "Item":
        """The same object for an item that is as it was, so that the press need not compare it again for each member."""
        known = self._known.get(item.key)
        if known != item:
            known = self._known[item.key] = item
        return known

    def _letter(self, claim: Claim, chosen: list[Chosen], still_open: "dict[int, Item]", is_suppressed: bool) -> Letter:
        issue = self._issues[claim.edition_key or 0]
        about = partial(sign_feedback, self._services.secret_key)
        entries = [
            Entry(still_open[key], match, terms, about(membership or claim.member_public_id, still_open[key].public_id))
            for key, match, terms, membership in chosen
            if key in still_open
        ]
        here = {one.member_public_id: network_of(one) for one in chosen if one.item_key in still_open}
        others = tuple((name, key) for key, name in here.items() if name and key != claim.member_public_id)
        obstacle = claim.status if claim.status != "active" else "" if entries else NO_ITEM_LEFT
        obstacle = SUPPRESSED if is_suppressed and not obstacle else obstacle
        return Letter(claim, issue, entries, obstacle, others=others)

    def parcel(self, letter: Letter) -> Parcel | Receipt:
        """The message in its envelope, or why there is none."""
        claim, services, issue = letter.claim, self._services, letter.issue
        assert issue
        language = claim.language or next(iter(claim.languages), "")
        try:
            who = claim.member_public_id, claim.address, claim.name, language
            recipient = recipient_for(services, *who, asked=letter.asked, others=letter.others)
            content = issue.press.message(recipient, letter.entries, claim.message_id, claim.dated_at)
        except ValueError as error:
            return not_composed(claim, error, "refused")
        except Exception as error:  # one member's mail must not stop the others'
            return not_composed(claim, error, "deferred")
        sender = return_path(services.secret_key, claim.member_public_id, issue.edition.public_id, issue.domain)
        return Parcel(Envelope(sender, claim.address, claim.message_id), content)

    def postpone(self, letters: Sequence[Letter], until: datetime) -> None:
        with self._services.database.writing() as connection:
            outbox.postpone(connection, self._owner, [letter.claim.key for letter in letters], until)

    def release(self) -> None:
        with self._services.database.writing() as connection:
            outbox.release(connection, self._owner, self._services.now())
        watermark.keep(self._services)
        reach("send.released")

    def renew(self) -> None:
        with self._services.database.writing() as connection:
            outbox.renew(connection, self._owner, self._lease(self._services.now()))

    def _lease(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._services.settings.sending.lease_s)


def place_of(error: Exception) -> str:
    """Kind and place of an error, without its text: that may hold somebody's name or address."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.name}, {PurePath(frame.filename).name} line {frame.lineno}"


def _tokens(connection: "Connection", ways: "Ways", limit: int, now: datetime) -> int:
    """How many messages the routes' windows allow, up to `limit`; each route is told its part."""
    room = 0
    for way in ways:
        limits = way.pacer.limits
        if not limits.per_window:
            room += limit
            continue
        window = {"per_window": limits.per_window, "window_s": limits.window_s, "now": now}
        granted, _ = pacing.reserve(connection, "route", way.name, limit, **window)  # type: ignore[arg-type]
        way.tokens = (way.tokens or 0) + granted
        room += granted
    return min(limit, room)


def not_composed(claim: Claim, error: Exception, outcome: Outcome) -> Receipt:
    """What becomes of a message that could not be made: told in the log, without anybody's name."""
    log.error("outbox row %s could not be composed: %s", claim.key, place_of(error))
    return Receipt(outcome, reply=f"the mail could not be composed ({type(error).__name__})")


def why_dropped(item: "Item | None") -> str:
    """Why an item that was chosen for a digest is not in its mail."""
    return item.state if item and item.state in {"withdrawn", "closed"} else "over"


def network_of(chosen: Chosen) -> str:
    """The name of the other network that an item comes from; empty for the reader's own."""
    return next((label for label, source in chosen.terms if source == "network"), "")
