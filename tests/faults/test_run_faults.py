"""`germane run` killed, doubled, locked out and cut off: one edition, nobody twice, nobody lost, and a clear word each time."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.run import rehearse
from store import editions, networks, records
from tests.builders import some_services
from tests.faults.limits import bound_by_permissions, no_room
from tests.faults.misbehaving import Fault
from tests.faults.town import CONNECTIONS, START, Town


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
        killed += process.running
        process.kill()
    assert killed >= 3, "it was hardly ever killed in the middle"
    town.finish()
    town.assert_complete()
    counts, taken, in_doubt = town.counts(), town.taken(), town.message_ids("uncertain")
    assert (counts.digests, counts.considered) == (expected.digests, expected.considered)
    assert max(taken.values()) == 1
    assert set(taken) | in_doubt == town.message_ids()
    assert len(in_doubt) <= killed * CONNECTIONS
    with town.database.reading() as connection:
        (edition,) = editions.latest(connection, town.key)
        assert editions.skipped_reasons(connection, edition.key) == expected.skipped
        assert records.digest_sizes(connection, edition.key) == expected.sizes
        assert sorted(n for _, n in records.reaches(connection, edition.key)) == sorted(n for *_, n in expected.reach)
    assert town.finish() == (0, "")
    assert town.taken() == taken


def test_two_runs_at_once_make_one_edition_and_the_loser_says_who_has_it(town: Town) -> None:
    ends = [process.ended() for process in [town.run(), town.run()]]
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
    code, said = process.ended()
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
    code, said = process.ended()
    assert (code, "stayed locked" in said) == (5, True)
    decided = small_town.counts()
    assert decided.balanced
    assert decided.planned > 0
    holder.communicate("free\n")
    assert small_town.finish() == (0, "")
    small_town.assert_complete()
    assert set(small_town.taken().values()) == {1}


@pytest.fixture
def read_only(small_town: Town) -> Iterator[Callable[[bool], None]]:
    """Makes the database's file, and if wanted its folder, read-only."""
    small_town.database.close()
    file = Path(small_town.database.engine.url.database or "")

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
    code, said = small_town.finish(before=bound_by_permissions)
    assert code == 5, said
    assert "cannot be written; check the file's and folder's permissions" in said
    assert small_town.server.accepted == []
    assert small_town.progress() == -1


def test_a_disk_without_room_loses_nothing(small_town: Town) -> None:
    code, said = small_town.finish(before=no_room)
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
