"""A network's life under one policy: the production code week by week, with a clock that is set, on a database of its own.

Only the mail server is missing: messages are claimed, marked and settled by the store's own changes of state, as if a server had
taken each of them at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from digest.items import KINDS
from digest.message import DigestPress, Entry
from digest.reach import limits_for
from digest.selection import place_within
from jobs.press import press_for, recipient_for
from jobs.run import run_edition
from jobs.services import Services, process_name
from jobs.settings import Settings
from profiles.address import normalise
from profiles.feedback import VERDICTS
from profiles.joining import Entry as Joining
from profiles.links import sign_feedback
from profiles.member import Preferences
from simulation.auditor import Breaches, Limits, Mails, breaches, repeats
from simulation.measures import Year
from simulation.world import ZONE, World
from store import audit, editions, feedback, items, members, networks, outbox, topics
from store.feedback import Word
from store.members import flat
from store.networks import Network
from store.outbox import Claim, Scope, Settled

if TYPE_CHECKING:
    from sqlalchemy import Connection

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Part = TypeVar("Part")

BASIS = "simulation"
PAGE = "mail page"
ANSWERED_AFTER = timedelta(days=2, hours=12)
"""After the edition: when members say what they think of its items, pause or leave."""
PRINTED = 5
"""Mails of each edition that are composed in full."""
BATCH = 2_000


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, slots=True)
class Sent:
    """What an edition's mails brought to whom: parallel arrays, in the world's numbers."""

    person: Ints
    item: Ints
    match: Floats


class Simulation:
    """One policy's life of a world. Persons and items are those of the world, by number; the store has keys of its own."""

    def __init__(self, services: Services, world: World, clock: SetClock, name: str) -> None:
        """`name` tells this life's network and addresses from others' in the same database."""
        self._services, self._world, self._clock, self._name = services, world, clock, name
        self._database = services.database
        self.network = self._add_network()
        people, posted = len(world.lives), len(world.calendar)
        self._member_key, self._person = np.zeros(people, np.int64), _Numbers()
        self._item_key, self._item = np.zeros(posted, np.int64), _Numbers()
        self._is_request = world.calendar.kind == KINDS.index("request")
        self._needed, self._could = np.zeros(posted, np.int64), np.zeros(posted, np.int64)
        self._reached = np.zeros(posted, np.int64)
        self._here = np.zeros(people, dtype=np.bool_)
        most = services.settings.digest.items
        self._caps = np.array([min(most, wish.items_per_digest or most) for wish in world.lives.preferences])
        self._sent: list[Sent] = []
        self._would: list[Sent] = []
        self._considered: list[int] = []
        self._silent: list[int] = []
        self._said = np.zeros(len(VERDICTS), np.int64)
        self._left = 0
        self._printed: list[int] = []

    def _add_network(self) -> Network:
        network = Network(
            slug=f"simulated-{self._name}",
            name="The Simulated Network",
            time_zone=ZONE.key,
            sender_name="The Simulated Network",
            sender_address="digest@simulated.example.org",
            reply_to="office@simulated.example.org",
            list_id="digest.simulated.example.org",
            postal_address="1 Example Street, Cardiff CF10 1AA",
        )
        with self._database.writing() as connection:
            network = networks.add(connection, network, self._clock())
            topics.merge(connection, network.key, list(self._world.truth.topics))
        return network

    def live(self, advance: Callable[[int], None]) -> Year:
        """Every week of the plan, then the audit. `advance` is called with 1 after each week."""
        for week in range(self._world.plan.weeks):
            self._live_week(week)
            advance(1)
        return self._year()

    def _year(self) -> Year:
        week = np.repeat(np.arange(len(self._sent)), [len(sent.person) for sent in self._sent])
        person, item, match = (np.concatenate([getattr(s, name) for s in self._sent]) for name in Sent.__slots__)
        would = _once(self._would)
        breached, repeated = audited(self._services, self.network)
        return Year(
            week=week,
            person=person,
            item=item,
            match=match,
            utility=self._world.truth.utility(person, item),
            greedy_match=float(would.match.sum()),
            greedy_utility=float(self._world.truth.utility(would.person, would.item).sum()),
            considered=np.array(self._considered),
            silent=np.array(self._silent),
            is_request=self._is_request,
            needed=self._needed,
            could=np.maximum(self._could, self._reached),
            people=len(self._here),
            said=self._said,
            left=self._left,
            printed=len(self._printed),
            breaches=breached,
            repeats=repeated,
        )

    def _live_week(self, week: int) -> None:
        at = self._world.edition_at(week)
        self._clock.now = at - timedelta(hours=1)
        self._join(week)
        self._post(week)
        self._clock.now = at
        report = run_edition(self._services, self.network, at=at, send=False)
        self._hand_over_what_falls_due(at)
        self._clock.now = at + ANSWERED_AFTER
        self._considered.append(report.considered)
        self._silent.append(sum(report.skipped.get(reason, 0) for reason in editions.MATCHED_REASONS))
        sent = self._note(report.slot)
        self._answer(week, sent)
        self._pause(week)
        self._leave(week, sent)

    def _join(self, week: int) -> None:
        people = self._world.lives.joining(week)
        told = [replace(m, address=f"{self._name}-{m.address}") for m in self._world.members(week)]
        for some in _parts(told):
            entries = [Joining(0, normalise(member.address), flat(member)) for member in some]
            with self._database.writing() as connection:
                members.import_entries(connection, self.network.key, entries, self._clock(), BASIS)
        with self._database.reading() as connection:
            keys = feedback.members_named(connection, self.network.key, [member.address for member in told])
        self._member_key[people] = [keys[member.address][0] for member in told]
        self._person.put(self._member_key[people], people)
        self._here[people] = True

    def _post(self, week: int) -> None:
        posted, given = self._world.items(week), frozenset(items.CONTENT)
        with self._database.writing() as connection:
            items.save(connection, self.network.key, [(item, given) for item in posted], self._clock())
        with self._database.reading() as connection:
            keys = feedback.items_named(connection, self.network.key, [item.external_id for item in posted])
        numbers, rules = self._world.calendar.of_week(week), self._services.settings.reach.model_dump()
        self._needed[numbers] = [limits_for(item, rules)[0] for item in posted]
        self._item_key[numbers] = [keys[item.external_id] for item in posted]
        self._item.put(self._item_key[numbers], numbers)

    def _hand_over_what_falls_due(self, at: datetime) -> None:
        """Within six days of the edition, for members may have a day of their own; then the edition is finished."""
        first: list[Claim] = []
        for day in range(7):
            self._clock.now = at + timedelta(days=day)
            while claims := self._hand_over():
                first = first or claims[:PRINTED]
            with self._database.reading() as connection:
                waiting = outbox.counts(connection, Scope(network_key=self.network.key))
            if not sum(waiting.get(state, 0) for state in outbox.WAITING):
                break
        with self._database.writing() as connection:
            for edition in editions.latest(connection, self.network.key, 1):
                editions.settle(connection, edition.key, self._clock())
        self._print(first)

    def _hand_over(self) -> list[Claim]:
        """Claim a batch of what is due, write down that it is about to be sent, then that a server took it."""
        now, owner = self._clock(), process_name()
        lease = now + timedelta(seconds=self._services.settings.sending.lease_s)
        with self._database.writing() as connection:
            mine = Scope(network_key=self.network.key)
            released = [edition.key for edition in outbox.open_editions(connection, now, mine)]
            claims = outbox.claim(connection, owner, released, now=now, lease_until=lease, limit=BATCH)
            allowed = outbox.mark_dots(connection, owner, {claim.key: claim.number for claim in claims})
            outbox.settle(connection, owner, [_settled(claim, now, claim.key in allowed) for claim in claims])
        return claims

    def _print(self, claims: Sequence[Claim]) -> None:
        """Compose some of the mails as they would go out; whatever is wrong with one is raised."""
        with self._database.reading() as connection:
            chosen = outbox.chosen_items(connection, [claim.digest_key or 0 for claim in claims])
            keys = {one.item_key for digest in chosen.values() for one in digest}
            known = {item.key: item for item in items.load(connection, self.network.key, sorted(keys))}
        for claim in claims:
            recipient = recipient_for(self._services, claim.member_public_id, claim.address, claim.name, claim.language)
            about = partial(sign_feedback, self._services.secret_key, claim.member_public_id)
            entries = [
                Entry(known[key], match, terms, about(known[key].public_id))
                for key, match, terms, _ in chosen[claim.digest_key or 0]
            ]
            self._printed.append(len(self._press.message(recipient, entries, claim.message_id, claim.dated_at)))

    @cached_property
    def _press(self) -> DigestPress:
        return press_for(self._services, self.network, self._world.truth.topics)

    def _note(self, slot: str) -> Sent:
        """What the edition's mails brought to whom, and of which requests so many members as they need fitted."""
        with self._database.reading() as connection:
            edition = editions.find(connection, self.network.key, slot)
            assert edition is not None
            rows = np.array(audit.pairs(connection, edition.key), dtype=np.float64).reshape(-1, 3)
            short = audit.shortfalls(connection, edition.key)
            self._would.append(self._own_best(audit.own_best(connection, edition.key)))
        for key, counts in short:
            item = int(self._item.of(np.array([key]))[0])
            self._could[item] = max(self._could[item], self._reached[item] + counts["fitting"])
        keys = rows[:, :2].astype(np.int64)
        sent = Sent(self._person.of(keys[:, 0]), self._item.of(keys[:, 1]), rows[:, 2])
        self._reached += np.bincount(sent.item, minlength=len(self._reached))
        self._sent.append(sent)
        return sent

    def _own_best(self, rows: Sequence[tuple[int, int, float]]) -> Sent:
        """What unlimited greedy would have sent in this edition: of the ordered rows each member's first, as many as fit."""
        found = np.array(rows, dtype=np.float64).reshape(-1, 3)
        person, item = self._person.of(found[:, 0].astype(np.int64)), self._item.of(found[:, 1].astype(np.int64))
        fits = place_within(person) <= self._caps[person]
        return Sent(person[fits], item[fits], found[fits, 2])

    def _answer(self, week: int, sent: Sent) -> None:
        """Members say what they think of items, as the page behind the mail's links records it."""
        here = self._here[sent.person]
        person, item = sent.person[here], sent.item[here]
        utility = self._world.truth.utility(person, item)
        said = self._world.lives.said(week, person, item, utility, self._is_request[item])
        words = [
            Word(member, posted, VERDICTS[verdict], self._clock(), PAGE)
            for member, posted, verdict in zip(
                self._member_key[said.person].tolist(), self._item_key[said.item].tolist(), said.verdict.tolist(),
                strict=True,
            )
        ]  # fmt: skip
        for some in _parts(words):
            with self._database.writing() as connection:
                feedback.record(connection, some)
        self._said += np.bincount(said.verdict, minlength=len(VERDICTS))

    def _pause(self, week: int) -> None:
        people, weeks = self._world.lives.pausing(week)
        with self._database.writing() as connection:
            for person, length in zip(people.tolist(), weeks.tolist(), strict=True):
                if self._here[person]:
                    wish = self._world.lives.preferences[person]
                    until = (self._clock() + timedelta(weeks=length)).date()
                    self._change(connection, person, replace(wish, paused_until=until))

    def _change(self, connection: "Connection", person: int, wish: Preferences) -> None:
        key = int(self._member_key[person])
        members.change(connection, key, self._clock(), preferences=wish, status="paused", basis=BASIS)

    def _leave(self, week: int, sent: Sent) -> None:
        n = len(self._here)
        got = np.bincount(sent.person, minlength=n)
        good = np.bincount(sent.person, self._world.truth.utility(sent.person, sent.item), minlength=n)
        asks = np.bincount(sent.person, self._is_request[sent.item], minlength=n).astype(np.float64)
        people = np.flatnonzero(self._here)
        useless = 1.0 - good[people] / np.maximum(got[people], 1)
        gone = self._world.lives.leaving(week, people, np.where(got[people] > 0, useless, 0.0), asks[people])
        with self._database.writing() as connection:
            for key in self._member_key[gone].tolist():
                members.leave(connection, key, self._clock(), BASIS)
        self._here[gone] = False
        self._left += len(gone)


