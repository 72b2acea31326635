"""The retry rule, on plain values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.retry import SPREAD, retry_at

COMPOSED = datetime(2026, 11, 16, 7, 30, tzinfo=UTC)


def _retry(
    attempt: int, *, now: datetime = COMPOSED, seed: str = "<a@example.org>", hours: float = 96
) -> datetime | None:
    return retry_at(attempt, since=COMPOSED, now=now, first_retry_s=1800, give_up_after_h=hours, seed=seed)


@pytest.mark.parametrize(("attempt", "minutes"), [(1, 30), (2, 60), (3, 120), (6, 960)])
def test_the_wait_doubles_with_each_attempt(attempt: int, minutes: int) -> None:
    due = _retry(attempt)
    assert due is not None
    wait = (due - COMPOSED) / timedelta(minutes=1)
    assert minutes * (1 - SPREAD) <= wait <= minutes * (1 + SPREAD)


def test_the_same_message_gets_the_same_wait_and_another_one_another() -> None:
    assert _retry(1) == _retry(1)
    assert _retry(1) != _retry(1, seed="<b@example.org>")


@given(st.integers(1, 10_000), st.floats(0, 200))
def test_no_attempt_is_later_than_the_age_of_giving_up(attempt: int, hours: float) -> None:
    now = COMPOSED + timedelta(hours=hours)
    due = _retry(attempt, now=now)
    assert (due is None) == (now >= COMPOSED + timedelta(hours=96))
    assert due is None or now <= due <= COMPOSED + timedelta(hours=96)
