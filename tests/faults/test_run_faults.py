"""`germane run` killed, doubled, locked out and cut off: one edition, nobody twice, nobody lost, and a clear word each time."""

import ctypes
import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from delivery.sink import running
from jobs.run import rehearse
from profiles.member import Profile
from store import editions, networks
from store.database import Database
from store.editions import Counts
from tests.builders import some_services, stored_item, stored_member, stored_network
from tests.faults.misbehaving import Fault, Misbehaving

GERMANE = (sys.executable, "-c", "from jobs.cli import main; main()")
CONNECTIONS = 5
SUBJECTS = ("stroke", "breathlessness", "falls", "diabetes", "dementia")
START = datetime.now(UTC).replace(microsecond=0)
"""The moment of every edition here: real processes run by the real clock."""


class Town:
    """A network with members of five interests, a few of whom get nothing, and the means to run its edition for real."""

    def __init__(self, database: Database, server: Misbehaving, folder: Path, members: int) -> None:
        self.database, self.server, self.folder = database, server, folder
        with database.writing() as connection:
            self.key = stored_network(connection, slug="town", threshold=1.0)
            for n in range(25):
                title = f"A clinic for {SUBJECTS[n % 5]}, report {n}"
                body = f"What a clinic for {SUBJECTS[n % 5]} needs."
                published = START - timedelta(days=1, hours=n)
                stored_item(connection, self.key, title=title, body=body, topics=(), published_at=published)
            for n in range(members):
                stated = "" if n % 29 == 7 else "church bells" if n % 17 == 3 else f"{SUBJECTS[n % 5]} clinics"
                stored_member(connection, self.key, profile=Profile(stated=stated, languages=("en",)))

    def run(
        self, *arguments: str, before: Callable[[], None] | None = None, **settings: object
    ) -> "subprocess.Popen[str]":
        variables = {
            "DATABASE__URL": self.database.engine.url.render_as_string(hide_password=False), "SECRET_KEY": "k" * 40,
            "SMTP__HOST": self.server.host, "SMTP__PORT": self.server.port, "SMTP__CONNECTIONS": CONNECTIONS,
            "SENDING__BATCH": 20, "DIGEST__SHARD": 5, "DIGEST__ITEMS": 3,
        } | settings  # fmt: skip
        return subprocess.Popen(
            [*GERMANE, "run", "--at", START.isoformat(), *arguments], cwd=self.folder, text=True, preexec_fn=before,
            env=os.environ | {f"GERMANE_{name}": str(value) for name, value in variables.items()},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def finish(self, *arguments: str, **options: Any) -> tuple[int, str]:
        return ended(self.run(*arguments, **options))

    def counts(self) -> Counts:
        with self.database.reading() as connection:
            (edition,) = editions.latest(connection, self.key)
            return editions.counts(connection, edition.key)

    def state(self) -> str:
        with self.database.reading() as connection:
            (edition,) = editions.latest(connection, self.key)
        return edition.state

    def progress(self) -> int:
        """-1 before the edition is open, then how many digests are decided, then also how many messages were taken."""
        with self.database.reading() as connection:
            found = editions.latest(connection, self.key)
            if not found:
                return -1
            counts = editions.counts(connection, found[0].key)
        return counts.digests + counts.skipped + len(self.server.accepted)

    def wait_for(self, goal: int, process: "subprocess.Popen[str]") -> None:
        while self.progress() < goal and process.poll() is None:
            time.sleep(0.002)

    def taken(self) -> Counter[str]:
        return Counter(message_from_bytes(message.content)["Message-ID"] for message in self.server.accepted)

    def message_ids(self, *states: str) -> set[str]:
        query = select(editions.OUTBOX.c.message_id)
        with self.database.reading() as connection:
            return set(
                connection.execute(query.where(editions.OUTBOX.c.state.in_(states)) if states else query).scalars()
            )

    def assert_complete(self) -> None:
        """One edition; one digest for each member; one message for each composed digest; and the counts say so."""
        counts, digest = self.counts(), editions.DIGEST.c
        assert self.state() == "finished"
        assert counts.done
        assert counts.considered == counts.digests + counts.skipped
        with self.database.reading() as connection:
            members = connection.execute(select(func.count(digest.member_id.distinct()))).scalar_one()
            rows = connection.execute(select(func.count(digest.id))).scalar_one()
        assert members == rows == counts.considered
        assert len(self.message_ids()) == counts.digests


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Its exit code and what it complained of."""
    _, said = process.communicate(timeout=120)
    assert "Traceback" not in said, said
    return process.returncode, "".join(line for line in said.splitlines(keepends=True) if "━" not in line)


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with running(Misbehaving()) as sink:
        assert isinstance(sink, Misbehaving)
        yield sink


@pytest.fixture
def town(database: Database, server: Misbehaving, tmp_path: Path) -> Town:
    return Town(database, server, tmp_path, members=200)


@pytest.fixture
def small_town(sqlite_database: Database, server: Misbehaving, tmp_path: Path) -> Town:
    return Town(sqlite_database, server, tmp_path, members=40)


def test_killed_again_and_again_it_comes_to_the_same_edition_and_sends_it_once(town: Town) -> None:
    """The moments are drawn from a seed: when the edition is opened, between shards, before it is released, while sending."""
    with town.database.reading() as connection:
        network = networks.by_key(connection, town.key)
    expected = rehearse(some_services(town.database, digest={"items": 3}), network, at=START)
    rng = random.Random(20261116)
    goals = [0, *sorted(rng.sample(range(1, 195), 3)), 200 + rng.randint(0, 100)]
    killed = 0
    for goal in goals:
        process = town.run()
        town.wait_for(goal, process)
        time.sleep(rng.uniform(0, 0.01))
        killed += process.poll() is None
        process.kill()
        process.communicate()
    assert killed >= 3, "it was hardly ever killed in the middle"
    ended(town.run())
    town.assert_complete()
    counts, taken, in_doubt = town.counts(), town.taken(), town.message_ids("uncertain")
    assert (counts.digests, counts.considered) == (expected.digests, expected.considered)
    assert max(taken.values()) == 1
    assert set(taken) | in_doubt == town.message_ids()
    assert len(in_doubt) <= killed * CONNECTIONS
    with town.database.reading() as connection:
        (edition,) = editions.latest(connection, town.key)
        assert editions.skipped_reasons(connection, edition.key) == expected.skipped
        assert editions.digest_sizes(connection, edition.key) == expected.sizes
        assert sorted(n for _, n in editions.reaches(connection, edition.key)) == sorted(n for *_, n in expected.reach)
    assert ended(town.run()) == (0, "")
    assert town.taken() == taken


def test_two_runs_at_once_make_one_edition_and_the_loser_says_who_has_it(town: Town) -> None:
    ends = [ended(process) for process in [town.run(), town.run()]]
    codes = sorted(code for code, _ in ends)
    assert codes in ([0, 0], [0, 1])
    for code, said in ends:
        assert ("is being composed by" in said) == (code == 1), said
    town.assert_complete()
    assert set(town.taken()) == town.message_ids("handed_over") == town.message_ids()
    assert set(town.taken().values()) == {1}


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""


def locking(town: Town) -> "subprocess.Popen[str]":
    """Another process that holds the write lock of the database until a line is written to it."""
    file = town.database.engine.url.database
    assert file
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, file], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout
    assert holder.stdout.readline() == "locked\n"
    return holder


def test_a_database_that_another_process_locks_for_a_while_is_waited_for(small_town: Town) -> None:
    holder = locking(small_town)
    process = small_town.run()
    freed = threading.Timer(3.0, holder.communicate, ["free\n"])
    freed.start()
    code, said = ended(process)
    freed.join()
    assert (code, said) == (0, "")
    small_town.assert_complete()
    assert len(small_town.server.accepted) == small_town.counts().digests


def test_a_database_that_stays_locked_is_told_and_nothing_is_half_done(small_town: Town) -> None:
    holder = locking(small_town)
    code, said = small_town.finish(DATABASE__WAIT_S=0.3)
    assert code == 5
    assert said == (
        "germane: the database stayed locked by another process for 0.3 s; stop the other process or try again\n"
    )
    assert small_town.progress() == -1
    holder.communicate("free\n")
    assert small_town.finish() == (0, "")
    small_town.assert_complete()


def test_locked_out_in_the_middle_it_stops_and_the_next_run_goes_on(small_town: Town) -> None:
    process = small_town.run(DATABASE__WAIT_S=0.3, DIGEST__SHARD=1)
    small_town.wait_for(5, process)
    holder = locking(small_town)
    code, said = ended(process)
    assert (code, "stayed locked" in said) == (5, True)
    decided = small_town.counts()
    assert decided.balanced
    assert decided.planned > 0
    holder.communicate("free\n")
    assert small_town.finish() == (0, "")
    small_town.assert_complete()
    assert set(small_town.taken().values()) == {1}


CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24


def _bound_by_permissions() -> None:
    """Even a superuser is bound by a file's permissions without this capability."""
    if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) != 0:
        os._exit(77)


