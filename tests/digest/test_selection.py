import numpy as np
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from digest.eligibility import Block
from digest.selection import Selection, select
from digest.thresholds import moved


def matches(*rows: list[float]) -> sp.csr_matrix:
    return sp.csr_matrix(np.array(rows, dtype=float))


def chosen(selection: Selection, member: int) -> list[int]:
    return selection.item[selection.member == member].tolist()


def test_the_best_come_first_and_the_threshold_is_in() -> None:
    selection = select(matches([33, 80, 32.9, 50]), None, 33, 6)
    assert chosen(selection, 0) == [1, 3, 0]
    assert selection.rank.tolist() == [1, 2, 3]
    assert selection.below.tolist() == [1]


def test_what_does_not_fit_in_the_budget_is_told_as_over_budget() -> None:
    selection = select(matches([90, 80, 70]), None, 33, np.array([2]))
    assert chosen(selection, 0) == [0, 1]
    assert (selection.left_item.tolist(), selection.left_block.tolist()) == ([2], [Block.OVER_BUDGET])


def test_a_blocked_item_leaves_its_place_to_the_next_and_keeps_its_reason() -> None:
    blocked = np.array([[Block.MUTED_KIND, 0, 0]], dtype=np.uint8)
    selection = select(matches([90, 80, 70]), blocked, 33, 2)
    assert chosen(selection, 0) == [1, 2]
    assert (selection.left_item.tolist(), selection.left_block.tolist()) == ([0], [Block.MUTED_KIND])


def test_of_the_same_thing_posted_twice_the_best_matching_is_sent_once() -> None:
    group = np.array([0, 1, 0, 1])
    selection = select(matches([60, 50, 70, 40], [0, 50, 70, 90]), None, 33, 6, group=group)
    assert (chosen(selection, 0), chosen(selection, 1)) == ([2, 1], [3, 2])
    assert selection.rank.tolist() == [1, 2, 1, 2]
    assert selection.left_item.tolist() == [0, 3, 1]
    assert set(selection.left_block.tolist()) == {Block.DUPLICATE}


def test_a_copy_is_sent_where_the_better_match_may_not_be() -> None:
    blocked = np.array([[0, Block.MUTED_KIND]], dtype=np.uint8)
    selection = select(matches([60, 70]), blocked, 33, 6, group=np.array([0, 0]))
    assert chosen(selection, 0) == [0]
    assert selection.left_block.tolist() == [Block.MUTED_KIND]


def test_a_copy_takes_no_place_in_the_budget() -> None:
    selection = select(matches([90, 80, 70]), None, 33, 2, group=np.array([0, 0, 2]))
    assert chosen(selection, 0) == [0, 2]


def test_a_threshold_of_its_own_for_an_item_holds_for_that_item() -> None:
    assert chosen(select(matches([50, 50]), None, np.array([60.0, 40.0]), 6), 0) == [1]


def test_equal_matches_keep_the_order_of_the_items() -> None:
    assert chosen(select(matches([50, 70, 50, 70]), None, 33, 3), 0) == [1, 3, 0]


def test_a_members_own_threshold_is_the_items_moved_by_their_shift() -> None:
    both = sp.csr_matrix(np.array([[40.0, 50.0], [40.0, 50.0], [40.0, 50.0]]))
    selection = select(both, None, np.array([41.0, 33.0]), 6, shifts=np.array([0.0, -1.0, 17.5]))
    assert [chosen(selection, member) for member in range(3)] == [[1], [1, 0], []]
    assert selection.below.tolist() == [1, 0, 2]


def test_no_shift_moves_a_threshold_out_of_its_bounds() -> None:
    match = sp.csr_matrix(np.array([[24.9, 25.0], [60.0, 59.9]]))
    selection = select(match, None, 33, 6, shifts=np.array([-1000.0, 1000.0]), bounds=BOUNDS)
    assert [chosen(selection, member) for member in range(2)] == [[1], [0]]


def test_nobody_and_nothing_are_no_error() -> None:
    for shape in [(0, 0), (3, 0), (0, 3)]:
        selection = select(sp.csr_matrix(shape), np.zeros(shape, np.uint8), 33, 6)
        assert len(selection.member) == len(selection.left_member) == 0


tables = st.tuples(st.integers(1, 6), st.integers(1, 12)).flatmap(
    lambda shape: st.tuples(
        arrays(np.float64, shape, elements=st.floats(0, 100, width=32)),
        arrays(np.uint8, shape, elements=st.integers(0, 6)),
        arrays(np.float64, shape[1], elements=st.floats(0, 100, width=32)),
        arrays(np.int64, shape[0], elements=st.integers(0, 8)),
        arrays(np.float64, shape[0], elements=st.floats(-200, 200, width=32)),
    )
)
BOUNDS = (25.0, 60.0)


@given(tables)
def test_whatever_comes_the_limits_hold_and_nothing_better_was_passed_over(table) -> None:  # type: ignore[no-untyped-def]
    match, blocked, thresholds, caps, shifts = table
    selection = select(sp.csr_matrix(match), blocked, thresholds, caps, shifts=shifts, bounds=BOUNDS)
    for member in range(len(match)):
        mine = chosen(selection, member)
        own = moved(thresholds, shifts[member], *BOUNDS)
        able = [i for i in np.flatnonzero((blocked[member] == 0) & (match[member] >= own)) if match[member, i] > 0]
        assert len(mine) == len(set(mine)) == min(caps[member], len(able))
        assert set(mine) <= set(able)
        worst = min((match[member, i] for i in mine), default=0)
        assert all(match[member, i] <= worst for i in set(able) - set(mine)) or not mine
        left = set(selection.left_item[selection.left_member == member].tolist())
        assert left.isdisjoint(mine)
        assert set(able) - set(mine) <= left


@given(tables)
def test_the_same_in_gives_the_same_out(table) -> None:  # type: ignore[no-untyped-def]
    match, blocked, thresholds, caps, shifts = table
    one, two = (select(sp.csr_matrix(match), blocked, thresholds, caps, shifts=shifts) for _ in range(2))
    assert all(np.array_equal(getattr(one, name), getattr(two, name)) for name in Selection.__slots__)


@given(tables, st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_no_member_gets_two_of_a_group_and_nobody_loses_a_group_for_it(table, labels) -> None:  # type: ignore[no-untyped-def]
    match, blocked, thresholds = table[:3]
    group = np.array(labels[: match.shape[1]])
    alone = select(sp.csr_matrix(match), blocked, thresholds, 99)
    grouped = select(sp.csr_matrix(match), blocked, thresholds, 99, group=group)
    for member in range(len(match)):
        mine = group[chosen(grouped, member)].tolist()
        assert len(mine) == len(set(mine))
        assert set(mine) == set(group[chosen(alone, member)].tolist())
