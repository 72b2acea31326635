"""A network on a real database with a real mail server, its members and what each is due; and the checker of it all.

The server's log is the truth about what was sent, and what members are due is worked out here: the checker asks the
database only whether it says the same.
"""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update

from profiles.member import Profile
from store import editions, items, members
from store.database import Database
from store.editions import Counts
from tests.builders import stored_digest, stored_edition, stored_item, stored_member, stored_network
from tests.faults.misbehaving import Misbehaving
from tests.faults.processes import Germane

CONNECTIONS = 5
SUBJECTS = ("stroke", "breathlessness", "falls", "diabetes", "dementia")
START = datetime.now(UTC).replace(microsecond=0)
"""The moment of every edition here: real processes run by the real clock."""
OUTBOX, DIGEST = editions.OUTBOX, editions.DIGEST


class Town:
    """A network with members of five interests, a few of whom get nothing, and the means to run its edition for real."""

    def __init__(self, database: Database, server: Misbehaving, folder: Path, members: int) -> None:
        self.database, self.server, self.folder = database, server, folder
        self.due: set[str] = set()
        """Who is interested in something that there is."""
        self.left: dict[str, int] = {}
        """Who left, with the number of messages that were taken for them, or on their way to them, by then."""
        self.members: dict[str, int] = {}
        self.settings: dict[str, object] = {}
        self._go_on = ("run", "--at", START.isoformat())
        with database.writing() as connection:
            self.key = stored_network(connection, slug="town", threshold=1.0)
            self.items = [self._item(connection, n) for n in range(25)]
            for n in range(members):
                self._member(connection, n)

    def _item(self, connection: Any, n: int) -> int:
        title = f"A clinic for {SUBJECTS[n % 5]}, report {n}"
        body = f"What a clinic for {SUBJECTS[n % 5]} needs."
        published = START - timedelta(days=1, hours=n)
        return stored_item(connection, self.key, title=title, body=body, topics=(), published_at=published)

    def _member(self, connection: Any, n: int) -> None:
        stated = "" if n % 29 == 7 else "church bells" if n % 17 == 3 else f"{SUBJECTS[n % 5]} clinics"
        address = f"n{n:03d}@town.example.org"
        self.members[address] = stored_member(
            connection, self.key, address=address, profile=Profile(stated=stated, languages=("en",))
        )
        if "clinics" in stated:
            self.due.add(address)

    def compose(self) -> None:
        """The edition as if it had been run: each member who is due has a message in the outbox, to be sent."""
        with self.database.writing() as connection:
            edition = stored_edition(connection, self.key, state="released", as_of=START)
            for n, address in enumerate(sorted(self.due)):
                stored_digest(connection, edition, self.members[address], tuple(self.items[n % 5 :: 5][:2]))
            connection.execute(update(OUTBOX).values(created_at=START, not_before=START))
        self._go_on = ("send",)

    def run(self, *arguments: str, **options: Any) -> Germane:
        """`germane run`, or `send` where the edition was `compose`d, under way; names in capitals are settings, the others
        options of `Germane`."""
        return self.start(*self._go_on, *arguments, **options)

    def start(self, *arguments: str, **options: Any) -> Germane:
        """Any other command, with the same settings."""
        settings = {
            "DATABASE__URL": self.database.engine.url.render_as_string(hide_password=False), "SECRET_KEY": "k" * 40,
            "SMTP__HOST": self.server.host, "SMTP__PORT": self.server.port, "SMTP__CONNECTIONS": CONNECTIONS,
            "SENDING__BATCH": 20, "DIGEST__SHARD": 5, "DIGEST__ITEMS": 3,
        } | self.settings | {name: value for name, value in options.items() if name.isupper()}  # fmt: skip
        variables = {f"GERMANE_{name}": value for name, value in settings.items()}
        rest = {name: value for name, value in options.items() if not name.isupper()}
        return Germane(*arguments, folder=self.folder, variables=variables, **rest)

    def finish(self, *arguments: str, **options: Any) -> tuple[int, str]:
        return self.run(*arguments, **options).ended()

    def until_finished(self, tries: int = 8, **options: Any) -> None:
        """Run it again, as an operator would, until the edition is finished; what was refused for now is soon due again."""
        for attempt in range(tries):
            if self.state() == "finished":
                return
            time.sleep(0.15 * attempt)
            self.finish(SENDING__FIRST_RETRY_S=0.1, **options)

    def leave(self, address: str) -> None:
        """The member leaves now. A message whose dot was recorded before this moment may still arrive."""
        with self.database.writing() as connection:
            key = self.members[address]
            members.leave(connection, key, START, "a test")  # may wait; what was recorded meanwhile counts as before
            on_its_way = select(func.count()).where(
                OUTBOX.c.member_id == key, OUTBOX.c.state == "claimed", OUTBOX.c.dot_sent
            )
            allowed = connection.execute(on_its_way).scalar_one()
        self.left[address] = self.server.recipients().count(address) + allowed

    def withdraw(self, key: int) -> None:
        with self.database.writing() as connection:
            items.withdraw(connection, key, START, "a test")

    def counts(self) -> Counts:
        with self.database.reading() as connection:
            (edition,) = editions.latest(connection, self.key)
            return editions.counts(connection, edition.key)

    def state(self) -> str:
        """Of the edition; empty when there is none yet."""
        with self.database.reading() as connection:
            found = editions.latest(connection, self.key)
        return found[0].state if found else ""

    def progress(self) -> int:
        """-1 before the edition is open, then how many digests are decided, then also how many messages were taken."""
        if not self.state():
            return -1
        counts = self.counts()
        return counts.digests + counts.skipped + len(self.server.accepted)

    def wait_for(self, goal: int, process: Germane) -> None:
        while self.progress() < goal and process.running:
            time.sleep(0.002)

    def taken(self) -> Counter[str]:
        """How often the server took each Message-ID."""
        return Counter(self.server.message_ids())

    def message_ids(self, *states: str) -> set[str]:
        query = select(OUTBOX.c.message_id)
        with self.database.reading() as connection:
            return set(connection.execute(query.where(OUTBOX.c.state.in_(states)) if states else query).scalars())

    def addresses(self, *states: str) -> set[str]:
        """Of the members with a message in one of these states."""
        query = select(editions.MEMBER.c.address).join(OUTBOX, OUTBOX.c.member_id == editions.MEMBER.c.id)
        with self.database.reading() as connection:
            return set(connection.execute(query.where(OUTBOX.c.state.in_(states))).scalars())

    def assert_complete(self) -> None:
        """One edition; one digest for each member; one message for each composed digest; and the counts say so."""
        counts = self.counts()
        assert self.state() == "finished"
        assert counts.done
        assert counts.considered == counts.digests + counts.skipped
        with self.database.reading() as connection:
            members = connection.execute(select(func.count(DIGEST.c.member_id.distinct()))).scalar_one()
            rows = connection.execute(select(func.count(DIGEST.c.id))).scalar_one()
        assert members == rows == counts.considered
        assert len(self.message_ids()) == counts.digests

    def violations(self, *, refused: Sequence[str] = ()) -> list[str]:
        """What the edition came to that must never be, by the server's log; nothing when all is well.

        `refused` are the addresses that the server refused for good.
        """
        arrived = Counter(self.server.recipients())
        found = [f"twice: {who} got {n}" for who, n in sorted(arrived.items()) if n > 1]
        found += [f"after leaving: {who} got {n}" for who, n in self.left.items() if arrived[who] > self.left[who]]
        found += [f"not due: {who}" for who in sorted(set(arrived) - self.due)]
        excused = self.addresses("uncertain") | set(self.left) | set(refused)
        found += [f"lost: {who}" for who in sorted(self.due - set(arrived) - excused)]
        return found + self._disagreements(set(arrived), set(refused))

    def _disagreements(self, arrived: set[str], refused: set[str]) -> list[str]:
        """Where the ledger and the server's log say different things."""
        with self.database.reading() as connection:
            stored = editions.latest(connection, self.key)
            unbalanced = [e for e in stored if e.state != "finished" or not editions.counts(connection, e.key).done]
        found = [f"{len(stored)} editions"] if len(stored) != 1 else []
        found += [f"edition {edition.slot} is {edition.state} and its counts do not balance" for edition in unbalanced]
        told, doubtful = self.addresses("handed_over"), self.addresses("uncertain")
        found += [f"called handed over, and never taken: {who}" for who in sorted(told - arrived)]
        found += [f"taken, and not in the ledger: {who}" for who in sorted(arrived - told - doubtful)]
        found += [f"refused, and not called so: {who}" for who in sorted(refused - self.addresses("refused"))]
        return found
