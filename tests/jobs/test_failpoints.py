"""Fail points: off by themselves, named once, and deadly when a test asks for it."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.failpoints import POINTS, Failpoint, FailpointError, armed, reach

JOBS = Path(__file__).parents[2] / "jobs"
REACHED = re.compile(r'\b(?:reach|fail_point)\("([^"]+)"\)')


def _named_in_the_code() -> set[str]:
    return {name for file in JOBS.glob("*.py") for name in REACHED.findall(file.read_text(encoding="utf-8"))}


def test_each_point_is_declared_and_each_declared_point_is_in_the_code() -> None:
    assert _named_in_the_code() == set(POINTS)


def test_without_the_variable_nothing_happens() -> None:
    assert armed("") is None
    reach("run.opened")


def test_the_nth_time_counts_and_only_that() -> None:
    point = Failpoint("run.opened", 2, "raise")
    point("run.opened")
    point("run.claimed")
    with pytest.raises(FailpointError, match=r"run\.opened"):
        point("run.opened")
    point("run.opened")


def test_the_star_counts_every_point() -> None:
    point = Failpoint("*", 2, "raise")
    point("run.opened")
    with pytest.raises(FailpointError, match=r"run\.claimed"):
        point("run.claimed")


@pytest.mark.parametrize("text", ["run.nowhere:1:kill", "run.opened:0:kill", "run.opened:1:laugh"])
def test_a_wrong_name_number_or_action_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="the points are"):
        armed(text)


def test_a_process_that_gets_there_is_killed() -> None:
    code = "from jobs.failpoints import reach; reach('run.opened'); print('alive', flush=True); reach('run.opened')"
    died = subprocess.run(
        [sys.executable, "-c", code],
        env={"FAILPOINT": "run.opened:2:kill"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "alive\n")
