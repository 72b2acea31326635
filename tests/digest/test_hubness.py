from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.calibration import USUAL_DEVIATION
from digest.fitting import fit
from digest.hubness import SOFTNESS, crowd_of, damped
from digest.items import Item
from digest.learning import effective_profiles
from digest.matching import TfidfMatcher
from digest.reasons import Origins, explain_with_sources
from digest.vectors import Rows, VectorSpace
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


def seen(*members: str) -> tuple[VectorSpace, Rows]:
    space = SPACE.beside(crowd_of(SPACE, profiles(*members)))
    return space, damped(space, space.item_vectors(ITEMS))


def shares(*members: str) -> np.ndarray:
    """What is left of each item's row."""
    _, rows = seen(*members)
    return np.asarray(abs(rows).sum(axis=1) / abs(SPACE.item_vectors(ITEMS)).sum(axis=1)).ravel()


def test_what_is_near_to_many_is_damped_and_what_is_near_to_one_is_not() -> None:
    hub, stroke, bells = shares(*MANY * 5, *OTHERS, "bell ringing")
    assert hub < stroke < 0.6
    assert bells > 0.85


def test_the_share_is_that_of_the_deviation_of_an_items_scores() -> None:
    members = [*MANY, *OTHERS * 3]  # so many that little leans on what is usual
    scores = next(TfidfMatcher(SPACE.n_terms, most=0).blocks(profiles(*members), SPACE.item_vectors(ITEMS)))
    wanted = np.minimum(1.0, (SOFTNESS + USUAL_DEVIATION) / (SOFTNESS + scores.std(axis=0)))
    assert shares(*members) == pytest.approx(wanted, abs=0.01)


def test_few_members_say_little_and_none_nothing() -> None:
    assert shares()[0] == 1.0
    assert shares("", "") == pytest.approx(1.0)
    alone, among_many = shares("stroke", *OTHERS[:4])[1], shares("stroke", *OTHERS[:4] * 60)[1]
    assert shares(*MANY)[1] < alone < 1.0
    assert alone < among_many < 1.0


@given(st.lists(st.sampled_from([*MANY[:6], "bell ringing", ""]), max_size=30))
def test_nothing_is_raised_and_nothing_vanishes(members: list[str]) -> None:
    found = shares(*members)
    assert (found <= 1.0 + 1e-6).all()
    assert (found > SOFTNESS / (SOFTNESS + 1.0)).all()


def test_a_crowd_is_taken_evenly_of_those_who_want_something() -> None:
    space = replace(SPACE, settings=replace(SPACE.settings, crowd=3))
    rows = profiles("stroke", "", "falls", "older people", "bell ringing", "")
    crowd = crowd_of(space, rows)
    assert abs(crowd - rows[[0, 2, 4]]).max() == 0
    assert crowd_of(replace(space, settings=replace(space.settings, crowd=0)), rows).shape[0] == 0


def test_the_weights_of_words_still_sum_to_the_score() -> None:
    space, rows = seen(*MANY)
    member = [Profile(stated="stroke; older people")]
    wants = profiles("stroke; older people")
    interests = space.interests(member)
    origins = Origins(interests.sum(interests.rows), space.chosen_topics(member), None)
    score = float((wants @ rows[0].T).toarray()[0, 0])
    assert score > 0.05
    assert sum(term.weight for term in explain_with_sources(space, wants, rows[0], origins)) == pytest.approx(
        score, abs=1e-6
    )


def test_a_restored_space_sees_items_the_same() -> None:
    space, rows = seen(*MANY)
    again = VectorSpace.from_bytes(space.to_bytes())
    assert abs(damped(again, again.item_vectors(ITEMS)) - rows).max() == 0
