"""Several processes drain the outbox together: every message once, one tally, one set of limits, one clean stop."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from multiprocessing import Pipe
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pydantic import SecretStr

from delivery.sink import running
from jobs.dispatch import Tally
from jobs.routing import pace_of, ways
from jobs.send import SendReport, send_due
from jobs.senders import Order, _help, most_processes, share_of, shares, together
from jobs.services import Services
from jobs.settings import Settings
from jobs.terminal import progress
from store import outbox
from store.database import Database
from store.outbox import Scope
from store.pacing import Pace
from tests.builders import NOW, some_services, stored_edition_to_send
from tests.faults.misbehaving import Fault, Misbehaving


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with running(Misbehaving()) as sink:
        assert isinstance(sink, Misbehaving)
        yield sink


def _noon() -> datetime:
    """A clock that another process can be given."""
    return NOW


class _Struck:
    """That clock; while a process that is given it starts, Ctrl-C comes."""

    def __call__(self) -> datetime:
        return NOW

    def __reduce__(self) -> tuple[Any, ...]:
        return _strike, ()


def _strike() -> "_Struck":
    os.kill(os.getpid(), signal.SIGINT)
    return _Struck()


def _services(database: Database, server: Misbehaving, **sections: Any) -> Services:
    smtp = {"host": server.host, "port": server.port, "connections": 4} | sections.pop("smtp", {})
    sections.setdefault("sending", {"batch": 5})
    return replace(some_services(database, smtp=smtp, **sections), now=_noon)


def _filled(database: Database, messages: int) -> list[str]:
    with database.writing() as connection:
        return stored_edition_to_send(connection, messages)[1]


def _counts(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        return outbox.counts(connection)


def _processes(database: Database, server: Misbehaving, limit: int, **sections: Any) -> SendReport:
    """Two of them. The limit gives each its share, else the first might be done before the other has started."""
    return send_due(_services(database, server, **sections), limit=limit, processes=2)


def test_several_processes_hand_over_every_message_once_and_their_tallies_are_one(
    database: Database, server: Misbehaving
) -> None:
    addresses = _filled(database, 40)
    server.faults = [Fault("RCPT", address, reply=b"550 5.1.1 unknown") for address in addresses[::10]]
    report = _processes(database, server, 40)
    assert sorted(server.recipients()) == sorted(set(addresses) - set(addresses[::10]))
    assert (report.of("handed_over"), report.of("refused")) == (36, 4)
    assert _counts(database) == {"handed_over": 36, "refused": 4}
    assert (report.done, report.waiting, report.lost_processes) == (40, 0, 0)


def test_the_progress_of_all_is_one_bar(sqlite_database: Database, server: Misbehaving) -> None:
    _filled(sqlite_database, 20)
    with progress() as bars:
        send_due(_services(sqlite_database, server), limit=20, processes=2, progress=bars)
        (bar,) = bars.tasks
        assert (bar.completed, bar.total) == (20, 20)


def test_they_open_no_more_connections_than_one_process_would(sqlite_database: Database, server: Misbehaving) -> None:
    _filled(sqlite_database, 60)
    assert _processes(sqlite_database, server, 60, smtp={"slow_connections": 0}).complete
    assert 2 <= server.most_at_once <= 4


def test_no_more_processes_are_started_than_may_have_a_connection(
    sqlite_database: Database, server: Misbehaving
) -> None:
    _filled(sqlite_database, 60)
    assert _processes(sqlite_database, server, 60, smtp={"connections": 1, "slow_connections": 0}).complete
    assert server.connections == 1


def test_the_lowest_limit_to_connections_says_how_many_processes_there_may_be() -> None:
    assert most_processes(Settings(smtp={"connections": 10, "slow_connections": 0})) == 10
    assert most_processes(Settings(sending={"domain_connections": 3})) == 3
    assert most_processes(Settings(destinations={"google": {"domains": ("gmail.com",), "connections": 2}})) == 2


def test_no_process_is_started_for_less_than_a_batch(sqlite_database: Database, server: Misbehaving) -> None:
    _filled(sqlite_database, 9)
    services = replace(
        _services(sqlite_database, server), now=lambda: NOW
    )  # which could not be given to another process
    assert send_due(services, processes=2).of("handed_over") == 9


def test_a_process_that_is_killed_is_told_and_the_next_run_settles_what_it_had(
    database: Database, server: Misbehaving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _filled(database, 40)
    monkeypatch.setenv("FAILPOINT", "send.before_dot:1:kill")  # this process has read it long ago
    report = _processes(database, server, 40)
    assert (report.lost_processes, report.complete, report.of("handed_over")) == (1, False, 20)
    assert "ended too early (exit status -9)" in caplog.text
    monkeypatch.delenv("FAILPOINT")
    send_due(_services(database, server))
    states = _counts(database)
    assert states["uncertain"] + states["handed_over"] == 40
    assert 1 <= states["uncertain"] <= 4
    assert max(Counter(server.message_ids()).values()) == 1


def test_a_process_that_is_asked_to_stop_while_it_starts_ends_in_order(
    sqlite_database: Database, server: Misbehaving
) -> None:
    _filled(sqlite_database, 40)
    services = replace(_services(sqlite_database, server), now=_Struck())
    report = send_due(services, limit=40, processes=2)
    assert (report.lost_processes, report.stopped, report.of("handed_over")) == (0, True, 20)
    assert _counts(sqlite_database) == {"handed_over": 20, "planned": 20}


def test_a_process_whose_first_one_is_dead_ends_in_order(sqlite_database: Database, server: Misbehaving) -> None:
    _filled(sqlite_database, 5)
    ours, theirs = Pipe()
    ours.close()
    settings = _services(sqlite_database, server).settings
    _help(theirs, Order(settings, str(sqlite_database.engine.url), _noon, Scope(), None, None))
    assert _counts(sqlite_database) == {"planned": 5}


def test_what_stops_another_process_is_told_as_if_it_had_stopped_this_one(server: Misbehaving, tmp_path: Path) -> None:
    ours, theirs = Pipe()
    settings = Settings(secret_key=SecretStr("k" * 40))
    _help(theirs, Order(settings, f"sqlite:///{tmp_path}/none/none.db", _noon, Scope(), None, None))
    assert "cannot be reached" in ours.recv()


def test_asked_to_stop_all_of_them_finish_what_is_on_its_way(
    database: Database, server: Misbehaving, tmp_path: Path
) -> None:
    """The first takes 40 messages at most: at the 45th the other is at work, and only the first is sent the signal."""
    _filled(database, 80)
    variables = {
        "GERMANE_DATABASE__URL": database.engine.url.render_as_string(hide_password=False),
        "GERMANE_SECRET_KEY": "k" * 40,
        "GERMANE_SMTP__HOST": server.host,
        "GERMANE_SMTP__PORT": str(server.port),
        "GERMANE_SMTP__CONNECTIONS": "4",
        "GERMANE_SENDING__BATCH": "5",
        "GERMANE_SENDING__PROCESSES": "2",
    }
    sender = subprocess.Popen(
        [sys.executable, "-c", "from jobs.cli import main; main()", "send", "--json", "--limit", "80"], cwd=tmp_path,
        env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    server.when_taken = lambda number: sender.send_signal(signal.SIGTERM) if number == 45 else None
    said, errors = sender.communicate(timeout=120)
    assert ("Traceback" in errors, sender.returncode) == (False, 1), errors
    assert json.loads(said)["stopped"] is True
    assert 45 <= len(server.accepted) < 80
    assert _counts(database) == {"handed_over": len(server.accepted), "planned": 80 - len(server.accepted)}


def test_another_thread_stops_all_of_them(sqlite_database: Database, server: Misbehaving) -> None:
    _filled(sqlite_database, 80)
    stopping = Event()
    server.when_taken = lambda number: stopping.set() if number == 45 else None
    server.faults = [Fault("RCPT", drip_s=0.01)]
    report = send_due(_services(sqlite_database, server), limit=80, processes=2, stopping=stopping)
    assert (report.stopped, report.lost_processes) == (True, 0)
    assert 45 <= len(server.accepted) < 80
    assert _counts(sqlite_database) == {"handed_over": len(server.accepted), "planned": 80 - len(server.accepted)}


def test_each_process_has_its_share_of_every_limit() -> None:
    settings = Settings(
        smtp={"connections": 10, "slow_connections": 0, "rate_per_s": 8, "slow_start_per_s": 10, "rate_per_window": 90}
        | {"slow_start_doubles_after": 100},
        sending={"domain_rate_per_s": 2, "domain_connections": 1},
        routes={"second": {"rate_per_s": 1}},
        destinations={"google": {"domains": ("gmail.com",), "rate_per_s": 3, "connections": 7}},
    )
    share = share_of(settings, 2)
    assert (share.smtp.connections, share.smtp.slow_connections) == (5, 0)
    assert (share.smtp.rate_per_s, share.smtp.slow_start_per_s) == (4, 5)
    assert share.smtp.slow_start_doubles_after == 50
    assert share.smtp.rate_per_window == 90, "the database counts that over all processes"
    assert (share.sending.domain_rate_per_s, share.sending.domain_connections) == (1, 1)
    assert share.routes["second"].rate_per_s == 0.5
    assert (share.destinations["google"].rate_per_s, share.destinations["google"].connections) == (1.5, 3)
    assert share_of(settings, 1) == settings


def test_what_a_slow_start_has_come_to_is_shared_by_the_next_run() -> None:
    share = share_of(Settings(), 4)
    (way,) = ways(share, {("route", "smtp"): Pace("route", "smtp", level_per_s=40, accepted=250)})
    assert way.pacer.rate_per_s == 10
    way.pacer.learned.level_per_s = 20
    assert pace_of(share, "route", way.pacer).level_per_s == 80


def test_a_limit_is_split_without_rest() -> None:
    assert shares(7, 3) == [3, 2, 2]
    assert shares(None, 2) == [None, None]


def test_tallies_add_up() -> None:
    first, second = Tally(commits=2, stopped=True, paused=["a"]), Tally(commits=3, paused=["a", "b"], postponed=1)
    for tally in (first, second):
        tally.note("handed_over", "")
    second.note("deferred", "450 4.2.1")
    second.mail_server_problem = "gone"
    whole = together([first, second])
    assert whole.outcomes == {"handed_over": Counter({"": 2}), "deferred": Counter({"450 4.2.1": 1})}
    assert (whole.commits, whole.stopped, whole.paused, whole.postponed) == (5, True, ["a", "b"], 1)
    assert whole.mail_server_problem == "gone"
