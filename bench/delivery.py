"""Handing messages of 30 kB to Postfix's smtp-sink with the durable ledger on, beside Postfix's own smtp-source, in turns.

What is counted: the sink's messages, the ledger's rows, and, in a run of its own, every Message-ID that arrived.

    python -m bench.delivery [MESSAGES [ROUNDS]]

Neither of Postfix's programs speaks TLS. With TLS stunnel stands before smtp-sink, and another one, which verifies the
first, before smtp-source; Germane speaks TLS itself, and verifies it by `smtp.ca_file`.
"""

import asyncio
import contextlib
import multiprocessing
import os
import re
import resource
import shutil
import signal
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

from bench import tls
from delivery.smtp import Envelope, Parcel
from jobs.dispatch import Dispatch
from jobs.letters import Letter, Letters
from jobs.senders import share_of
from jobs.services import Services
from jobs.settings import Settings
from store import outbox, schema
from store.database import Database, insert_rows
from store.outbox import Claim, Scope
from store.tables import Delivery, Digest, DigestItem, Edition, Item, Member, Network, Outbox

NOW = datetime(2026, 11, 16, 7, 30, tzinfo=UTC)
OCTETS = 30_000
_MESSAGE_ID = re.compile(rb"Message-ID: (<[^>]*>)", re.IGNORECASE)
ITEMS = 6
SOURCE_SESSIONS = 10
PROCESSES, CONNECTIONS = 2, 100
"""The connections are those of all processes together, as with `sending.processes`. At most so many messages are in doubt when
the machine fails in the middle: one for each connection."""


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
    port = tls.free_port()
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    kept = ["-D", "kept."] if capture else ["-c"]
    with (folder / "count").open("wb") as count:
        command = [_postfix("smtp-sink"), *user, *kept, f"127.0.0.1:{port}", "1000"]
        sink = subprocess.Popen(command, cwd=folder, stdout=count, stderr=subprocess.STDOUT)
    try:
        tls.wait_for(port)
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


