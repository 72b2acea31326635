"""kill -9 of a real `germane send`, and several at once: nobody gets two, nobody is lost, what is in doubt is counted."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest
from sqlalchemy import select

from delivery.sink import running
from store import editions
from store.database import Database
from store.tables import Edition, Outbox
from tests.builders import stored_edition_to_send
from tests.faults.misbehaving import Fault, Misbehaving

OUTBOX = Outbox.__table__  # type: ignore[attr-defined]
EDITION = Edition.__table__  # type: ignore[attr-defined]

MESSAGES = 300
CONNECTIONS = 5
GERMANE = (sys.executable, "-c", "from jobs.cli import main; main()")


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with running(Misbehaving()) as sink:
        assert isinstance(sink, Misbehaving)
        yield sink


def _sender(database: Database, server: Misbehaving, folder: Path) -> "subprocess.Popen[str]":
    variables = {
        "GERMANE_DATABASE__URL": database.engine.url.render_as_string(hide_password=False),
        "GERMANE_SECRET_KEY": "k" * 40,
        "GERMANE_SMTP__HOST": server.host,
        "GERMANE_SMTP__PORT": str(server.port),
        "GERMANE_SMTP__CONNECTIONS": str(CONNECTIONS),
        "GERMANE_SENDING__BATCH": "20",
    }
    return subprocess.Popen(
        [*GERMANE, "send", "--json"], cwd=folder, env=os.environ | variables,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _finish(sender: "subprocess.Popen[str]") -> int:
    _, errors = sender.communicate(timeout=120)
    assert "Traceback" not in errors, errors
    return sender.returncode


def _states(database: Database) -> dict[str, list[str]]:
    """The Message-IDs in each state of the outbox."""
    found: dict[str, list[str]] = {}
    with database.reading() as connection:
        for state, message_id in connection.execute(select(OUTBOX.c.state, OUTBOX.c.message_id)):
            found.setdefault(state, []).append(message_id)
    return found


def _taken(server: Misbehaving) -> Counter[str]:
    return Counter(message_from_bytes(message.content)["Message-ID"] for message in server.accepted)


def _kill_after(sender: "subprocess.Popen[str]", server: Misbehaving, messages: int, delay_s: float) -> None:
    """SIGKILL `delay_s` after the server took so many more messages; returns when the process is dead."""
    reached = threading.Event()
    goal = len(server.accepted) + messages
    server.when_taken = lambda number: reached.set() if number >= goal else None
    while not reached.wait(0.05) and sender.poll() is None:
        pass
    time.sleep(delay_s)
    sender.kill()
    sender.communicate()


def test_killed_again_and_again_it_sends_every_digest_exactly_once(
    database: Database, server: Misbehaving, tmp_path: Path
) -> None:
    """The moments are drawn from a seed; each falls somewhere between a claim, a record, a dot, a reply and a receipt."""
    with database.writing() as connection:
        edition, _ = stored_edition_to_send(connection, MESSAGES)
    rng = random.Random(20261116)
    kills = 4
    for _ in range(kills):
        _kill_after(_sender(database, server, tmp_path), server, rng.randint(1, 25), rng.uniform(0, 0.02))
    assert len(server.accepted) < MESSAGES, "the process was never killed in the middle"
    server.when_taken = lambda _number: None
    _finish(_sender(database, server, tmp_path))
    taken, states = _taken(server), _states(database)
    assert max(taken.values()) == 1
    assert set(states) <= {"handed_over", "uncertain"}
    assert set(states["handed_over"]) <= set(taken)
    in_doubt = states.get("uncertain", [])
    assert len(in_doubt) <= kills * CONNECTIONS
    assert set(taken) | set(in_doubt) == {message_id for ids in states.values() for message_id in ids}
    with database.reading() as connection:
        assert editions.counts(connection, edition).done


def test_killed_before_any_dot_was_sent_it_leaves_nothing_in_doubt(
    database: Database, server: Misbehaving, tmp_path: Path
) -> None:
    with database.writing() as connection:
        stored_edition_to_send(connection, 20)
    server.faults = [Fault("DATA", hang=True)]
    sender = _sender(database, server, tmp_path)
    while "DATA" not in server.commands:
        assert sender.poll() is None
        time.sleep(0.02)
    sender.kill()
    sender.communicate()
    server.faults = []
    assert _finish(_sender(database, server, tmp_path)) == 0
    assert set(_taken(server).values()) == {1}
    assert {state: len(ids) for state, ids in _states(database).items()} == {"handed_over": 20}


def test_killed_while_it_waits_for_the_reply_to_the_dot_it_does_not_send_again(
    database: Database, server: Misbehaving, tmp_path: Path
) -> None:
    with database.writing() as connection:
        _, addresses = stored_edition_to_send(connection, 20)
    server.faults = [Fault("message", addresses[0], hang=True, take=True)]
    sender = _sender(database, server, tmp_path)
    while len(server.accepted) < 20:
        assert sender.poll() is None
        time.sleep(0.02)
    sender.kill()
    sender.communicate()
    server.faults = []
    assert _finish(_sender(database, server, tmp_path)) == 0
    assert set(_taken(server).values()) == {1}
    assert len(server.accepted) == 20
    assert 1 <= len(_states(database)["uncertain"]) <= CONNECTIONS


def test_asked_to_stop_it_finishes_what_is_on_its_way_and_leaves_nothing_in_doubt(
    database: Database, server: Misbehaving, tmp_path: Path
) -> None:
    with database.writing() as connection:
        stored_edition_to_send(connection, MESSAGES)
    sender = _sender(database, server, tmp_path)
    server.when_taken = lambda number: sender.send_signal(signal.SIGTERM) if number == 10 else None
    assert _finish(sender) == 1
    states = {state: len(ids) for state, ids in _states(database).items()}
    assert states == {"handed_over": len(server.accepted), "planned": MESSAGES - len(server.accepted)}
    assert states["planned"] > 0
    assert set(_taken(server).values()) == {1}


def test_three_senders_at_once_share_the_work_and_send_nothing_twice(
    database: Database, server: Misbehaving, tmp_path: Path
) -> None:
    with database.writing() as connection:
        stored_edition_to_send(connection, MESSAGES)
    senders = [_sender(database, server, tmp_path) for _ in range(3)]
    assert [_finish(sender) for sender in senders] == [0, 0, 0]
    taken = _taken(server)
    assert (len(taken), max(taken.values())) == (MESSAGES, 1)
    assert {state: len(ids) for state, ids in _states(database).items()} == {"handed_over": MESSAGES}
