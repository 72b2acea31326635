import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from digest.calibration import DEFAULT, Background, Calibration, Example, calibrate, default_threshold
from digest.learning import Feedback
from digest.matching import TfidfMatcher


def a_background(n: int = 1, likes: float = 0.0, mean: float = 0.02, deviation: float = 0.03) -> Background:
    known = likes > 0
    return Background(
        mean=np.full(n, mean),
        deviation=np.full(n, deviation),
        liked=np.full(n, 0.3 if known else np.nan),
        rate=np.full(n, 0.02 if known else np.nan),
        likes=np.full(n, likes),
    )


def match(calibration: Calibration, scores: list[float], background: Background) -> np.ndarray:
    row = sp.csr_matrix((scores, ([0] * len(scores), range(len(scores)))), shape=(1, len(scores)))
    return calibration.match(row, background).data


def an_example(seed: int, likes: float = 0.0, n: int = 40) -> Example:
    """Members and items where the chance to be good rises with the score."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(1, 8, (n, 200))
    good = rng.random(scores.shape) < 1 / (1 + np.exp(6 - 14 * scores))
    return Example(sp.csr_matrix(scores), good.ravel().astype(float), a_background(n, likes))


def test_the_threshold_is_where_sending_pays() -> None:
    assert default_threshold(2.0) == pytest.approx(100 / 3)
    assert default_threshold(1.0) == 50.0


@pytest.mark.parametrize("likes", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("learnt", [False, True])
def test_a_higher_score_never_has_a_lower_match(likes: float, learnt: bool) -> None:
    calibration = calibrate([an_example(1, likes)]) if learnt else DEFAULT
    matches = match(calibration, np.linspace(0.001, 1, 500).tolist(), a_background(likes=likes))
    assert (np.diff(matches) >= 0).all()
    assert matches[-1] > matches[0]


@given(st.floats(0, 1), st.floats(-0.1, 0.5), st.floats(1e-3, 0.3), st.floats(0, 50))
def test_a_match_is_a_figure_from_0_to_100(score: float, mean: float, deviation: float, likes: float) -> None:
    (found,) = match(DEFAULT, [max(score, 1e-9)], a_background(likes=likes, mean=mean, deviation=deviation))
    assert 0 <= found <= 100


def test_without_any_past_item_a_good_score_passes_and_a_poor_one_does_not() -> None:
    profiles = sp.csr_matrix(np.ones((1, 1), np.float32))
    background = Background.of(TfidfMatcher(1), profiles, sp.csr_matrix(np.zeros((0, 1), np.float32)))
    poor, good = match(DEFAULT, [0.03, 0.5], background)
    assert poor < default_threshold(2.0) < good


def test_a_background_tells_likes_rate_and_score_of_what_was_liked() -> None:
    past = sp.csr_matrix(np.array([[0.1], [0.2], [0.3], [0.4]], np.float32))
    liked = sp.csr_matrix(np.array([[0, 1, 0, 1], [0, 0, 0, 0]], np.float32))
    nothing = sp.csr_matrix(np.zeros((2, 4), np.float32))
    background = Background.of(
        TfidfMatcher(1), sp.csr_matrix(np.ones((2, 1), np.float32)), past, Feedback(liked, nothing)
    )
    assert background.liked[0] == pytest.approx(0.3)
    assert background.rate[0] == 0.5
    assert background.likes.tolist() == [2, 0]
    assert np.isnan(background.liked[1])


@pytest.mark.parametrize("likes", [0.0, 5.0])
def test_after_feedback_the_match_is_a_probability(likes: float) -> None:
    learnt = calibrate([an_example(seed, likes) for seed in range(5)])
    fresh = an_example(99, likes)
    said = learnt.match(fresh.scores, fresh.background).data / 100
    for low, high in ((0.0, 0.1), (0.1, 0.4), (0.4, 1.0)):
        inside = (said >= low) & (said < high)
        assert said[inside].mean() == pytest.approx(fresh.labels[inside].mean(), abs=0.05)


def test_without_feedback_the_prior_stays() -> None:
    assert calibrate([]) == DEFAULT
    example = an_example(1)
    nothing_good = Example(example.scores, np.zeros(example.scores.nnz), example.background)
    assert calibrate([nothing_good]).warm == DEFAULT.warm


def test_members_without_feedback_teach_nothing_about_those_with() -> None:
    learnt = calibrate([an_example(1, likes=0.0)])
    assert learnt.warm == DEFAULT.warm
    assert learnt.cold != DEFAULT.cold
