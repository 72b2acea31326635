"""What feedback counts for: weights that fade, and a utility that moves a threshold."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.feedback import Rule, Said, Told, decay, shifts, utilities, weights
from profiles.feedback import VERDICTS

RULE = Rule(half_life_days=10, opened_weight=0.2, utility_w=2.0, threshold_step=1.5)


def said(*words: tuple[Any, ...]) -> Said:
    """Words as (member, item, verdict, age_days[, judged])."""
    rows = [(*word, True)[:5] for word in words]
    member, item, verdict, age, judged = zip(*rows, strict=True) if rows else [()] * 5
    return Said(
        np.array(member, dtype=np.int64),
        np.array(item, dtype=np.int64),
        np.array([VERDICTS.index(v) for v in verdict], dtype=np.int64),
        np.array(age, dtype=np.float64),
        np.array(judged, dtype=np.bool_),
    )


def learnt(words: Said, agreed: bool = True) -> tuple[list[list[float]], list[list[float]]]:
    found = weights(words, 2, 3, RULE, [agreed, agreed])
    return found.liked.toarray().astype(float).round(6).tolist(), found.disliked.toarray().astype(float).round(
        6
    ).tolist()


def test_more_and_help_are_likes_and_less_is_a_dislike() -> None:
    liked, disliked = learnt(said((0, 0, "more", 0), (0, 1, "can_help", 0), (1, 2, "less", 0)))
    assert liked == [[1, 1, 0], [0, 0, 0]]
    assert disliked == [[0, 0, 0], [0, 0, 1]]


def test_what_was_told_of_some_members_is_told_of_them_alone() -> None:
    good = np.array([True, False, True, True])
    parts = np.arange(4) / 10, np.arange(4) / 100, np.ones(4)
    whole = Told(np.array([4, 1, 2, 4]), np.arange(4), *parts, good, np.ones(4))
    told = whole.only(np.array([1, 4]))
    assert (told.member.tolist(), told.item.tolist()) == ([1, 0, 1], [0, 1, 3])
    assert (told.rest.tolist(), told.field.tolist()) == ([0.0, 0.1, 0.3], [0.0, 0.01, 0.03])
    assert told.good.tolist() == [True, False, True]


def test_batches_are_joined_as_if_their_members_were_one_batch() -> None:
    one = Told(np.array([0, 2]), np.arange(2), np.ones(2), np.zeros(2), np.ones(2), np.array([True, False]), np.ones(2))
    assert Told.joined([one, Told.nothing(), one], [3, 5, 3]).member.tolist() == [0, 2, 8, 10]
    assert not len(Told.joined([], []).member)


def test_a_word_fades_by_half_in_each_half_life() -> None:
    assert decay(np.array([0.0, 10.0, 20.0, -5.0]), 10).tolist() == [1.0, 0.5, 0.25, 1.0]
    assert learnt(said((0, 0, "more", 10)))[0][0] == [0.5, 0, 0]


def test_opening_counts_weakly_and_only_where_it_was_agreed_to() -> None:
    words = said((0, 0, "opened", 0))
    assert learnt(words)[0][0] == [0.2, 0, 0]
    assert learnt(words, agreed=False)[0][0] == [0, 0, 0]


def test_opening_says_nothing_more_where_the_member_said_something() -> None:
    words = said((0, 0, "opened", 0), (0, 0, "less", 0), (0, 1, "opened", 0), (0, 1, "more", 30))
    assert learnt(words) == ([[0, 0.125, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0]])


def test_wanting_more_of_what_one_can_help_with_counts_once() -> None:
    assert learnt(said((0, 0, "more", 10), (0, 0, "can_help", 0)))[0][0] == [1, 0, 0]


def test_a_report_and_an_item_that_is_gone_teach_nothing() -> None:
    assert learnt(said((0, 0, "reported", 0), (1, -1, "more", 0), (1, -1, "opened", 0))) == (
        [[0] * 3] * 2,
        [[0] * 3] * 2,
    )


def test_without_feedback_nothing_is_learnt_and_nothing_moves() -> None:
    assert weights(Said.nothing(), 2, 3, RULE, [False, False]).liked.nnz == 0
    assert shifts(Said.nothing(), 2, RULE).tolist() == [0.0, 0.0]


def test_utility_is_w_for_a_good_item_and_minus_one_for_a_bad_one() -> None:
    words = said((0, 0, "more", 0), (0, 1, "less", 0), (0, 2, "less", 0), (1, 0, "can_help", 10), (1, -1, "less", 0))
    assert utilities(words, 2, RULE).tolist() == [0.0, 0.0]


def test_the_threshold_rises_with_what_was_not_wanted_and_falls_with_what_was() -> None:
    words = said((0, 0, "less", 0), (0, 1, "less", 0), (1, 0, "more", 0))
    assert shifts(words, 2, RULE).tolist() == [3.0, -3.0]


def test_what_no_digest_sent_does_not_move_the_threshold() -> None:
    assert shifts(said((0, 0, "less", 0, False)), 1, RULE).tolist() == [0.0]


@pytest.mark.parametrize("verdict", ["opened", "reported"])
def test_opening_and_reporting_do_not_move_the_threshold(verdict: str) -> None:
    assert shifts(said((0, 0, verdict, 0)), 1, RULE).tolist() == [0.0]


WORDS = st.tuples(st.integers(0, 1), st.integers(-1, 2), st.sampled_from(VERDICTS), st.floats(0, 4000), st.booleans())


@given(st.lists(WORDS, max_size=30))
def test_no_weight_is_above_one_or_below_zero(words: list[Any]) -> None:
    found = weights(said(*words), 2, 3, RULE, [True, True])
    for rows in (found.liked, found.disliked):
        assert rows.shape == (2, 3)
        assert (rows.data > 0).all()
        assert (rows.data <= 1).all()


@given(st.lists(WORDS, max_size=30), WORDS)
def test_one_good_word_more_never_raises_a_threshold(words: list[Any], word: Any) -> None:
    good = (*word[:2], "more", *word[3:])
    before, after = shifts(said(*words), 2, RULE), shifts(said(*words, good), 2, RULE)
    assert (after <= before + 1e-9).all()
