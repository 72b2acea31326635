from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.exact import breaches, instance
from digest.allocation import NO_LIMIT, NOBODY, Candidates, Limits, allocate
from digest.items import Topic
from digest.order import OrderRule, Shape, bridges, fields, outside, ranks, shape

TOPICS = [
    Topic("ltc", "Long-term conditions"),
    Topic("stroke", "Stroke", parent="ltc"),
    Topic("aphasia", "Aphasia", parent="stroke"),
    Topic("diabetes", "Diabetes", parent="ltc"),
    Topic("pay", "Pay"),
]
FAR = np.inf


def of_topics(*topics: str) -> sp.csr_matrix:
    """One topic an item; empty for none."""
    keys = [topic.key for topic in TOPICS]
    table = np.zeros((len(topics), len(keys)))
    for row, topic in enumerate(topics):
        if topic:
            table[row, keys.index(topic)] = 1
    return sp.csr_matrix(table)


def look(*topics: str, ask: int = -1, candidates: int = 1000, days: dict[int, float] | None = None) -> Shape:
    n = len(topics)
    left = np.array([(days or {}).get(item, FAR) for item in range(n)])
    return shape(np.arange(n) == ask, np.full(n, candidates), left, of_topics(*topics))


def in_order(matches: list[float], how: Shape, rule: OrderRule | None = None) -> list[int]:
    n = len(matches)
    rank = ranks(np.zeros(n, np.int64), np.arange(n), np.array(matches), how, rule)
    assert sorted(rank.tolist()) == list(range(1, n + 1))
    return np.argsort(rank).tolist()


def test_what_fits_best_comes_first() -> None:
    assert in_order([40, 90, 60], look("", "", "")) == [1, 2, 0]


def test_equal_fits_keep_the_order_of_the_items() -> None:
    assert in_order([50, 70, 50, 70], look("", "", "", "")) == [1, 3, 0, 2]


def test_a_request_that_few_could_answer_comes_first() -> None:
    assert in_order([90, 80, 40], look("", "", "", ask=2, candidates=10)) == [2, 0, 1]


def test_a_request_that_many_could_answer_waits_its_turn() -> None:
    assert in_order([90, 80, 40], look("", "", "", ask=2, candidates=11)) == [0, 1, 2]


def test_a_near_deadline_counts_and_a_far_one_does_not() -> None:
    assert in_order([50, 45], look("", "", days={1: 2})) == [1, 0]
    assert in_order([50, 45], look("", "", days={1: 13})) == [0, 1]


def test_a_second_item_of_the_same_topic_makes_room_for_another_topic() -> None:
    same_topic_twice = look("stroke", "stroke", "pay")
    assert in_order([90, 80, 60], same_topic_twice) == [0, 2, 1]
    assert in_order([90, 80, 60], same_topic_twice, OrderRule(mmr_lambda=1)) == [0, 1, 2]


def test_likeness_of_texts_counts_where_texts_are_given() -> None:
    texts = sp.csr_matrix(np.array([[1.0, 0], [1, 0.1], [0, 1]]))
    how = shape(np.zeros(3, np.bool_), np.full(3, 99), np.full(3, FAR), sp.csr_matrix((3, 0)), texts)
    assert in_order([90, 80, 60], how) == [0, 2, 1]


def test_members_are_put_in_order_each_by_themselves() -> None:
    member, item = np.array([0, 0, 3, 5, 5, 5]), np.array([0, 1, 2, 0, 1, 2])
    rank = ranks(member, item, np.array([40.0, 90, 50, 90, 80, 60]), look("stroke", "stroke", "pay"))
    assert rank.tolist() == [2, 1, 1, 1, 3, 2]


def test_nothing_is_in_order() -> None:
    assert not len(ranks(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), look("")))


def test_pairs_that_are_not_sorted_are_refused() -> None:
    with pytest.raises(ValueError, match="sorted by member"):
        ranks(np.array([1, 0]), np.array([0, 0]), np.array([50.0, 50.0]), look(""))


def test_a_field_is_what_a_member_chose_with_what_is_above_and_below() -> None:
    field = fields([("stroke",), ("ltc", "unknown"), ()], TOPICS)
    assert field.toarray().astype(int).tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 0]]


def test_topics_that_are_their_own_ancestors_do_no_harm() -> None:
    loop = [Topic("a", "A", parent="b"), Topic("b", "B", parent="a")]
    assert fields([("a",)], loop).toarray().astype(int).tolist() == [[1, 1]]


