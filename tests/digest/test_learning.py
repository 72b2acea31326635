import numpy as np
import pytest

from digest.calibration import DEFAULT, Background, default_threshold
from digest.fitting import fit
from digest.items import Item
from digest.learning import Feedback, Settings, effective_profiles
from digest.matching import Rows, TfidfMatcher
from digest.vectors import Settings as SpaceSettings
from profiles.member import Profile
from tests.digest.test_vectors import ITEMS, words


def sent(items: list[Item], interests: list[str], with_past: bool) -> list[list[int]]:
    """Items of each interest at or above the default threshold, without any feedback."""
    space = fit(items, [])
    rows = space.item_vectors(items)
    past = rows if with_past else rows[:0]
    profiles = effective_profiles(space, space.interests([Profile(stated=text) for text in interests]), past)
    matcher = TfidfMatcher(space.n_terms)
    match = DEFAULT.match(matcher.score(profiles, rows), Background.of(matcher, profiles, past)).toarray()
    return [np.flatnonzero(row >= default_threshold(2.0)).tolist() for row in match]


THREE = [
    Item("Pulmonary rehabilitation by video: who has tried it?", body="We would like to hear from teams."),
    Item("Analyst for the heart failure audit", body="Band 6, two years."),
    Item("COPD and pulmonary rehabilitation study day", body="Free for members."),
]


@pytest.mark.parametrize("with_past", [False, True])
@pytest.mark.parametrize("others", [0, 150, 320])
def test_five_clear_words_get_what_fits_and_not_the_rest(others: int, with_past: bool) -> None:
    interests = ["pulmonary rehabilitation for COPD at home", "bell ringing and cathedral organs", "the of and", ""]
    clear, *rest = sent([*THREE, *words(others)], interests, with_past)
    assert clear == [0, 2]
    assert rest == [[], [], []]


def learn(liked: list[int], disliked: list[int], stated: str = "audit", settings: Settings | None = None) -> np.ndarray:
    space = fit([*ITEMS, *words(320)], [], SpaceSettings(latent=16, broad=4))
    past = space.item_vectors([*ITEMS, *words(320)])
    marks = np.zeros((2, 1, past.shape[0]), np.float32)
    marks[0, 0, liked], marks[1, 0, disliked] = 1, 1
    feedback = Feedback(Rows(marks[0]), Rows(marks[1]))
    profiles = effective_profiles(space, space.interests([Profile(stated=stated)]), past, feedback, settings)
    return np.asarray(np.vstack(list(TfidfMatcher(space.n_terms, most=0).blocks(profiles, past)))[0])


def test_a_like_raises_and_a_dislike_lowers_what_is_alike() -> None:
    plain = learn([], [])
    assert learn([3], [])[3] > plain[3]
    assert learn([], [1])[1] < plain[1]


def test_a_stated_interest_never_disappears_under_what_is_learned() -> None:
    assert learn(list(range(4, 320)), [])[1] > 0


def test_feedback_that_contradicts_itself_and_a_member_who_marks_everything_break_nothing() -> None:
    everything = list(range(324))
    scores = learn(everything, everything)
    assert np.isfinite(scores).all()
    assert scores.max() <= 1.0 + 1e-5


def test_every_ingredient_can_be_switched_off() -> None:
    off = Settings(expansion=0, like_weight=0, dislike_weight=0, broad=0, full=0)
    assert learn([3], [1], settings=off)[3] == pytest.approx(0, abs=1e-6)


def test_a_profile_without_anything_scores_nothing() -> None:
    assert not learn([], [], stated="").any()


def test_scores_never_pass_one() -> None:
    assert learn([0, 1, 2, 3], [5], stated="Pulmonary rehabilitation by video").max() <= 1.0 + 1e-5


def test_a_single_word_against_does_not_weigh_as_much_as_many_would() -> None:
    likes = list(range(4, 24))
    one = learn(likes, [1])[1]
    assert learn(likes, [])[1] > one
    sure = Settings(dislike_doubt=0.0)
    assert learn(likes, [1], settings=sure)[1] < one
