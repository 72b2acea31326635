"""Real processes that run `germane ARGUMENTS`: forked off a server that has imported everything once, so that a test can
afford to kill hundreds of them. Each is a process of its own with its own connections, and dies like any other."""

import importlib
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from sqlalchemy import Connection

from tests.faults import broken

WAIT_S = 120
SERVER = get_context("forkserver")
SERVER.set_forkserver_preload(["tests.faults.processes", "tests.faults.warm"])


TAKEN_OUT: list[Callable[[broken.Replace], None]] = []
"""Guards that processes started from now on lack."""


def nothing() -> None: ...


class Germane:
    """`germane ARGUMENTS` under way. `without` names a guard of `tests.faults.broken` that this build lacks; `before` is
    what the new process does first."""

    def __init__(
        self,
        *arguments: object,
        folder: Path,
        variables: Mapping[str, object],
        failpoint: str = "",
        without: str = "",
        before: Callable[[], None] = nothing,
    ) -> None:
        handle, name = tempfile.mkstemp(dir=folder, prefix="said-")
        os.close(handle)
        self._said = Path(name)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GERMANE_")}
        environment = kept | {name: str(value) for name, value in variables.items()} | {"FAILPOINT": failpoint}
        given = ([str(one) for one in arguments], str(folder), environment, name, without, list(TAKEN_OUT), before)
        self._process = SERVER.Process(target=_germane, args=given, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.is_alive()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def resume(self) -> None:
        """Go on after it has stopped itself."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9; returns when the process is gone."""
        self._process.kill()
        self._process.join(WAIT_S)

    def wait_until_stopped(self) -> None:
        """Until it has stopped itself (SIGSTOP), or has ended."""
        while self.running and _state(self.pid) != "T":
            time.sleep(0.002)

    def ended(self) -> tuple[int, str]:
        """Its exit code (minus the number of the signal that killed it), and what it complained of."""
        self._process.join(WAIT_S)
        said = self._said.read_text(encoding="utf-8")
        if self.running:
            self.kill()
            raise AssertionError(f"it did not end within {WAIT_S} s; it said: {said}")
        code = self._process.exitcode
        assert code is not None
        assert "Traceback" not in said, said
        return code, "".join(line for line in said.splitlines(keepends=True) if "━" not in line)


def killed(code: int) -> bool:
    return code == -signal.SIGKILL


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _stop_between_transactions() -> None:
    """Stopped, the process would keep the database locked for everybody while another of its threads is in a transaction:
    so a point waits for those. The thread that is inside of one itself stops there, as its point says."""
    from jobs import failpoints
    from store.database import Database

    in_transaction = threading.RLock()
    writing, act = Database.writing, failpoints._armed

    @contextmanager
    def one_at_a_time(self: Database) -> Iterator[Connection]:
        with in_transaction, writing(self) as connection:
            yield connection

    def when_calm(point: str) -> None:
        with in_transaction:
            act(point)

    if act:
        Database.writing, failpoints._armed = one_at_a_time, when_calm  # type: ignore[method-assign]


def _germane(
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
    said: str,
    without: str,
    taken_out: list[Callable[[broken.Replace], None]],
    before: Callable[[], None],
) -> None:
    """What runs in the new process."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for name, stream in ((os.devnull, 1), (said, 2)):
        handle = os.open(name, os.O_WRONLY | os.O_APPEND)
        os.dup2(handle, stream)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    importlib.reload(importlib.import_module("jobs.failpoints"))  # it read the environment of the server
    _stop_between_transactions()
    if without:
        (broken.GUARDS | broken.ON_POSTGRES)[without](broken.for_good)
    for take_out in taken_out:
        take_out(broken.for_good)
    before()
    from jobs.cli import main

    try:
        main(arguments)
    finally:
        sys.stderr.flush()