def germane_seconds(
    database: Database, port: int, messages: int, letters: type[Letters], ca_file: str = ""
) -> tuple[float, int]:
    """(seconds, commits) of handing over `messages` of what waits, by as many processes as `germane send` would be started.

    With `ca_file`, certificates, TLS is spoken from the first octet, and verified by them.
    """
    database.close()  # no connection may be shared with a child
    context = multiprocessing.get_context("fork")
    ready, told = context.Barrier(PROCESSES + 1), context.Queue()
    url, share = database.engine.url.render_as_string(), -(-messages // PROCESSES)
    limits = [min(share, messages - n * share) for n in range(PROCESSES)]
    senders = [
        context.Process(target=_send, args=(url, port, ca_file, limit, letters, ready, told)) for limit in limits
    ]
    for sender in senders:
        sender.start()
    ready.wait()
    started = time.perf_counter()
    commits = sum(told.get() for _ in senders)
    seconds = time.perf_counter() - started
    for sender in senders:
        sender.join()
    return seconds, commits


def _send(url: str, port: int, ca_file: str, limit: int, letters: type[Letters], ready: Any, told: Any) -> None:
    """What one process does. It says how many commits it took when its last message is written down."""
    dispatch = Dispatch(services_for(Database(url), port, ca_file), Scope(), limit, lambda _: None, letters)
    ready.wait()
    asyncio.run(dispatch.run())
    told.put(dispatch.tally.commits)


def services_for(database: Database, port: int, ca_file: str = "") -> Services:
    settings = Settings(secret_key="not so secret, but of thirty-two")
    changes = {"host": tls.HOST, "port": port, "connections": CONNECTIONS, "slow_connections": 0}
    changes |= {"security": "tls", "ca_file": ca_file} if ca_file else {}
    smtp = settings.smtp.model_copy(update=changes)
    share = share_of(settings.model_copy(update={"smtp": smtp}), PROCESSES)
    return Services(share, database, lambda: NOW)


def main(
    messages: int = 10_000, rounds: int = 5, letters: type[Letters] = ReadyMade, *, with_tls: bool = False
) -> dict[str, float]:
    """Rates in turns, and what was counted in the end. `messages` are those of all rounds together; `Letters` composes each."""
    with _prepared(share := messages // rounds, rounds) as (folder, database):
        ours, theirs, commits = [], [], 0
        cpu = {"germane_cpu_us": 0.0, "source_cpu_us": 0.0}
        with smtp_sink(folder) as plain, _ports(folder, plain, with_tls) as (port, source_port, ca_file):
            for _ in range(rounds):
                began = _cpu_of_children_s()
                theirs.append(share / source_seconds(source_port, share))
                between = _cpu_of_children_s()
                seconds, made = germane_seconds(database, port, share, letters, ca_file)
                cpu["source_cpu_us"] += (between - began) * 1e6 / (share * rounds)
                cpu["germane_cpu_us"] += (_cpu_of_children_s() - between) * 1e6 / (share * rounds)
                ours.append(share / seconds)
                commits += made
            time.sleep(1.5)  # the sink writes its count once a second
            taken = counted(folder) - share * rounds
        with database.reading() as connection:
            states = outbox.counts(connection)
            tries = select(table(Delivery).c.outbox_id).where(table(Delivery).c.outcome == "handed_over")
            receipts = list(connection.execute(tries).scalars())
    assert states == {"handed_over": share * rounds}, states
    assert len(receipts) == len(set(receipts)) == share * rounds
    return {
        "germane_per_s": median(ours), "source_per_s": median(theirs),
        "ratio": median(a / b for a, b in zip(ours, theirs, strict=True)), "messages": share * rounds,
        **cpu, "commits": commits, "lost": max(0, share * rounds - taken), "doubled": max(0, taken - share * rounds),
    }  # fmt: skip


def _cpu_of_children_s() -> float:
    """Processor time of the child processes that have ended: what a busy machine does to rates, it does not do to this."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def _prepared(share: int, rounds: int, octets: int = OCTETS) -> Iterator[tuple[Path, Database]]:
    """A folder that everybody may write into, and in it a database with as many messages to send."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        database = Database(f"sqlite:///{folder / 'bench.db'}")
        schema.upgrade(database)
        fill(database, share * rounds, octets)
        yield folder, database
        database.close()


@contextlib.contextmanager
def _ports(folder: Path, plain: int, with_tls: bool) -> Iterator[tuple[int, int, str]]:
    """(the port for Germane, the one for smtp-source, the certificates that Germane trusts) before the plain server."""
    if not with_tls:
        yield plain, plain, ""
        return
    certificate = tls.make_certificate(folder)
    with tls.server(certificate, plain) as port, tls.client(certificate, port) as source_port:
        yield port, source_port, str(certificate)


def each_once(messages: int = 2_000) -> dict[str, int]:
    """Every Message-ID that the sink kept, counted: how many never came, how many came more than once. Messages of 3 kB."""
    with _prepared(messages, 1, 3000) as (folder, database):
        kept = folder / "kept"
        kept.mkdir()
        kept.chmod(0o777)
        with smtp_sink(kept, capture=True) as port:
            germane_seconds(database, port, messages, Letters)
            time.sleep(0.5)
        times = Counter(found for file in kept.iterdir() if file.name != "count" for found in _message_ids(file))
    return {"messages": messages, "lost": messages - len(times), "doubled": sum(n > 1 for n in times.values())}


def _message_ids(file: Path) -> Iterator[bytes]:
    with file.open("rb") as lines:
        for line in lines:
            if found := _MESSAGE_ID.match(line):
                yield found[1]


def _tell(what: str, found: dict[str, float]) -> None:
    print(what)
    for name, value in found.items():
        print(f"  {name:24} {value:10.3f}")


if __name__ == "__main__":
    size, turns = int((sys.argv[1:] or ["10000"])[0]), int((sys.argv[2:] or ["5"])[0])
    _tell("ready-made messages", main(size, turns))
    if tls.is_possible():
        _tell("ready-made messages, with TLS", main(size, turns, with_tls=True))
    else:
        print("NOT MEASURED with TLS: Debian's stunnel4 is not installed")
    _tell("composed messages", main(size, turns, Letters))
    _tell("each Message-ID", dict(each_once(size)))
