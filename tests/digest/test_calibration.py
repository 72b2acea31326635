import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from bench.evaluation import calibration_error
from digest.calibration import (
    CENTRE,
    DEFAULT,
    MEMBER_SPREAD,
    NETWORK_SPREAD,
    SENT_SPREAD,
    Background,
    Calibration,
    Effects,
    Judged,
    calibrate,
    default_threshold,
    pooled,
)
from digest.matching import TfidfMatcher


def a_background(n: int = 1, mean: float = 0.02, deviation: float = 0.03) -> Background:
    return Background(np.full(n, mean), np.full(n, deviation))


def match(
    scores: list[float], calibration: Calibration = DEFAULT, effects: Effects | None = None, mean: float = 0.02
) -> np.ndarray:
    row = sp.csr_matrix((scores, ([0] * len(scores), range(len(scores)))), shape=(1, len(scores)))
    return calibration.match(row, a_background(mean=mean), effects).data


def an_effect(intercept: float = 0.0, slope: float = 0.0) -> Effects:
    return Effects(np.array([intercept]), np.array([slope]))


def judged_ones(seed: int, n: int = 40, shift: float = 0.0, items: int = 200) -> Judged:
    """Members and items where the chance to be good rises with the score; members differ by `shift` up or down in turn."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(1, 8, (n, items))
    own = np.where(np.arange(n) % 2, shift, -shift)[:, None]
    good = rng.random(scores.shape) < 1 / (1 + np.exp(6 - 14 * scores - own))
    return Judged.of(sp.csr_matrix(scores), good.ravel(), a_background(n))


def test_the_threshold_is_where_sending_pays() -> None:
    assert default_threshold(2.0) == pytest.approx(100 / 3)
    assert default_threshold(1.0) == 50.0


@given(
    st.tuples(st.floats(-9, 3), st.floats(-20, 30), st.floats(0, 6)), st.floats(-8, 8), st.floats(-60, 60),
    st.floats(-0.05, 0.3),
)  # fmt: skip
def test_a_higher_score_never_has_a_lower_match(
    weights: tuple[float, float, float], intercept: float, slope: float, mean: float
) -> None:
    scores = np.linspace(0.001, 1, 300).tolist()
    matches = match(scores, Calibration(weights), an_effect(intercept, slope), mean)
    assert (np.diff(matches) >= -1e-4).all()


def test_where_the_line_would_fall_the_match_keeps_the_order_of_the_scores() -> None:
    matches = match([0.2, 0.3, 0.4, 0.6], Calibration((-5.0, 0.0, 2.0)), an_effect(1.0, -40.0))
    assert (np.diff(matches) > 0).all()


@given(st.floats(0, 1), st.floats(-0.1, 0.5), st.floats(-100, 100), st.floats(-1000, 1000))
def test_a_match_is_a_figure_from_0_to_100(score: float, mean: float, intercept: float, slope: float) -> None:
    (found,) = match([max(score, 1e-9)], DEFAULT, an_effect(intercept, slope), mean)
    assert 0 <= found <= 100


def test_without_any_past_item_a_good_score_passes_and_a_poor_one_does_not() -> None:
    profiles = sp.csr_matrix(np.ones((1, 1), np.float32))
    background = Background.of(TfidfMatcher(1), profiles, sp.csr_matrix(np.zeros((0, 1), np.float32)))
    row = sp.csr_matrix(np.array([[0.03, 0.5]]))
    poor, good = DEFAULT.match(row, background).data
    assert poor < default_threshold(2.0) < good


def test_a_background_is_the_mean_and_deviation_of_the_scores_of_past_items() -> None:
    past = sp.csr_matrix(np.tile([[0.1], [0.3]], (1000, 1)).astype(np.float32))
    background = Background.of(TfidfMatcher(1), sp.csr_matrix(np.ones((1, 1), np.float32)), past)
    assert background.mean[0] == pytest.approx(0.2, abs=0.01)
    assert background.deviation[0] == pytest.approx(0.1, abs=0.01)


def test_the_least_score_is_where_the_match_is_reached() -> None:
    background, effects = a_background(2), Effects(np.array([0.0, 2.0]), np.array([0.0, 10.0]))
    least = DEFAULT.least_scores(33.0, background, effects)
    reached = DEFAULT.match(sp.csr_matrix(least[:, None] + 2**-15), background, effects).data
    assert reached == pytest.approx([33.0, 33.0], abs=0.2)
    assert least[1] < least[0]


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_after_feedback_the_match_is_a_probability(shift: float) -> None:
    taught, fresh = judged_ones(1, shift=shift), judged_ones(2, shift=shift)
    learnt = calibrate(taught)
    scores = sp.csr_matrix((fresh.score, (fresh.member, np.tile(np.arange(200), 40))), shape=(40, 200))
    said = learnt.match(scores, fresh.background, learnt.effects(taught)).data / 100
    assert calibration_error(said, fresh.good) < 0.05


def test_without_feedback_the_prior_stays() -> None:
    nothing = Judged.of(sp.csr_matrix((3, 4)), np.zeros(0, bool), a_background(3))
    assert calibrate(nothing) == DEFAULT
    assert DEFAULT.effects(nothing).intercept.tolist() == [0, 0, 0]


def test_a_network_where_nothing_is_good_comes_to_send_nothing() -> None:
    taught = judged_ones(1)
    bad = Judged(taught.member, taught.score, np.zeros(len(taught.score), bool), taught.weight, taught.background)
    learnt = calibrate(bad)
    assert match([0.3], learnt)[0] < default_threshold(2.0) < match([0.3])[0]


def test_a_member_who_likes_what_others_do_not_gets_higher_matches_and_nobody_else_does() -> None:
    taught = judged_ones(1, shift=2.0)
    effects = calibrate(taught).effects(taught)
    assert effects.intercept[1::2].mean() > 0.5 > -0.5 > effects.intercept[0::2].mean()


def test_one_word_moves_a_member_by_less_than_ten() -> None:
    def moved(times: int) -> float:
        one = Judged(
            np.zeros(times, np.int64), np.full(times, 0.15), np.ones(times, bool), np.ones(times), a_background()
        )
        return float(match([0.15], DEFAULT, DEFAULT.effects(one))[0] - match([0.15])[0])

    assert 0 < moved(1) < moved(10) < 100


def test_words_that_contradict_each_other_leave_a_member_in_between() -> None:
    both = Judged(
        np.zeros(40, np.int64), np.full(40, 0.2), np.arange(40) % 2 == 0, np.ones(40), a_background()
    )  # fmt: skip
    (found,) = match([0.2], DEFAULT, DEFAULT.effects(both))
    assert found == pytest.approx(50, abs=4)


def test_a_word_of_little_weight_moves_little() -> None:
    def moved(weight: float) -> float:
        one = Judged(np.array([0]), np.array([0.2]), np.array([False]), np.array([weight]), a_background())
        return float(DEFAULT.effects(one).intercept[0])

    assert moved(1.0) < moved(0.25) < 0


def test_what_would_never_be_sent_teaches_nothing() -> None:
    low = Judged(np.array([0]), np.array([CENTRE / 4]), np.array([False]), np.ones(1), a_background())
    assert calibrate(low) == DEFAULT


def test_members_without_a_word_of_their_own_are_expected_to_be_like_the_others() -> None:
    taught = judged_ones(3, shift=1.5)
    near = np.abs(taught.score - 0.4) < 0.1
    said = match(taught.score[near].tolist(), pooled(taught)) / 100
    assert said.mean() == pytest.approx(taught.good[near].mean(), abs=0.05)


def test_the_same_words_teach_the_same() -> None:
    assert calibrate(judged_ones(7)) == calibrate(judged_ones(7))


def lost(judged: Judged, weights: np.ndarray, own: np.ndarray, held: tuple[float, float, float]) -> float:
    """Minus the log of the posterior density; `own` of shape (2, n_members)."""
    logit = judged.design @ weights + own[0][judged.member] + own[1][judged.member] * (judged.score - CENTRE)
    told = judged.weight @ (np.logaddexp(0, logit) - judged.good * logit)
    away = (weights - DEFAULT.weights) / held
    return float(told + (away @ away + ((own.T / MEMBER_SPREAD) ** 2).sum()) / 2)


def sent_ones(seed: int, n: int = 12) -> Judged:
    """What is judged of a first edition: nothing that scores low, and only at the highest scores more of it good."""
    drawn, rng = judged_ones(seed, n), np.random.default_rng(seed)
    sent = (drawn.score > 0.12) & (drawn.score < 0.5)
    good = rng.random(len(sent)) < np.where(drawn.score < 0.35, 0.2, 0.8)
    return Judged(drawn.member[sent], drawn.score[sent], good[sent], drawn.weight[sent], drawn.background)


@pytest.mark.parametrize("taught", [judged_ones(5, n=8, shift=1.0).telling(), sent_ones(2).telling()])
@pytest.mark.parametrize("held", [NETWORK_SPREAD, SENT_SPREAD])
def test_the_weights_are_the_most_probable_ones_of_which_none_makes_the_match_fall(
    taught: Judged, held: tuple[float, float, float]
) -> None:
    n = taught.n_members
    best = minimize(
        lambda x: lost(taught, x[:3], x[3:].reshape(2, n), held), np.r_[DEFAULT.weights, np.zeros(2 * n)],
        method="L-BFGS-B", bounds=[(None, None)] * 2 + [(0, None)] + [(None, None)] * 2 * n,
        options={"maxiter": 5000, "maxfun": 200_000, "ftol": 1e-12},
    )  # fmt: skip
    assert calibrate(taught, held=held).weights == pytest.approx(best.x[:3], abs=0.03)


def test_learnt_from_what_was_sent_alone_it_promises_no_more_than_was_found_there() -> None:
    """The standing alone would have a weight below 0: without it the others have to be learnt anew."""
    taught = sent_ones(1, n=40)
    learnt = pooled(taught)
    assert learnt.weights[2] == 0
    assert match(taught.score.tolist(), learnt).mean() / 100 == pytest.approx(taught.good.mean(), abs=0.02)


def test_what_was_sent_alone_hardly_tells_how_fast_the_chance_falls_below_it() -> None:
    taught = sent_ones(1, n=40)
    low = [0.03, 0.05]
    assert calibrate(taught).weights[2] == 0 < calibrate(taught, held=SENT_SPREAD).weights[2]
    assert match(low, calibrate(taught, held=SENT_SPREAD)).max() < match(low, calibrate(taught)).min()


def test_who_likes_what_they_get_does_not_come_to_like_what_hardly_fits() -> None:
    liked = Judged(np.zeros(12, np.int64), np.full(12, 0.15), np.ones(12), np.ones(12), a_background())
    network = Calibration((-4.0, 6.0, 0.7))  # as is learnt where most of what is sent is good
    alone, anchored = network.effects(liked), network.effects(liked.anchored(DEFAULT))
    assert match([0.05], network, anchored)[0] < 25 < match([0.05], network, alone)[0]
    assert match([0.15], network, anchored)[0] > 33 > match([0.15], network)[0]
