"""In the middle of a run: items are withdrawn, a template fails, the clock jumps, processes get in each other's way."""

import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from store.database import Database
from tests.faults.limits import bound_by_permissions, clock_off_by
from tests.faults.misbehaving import Misbehaving
from tests.faults.town import Town

BEFORE_THE_RECORD = ("run.released", "send.stale_released", "send.claimed")
"""Reached where no other thread of the process can hold a lock on SQLite."""


@pytest.mark.fault("item withdrawn", "while the run stands at {point}")
@pytest.mark.parametrize("point", BEFORE_THE_RECORD)
def test_f13_an_item_withdrawn_before_the_record_of_a_dot_is_in_no_message_after_it(village: Town, point: str) -> None:
    """Each member of the village is due three items of five with the same words; the newest of each five is withdrawn."""
    _withdraw_while_it_stands_at(village, point)


@pytest.mark.fault("item withdrawn", "when messages are made that hold it")
def test_f13_a_message_that_was_made_with_an_item_withdrawn_since_is_not_completed(
    postgres_database: Database, server: Misbehaving, tmp_path: Path
) -> None:
    _withdraw_while_it_stands_at(Town(postgres_database, server, tmp_path, members=12), "send.composed")


def _withdraw_while_it_stands_at(village: Town, point: str) -> None:
    process = village.run(failpoint=f"{point}:1:stop")
    process.wait_until_stopped()
    assert process.running, f"{point} was never reached"
    for key in village.items[:5]:
        village.withdraw(key)
    process.resume()
    process.ended()
    village.until_finished()
    assert village.violations() == []
    texts = [message.content.decode() for message in village.server.accepted]
    assert not [text for text in texts if any(re.search(rf"report {n}\b", text) for n in range(5))]


@pytest.mark.fault("item withdrawn", "all of a digest's")
def test_f13_a_digest_whose_items_are_all_withdrawn_is_cancelled_and_counted(hamlet: Town) -> None:
    process = hamlet.run(failpoint="send.claimed:1:stop")
    process.wait_until_stopped()
    for key in hamlet.items:
        hamlet.withdraw(key)
    process.resume()
    process.ended()
    hamlet.until_finished()
    assert hamlet.server.accepted == []
    assert hamlet.counts().done
    assert hamlet.addresses("cancelled") == hamlet.due


VICTIM = "n001@town.example.org"


def template_fails_for_one() -> None:
    """As a template does that meets what nobody thought of."""
    from digest.message import DigestPress

    made: Callable[..., bytes] = DigestPress.message

    def message(press: Any, recipient: Any, *rest: Any, **options: Any) -> bytes:
        if recipient.address == VICTIM:
            raise ZeroDivisionError("in the template")
        return made(press, recipient, *rest, **options)

    DigestPress.message = message  # type: ignore[method-assign, assignment]


@pytest.mark.fault("template fails", "for one member")
def test_f18_a_template_that_fails_for_one_member_keeps_nobody_else_waiting(village: Town) -> None:
    code, said = village.finish(before=template_fails_for_one, SENDING__FIRST_RETRY_S=0.1)
    assert code == 1
    assert VICTIM not in said
    assert set(village.server.recipients()) == village.due - {VICTIM}
    assert VICTIM in village.addresses("deferred", "refused", "planned")
    village.until_finished()
    assert village.violations() == []
    assert VICTIM in village.server.recipients()


@pytest.mark.fault("clock jumps", "by {hours} hours between a kill and the next run")
@pytest.mark.parametrize("hours", [-30, -1, 1, 30, 24 * 21])
@pytest.mark.parametrize("point", ["run.shard_written", "send.before_dot"])
def test_f05_a_clock_that_jumps_between_two_runs_sends_nothing_twice_and_loses_nobody(
    village: Town, point: str, hours: float
) -> None:
    village.finish(failpoint=f"{point}:1:kill")
    village.finish(before=partial(clock_off_by, hours), SENDING__FIRST_RETRY_S=0.1)
    village.until_finished()
    assert village.violations() == []


@pytest.mark.fault("two schedulers and four senders", "on one database")
def test_f03_two_schedulers_and_four_senders_at_once_make_one_edition_and_send_it_once(village: Town) -> None:
    processes = [village.run() for _ in range(2)]
    village.wait_for(4, processes[0])
    processes += [village.start("send") for _ in range(4)]
    for process in processes:
        process.ended()
    village.until_finished()
    assert village.violations() == []
    assert village.addresses("uncertain") == set()


