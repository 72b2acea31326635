"""Which tests hold which of the failures that mailers are known for, by number, and which builds without a guard they notice.

    python -m tests.faults.test_index

prints number, tests, broken builds.
"""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.faults.twins import TWINS

TESTS = Path(__file__).parents[1]
FAILURES = {
    1: "kill -9 at every step of a send",
    2: "connection cut after the dot",
    3: "two schedulers, two workers, two hosts on one database",
    4: "a lease expires while a worker is only slow",
    5: "the clock jumps; daylight saving, leap day, week 53",
    6: "the server was off for three weeks; an old copy of the database is put back",
    7: "database locked",
    8: "disk full, read-only",
    9: "refusals for one recipient, greylisting",
    10: "slow, huge and garbage replies",
    11: "no way to the mail server",
    12: "STARTTLS stripped, certificate wrong",
    13: "a member leaves between selection and sending",
    18: "a template fails for one member",
    19: "poison items and poison mails",
    20: "an inbound mail lost between accepting and storing",
    21: "forged senders (items cannot be posted by mail; what a mail can do is leave)",
    22: "SMTP smuggling into the inbound port",
    23: "mail loops, storms of automatic replies",
    24: "header injection",
    30: "forged or replayed tokens",
    31: "timing of comparisons, keys in logs",
    32: "tokens leak by Referer, logs, history",
    33: "scanners follow every link",
    40: "forged bounces and complaints",
    42: "mail to the wrong person",
    43: "a mail so big that leaving is cut off",
    44: "journals grow without end; purging takes what is due",
    45: "an upgrade in the middle of a run",
}
NAMED = re.compile(r"^(?:async )?def (test_f(\d+)_\w+)", re.MULTILINE)


def _held() -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for file in sorted(TESTS.rglob("test_*.py")):
        for name, number in NAMED.findall(file.read_text(encoding="utf-8")):
            found[int(number)].append(f"{file.relative_to(TESTS)}::{name}")
    return found


def _broken_builds() -> dict[int, list[str]]:
    """The guards that are taken out, with the test that notices."""
    found: dict[int, list[str]] = defaultdict(list)
    for number, tests in _held().items():
        found[number] += [test for test in tests if "_a_build_" in test]
    for twin in TWINS:
        found[twin.number].append(f"without {twin.guard!r}: {twin.test.removeprefix('tests/')}")
    return found


@pytest.mark.parametrize("number", FAILURES)
def test_each_failure_of_the_list_is_held_by_a_test_that_is_named_after_it(number: int) -> None:
    assert _held()[number], f"no test is named test_f{number:02}_...: {FAILURES[number]}"


@pytest.mark.parametrize("number", FAILURES)
def test_each_failure_of_the_list_is_met_by_a_build_without_its_guard(number: int) -> None:
    assert _broken_builds()[number], f"no broken build shows that the tests of F{number} can fail: {FAILURES[number]}"


if __name__ == "__main__":
    for number, what in FAILURES.items():
        print(f"F{number} {what}", *_held()[number], sep="\n  ")
        print("  broken builds:", *_broken_builds()[number], sep="\n    ")
