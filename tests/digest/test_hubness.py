from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.calibration import USUAL_DEVIATION
from digest.feedback import Told
from digest.fitting import fit
from digest.hubness import SOFTNESS, crowd_of, damped, damping, held, shares
from digest.items import Item
from digest.learning import effective_profiles
from digest.matching import TfidfMatcher
from digest.reasons import explain
from digest.vectors import Rows
from profiles.member import Profile
from tests.digest.test_vectors import words

ITEMS = [
    Item(
        "Stroke and falls: a meeting on older people", body="Everything about stroke, falls and older people at home."
    ),
    Item("Stroke unit visits", body="Stroke units open their doors."),
    Item("Bell ringing for beginners", body="Cathedral bells and how to ring them."),
]
MANY = ["stroke", "falls", "older people", "stroke and falls", "older people at home", "falls at home"] * 10
OTHERS = [item.title for item in words(300, seed=1)]
SPACE = fit([*ITEMS, *words(320)], [])


def profiles(*interests: str) -> Rows:
    past = SPACE.item_vectors([*ITEMS, *words(320)])
    return effective_profiles(SPACE, SPACE.interests([Profile(stated=text) for text in interests]), past)


def left(*members: str) -> np.ndarray:
    """What is left of each item beside these members."""
    return shares(SPACE, SPACE.item_vectors(ITEMS), crowd_of(SPACE, profiles(*members)))


def test_what_is_near_to_many_is_damped_and_what_is_near_to_one_is_not() -> None:
    hub, stroke, bells = left(*MANY * 5, *OTHERS, "bell ringing")
    assert hub < stroke < 0.6
    assert bells > 0.85


def test_the_share_is_that_of_the_deviation_of_an_items_scores() -> None:
    members = [*MANY, *OTHERS * 3]  # so many that little leans on what is usual
    scores = next(TfidfMatcher(SPACE.n_terms, most=0).blocks(profiles(*members), SPACE.item_vectors(ITEMS)))
    wanted = np.minimum(1.0, (SOFTNESS + USUAL_DEVIATION) / (SOFTNESS + scores.std(axis=0)))
    assert left(*members) == pytest.approx(wanted, abs=0.01)


def test_few_members_say_little_and_none_nothing() -> None:
    assert left()[0] == 1.0
    assert left("", "") == pytest.approx(1.0)
    alone, among_many = left("stroke", *OTHERS[:4])[1], left("stroke", *OTHERS[:4] * 60)[1]
    assert left(*MANY)[1] < alone < 1.0
    assert alone < among_many < 1.0


@given(st.lists(st.sampled_from([*MANY[:6], "bell ringing", ""]), max_size=30))
def test_nothing_is_raised_and_nothing_vanishes(members: list[str]) -> None:
    found = left(*members)
    assert (found <= 1.0 + 1e-6).all()
    assert (found > SOFTNESS / (SOFTNESS + 1.0)).all()


def test_a_crowd_is_taken_evenly_of_those_who_want_something() -> None:
    space = replace(SPACE, settings=replace(SPACE.settings, crowd=3))
    rows = profiles("stroke", "", "falls", "older people", "bell ringing", "")
    crowd = crowd_of(space, rows)
    assert abs(crowd - rows[[0, 2, 4]]).max() == 0
    assert crowd_of(replace(space, settings=replace(space.settings, crowd=0)), rows).shape[0] == 0


def test_the_weights_of_words_still_sum_to_the_score() -> None:
    share = left(*MANY)
    assert share[0] < 0.8
    rows, wants = damped(SPACE.with_damping(1.0), SPACE.item_vectors(ITEMS), share), profiles("stroke; older people")
    score = float((wants @ rows[0].T).toarray()[0, 0])
    assert score > 0.05
    assert sum(weight for _, weight in explain(SPACE, wants, rows[0])) == pytest.approx(score, abs=1e-6)


def test_the_more_is_said_the_more_is_damped() -> None:
    def told(words: int) -> Told:
        one = np.ones(words)
        return Told(one.astype(np.int64), one.astype(np.int64), one, one, one, one > 0, one)

    assert damping(Told.nothing()) == 0.0
    assert damping(told(300)) == 0.5
    assert 0.9 < damping(told(5000)) < 1.0
    rows, share = SPACE.item_vectors(ITEMS), np.array([0.5, 0.8, np.nan])
    assert abs(damped(SPACE, rows, share) - rows).max() == 0, "where nobody said anything items are seen as they are"
    assert held(SPACE.with_damping(0.5), share).tolist() == pytest.approx([0.75, 0.9, 1.0])