def _once(parts: Sequence[Sent]) -> Sent:
    """All of it, each pair of person and item as it came first: an item that finds no room is there again in the next edition."""
    person, item, match = (np.concatenate([getattr(part, name) for part in parts]) for name in Sent.__slots__)
    first = np.unique(np.stack([person, item], axis=1), axis=0, return_index=True)[1]
    return Sent(person[first], item[first], match[first])


class _Numbers:
    """From the store's keys to the world's numbers."""

    def __init__(self) -> None:
        self._of_key = np.full(1024, -1, dtype=np.int64)

    def put(self, keys: Ints, numbers: Ints) -> None:
        if len(keys) and keys.max() >= len(self._of_key):
            grown = np.full(2 * int(keys.max()) + 1, -1, dtype=np.int64)
            grown[: len(self._of_key)] = self._of_key
            self._of_key = grown
        self._of_key[keys] = numbers

    def of(self, keys: Ints) -> Ints:
        return self._of_key[keys]


def audited(services: Services, network: Network) -> tuple[Breaches, int]:
    """What the auditor finds in the ledger: mails over a budget, and how often something came to a member again."""
    settings, zone = services.settings, ZoneInfo(network.time_zone)
    with services.database.reading() as connection:
        found, links = audit.mails(connection, network.key), audit.links(connection, network.key)
    held = [_limits(mail, network, settings) for mail in found]
    limits = Limits(*np.array(held, dtype=np.int64).reshape(-1, 4).T)
    mails = Mails(
        member=np.array([mail.member_key for mail in found], dtype=np.int64),
        day=np.array([mail.at.astimezone(zone).toordinal() for mail in found], dtype=np.int64),
        at_h=np.array([mail.at.timestamp() / 3600 for mail in found], dtype=np.float64),
        items=np.array([mail.items for mail in found], dtype=np.int64),
        asks=np.array([mail.asks for mail in found], dtype=np.int64),
    )
    number: dict[str, int] = {}
    what = [(member, number.setdefault(link, len(number))) for member, link in links]
    return breaches(mails, limits), repeats(what) + repeats([(m.member_key, m.edition_key) for m in found])


