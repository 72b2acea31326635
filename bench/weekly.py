"""The weekly job at 15,000 members and 500 items: match and select, then everything up to the delivered message."""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

from bench import synthetic
from delivery.sink import Accepted, Sink, running
from digest.composition import Batch, Edition, compose
from digest.fitting import fit
from digest.items import Item
from digest.selection import select
from jobs.run import run_edition
from jobs.services import Services
from jobs.settings import Settings, SmtpSettings
from profiles.member import Preferences, Profile
from store import items as item_store
from store import networks, schema
from store.database import Database, insert_rows
from store.identifiers import new_public_id
from store.tables import Member

NOW = datetime(2026, 11, 16, 7, 30, tzinfo=UTC)
NOTHING_SENT = (np.empty(0, np.int64), np.empty(0, np.int64))


def timed(act: Callable[[], Any]) -> tuple[Any, float]:
    """(what it returned, seconds)"""
    started = time.perf_counter()
    done = act()
    return done, time.perf_counter() - started


def match_and_select(profiles: Sequence[Profile], items: Sequence[Item]) -> dict[str, float]:
    """Seconds of each step between texts and decided digests, and the plain scikit-learn way beside the match."""
    space, fit_s = timed(lambda: fit(items, []))
    rows, items_s = timed(lambda: space.item_vectors(items))
    edition = Edition(
        items=items, topics=[], space=space, rows=rows, past=rows, thresholds=np.full(len(items), 33.0), most_items=6,
        language="en",
    )  # fmt: skip
    wishes, names = [Preferences()] * len(profiles), [""] * len(profiles)
    wants, vectors_s = timed(lambda: edition.wants(profiles, wishes))
    (_, matches), match_s = timed(lambda: edition.match(wants, edition.least_threshold))
    _, select_s = timed(lambda: select(matches, None, edition.thresholds, edition.most_items))
    _, compose_s = timed(lambda: compose(edition, Batch(profiles, wishes, names, NOTHING_SENT)))
    return {
        "fit_s": fit_s,
        "item_vectors_s": items_s,
        "profile_vectors_s": vectors_s,
        "match_s": match_s,
        "select_s": select_s,
        "compose_s": compose_s,
        "sklearn_match_s": _plain_match(space.lexical(wants.rows), space.lexical(rows)),
    }


def _plain_match(profiles: Any, items: Any) -> float:
    """scikit-learn's cosine similarity and argpartition, 10,000 profiles at a time: what one would write first."""
    from sklearn.metrics.pairwise import cosine_similarity

    def act() -> None:
        for start in range(0, profiles.shape[0], 10_000):
            dense = cosine_similarity(profiles[start : start + 10_000], items)
            np.argpartition(-dense, 8, axis=1)[:, :8]

    return timed(act)[1]


def whole_edition(profiles: Sequence[Profile], items: Sequence[Item], folder: Path) -> dict[str, float]:
    """Seconds and memory from a filled database to the last message taken by an SMTP server in this process."""
    database = Database(f"sqlite:///{folder / 'bench.db'}")
    schema.upgrade(database)
    network = _fill(database, profiles, items)
    taken: list[int] = []

    def take(message: Accepted) -> None:
        taken.append(len(message.content))

    with running(Sink(take)) as sink:
        settings = Settings(
            smtp=SmtpSettings(host="127.0.0.1", port=sink.port),
            secret_key=SecretStr("not so secret, but of thirty-two"),
        )
        services = Services(settings, database, lambda: NOW)
        _, compose_s = timed(lambda: run_edition(services, network, at=NOW, send=False))
        with on_one_core():
            report, send_s = timed(lambda: run_edition(services, network, at=NOW))
    database.close()
    assert report.state == "finished", report.state
    assert report.delivered == len(taken)
    return {
        "edition_s": compose_s + send_s,
        "compose_and_store_s": compose_s,
        "send_s": send_s,
        "messages": len(taken),
        "messages_per_s": len(taken) / send_s,
        "message_bytes": float(np.mean(taken)),
        "median_items": report.median_items,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _fill(database: Database, profiles: Sequence[Profile], items: Sequence[Item]) -> networks.Network:
    network = networks.Network(
        slug="bench", name="Bench", sender_address="digest@bench.example.org", list_id="bench.example.org"
    )
    columns = ("public_id", "network_id", "address", "address_key", "name", "status", "role", "stated", "languages",
               "profession", "setting", "organisation", "organisation_type", "region", "country", "cadence", "time_zone",
               "urgent", "language", "joined_at", "updated_at")  # fmt: skip
    with database.writing() as connection:
        network = networks.add(connection, network, NOW)
        rows = [
            (new_public_id(), network.key, f"m{n}@example.org", f"m{n}@example.org", f"Member {n}", "active", "member",
             profile.stated, profile.languages, "", "", "", "", "", "", "weekly", "", False, "", NOW, NOW)
            for n, profile in enumerate(profiles)
        ]  # fmt: skip
        insert_rows(connection, Member.__table__, columns, rows)  # type: ignore[attr-defined]
        for item in items:
            item_store.add(connection, network.key, replace(item, key=0), NOW)
    return network


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep this process to one core: the mail server shares its interpreter here, and handing Python's lock from core to core
    costs a third of all time. In service the mail server is another process."""
    every = os.sched_getaffinity(0)
    _pin({min(every)})
    try:
        yield
    finally:
        _pin(every)


def _pin(cores: set[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def main(members: int = 15_000, n_items: int = 500) -> dict[str, float]:
    import tempfile

    items, profiles = synthetic.items(n_items, NOW), synthetic.profiles(members)
    with tempfile.TemporaryDirectory() as folder:
        figures = whole_edition(profiles, items, Path(folder))
    steps = match_and_select(profiles, items)
    before = steps["fit_s"] + steps["item_vectors_s"] + steps["profile_vectors_s"]
    return steps | figures | {"from_matrices_s": figures["edition_s"] - before}


if __name__ == "__main__":
    for name, value in main(*map(int, sys.argv[1:])).items():
        print(f"{name:24} {value:10.3f}")
