from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.auditor import Breaches
from simulation.measures import Year, figures, gini, spread, top_share

YEAR = Year(
    week=np.array([0, 0, 0, 1, 1]),
    person=np.array([0, 0, 1, 0, 2]),
    item=np.array([0, 1, 0, 2, 2]),
    match=np.array([50.0, 40.0, 60.0, 30.0, 20.0]),
    utility=np.array([1.0, 0.0, 0.5, 0.0, 0.5]),
    greedy_match=250.0,
    greedy_utility=1.0,
    considered=np.array([4, 4]),
    silent=np.array([2, 1]),
    is_request=np.array([True, False, True, True]),
    needed=np.array([2, 0, 3, 1]),
    could=np.array([2, 0, 3, 0]),
    people=4,
    said=np.array([0, 1, 0, 2, 0]),
    left=1,
    printed=2,
    breaches=Breaches(0, 1, 0, 2),
    repeats=3,
)
"""Three requests: the first is heard, the second is not, and the third could reach nobody."""


def test_requests_are_heard_that_reached_as_many_as_they_need() -> None:
    found = figures(YEAR)
    assert (found.requests, found.requests_reachable) == (3, 2)
    assert (found.requests_heard_share, found.requests_heard_of_all_share) == (0.5, round(1 / 3, 6))
    assert found.reach_got == {"p10": 0.0, "median": 2.0, "p90": 2.0}


def test_asks_and_mails_are_counted_by_member_and_week() -> None:
    found = figures(YEAR)
    assert (found.asks, found.most_asked, found.mails) == (4, 2, 4)
    assert found.top1pct_asks == 0.5, "one of four members is the least that one in a hundred can be"
    assert found.silent_share == round(3 / 7, 6)
    assert found.items_per_digest["median"] == 1.0
    assert found.mails_per_member_week == 0.5


def test_what_is_lost_is_told_against_unlimited_greedy() -> None:
    assert figures(YEAR).match_lost_share == pytest.approx(0.2)
    assert figures(replace(YEAR, greedy_match=100.0)).match_lost_share == pytest.approx(-1.0)
    assert figures(YEAR).utility_lost_share == pytest.approx(-1.0)


def test_breaches_are_told_in_all_and_by_limit() -> None:
    found = figures(YEAR)
    assert (found.budget_breaches, found.breaches, found.repeats) == (
        3,
        {"items": 0, "mails": 1, "hours": 0, "asks": 2},
        3,
    )


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40))
def test_gini_is_the_mean_difference_over_twice_the_mean(values: list[int]) -> None:
    counts = np.array(values)
    differences = np.abs(counts[:, None] - counts[None, :]).mean()
    expected = differences / (2 * counts.mean()) if counts.sum() else 0.0
    assert gini(counts) == pytest.approx(expected)


def test_the_top_share_is_of_the_most_asked() -> None:
    counts = np.concatenate([np.full(198, 1), [51, 51]])
    assert top_share(counts) == pytest.approx(102 / 300)
    assert top_share(np.zeros(5, np.int64)) == 0.0


def test_a_spread_names_values_that_there_are() -> None:
    assert spread(np.array([1, 2, 3, 4])) == {"p10": 1.0, "median": 2.0, "p90": 4.0}
    assert spread(np.zeros(0, np.int64))["median"] == 0.0