@pytest.fixture
def read_only(small_town: Town) -> Iterator[Callable[[bool], None]]:
    """Makes the database's file, and if wanted its folder, read-only; skips where that does not bind this user."""
    small_town.database.close()
    file = Path(small_town.database.engine.url.database or "")
    probe = subprocess.run(
        [sys.executable, "-c", "import sys; open(sys.argv[1], 'a')", str(file)], preexec_fn=_bound_by_permissions,
        check=False, capture_output=True,
    )  # fmt: skip
    if probe.returncode == 77:
        pytest.skip("a superuser who cannot give up CAP_DAC_OVERRIDE is not bound by read-only files")

    def protect(folder: bool) -> None:
        file.chmod(0o444)
        if folder:
            file.parent.chmod(0o555)

    yield protect
    file.parent.chmod(0o755)
    file.chmod(0o644)


@pytest.mark.parametrize("folder", [False, True])
def test_a_read_only_database_is_told_and_nothing_is_half_done(
    small_town: Town, read_only: Callable[[bool], None], folder: bool
) -> None:
    read_only(folder)
    code, said = small_town.finish(before=_bound_by_permissions)
    assert code == 5, said
    assert "cannot be written; check the file's and folder's permissions" in said
    assert small_town.server.accepted == []
    assert small_town.progress() == -1


