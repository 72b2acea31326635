from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.exact import Figures, breaches, exact, instance
from digest.allocation import NO_LIMIT, NOBODY, Allocation, Candidates, Left, Limits, allocate, greedy, values

SEEDS = st.integers(0, 2**32 - 1)


def candidates(matches: list[list[float]], threshold: float = 33.0) -> Candidates:
    """From a table of members by items; 0 is no candidate."""
    table = np.array(matches)
    member, item = np.nonzero(table)
    return Candidates(member, item, table[member, item], table[member, item] < threshold)


def limits(n_members: int, n_items: int, **changed: object) -> Limits:
    usual = Limits(
        items=np.full(n_members, 6),
        asks=np.full(n_members, 6),
        is_ask=np.zeros(n_items, np.bool_),
        need=np.zeros(n_items, np.int64),
        most=np.full(n_items, NO_LIMIT),
        group=np.arange(n_items),
        poster=np.full(n_items, NOBODY),
        per_poster=0,
        topics=sp.csr_matrix((n_items, 0)),
        per_topic=0,
    )
    arrays = {name: np.array(value) if isinstance(value, list) else value for name, value in changed.items()}
    return replace(usual, **arrays)


def given_to(found: Allocation, pairs: Candidates, item: int) -> list[int]:
    return pairs.member[found.chosen & (pairs.item == item)].tolist()


def why(found: Allocation, pairs: Candidates) -> dict[tuple[int, int], Left]:
    left = np.flatnonzero(found.left)
    return {(int(pairs.member[n]), int(pairs.item[n])): Left(found.left[n]) for n in left}


def test_without_scarcity_each_member_gets_the_best_that_fit() -> None:
    pairs = candidates([[90, 80, 70], [40, 0, 60]])
    found = allocate(pairs, limits(2, 3, items=[2, 2]))
    assert [given_to(found, pairs, item) for item in range(3)] == [[0, 1], [0], [1]]
    assert why(found, pairs) == {(0, 2): Left.OVER_BUDGET}


def test_a_request_gets_the_reach_it_needs_from_whom_it_costs_least() -> None:
    pairs = candidates([[90, 85, 50], [90, 60, 58], [90, 40, 39]])
    found = allocate(pairs, limits(3, 3, items=[2, 2, 2], is_ask=[False, False, True], need=[0, 0, 2]))
    assert given_to(found, pairs, 2) == [1, 2]
    assert found.shortfall.tolist() == [0, 0, 0]


def test_a_popular_request_goes_to_no_more_than_it_may() -> None:
    pairs = candidates([[90], [80], [70]])
    found = allocate(pairs, limits(3, 1, is_ask=[True], most=[2]))
    assert given_to(found, pairs, 0) == [0, 1]
    assert why(found, pairs) == {(2, 0): Left.REACH_FULL}


def test_who_was_asked_enough_is_asked_no_more() -> None:
    pairs = candidates([[90, 80, 70]])
    found = allocate(pairs, limits(1, 3, asks=[1], is_ask=[True, True, False]))
    assert why(found, pairs) == {(0, 1): Left.ASKED_ENOUGH}


def test_a_deeper_look_stops_as_soon_as_the_reach_is_there() -> None:
    pairs = candidates([[60], [32], [30], [28]])
    found = allocate(pairs, limits(4, 1, is_ask=[True], need=[2]))
    assert given_to(found, pairs, 0) == [0, 1]
    assert why(found, pairs) == {(2, 0): Left.BELOW_THRESHOLD, (3, 0): Left.BELOW_THRESHOLD}


def test_nothing_below_the_threshold_fills_an_empty_digest() -> None:
    pairs = candidates([[32, 31]])
    found = allocate(pairs, limits(1, 2))
    assert not found.chosen.any()


def test_a_deeper_look_waits_until_a_better_match_is_freed() -> None:
    """Both requests fit the first member, who can be asked once; only the first of them fits another above the threshold."""
    pairs = candidates([[90, 80], [40, 0], [0, 30]])
    found = allocate(pairs, limits(3, 2, asks=[1, 1, 1], is_ask=[True, True], need=[1, 1]))
    assert (given_to(found, pairs, 0), given_to(found, pairs, 1)) == ([1], [0])


def test_what_cannot_be_reached_is_told_with_its_causes() -> None:
    pairs = candidates([[90, 80], [90, 80]])
    found = allocate(pairs, limits(2, 3, asks=[1, 0], is_ask=[True, True, True], need=[1, 2, 3]))
    assert (found.shortfall.tolist(), int(found.reach.sum())) == ([0, 2, 3], 1)
    assert found.causes[1].tolist() == [0, 0, 0, 0, 2, 0, 0, 0, 0]
    assert not found.causes[2].any()


def test_a_need_beyond_the_reach_it_may_have_goes_as_far_as_it_may() -> None:
    pairs = candidates([[90], [80], [70]])
    found = allocate(pairs, limits(3, 1, need=[3], most=[1]))
    assert (given_to(found, pairs, 0), found.shortfall.tolist()) == ([0], [2])
    assert found.causes[0, Left.REACH_FULL] == 2


def test_posters_topics_and_copies_are_kept_apart_in_a_digest() -> None:
    topics = sp.csr_matrix(np.array([[1, 0], [0, 0], [0, 0], [0, 0], [1, 1], [0, 0]]))
    pairs = candidates([[90, 45, 70, 60, 40, 35]])
    held = limits(
        1, 6, poster=[0, 0, 1, NOBODY, 2, NOBODY], per_poster=1, topics=topics, per_topic=1, group=[0, 1, 2, 3, 4, 3]
    )
    assert why(allocate(pairs, held), pairs) == {
        (0, 1): Left.POSTER_LIMIT,
        (0, 4): Left.TOPIC_LIMIT,
        (0, 5): Left.DUPLICATE,
    }