def _limits(mail: audit.Mail, network: Network, settings: Settings) -> tuple[int, int, int, int]:
    """(items, mails, hours, asks) that hold for a mail's member: what they set, within what the admin allows, else what the
    network set, else the settings."""
    budget = settings.budget
    most_items = network.items_per_digest or settings.digest.items
    mails = _first(network.mails_per_week, budget.mails_per_week)
    hours = _first(network.hours_between_mails, budget.hours_between_mails)
    asks = _first(network.asks_per_month, budget.asks_per_month)
    return (
        min(most_items, mail.items_per_digest or most_items),
        min(_first(mail.mails_per_week, mails), max(mails, budget.most_mails_per_week)),
        max(_first(mail.hours_between_mails, hours), min(hours, budget.least_hours_between_mails)),
        min(_first(mail.asks_per_month, asks), max(asks, budget.most_asks_per_month)),
    )


def _first(wished: int | None, otherwise: int) -> int:
    return otherwise if wished is None else wished


def _settled(claim: Claim, now: datetime, allowed: bool) -> Settled:
    if not allowed:
        return Settled(claim.key, "cancelled", claim.attempts, now, reason=claim.status)
    return Settled(claim.key, "handed_over", claim.attempts + 1, now, code=250, reply="250 2.0.0 simulated")


def _parts(values: Sequence[Part]) -> Iterator[Sequence[Part]]:
    return (values[start : start + BATCH] for start in range(0, len(values), BATCH))