def test_outside_is_what_shares_no_topic_with_the_field() -> None:
    field = fields([("stroke",), ()], TOPICS)
    member, item = np.repeat([0, 1], 4), np.tile(np.arange(4), 2)
    found = outside(member, item, of_topics("aphasia", "diabetes", "pay", ""), field)
    assert found.tolist() == [False, True, True, False] + [False] * 4  # who chose nothing has no field to be outside of


def of(matches: list[list[float]], **changed: object) -> tuple[Candidates, Limits, np.ndarray, np.ndarray]:
    """Everything under 33 is outside the member's field."""
    table = np.array(matches)
    member, item = np.nonzero(table)
    pairs = Candidates(member, item, table[member, item], table[member, item] < 33)
    n_members, n_items = table.shape
    usual = Limits(
        items=np.full(n_members, 3),
        asks=np.full(n_members, 3),
        is_ask=np.zeros(n_items, np.bool_),
        need=np.zeros(n_items, np.int64),
        most=np.full(n_items, NO_LIMIT),
        group=np.arange(n_items),
        poster=np.full(n_items, NOBODY),
        per_poster=0,
        topics=sp.csr_matrix((n_items, 0)),
        per_topic=0,
    )
    limits = replace(usual, **changed)
    return pairs, limits, allocate(pairs, limits).chosen, pairs.deep


def bridging(matches: list[list[float]], allowed: bool = True, **changed: object) -> list[tuple[int, int]]:
    pairs, limits, chosen, is_outside = of(matches, **changed)
    found = bridges(pairs, limits, chosen, is_outside, np.full(limits.n_members, allowed))
    return list(zip(pairs.member[found].tolist(), pairs.item[found].tolist(), strict=True))


def test_the_nearest_item_from_outside_is_the_bridge_and_only_one() -> None:
    assert bridging([[60, 28, 30]]) == [(0, 2)]


def test_nobody_gets_a_bridge_who_does_not_allow_it() -> None:
    assert bridging([[60, 28, 30]], allowed=False) == []


def test_no_empty_digest_is_filled_and_no_full_one_gives_way() -> None:
    assert bridging([[0, 28, 30]]) == []
    assert bridging([[60, 50, 30]], items=np.array([2])) == []


def test_a_request_is_no_bridge() -> None:
    assert bridging([[60, 28, 30]], is_ask=np.array([False, False, True])) == [(0, 1)]


def test_a_bridge_keeps_to_the_reach_and_leaves_the_next_best() -> None:
    assert bridging([[60, 28, 30], [60, 27, 31]], most=np.array([NO_LIMIT, NO_LIMIT, 1])) == [(0, 1), (1, 2)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_limit_holds_with_bridges_and_nobody_gets_two(seed: int) -> None:
    pairs, limits = instance(seed)
    chosen = allocate(pairs, limits).chosen
    some = np.random.default_rng(seed).random(len(pairs)) < 0.5
    found = bridges(pairs, limits, chosen, some, np.ones(limits.n_members, np.bool_))
    assert np.bincount(pairs.member[found]).max(initial=0) <= 1
    assert not chosen[found].any()
    with_bridges = chosen.copy()
    with_bridges[found] = True
    assert not any(breaches(pairs, limits, with_bridges).values())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_the_order_is_the_one_that_mmr_gives_member_by_member(seed: int, lam: float) -> None:
    rng = np.random.default_rng(seed)
    member = np.sort(rng.integers(0, 8, 30))
    item, match = rng.integers(0, 12, 30), rng.uniform(20, 100, 30)
    half = rng.random((12, 12)).astype(np.float32)
    how = Shape(rng.random(12) < 0.2, rng.uniform(0, 10, 12), np.maximum(half, half.T))
    rank = ranks(member, item, match, how, OrderRule(mmr_lambda=lam))
    for one in np.unique(member).tolist():
        own = np.flatnonzero(member == one)
        assert own[np.argsort(rank[own])].tolist() == _plainly(own, item, match, how, lam)


def _plainly(own: np.ndarray, item: np.ndarray, match: np.ndarray, how: Shape, lam: float) -> list[int]:
    """As the paper has it, one member at a time."""
    rest, found = own.tolist(), []
    while rest:

        def figure(pair: int) -> float:
            fit = min((match[pair] + how.gain[item[pair]]) / 100, 1.5)
            likest = max((float(how.alike[item[pair], item[before]]) for before in found), default=0.0)
            return 10 + fit if how.few[item[pair]] else lam * fit - (1 - lam) * likest

        best = max(rest, key=lambda pair: (figure(pair), -pair))
        found.append(best)
        rest.remove(best)
    return found
