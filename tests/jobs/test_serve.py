"""The whole of `germane serve` in a process of its own: pages, schedule and sending, on a real database."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from digest.slots import due
from profiles.links import sign
from store import editions, members, networks
from tests.builders import stored_item, stored_member, stored_network

KEY = "a key that is at least thirty-two"
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from jobs.cli import main; main()", "serve"]


def environment(database, **changes):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GERMANE_")}
    ours = {
        "PYTHONPATH": str(ROOT),
        "GERMANE_DATABASE__URL": database.engine.url.render_as_string(hide_password=False),
        "GERMANE_SECRET_KEY": KEY,
        "GERMANE_SCHEDULE__TICK_S": "0.2",
        "GERMANE_SMTP__PORT": "1",
    }
    return clean | ours | changes


@contextmanager
def serving(database, tmp_path, **changes):
    """A running `germane serve` and the address of its pages; killed at the end if it is still there."""
    log = tmp_path / "serve.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*COMMAND, "--port", "0"], cwd=tmp_path, env=environment(database, **changes), stderr=sink
        )
    try:
        yield process, wait_for(lambda: listening(log, process)), log
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def listening(log, process):
    assert process.poll() is None, log.read_text()
    found = re.search(r"Listening on (http://\S+)", log.read_text())
    try:
        return found and httpx2.get(f"{found[1]}/health").status_code == 200 and found[1]
    except httpx2.TransportError:
        return None


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def member(sqlite_database):
    with sqlite_database.writing() as connection:
        key = stored_member(connection, stored_network(connection))
        return next(m for m in members.stream(connection, 1) if m.key == key)


def status(database, member):
    with database.reading() as connection:
        return members.find_by_public_id(connection, member.public_id).member.status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_shows_the_page_takes_a_one_click_and_stops_cleanly(sqlite_database, tmp_path, member, number):
    token = sign(KEY.encode(), "leave", member.public_id)
    with serving(sqlite_database, tmp_path) as (process, address, log):
        page = httpx2.get(f"{address}/leave/{token}")
        assert (page.status_code, status(sqlite_database, member)) == (200, "active")
        answer = httpx2.post(f"{address}/leave/{token}", data={"List-Unsubscribe": "One-Click"})
        assert (answer.status_code, status(sqlite_database, member)) == (200, "left")
        process.send_signal(number)
        assert process.wait(30) == 0
    written = log.read_text()
    assert "POST /leave/{token} 200" in written
    assert "Stopped" in written
    assert token not in written
    assert "Traceback" not in written


def test_a_due_edition_is_run_at_once_and_by_one_of_two_processes_only(sqlite_database, tmp_path):
    with sqlite_database.writing() as connection:
        key = stored_network(connection, slug="breathe")
        long_ago = datetime.now(UTC) - timedelta(days=30)
        networks.change(connection, "breathe", created_at=long_ago, **an_hour_ago())
        for _ in range(3):
            stored_member(connection, key)
            stored_item(connection, key, published_at=datetime.now(UTC) - timedelta(days=1))
    (tmp_path / "other").mkdir()
    with (
        serving(sqlite_database, tmp_path) as (one, _, log),
        serving(sqlite_database, tmp_path / "other") as (two, _, other),
    ):
        wait_for(lambda: [e for e in found(sqlite_database, key) if e.state in {"released", "finished"}])
        time.sleep(1)
        for process in (one, two):
            process.terminate()
            assert process.wait(150) == 0  # it waits for what it is doing
    (edition,) = found(sqlite_database, key)
    with sqlite_database.reading() as connection:
        counts = editions.counts(connection, edition.key)
    assert (counts.considered, counts.planned) == (3, 0)
    assert counts.balanced
    assert "Traceback" not in log.read_text() + other.read_text()


def an_hour_ago():
    """A schedule in UTC that fell due an hour ago."""
    at = datetime.now(UTC) - timedelta(hours=1)
    slot = due(datetime.now(UTC), "UTC", at.weekday(), at.hour, at.minute)
    assert slot.instant <= datetime.now(UTC)
    return {"time_zone": "UTC", "weekday": at.weekday(), "hour": at.hour, "minute": at.minute}


def found(database, network):
    with database.reading() as connection:
        return editions.latest(connection, network)


def fails(database, tmp_path, *arguments, **changes):
    command = [*COMMAND, *arguments]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(database, **changes), capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
    return done


def test_a_port_that_is_taken_is_named_with_what_to_do(sqlite_database, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = fails(sqlite_database, tmp_path, "--port", str(port))
    assert done.returncode == 3
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert "--port" in done.stderr


def test_without_a_secret_key_it_does_not_start(sqlite_database, tmp_path):
    done = fails(sqlite_database, tmp_path, "--port", "0", GERMANE_SECRET_KEY="")
    assert done.returncode == 3
    assert "GERMANE_SECRET_KEY must be set" in done.stderr


def test_without_tables_it_does_not_start(sqlite_database, tmp_path):
    done = fails(sqlite_database, tmp_path, GERMANE_DATABASE__URL="sqlite:///new.db")
    assert done.returncode == 5
    assert "germane init" in done.stderr
