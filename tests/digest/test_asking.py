"""What it costs to ask those who were asked much, and from which load on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.asking import A_LITTLE, LEAST_LEVEL, ONLY_IF_NEEDED, Asked, Requests, level


def asked(*lately: int, allowed: int = 4) -> Asked:
    return Asked(np.array(lately), np.full(len(lately), allowed))


def requests(*pairs: tuple[int, float], deep: tuple[int, ...] = ()) -> Requests:
    member, match = zip(*pairs, strict=True)
    return Requests(np.array(member), np.array(match, np.float32), np.isin(np.arange(len(pairs)), deep))


def test_asking_costs_a_whole_match_at_the_level_and_hardly_anything_at_half_of_it() -> None:
    cost = asked(0, 1, 8, 16, 17, 40).burden(np.arange(6), 4.0)
    assert cost[0] == 0
    assert cost[2] < 0.05
    assert cost[3] == pytest.approx(100, abs=0.1)
    assert cost[5] == ONLY_IF_NEEDED
    assert 0 < cost[1] < cost[2], "even a single request more settles who of two is asked"


def test_what_comes_before_in_the_same_digest_counts_like_what_came_in_the_year() -> None:
    some = asked(3, 5)
    assert some.burden(np.array([0]), 1.0, np.array([2])).tolist() == some.burden(np.array([1]), 1.0).tolist()


def test_who_allows_more_is_asked_more() -> None:
    both = Asked(np.array([8, 8]), np.array([4, 8]))
    assert both.load(np.arange(2)).tolist() == [2.0, 1.0]
    assert asked(1, allowed=0).load(np.array([0])).tolist() == [1.0]


def test_without_a_level_asking_costs_nothing() -> None:
    assert asked(0, 50).burden(np.arange(2), np.inf).tolist() == [0, 0]


def test_better_ones_come_before_and_deep_ones_last() -> None:
    found = requests((0, 40), (0, 90), (0, 60), (2, 30), (2, 30), (3, 20), (3, 50), deep=(2,))
    assert found.before.tolist() == [1, 0, 2, 0, 1, 1, 0]
    assert Requests(*(np.empty(0, int),) * 3).before.tolist() == []


def test_who_was_asked_most_for_what_fits_least_is_spared_first() -> None:
    some, pairs = asked(40, 40, 20, 0), requests((0, 35), (1, 90), (2, 35), (3, 90))
    turned_down = []
    for give_up in (0, 150, 250, 550, 5000):
        found = level(some, np.full(4, 4), pairs, pairs.before, give_up)
        cost = some.burden(pairs.member, found, pairs.before)
        turned_down.append(np.flatnonzero(cost >= pairs.match).tolist())
    assert turned_down == [[], [0], [0], [0, 1, 2], [0, 1, 2]]


def test_nobody_is_spared_who_got_less_in_a_year_than_they_allow_in_a_month() -> None:
    pairs = requests((0, 35), (1, 35))
    assert level(asked(3, 4), np.full(2, 4), pairs, pairs.before, 5000) == LEAST_LEVEL
    assert (asked(3, 4).burden(pairs.member, LEAST_LEVEL) >= pairs.match).tolist() == [False, True]


def test_deep_ones_and_those_beyond_the_room_are_not_given_up_for_it() -> None:
    pairs = requests((0, 80), (0, 60), (1, 50), deep=(2,))
    some = asked(9, 9)
    levels = [level(some, np.array([room, 4]), pairs, pairs.before, 0) for room in (2, 1, 0)]
    assert levels[0] > levels[1] > levels[2] == LEAST_LEVEL


members = st.integers(1, 12)


@st.composite
def editions(draw: st.DrawFn) -> tuple[Asked, Requests, float]:
    n = draw(members)
    lately = np.array(draw(st.lists(st.integers(0, 60), min_size=n, max_size=n)))
    allowed = np.array(draw(st.lists(st.integers(0, 20), min_size=n, max_size=n)))
    pairs = sorted(draw(st.lists(st.tuples(st.integers(0, n - 1), st.floats(1, 100)), min_size=1, max_size=40)))
    return Asked(lately, allowed), requests(*pairs), draw(st.floats(0, 4000))


@settings(deadline=None)
@given(editions())
def test_no_more_is_given_up_than_may_be_and_the_next_would_be_too_much(edition: tuple[Asked, Requests, float]) -> None:
    some, pairs, give_up = edition
    room, before, match = np.full(len(some.lately), 99), pairs.before, pairs.match.astype(np.float64)
    found = level(some, room, pairs, before, give_up)

    def too_much(at: float) -> float:
        cost = 100 * (some.load(pairs.member, before) / at) ** 12
        return float(match[cost >= match].sum()) - give_up / at**0.6

    assert too_much(found) <= 1e-6
    assert found == LEAST_LEVEL or too_much(found * (1 - 2 * A_LITTLE)) > 0