@pytest.mark.fault("lease expires", "while its holder stands at {point}")
@pytest.mark.parametrize("point", ["send.claimed", "send.content_sent", "send.before_dot", "send.replied"])
def test_f04_a_sender_that_was_only_slow_cannot_send_or_settle_what_another_took_over(hamlet: Town, point: str) -> None:
    slow = hamlet.run(failpoint=f"{point}:1:stop", SENDING__LEASE_S=1)
    slow.wait_until_stopped()
    assert slow.running, f"{point} was never reached"
    time.sleep(1.2)
    hamlet.finish()
    assert hamlet.state() == "finished"
    slow.resume()
    slow.ended()
    hamlet.until_finished()
    assert hamlet.violations() == []


SENT_AGAIN = {"SENDING__IN_DOUBT": "resend", "SENDING__RESEND_AFTER_S": 0.1}


@pytest.mark.fault("stands still past its lease", "between the record and the dot, and another sends it again")
def test_f04_a_dot_is_not_sent_long_after_its_record(hamlet: Town) -> None:
    """The other calls it uncertain, and by that policy plans it again: the first one's dot would be a second copy."""
    slow = hamlet.run(failpoint="send.before_dot:1:stop", SENDING__LEASE_S=1, **SENT_AGAIN)
    slow.wait_until_stopped()
    time.sleep(1.2)
    hamlet.finish(**SENT_AGAIN)
    time.sleep(0.2)
    hamlet.finish(**SENT_AGAIN)
    assert set(hamlet.server.recipients()) == hamlet.due
    slow.resume()
    slow.ended()
    assert hamlet.violations() == []


@pytest.mark.fault("stands still past its lease", "between the record and the dot")
def test_f04_a_message_whose_dot_came_too_late_is_in_doubt_no_longer(hamlet: Town) -> None:
    slow = hamlet.run(failpoint="send.before_dot:1:stop", SENDING__LEASE_S=1)
    slow.wait_until_stopped()
    time.sleep(1.2)
    hamlet.finish()
    assert len(hamlet.addresses("uncertain")) >= 1
    slow.resume()
    slow.ended()
    assert hamlet.addresses("uncertain") == set()
    hamlet.until_finished()
    assert hamlet.violations() == []
    assert set(hamlet.server.recipients()) == hamlet.due


@pytest.mark.fault("asked to stop (SIGTERM)", "while sending")
def test_f01_a_clean_stop_drains_and_leaves_nothing_in_doubt(village: Town) -> None:
    process = village.run()
    village.server.when_taken = lambda number: process.signal(signal.SIGTERM) if number == 1 else None
    process.ended()
    assert village.addresses("uncertain") == set()
    village.server.when_taken = lambda _number: None
    village.until_finished()
    assert village.violations() == []


HELD = "LOCK TABLE outbox, digest, edition IN ACCESS EXCLUSIVE MODE"


@pytest.mark.fault("database locked", "while sending, for longer than is waited")
def test_f07_a_database_that_is_locked_while_sending_loses_nothing(village: Town) -> None:
    process = village.run(failpoint="send.recorded:1:stop", DATABASE__WAIT_S=0.3)
    process.wait_until_stopped()
    with village.database.writing() as connection:
        if not village.database.is_sqlite:
            connection.exec_driver_sql(HELD)
        process.resume()
        code, said = process.ended()
    assert (code, "stayed locked" in said) == (5, True), said
    village.until_finished()
    assert village.violations() == []


@pytest.mark.fault("database locked", "for a while, and waited for")
def test_f07_a_lock_that_ends_in_time_is_waited_for(village: Town) -> None:
    process = village.run(failpoint="send.recorded:1:stop")
    process.wait_until_stopped()
    with village.database.writing() as connection:
        if not village.database.is_sqlite:
            connection.exec_driver_sql(HELD)
        process.resume()
        time.sleep(1)
    assert process.ended() == (0, "")
    assert village.violations() == []


@pytest.mark.fault("database read-only", "from one moment on")
def test_f08_a_database_that_turns_read_only_is_told_and_goes_on_when_it_may_be_written(village: Town) -> None:
    process = village.run(failpoint="run.released:1:kill")
    process.ended()
    with _read_only(village):
        code, said = village.finish(before=bound_by_permissions)
    assert (code, "cannot be written" in said) == (5, True), said
    assert village.server.accepted == []
    village.until_finished()
    assert village.violations() == []


@contextmanager
def _read_only(town: Town) -> Iterator[None]:
    """Takes the right to write away, and gives it back."""
    _may_write(town.database, yes=False)
    yield
    _may_write(town.database, yes=True)


def _may_write(database: Database, *, yes: bool) -> None:
    name = database.engine.url.database or ""
    if database.is_sqlite:
        Path(name).chmod(0o644 if yes else 0o444)
    else:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            word = "off" if yes else "on"
            connection.exec_driver_sql("SET default_transaction_read_only = off")
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET default_transaction_read_only = {word}")
    database.close()
