import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from digest.eligibility import Block
from digest.interleaving import NO_TEAM, OTHER, OURS, Comparison, Wins, drafted, interleaved
from digest.selection import select

OURS_FIRST, OTHER_FIRST = 0, 2**32 - 1


def draft(ours: list[int], other: list[int], size: int, draw: int, group: object = None) -> list[tuple[int, int]]:
    """(column, team) in the order of picking; 0 is what a team may not pick."""
    first, second = (np.where(np.array([row]) > 0, np.array([row], dtype=float), -np.inf) for row in (ours, other))
    groups = np.arange(len(ours)) if group is None else np.array(group)
    columns, teams = drafted(first, second, np.array([size]), np.array([draw], np.uint64), groups)
    return [(int(c), int(t)) for c, t in zip(columns[0], teams[0], strict=True)]


def test_the_teams_pick_in_turn_each_the_best_that_is_left() -> None:
    ours, other = [9, 8, 7, 0, 0], [9, 0, 0, 8, 7]
    assert draft(ours, other, 4, OURS_FIRST) == [(0, OURS), (3, OTHER), (1, OURS), (4, OTHER)]
    assert draft(ours, other, 4, OTHER_FIRST) == [(0, OTHER), (1, OURS), (3, OTHER), (2, OURS)]


def test_each_round_is_tossed_for_anew() -> None:
    assert draft([9, 8, 7, 6], [9, 8, 7, 6], 4, 0b10) == [(0, OURS), (1, OTHER), (2, OTHER), (3, OURS)]


def test_a_team_with_nothing_left_lets_the_other_pick() -> None:
    assert draft([9, 8, 7], [0, 0, 5], 3, OTHER_FIRST) == [(2, OTHER), (0, OURS), (1, OURS)]
    assert draft([0, 0], [0, 0], 2, OURS_FIRST) == [(-1, NO_TEAM)] * 2


def test_of_the_same_thing_one_is_picked() -> None:
    assert draft([9, 8, 7], [8, 9, 1], 2, OURS_FIRST, group=[0, 0, 2]) == [(0, OURS), (2, OTHER)]


def test_the_share_of_members_is_about_what_was_asked_for() -> None:
    draws = np.random.default_rng(1).integers(0, 2**64, 10_000, dtype=np.uint64)
    assert Comparison(0.2).chosen(draws).mean() == pytest.approx(0.2, abs=0.02)
    assert not Comparison(0).chosen(draws).any()
    assert Comparison(1).chosen(draws).all()


def test_left_out_pairs_tell_what_became_of_them() -> None:
    matches = sp.csr_matrix(np.array([[90.0, 80, 70, 10], [90, 80, 70, 10]]))
    other = sp.csr_matrix(np.array([[0.0, 0, 0.5, 0.9], [0, 0, 0.5, 0.9]]))
    plain = select(matches, np.zeros((2, 4), np.uint8), 33, 2)
    draws = np.array([OURS_FIRST, OTHER_FIRST], dtype=np.uint64)
    found, teams = interleaved(plain, matches, other, np.zeros((2, 4), np.uint8), np.array([1]), draws, np.arange(4))
    assert found.item.tolist() == [0, 1, 3, 0]
    assert found.rank.tolist() == [1, 2, 1, 2]
    assert teams.tolist() == [NO_TEAM, NO_TEAM, OTHER, OURS]
    left = zip(found.left_member.tolist(), found.left_item.tolist(), found.left_block.tolist(), strict=True)
    assert sorted(left) == [(0, 2, Block.OVER_BUDGET), (1, 1, Block.COMPARED), (1, 2, Block.OVER_BUDGET)]


Floats = npt.NDArray[np.float64]
tables = st.tuples(st.integers(1, 5), st.integers(1, 8)).flatmap(
    lambda shape: st.tuples(
        arrays(np.float64, shape, elements=st.floats(0, 100, width=32)),
        arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.1, 0.4, 0.9])),
        arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, Block.MUTED_KIND])),
        arrays(np.uint64, shape[0]),
        arrays(np.int64, shape[1], elements=st.integers(0, 4)),
        st.integers(1, 6),
    )
)


@given(tables)
def test_digests_keep_their_sizes_and_hold_nothing_that_is_blocked_or_twice(table) -> None:  # type: ignore[no-untyped-def]
    match, cosine, blocked, draws, group, cap = table
    matches, everybody = sp.csr_matrix(match), np.arange(len(match))
    plain = select(matches, blocked, 33, cap, group=group)
    found, teams = interleaved(plain, matches, sp.csr_matrix(cosine), blocked, everybody, draws, group)
    n = len(match)
    assert np.bincount(found.member, minlength=n).tolist() == np.bincount(plain.member, minlength=n).tolist()
    assert not blocked[found.member, found.item].any()
    chosen = list(zip(found.member.tolist(), group[found.item].tolist(), strict=True))
    assert len(chosen) == len(set(chosen))
    for member in everybody:
        mine = teams[found.member == member]
        more, less = max((mine == OURS).sum(), (mine == OTHER).sum()), min((mine == OURS).sum(), (mine == OTHER).sum())
        assert more - less <= 1 or less == (mine == OTHER).sum(), "only the other team can run out"
    left = set(zip(found.left_member.tolist(), found.left_item.tolist(), strict=True))
    assert left.isdisjoint(zip(found.member.tolist(), found.item.tolist(), strict=True))


@given(tables)
def test_with_equal_rankings_the_digests_are_those_of_selection(table) -> None:  # type: ignore[no-untyped-def]
    match, _, blocked, draws, group, cap = table
    matches = sp.csr_matrix(match)
    plain = select(matches, blocked, 33, cap, group=group)
    found, _ = interleaved(plain, matches, matches, blocked, np.arange(len(match)), draws, group)
    assert found.item.tolist() == plain.item.tolist()


def test_the_sign_test_tells_chance_from_a_difference() -> None:
    assert Wins(0, 0, 9).p_value == 1
    assert Wins(5, 5, 0).p_value == 1
    assert Wins(9, 1, 3).p_value == pytest.approx(2 * 11 / 1024)
    low, high = Wins(9, 1, 3).interval
    assert 0.5 < low < 0.9 < high < 1
    assert Wins(0, 0, 0).interval == (0, 1)
