import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulation.auditor import Breaches, Limits, Mails, breaches, repeats

DAY_H = 24.0


def counted(
    *mails: tuple[int, float, int, int], items: int = 6, most: int = 3, hours: int = 6, asks: int = 4
) -> Breaches:
    """Breaches of mails given as (member, days, items, asks), with the same limits for everybody."""
    member, days, sizes, asked = (np.array(part) for part in zip(*mails, strict=True))
    n = len(mails)
    limits = Limits(*(np.full(n, value) for value in (items, most, hours, asks)))
    found = Mails(member.astype(np.int64), np.floor(days).astype(np.int64), days * DAY_H, sizes, asked)
    return breaches(found, limits)


def test_a_life_within_all_limits_has_no_breach() -> None:
    assert counted(*((1, 7.0 * week, 6, 1 if week % 2 else 0) for week in range(20))) == Breaches(0, 0, 0, 0)


def test_a_digest_with_an_item_too_many_is_found() -> None:
    assert counted((1, 0.0, 7, 0), (2, 0.0, 6, 0)) == Breaches(1, 0, 0, 0)


def test_a_fourth_mail_in_seven_days_is_found_and_one_on_the_eighth_is_none() -> None:
    three = [(1, 0.0, 1, 0), (1, 2.0, 1, 0), (1, 4.0, 1, 0)]
    assert counted(*three, (1, 6.0, 1, 0)).mails == 1
    assert counted(*three, (1, 7.0, 1, 0)).mails == 0


def test_two_mails_too_close_are_found_and_two_members_are_not_mixed_up() -> None:
    assert counted((1, 0.0, 1, 0), (1, 0.2, 1, 0)).hours == 1
    assert counted((1, 0.0, 1, 0), (1, 0.25, 1, 0)).hours == 0
    assert counted((1, 0.0, 1, 0), (2, 0.1, 1, 0)).hours == 0


def test_a_fifth_request_in_31_days_is_found_and_one_on_the_32nd_is_none() -> None:
    four = [(1, 0.0, 6, 2), (1, 7.0, 6, 2)]
    assert counted(*four, (1, 30.0, 6, 1)).asks == 1
    assert counted(*four, (1, 31.0, 6, 2)).asks == 0
    assert counted(*four, (1, 30.0, 6, 0)).asks == 0, "a mail that asks nothing breaks no limit of asking"


def test_each_member_has_their_own_limits() -> None:
    found = Mails(np.array([1, 2]), np.array([0, 0]), np.array([0.0, 0.0]), np.array([5, 5]), np.array([3, 3]))
    limits = Limits(np.array([5, 4]), np.array([1, 1]), np.array([6, 6]), np.array([3, 2]))
    assert breaches(found, limits) == Breaches(items=1, mails=0, hours=0, asks=1)


def test_nothing_sent_breaks_nothing() -> None:
    none = np.zeros(0, np.int64)
    assert breaches(Mails(none, none, none, none, none), Limits(none, none, none, none)).total == 0


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=30),
    st.integers(1, 4),
)
def test_asks_are_counted_as_one_would_by_hand(given: list[tuple[int, int, int]], most: int) -> None:
    mails = sorted((member, day + n / 100, 1, asks) for n, (member, day, asks) in enumerate(given))
    by_hand = sum(
        asks > 0 and sum(a for m, d, _, a in mails if m == member and d <= day and int(day) - int(d) < 31) > most
        for member, day, _, asks in mails
    )
    assert counted(*mails, asks=most, most=99, hours=0).asks == by_hand


@pytest.mark.parametrize(
    ("rows", "found"), [([], 0), ([(1, 2), (1, 3), (2, 2)], 0), ([(1, 2), (2, 1), (1, 2), (1, 2)], 2)]
)
def test_what_comes_again_is_counted_each_time(rows: list[tuple[int, int]], found: int) -> None:
    assert repeats(rows) == found