def test_being_asked_much_before_makes_another_be_asked() -> None:
    pairs = candidates([[80], [75]])
    held = limits(2, 1, is_ask=[True], need=[1], most=[1])
    assert given_to(allocate(pairs, held), pairs, 0) == [0]
    assert given_to(allocate(replace(pairs, burden=np.array([10.0, 0.0])), held), pairs, 0) == [1]


def test_who_was_asked_much_is_asked_only_where_readers_would_lack() -> None:
    pairs = replace(candidates([[60, 60], [50, 50]]), burden=np.array([70.0, 0.0, 0.0, 0.0]))
    held = limits(2, 2, is_ask=[True, False])
    found = allocate(pairs, held)
    assert (given_to(found, pairs, 0), given_to(found, pairs, 1)) == ([1], [0, 1])
    assert why(found, pairs) == {(0, 0): Left.ASKED_ENOUGH}
    assert given_to(allocate(pairs, replace(held, need=np.array([2, 0]))), pairs, 0) == [0, 1]


def test_a_deeper_look_comes_before_asking_somebody_too_much() -> None:
    pairs = candidates([[60], [32], [31]])
    for burden, asked in ((20.0, 0), (70.0, 1)):
        heavy = replace(pairs, burden=np.array([burden, 0.0, 0.0]))
        found = allocate(heavy, limits(3, 1, is_ask=[True], need=[1]))
        assert given_to(found, pairs, 0) == [asked]


def test_nobody_and_nothing_is_an_allocation_too() -> None:
    found = allocate(candidates([[0.0, 0.0]]), limits(1, 2, need=[0, 1]))
    assert (found.chosen.tolist(), found.shortfall.tolist()) == ([], [0, 1])
    found = allocate(candidates([[0.0]]), limits(0, 0))
    assert len(found.reach) == 0


@pytest.mark.parametrize("order", [[1, 0], [0, 0]])
def test_unsorted_or_repeated_candidates_are_refused(order: list[int]) -> None:
    pairs = candidates([[90, 80]])
    mixed = Candidates(*(getattr(pairs, name)[order] for name in ("member", "item", "match", "deep")))
    with pytest.raises(ValueError, match="sorted by member, then item, each pair once"):
        allocate(mixed, limits(1, 2))


def test_a_candidate_for_an_unknown_member_is_refused() -> None:
    with pytest.raises(ValueError, match="names a member or an item"):
        allocate(candidates([[90], [90]]), limits(1, 1))


def test_greedy_knows_only_the_room_and_copies() -> None:
    pairs = candidates([[90, 80, 70, 60, 30]])
    held = limits(1, 5, items=[2], asks=[0], is_ask=[True] * 5, most=[0] * 5, group=[0, 0, 2, 3, 4])
    found = greedy(pairs, held)
    assert np.flatnonzero(found.chosen).tolist() == [0, 2]
    assert why(found, pairs) == {(0, 1): Left.DUPLICATE, (0, 3): Left.OVER_BUDGET, (0, 4): Left.BELOW_THRESHOLD}


def test_200_small_instances_are_within_1_percent_of_the_exact_optimum() -> None:
    for seed in range(200):
        pairs, held = instance(seed)
        best, ours = exact(pairs, held), Figures.of(pairs, held, allocate(pairs, held).chosen)
        assert (ours.shortfall, ours.deep) == (best.shortfall, best.deep), f"instance {seed}"
        assert ours.value >= best.value - 0.01 * abs(best.value), f"instance {seed}"


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_every_limit_always_holds(seed: int) -> None:
    pairs, held = instance(seed)
    assert not any(breaches(pairs, held, allocate(pairs, held).chosen).values())


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 3))
def test_every_limit_holds_without_time_for_prices(seed: int, rounds: int) -> None:
    pairs, held = instance(seed)
    assert not any(breaches(pairs, held, allocate(pairs, held, rounds=rounds).chosen).values())


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_what_is_deep_or_asks_too_much_is_never_more_than_the_need(seed: int) -> None:
    pairs, held = instance(seed)
    found = allocate(pairs, held)
    for item in np.unique(pairs.item[found.chosen & (pairs.deep | (values(pairs) <= 0))]).tolist():
        assert found.reach[item] <= held.need[item]


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_whatever_is_left_out_has_a_true_reason(seed: int) -> None:
    pairs, held = instance(seed)
    found = allocate(pairs, held)
    assert ((found.left == Left.CHOSEN) == found.chosen).all()
    assert not (found.left == Left.NOT_PICKED).any()
    for n in np.flatnonzero(found.left).tolist():
        grown = found.chosen.copy()
        grown[n] = True
        broken = breaches(pairs, held, grown)
        says = Left(found.left[n])
        if says == Left.ASKED_ENOUGH and not broken["asks"]:
            assert values(pairs)[n] <= 0
            assert found.reach[pairs.item[n]] >= held.need[pairs.item[n]]
        elif says != Left.BELOW_THRESHOLD:
            assert broken[LIMIT_OF[says]], says
        else:
            assert pairs.deep[n]
            assert found.reach[pairs.item[n]] >= min(held.need[pairs.item[n]], held.most[pairs.item[n]])


LIMIT_OF = {
    Left.DUPLICATE: "duplicates",
    Left.REACH_FULL: "reach",
    Left.ASKED_ENOUGH: "asks",
    Left.POSTER_LIMIT: "poster",
    Left.TOPIC_LIMIT: "topic",
    Left.OVER_BUDGET: "items",
}


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_same_in_gives_the_same_out_byte_for_byte(seed: int) -> None:
    pairs, held = instance(seed)
    first, second = allocate(pairs, held), allocate(*instance(seed))
    for name in Allocation.__slots__:
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
