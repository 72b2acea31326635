"""kill -9 at every step of run and send, and leaving at every step: the next run goes on, nobody gets two, nobody is lost.

Each fail point of `jobs.failpoints` is one test on each database, which fails when the point is not reached. The mail
server kills at each step of its own that lies between two of them.
"""

import os
import signal
import threading
import time

import pytest

from jobs.failpoints import POINTS
from tests.faults.processes import Germane, killed
from tests.faults.town import CONNECTIONS, Town

RUN_AND_SEND = [point for point in POINTS if not point.startswith("incoming.")]
RUNNING = [point for point in POINTS if point.startswith(("run.", "send."))]
"""Those that `germane run` reaches."""
IN_A_TRANSACTION = ("run.opening", "run.shard_writing", "send.recording")
STEPS = ("connect", "EHLO", "MAIL", "RCPT", "DATA", "dot", "message", "QUIT")


def _in_doubt(village: Town) -> int:
    return len(village.addresses("uncertain"))


@pytest.mark.fault("kill -9", "{point}")
@pytest.mark.parametrize("point", RUN_AND_SEND)
def test_f01_killed_at_each_point_the_next_run_goes_on_and_nobody_is_lost_or_gets_two(
    village: Town, point: str
) -> None:
    code, _ = village.finish(failpoint=f"{point}:1:kill")
    assert killed(code), f"{point} was never reached"
    village.until_finished()
    assert village.violations() == []
    assert _in_doubt(village) <= CONNECTIONS


@pytest.mark.fault("kill -9 again and again", "at the 1st, 2nd, 3rd ... step, until nothing is left")
def test_f01_killed_at_the_nth_step_for_each_n_it_ends_unhurt_at_last(village: Town) -> None:
    kills = 0
    for n in range(1, 100):
        code, _ = village.finish(failpoint=f"*:{n}:kill", SENDING__BATCH=3)
        if not killed(code):
            break
        kills += 1
    assert kills >= 10
    village.until_finished()
    assert village.violations() == []
    assert _in_doubt(village) <= kills * CONNECTIONS


@pytest.mark.fault("kill -9", "the mail server at {step}")
@pytest.mark.parametrize("step", STEPS)
def test_f01_killed_at_each_step_of_smtp_nobody_is_lost_or_gets_two(village: Town, step: str) -> None:
    killer = _Striker(step, signal.SIGKILL)
    village.server.when_at = killer.strike
    assert killed(killer.at(village.run()).ended()[0])
    village.server.when_at = lambda _step: None
    village.until_finished()
    assert village.violations() == []
    assert _in_doubt(village) <= (CONNECTIONS if step in {"dot", "message", "QUIT"} else 0)


class _Striker:
    """Sends a process a signal when the mail server gets to a step for the first time, before the reply to it."""

    def __init__(self, step: str, number: int) -> None:
        self.step, self.number = step, number
        self._process: Germane | None = None
        self._known = threading.Event()
        self._struck = False

    def at(self, process: Germane) -> Germane:
        self._process = process
        self._known.set()
        return process

    def strike(self, step: str) -> None:
        if step == self.step and not self._struck and self._known.wait(30):
            assert self._process
            self._struck = True
            os.kill(self._process.pid, self.number)


@pytest.mark.fault("member leaves", "while the run stands at {point}")
@pytest.mark.parametrize("point", [point for point in RUN_AND_SEND if point not in IN_A_TRANSACTION])
def test_f13_who_leaves_while_the_run_stands_at_any_point_gets_nothing_more(village: Town, point: str) -> None:
    """The process is stopped (SIGSTOP), everybody leaves, and it goes on: only dots recorded before may still be sent."""
    process = village.run(failpoint=f"{point}:1:stop")
    process.wait_until_stopped()
    assert process.running, f"{point} was never reached"
    arrived = set(village.server.recipients())
    for address in village.due:
        village.leave(address)
    process.resume()
    process.ended()
    village.until_finished()
    assert village.violations() == []
    on_their_way = set(village.server.recipients()) - arrived
    assert len(on_their_way) <= CONNECTIONS
    assert not on_their_way or point == "send.recorded" or point == "send.before_dot"


@pytest.mark.fault("member leaves", "inside the transaction at {point}")
@pytest.mark.parametrize("point", IN_A_TRANSACTION)
def test_f13_who_leaves_in_the_moment_of_a_transaction_waits_for_it_or_gets_nothing(village: Town, point: str) -> None:
    process = village.run(failpoint=f"{point}:1:stop")
    process.wait_until_stopped()
    leaving = threading.Thread(target=lambda: [village.leave(address) for address in sorted(village.due)])
    leaving.start()
    time.sleep(0.3)
    process.resume()
    leaving.join()
    process.ended()
    village.until_finished()
    assert village.violations() == []
