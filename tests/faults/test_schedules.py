"""10,000 randomised fault schedules over the production state changes, and the same with a guard taken out."""

import os
from collections.abc import Callable, Iterator
from importlib import import_module

import pytest

from tests.faults.broken import GUARDS
from tests.faults.simulated_store import Store
from tests.faults.simulator import new_store, play

SCHEDULES = int(os.environ.get("FAULT_SCHEDULES", "10000"))
"""How many are played; their seeds are 1 to this number."""
PARTS = 20
ENOUGH = 300
"""Schedules within which each missing guard must show."""


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    store = new_store()
    yield store
    store.close()


@pytest.fixture(scope="module")
def store_without_keys() -> Iterator[Store]:
    store = new_store(unique_keys=False)
    yield store
    store.close()


def _is_noticed(store: Store, by: str) -> bool:
    return any(violation.startswith(by) for seed in range(1, ENOUGH) for violation in play(store, seed))


@pytest.mark.fault(
    "randomised schedules", "kills, stops, lost replies, leases, leaving, withdrawal, locks, clock jumps"
)
@pytest.mark.parametrize("part", range(PARTS))
def test_f01_no_schedule_of_faults_loses_or_doubles_a_message_or_mails_who_left(
    store: Store, part: int, record_property: Callable[[str, object], None]
) -> None:
    seeds = range(1 + part, 1 + SCHEDULES, PARTS)
    record_property("times", len(seeds))
    for seed in seeds:
        found = play(store, seed)
        assert found == [], f"play it again with `python -m tests.faults.simulator {seed}`"


SHOWN_BY = {
    "record before the dot": "twice",
    "leaving asked at the record": "after leaving",
    "owner asked at the record": "twice",
    "what is in doubt stays so": "twice",
    "counts before finished": "lost",
    "editions of the dead are taken over": "lost",
    "claims of the dead are given up": "lost",
}


@pytest.mark.parametrize("guard", GUARDS)
def test_f01_a_build_without_one_of_the_guards_is_noticed_within_a_few_schedules(
    store: Store, guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    GUARDS[guard](lambda module, name, value: monkeypatch.setattr(import_module(module), name, value))
    assert _is_noticed(store, SHOWN_BY[guard])


def test_f03_a_build_without_unique_keys_is_noticed_within_a_few_schedules(store_without_keys: Store) -> None:
    assert _is_noticed(store_without_keys, "2 editions")
