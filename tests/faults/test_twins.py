"""The named test of each failure fails on a build without its guard: seen here in every run of the suite."""

import pytest

from tests.faults import twins
from tests.faults.twins import TWINS, Twin


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_a_build_without_the_guard_is_noticed_by_the_named_test(twin: Twin) -> None:
    outcome = twins.run(twin.test, twin.take_out)
    assert outcome.failed, f"nobody noticed: {outcome}"


def test_a_build_as_it_is_passes_what_the_twins_run() -> None:
    """Otherwise the failures above might come from running a test inside of another."""
    cheap = [twin for twin in TWINS if "faults/" not in twin.test]
    for twin in cheap[::4]:
        outcome = twins.run(twin.test, lambda _replace: None)
        assert outcome.passed
        assert not outcome.failed