def _no_room() -> None:
    """No file may grow beyond what the database has already: as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def test_a_disk_without_room_loses_nothing(small_town: Town) -> None:
    code, said = small_town.finish(before=_no_room)
    assert code == 5, said
    assert "disk" in said
    assert small_town.finish() == (0, "")
    small_town.assert_complete()
    assert set(small_town.taken().values()) == {1}


def test_a_mail_server_that_is_down_keeps_every_digest_for_the_next_run(small_town: Town) -> None:
    code, said = small_town.finish(SMTP__PORT=9)
    assert code == 6
    assert "127.0.0.1:9 cannot be reached" in said
    counts = small_town.counts()
    assert (small_town.state(), counts.queued, counts.planned) == ("released", counts.digests, 0)
    assert counts.digests > 20
    assert small_town.finish() == (0, "")
    small_town.assert_complete()
    assert len(small_town.server.accepted) == counts.digests


@pytest.mark.parametrize(
    "fault",
    [
        Fault("connect", drip_s=0.02, times=5),
        Fault("RCPT", drip_s=0.01, times=10),
        Fault("MAIL", drop=True, times=3),
        Fault("RCPT", drop=True, times=3),
        Fault("DATA", drop=True, times=3),
        Fault("content", drop=True, times=3),
    ],
    ids=lambda fault: f"{'drop' if fault.drop else 'slow'} at {fault.step}",
)
def test_a_slow_or_dropping_mail_server_loses_nothing_and_gets_nothing_twice(small_town: Town, fault: Fault) -> None:
    small_town.server.faults = [fault]
    small_town.finish(SENDING__FIRST_RETRY_S=0.1)
    for _ in range(5):
        if small_town.state() == "finished":
            break
        time.sleep(0.5)
        small_town.finish(SENDING__FIRST_RETRY_S=0.1)
    small_town.assert_complete()
    assert small_town.message_ids("uncertain") == set()
    assert set(small_town.taken()) == small_town.message_ids()
    assert set(small_town.taken().values()) == {1}


def test_a_connection_cut_after_the_final_dot_is_in_doubt_told_and_not_sent_again(small_town: Town) -> None:
    small_town.server.faults = [Fault("message", drop=True, times=2)]
    code, _ = small_town.finish()
    assert code == 1
    small_town.assert_complete()
    in_doubt = small_town.message_ids("uncertain")
    assert 1 <= len(in_doubt) <= 2
    assert set(small_town.taken()) | in_doubt == small_town.message_ids()
    assert small_town.finish() == (0, "")
    assert set(small_town.taken().values()) == {1}
