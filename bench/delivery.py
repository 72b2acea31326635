"""Handing messages of 30 kB to Postfix's smtp-sink with the durable ledger on, beside Postfix's own smtp-source, in turns.

What is counted: the sink's messages, the ledger's rows, and for a sample every Message-ID that arrived.
"""

import asyncio
import contextlib
import multiprocessing
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import select, update

from delivery.smtp import Envelope, Parcel
from jobs.dispatch import Dispatch
from jobs.letters import Letter, Letters
from jobs.services import Services
from jobs.settings import Settings
from store import outbox, schema
from store.database import Database, insert_rows
from store.outbox import Claim, Scope
from store.tables import Delivery, Digest, DigestItem, Edition, Item, Member, Network, Outbox

NOW = datetime(2026, 11, 16, 7, 30, tzinfo=UTC)
OCTETS = 30_000
_MESSAGE_ID = re.compile(rb"^Message-ID: (<[^>]*>)", re.MULTILINE | re.IGNORECASE)
ITEMS = 6
SOURCE_SESSIONS = 10
PROCESSES, CONNECTIONS = 1, 100
"""At most so many messages, 1 x 100, are in doubt when the machine fails in the middle: one for each connection."""


def table(row: Any) -> Any:
    return row.__table__


def fill(database: Database, messages: int, octets: int = OCTETS) -> None:
    """A released edition with so many digests of six items in the outbox, each message about `octets` long."""
    body = "A sentence of some length about stroke rehabilitation at home. " * round(octets / 900)
    with database.writing() as connection:
        values: dict[str, Any] = {"public_id": "network", "slug": "bench", "name": "Bench", "created_at": NOW}
        values |= {"sender_address": "digest@bench.example.org", "list_id": "bench.example.org", "kind_thresholds": {}}
        network = _one(connection, Network, values)
        items = [
            _one(connection, Item, {
                "public_id": f"item{n:012d}", "network_id": network, "external_id": str(n), "title": f"Item {n}",
                "body": body, "language": "en", "audience": {}, "published_at": NOW, "created_at": NOW, "updated_at": NOW,
                "url": f"https://items.example.org/{n}",
            }) for n in range(ITEMS)
        ]  # fmt: skip
        values = {"public_id": "edition000000000", "network_id": network, "slot": "2026-W47", "state": "released"}
        edition = _one(connection, Edition, values | {"as_of": NOW, "skipped": {}, "settings": {}})
        _fill_members(connection, network, edition, items, messages)
        connection.execute(update(table(Edition)).values(members_considered=messages))


def _fill_members(connection: Any, network: int, edition: int, items: list[int], messages: int) -> None:
    rows: list[tuple[Any, ...]]
    columns: tuple[str, ...] = ("id", "public_id", "network_id", "address", "address_key", "name", "status", "role", "languages",
               "profession", "setting", "organisation", "organisation_type", "region", "country", "cadence", "time_zone",
               "urgent", "language", "joined_at", "updated_at")  # fmt: skip
    rows = [
        (n, f"{n:016d}", network, f"m{n}@example.org", f"m{n}@example.org", f"Member {n}", "active", "member", ("en",),
         "", "", "", "", "", "", "weekly", "", False, "", NOW, NOW)
        for n in range(1, messages + 1)
    ]  # fmt: skip
    insert_rows(connection, table(Member), columns, rows)
    reason = [["stroke", 0.7, "stated"], ["rehabilitation at home", 0.3, "stated"]]
    keys = range(1, messages + 1)
    columns = ("id", "edition_id", "member_id", "state", "reason", "items", "below_threshold")
    insert_rows(connection, table(Digest), columns, [(n, edition, n, "composed", "", ITEMS, 0) for n in keys])
    columns = ("digest_id", "rank", "member_id", "item_id", "score", "match", "reason")
    chosen = [(n, rank, n, item, 0.5, 60.0 - rank, reason) for n in keys for rank, item in enumerate(items)]
    insert_rows(connection, table(DigestItem), columns, chosen)
    columns = ("digest_id", "edition_id", "member_id", "message_id", "not_before", "state", "reason", "attempts",
               "claimed_by", "dot_sent", "created_at")  # fmt: skip
    rows = [(n, edition, n, f"<{n}@bench.example.org>", NOW, "planned", "", 0, "", False, NOW) for n in keys]
    insert_rows(connection, table(Outbox), columns, rows)


def _one(connection: Any, row: Any, values: dict[str, Any]) -> int:
    fields = row.model_fields
    defaults = {n: f.get_default(call_default_factory=True) for n, f in fields.items() if not f.is_required()}
    defaults.pop("id", None)
    into = table(row)
    return int(connection.execute(into.insert().values(**defaults | values).returning(into.c.id)).scalar_one())


@contextlib.contextmanager
def smtp_sink(folder: Path, *, capture: bool = False) -> Iterator[int]:
    """Postfix's smtp-sink on a free port; with `capture` it keeps each message in a file there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    kept = ["-D", "kept."] if capture else ["-c"]
    with (folder / "count").open("wb") as count:
        command = [_postfix("smtp-sink"), *user, *kept, f"127.0.0.1:{port}", "1000"]
        sink = subprocess.Popen(command, cwd=folder, stdout=count, stderr=subprocess.STDOUT)
    try:
        _wait_for(port)
        yield port
    finally:
        sink.send_signal(signal.SIGTERM)
        sink.wait()


def counted(folder: Path) -> int:
    """How many messages the sink says it took: it writes sess=N quit=N mesg=N over and over."""
    said = re.findall(rb"mesg=(\d+)", (folder / "count").read_bytes())
    return int(said[-1]) if said else 0


def is_possible() -> bool:
    """Whether Postfix's test programs are installed."""
    with contextlib.suppress(FileNotFoundError):
        return bool(_postfix("smtp-sink") and _postfix("smtp-source"))
    return False


