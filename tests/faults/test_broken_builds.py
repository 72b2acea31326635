"""Builds with a guard taken out, run as real processes against a real mail server: the checker must notice.

Each fault is met by the build as it is, too, and does no harm there.
"""

import threading
import time
from pathlib import Path

import pytest

from store.database import Database
from tests.faults.broken import drop_unique_keys
from tests.faults.misbehaving import Misbehaving
from tests.faults.town import Town

WHOLE = ""


@pytest.mark.parametrize("guard", [WHOLE, "record before the dot"])
def test_f01_a_build_that_records_nothing_before_the_dot_is_seen_to_send_twice(village: Town, guard: str) -> None:
    """The process dies when the server has the message, and the reply is not written down."""
    village.finish(failpoint="send.replied:1:kill", without=guard)
    village.until_finished(without=guard)
    assert _noticed(village, "twice") == bool(guard)


@pytest.mark.parametrize("guard", [WHOLE, "leaving asked at the record"])
def test_f13_a_build_that_asks_for_leaving_only_before_rendering_is_seen_to_mail_who_left(
    village: Town, guard: str
) -> None:
    """Everybody leaves when their messages are claimed, with the status that they had then."""
    process = village.run(failpoint="send.claimed:1:stop", without=guard)
    process.wait_until_stopped()
    for address in village.due:
        village.leave(address)
    process.resume()
    process.ended()
    village.until_finished(without=guard)
    assert _noticed(village, "after leaving") == bool(guard)


@pytest.mark.parametrize("guard", [WHOLE, "unique keys"])
@pytest.mark.postgres
def test_f03_a_build_without_unique_keys_is_seen_to_open_an_edition_twice(
    postgres_database: Database, server: Misbehaving, tmp_path: Path, guard: str
) -> None:
    """Two runs open the edition in the same moment. On SQLite one of them waits for the other before it even looks."""
    if guard:
        drop_unique_keys(postgres_database)
    town = Town(postgres_database, server, tmp_path, members=12)
    first = town.run(failpoint="run.opening:1:stop")
    first.wait_until_stopped()
    second = town.run(failpoint="run.opening:1:stop" if guard else "")
    if guard:
        second.wait_until_stopped()
    else:
        time.sleep(1.0)  # it waits for the first one's key
    for process in (first, second):
        process.resume()
    for process in (first, second):
        process.ended()
    town.until_finished()
    assert _noticed(town, "2 editions") == bool(guard)


@pytest.mark.parametrize("guard", [WHOLE, "owner asked at the record"])
def test_f04_a_build_that_does_not_ask_whose_claim_it_is_is_seen_to_send_twice(hamlet: Town, guard: str) -> None:
    slow = hamlet.run(failpoint="send.claimed:1:stop", SENDING__LEASE_S=1, without=guard)
    slow.wait_until_stopped()
    time.sleep(1.2)
    hamlet.finish()
    slow.resume()
    slow.ended()
    assert _noticed(hamlet, "twice") == bool(guard)


@pytest.mark.parametrize("guard", [WHOLE, "what is in doubt stays so"])
def test_f02_a_build_that_sends_again_what_is_in_doubt_is_seen_to_send_twice(hamlet: Town, guard: str) -> None:
    hamlet.finish(failpoint="send.replied:1:kill", without=guard)
    hamlet.until_finished(without=guard)
    assert _noticed(hamlet, "twice") == bool(guard)


@pytest.mark.parametrize("guard", [WHOLE, "leaving waits for the record"])
@pytest.mark.postgres
def test_f13_a_build_whose_record_does_not_lock_the_member_is_seen_to_mail_who_left(
    postgres_database: Database, server: Misbehaving, tmp_path: Path, guard: str
) -> None:
    town = Town(postgres_database, server, tmp_path, members=6)
    town.compose()
    process = town.run(failpoint="send.recording:1:stop", without=guard)
    process.wait_until_stopped()
    leaving = threading.Thread(target=lambda: [town.leave(address) for address in sorted(town.due)])
    leaving.start()
    leaving.join(0.5)
    process.resume()
    leaving.join()
    process.ended()
    town.until_finished(without=guard)
    assert _noticed(town, "after leaving") == bool(guard)


def _noticed(town: Town, by: str) -> bool:
    """Whether the checker found that. Whatever else it finds is noticed as well, and is none of a build as it is."""
    found = town.violations()
    assert not found or any(violation.startswith(by) for violation in found), found
    return bool(found)
