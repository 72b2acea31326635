import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cli import COMMANDS
from profiles.member import Profile
from tests.jobs.installation import Installation, germane

GERMANE = (sys.executable, "-c", "from jobs.cli import main; main()")


@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS)])
def test_every_command_has_help(arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = germane(*arguments, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("nope",), ("run", "--nope"), ("members",), ("preview",), ("--nope", "run")])
def test_a_wrong_call_has_exit_code_2(arguments: tuple[str, ...]) -> None:
    assert germane(*arguments).exit_code == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_that_lacks_some_letters_still_shows_the_rest(installation: Installation, encoding: str) -> None:
    installation.join("siôn@example.org", Profile(stated="σίδηρος", languages=("en",)), name="Siôn Ŵyn Żółć")
    for command in ("members list", "members show siôn@example.org", "networks list", "run --no-send", "status"):
        done = subprocess.run(
            [*GERMANE, *command.split()],
            env=os.environ | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr
        assert done.stdout


def test_a_reader_who_goes_away_makes_no_noise(installation: Installation) -> None:
    for n in range(400):
        installation.join(f"reader{n}@example.org", Profile(languages=("en",)))
    command = f"{sys.executable} -c 'from jobs.cli import main; main()' members list --json | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[\n", "")


@pytest.mark.parametrize(("given", "threads"), [({}, {1}), ({"OPENBLAS_NUM_THREADS": "2"}, {2})])
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this machine has one core")
def test_how_many_cores_a_machine_has_does_not_change_a_sum(given: dict[str, str], threads: set[int]) -> None:
    script = """
from contextlib import suppress
from jobs.cli import main
with suppress(SystemExit):
    main(["--version"])
import numpy, scipy.linalg, threadpoolctl
print({pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"})
"""
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=clean | given, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(threads)