def _wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)


def _postfix(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/libexec/postfix:/usr/local/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} is part of Debian's postfix")
    return found


def source_seconds(port: int, messages: int, octets: int = OCTETS) -> float:
    """smtp-source with persistent connections (-d) and messages of the same length."""
    command = [_postfix("smtp-source"), "-d", "-s", str(SOURCE_SESSIONS), "-m", str(messages), "-l", str(octets),
               "-f", "digest@bench.example.org", "-t", "m@example.org", f"127.0.0.1:{port}"]  # fmt: skip
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


class ReadyMade(Letters):
    """Messages of 30 kB that need no composing, as smtp-source's: what is measured then is claims, ledger and SMTP."""

    filler = b"A sentence of some length about stroke rehabilitation at home.\r\n" * (OCTETS // 64)

    def _read(self, claims: list[Claim], now: datetime) -> list[Letter]:
        return [Letter(claim, self._issues[claim.edition_key or 0], ()) for claim in claims]

    def parcel(self, letter: Letter) -> Parcel:
        claim = letter.claim
        head = f"From: digest@bench.example.org\r\nTo: {claim.address}\r\nMessage-ID: {claim.message_id}\r\n\r\n"
        return Parcel(Envelope("b@bench.example.org", claim.address), head.encode() + self.filler)


def germane_seconds(database: Database, port: int, messages: int, letters: type[Letters]) -> tuple[float, int]:
    """(seconds, commits) of handing over `messages` of what waits, by as many processes as `germane send` would be started."""
    database.close()  # no connection may be shared with a child
    context = multiprocessing.get_context("fork")
    ready, told = context.Barrier(PROCESSES + 1), context.Queue()
    url, share = database.engine.url.render_as_string(), -(-messages // PROCESSES)
    limits = [min(share, messages - n * share) for n in range(PROCESSES)]
    senders = [context.Process(target=_send, args=(url, port, limit, letters, ready, told)) for limit in limits]
    for sender in senders:
        sender.start()
    ready.wait()
    started = time.perf_counter()
    commits = sum(told.get() for _ in senders)
    seconds = time.perf_counter() - started
    for sender in senders:
        sender.join()
    return seconds, commits


def _send(url: str, port: int, limit: int, letters: type[Letters], ready: Any, told: Any) -> None:
    """What one process does. It says how many commits it took when its last message is written down."""
    dispatch = Dispatch(services_for(Database(url), port), Scope(), limit, lambda _: None, letters)
    ready.wait()
    asyncio.run(dispatch.run())
    told.put(dispatch.tally.commits)


def services_for(database: Database, port: int) -> Services:
    settings = Settings(secret_key="not so secret, but of thirty-two")
    smtp = settings.smtp.model_copy(
        update={"host": "127.0.0.1", "port": port, "connections": CONNECTIONS, "slow_connections": 0}
    )
    return Services(settings.model_copy(update={"smtp": smtp}), database, lambda: NOW)


def main(messages: int = 10_000, rounds: int = 5, letters: type[Letters] = ReadyMade) -> dict[str, float]:
    """Rates in turns, and what was counted in the end. `messages` are those of all rounds together; `Letters` composes each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        database = Database(f"sqlite:///{folder / 'bench.db'}")
        schema.upgrade(database)
        share = messages // rounds
        fill(database, share * rounds)
        ours, theirs, commits = [], [], 0
        with smtp_sink(folder) as port:
            for _ in range(rounds):
                theirs.append(share / source_seconds(port, share))
                seconds, made = germane_seconds(database, port, share, letters)
                ours.append(share / seconds)
                commits += made
            time.sleep(1.5)  # the sink writes its count once a second
            taken = counted(folder) - share * rounds
        with database.reading() as connection:
            states = outbox.counts(connection)
            tries = select(table(Delivery).c.outbox_id).where(table(Delivery).c.outcome == "handed_over")
            receipts = list(connection.execute(tries).scalars())
        database.close()
    assert states == {"handed_over": share * rounds}, states
    assert len(receipts) == len(set(receipts)) == share * rounds
    return {
        "germane_per_s": median(ours), "source_per_s": median(theirs),
        "ratio": median(a / b for a, b in zip(ours, theirs, strict=True)), "messages": share * rounds,
        "commits": commits, "lost": max(0, share * rounds - taken), "doubled": max(0, taken - share * rounds),
    }  # fmt: skip


def each_once(messages: int = 2_000) -> dict[str, int]:
    """Every Message-ID that the sink kept in a file, counted: how many never came, how many came more than once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        database = Database(f"sqlite:///{folder / 'bench.db'}")
        schema.upgrade(database)
        fill(database, messages, 3000)
        (folder / "kept").mkdir()
        (folder / "kept").chmod(0o777)
        with smtp_sink(folder / "kept", capture=True) as port:
            germane_seconds(database, port, messages, Letters)
            time.sleep(0.5)
        database.close()
        kept = [file.read_bytes() for file in (folder / "kept").iterdir() if file.name != "count"]
    times = Counter(found for content in kept for found in _MESSAGE_ID.findall(content))
    return {"lost": messages - len(times), "doubled": sum(number > 1 for number in times.values())}


if __name__ == "__main__":
    size, turns = (*map(int, sys.argv[1:3]), 10_000, 5)[:2]
    for way in (ReadyMade, Letters):
        print("ready-made messages" if way is ReadyMade else "composed messages")
        for what, value in main(size, turns, way).items():
            print(f"  {what:24} {value:10.3f}")
    print(f"each Message-ID of 2,000: {each_once()}")
