"""Words on what no digest had brought: what they are beside, and that no score knows its own word."""

import numpy as np
import pytest

import digest.earlier
from digest.calibration import DEFAULT, Background, Judged, calibrate
from digest.earlier import Earlier, earlier_pairs
from digest.feedback import Rule, Said, Told, weights
from digest.fitting import fit
from digest.items import Item
from digest.learning import Feedback, Settings, effective_profiles
from digest.vectors import VectorSpace
from profiles.feedback import VERDICTS
from profiles.member import Profile

SUBJECTS = ("stroke rehabilitation", "wound care", "bell ringing", "midwifery training", "patient transport")
PLACES = ("Leeds", "Kent", "York", "Devon", "Wales", "Essex", "Fife", "Dorset")
ITEMS = [Item(f"{subject} in {place}") for place in PLACES for subject in SUBJECTS]
N = len(ITEMS)
STROKE, WOUND, BELLS = 0, 1, 2


@pytest.fixture(scope="module")
def space() -> VectorSpace:
    return fit(ITEMS, [])


def said(*words: tuple[int, int, str], judged: bool = False) -> Said:
    """Words as (member, item, verdict)."""
    member, item, verdict = zip(*words, strict=True)
    return Said(
        np.array(member), np.array(item), np.array([VERDICTS.index(one) for one in verdict]), np.zeros(len(words)),
        np.full(len(words), judged),
    )  # fmt: skip


def found(space: VectorSpace, words: Said, told: Told | None = None, settings: Settings | None = None) -> Earlier:
    n = int(words.member.max()) + 1
    interests = space.interests([Profile(stated="midwifery")] * n)
    heard = weights(words, n, N, Rule(), [False] * n)
    return earlier_pairs(space, interests, space.item_vectors(ITEMS), words, told or Told.nothing(), heard, settings)


def score_by(space: VectorSpace, likes: list[int], item: int) -> float:
    """Of a member who wants midwifery and liked these."""
    past = space.item_vectors(ITEMS)
    liked, nothing = np.zeros((1, N), np.float32), np.zeros((1, N), np.float32)
    liked[0, likes] = 1.0
    feedback = Feedback(*(type(past)(rows) for rows in (liked, nothing)))
    rows = effective_profiles(space, space.interests([Profile(stated="midwifery")]), past, feedback)
    return float((rows @ past[item].T).toarray()[0, 0])


def test_a_word_is_scored_by_what_the_other_half_of_the_words_taught(space: VectorSpace) -> None:
    first, second, third = STROKE, 5 + WOUND, 10 + STROKE
    pairs = found(space, said((0, first, "more"), (0, second, "more"), (0, third, "can_help")))
    good = pairs.score[pairs.good]
    wanted = [
        score_by(space, [second], first),
        score_by(space, [first, third], second),
        score_by(space, [second], third),
    ]
    assert good == pytest.approx(wanted, abs=1e-6)
    assert good[1] < score_by(space, [first, second, third], second) / 2


def test_what_lies_between_the_first_and_the_last_word_was_passed_over(space: VectorSpace) -> None:
    pairs = found(space, said((0, 5 + STROKE, "more"), (0, 20 + STROKE, "more"), (0, 12, "less"), (0, 11, "opened")))
    assert pairs.good.sum() == 2
    bad = len(pairs.good) - 2
    assert 1 + 1 <= bad <= 1 + 13  # the dislike, and of thirteen silent ones those above the mean
    assert set(pairs.weight.tolist()) == {0.25}


def test_nothing_counts_twice_that_a_digest_brought(space: VectorSpace) -> None:
    words = said((0, 0, "more"), (0, N - 1, "more"))
    none, one = np.arange(1, N - 1), np.ones(N - 2)
    brought = Told(np.zeros(N - 2, np.int64), none, one, one, one, one > 1, one)
    assert len(found(space, words).member) > 2
    assert len(found(space, words, brought).member) == 2
    both = Told(np.zeros(2, np.int64), np.array([0, N - 1]), one[:2], one[:2], one[:2], one[:2] > 0, one[:2])
    assert not len(found(space, words, both).member)


@pytest.mark.parametrize(
    "words",
    [
        said((0, 3, "more")),
        said((0, 3, "more"), (0, 3, "can_help")),
        said((0, 3, "more"), (0, 9, "more"), judged=True),
        said((0, -1, "more"), (0, 9, "more")),
        said((0, 3, "opened"), (0, 9, "reported")),
    ],
)
def test_without_two_such_words_nothing_is_known(space: VectorSpace, words: Said) -> None:
    assert not len(found(space, words).member)


def test_it_can_be_switched_off(space: VectorSpace) -> None:
    assert not len(found(space, said((0, 3, "more"), (0, 9, "more")), settings=Settings(earlier=0.0)).member)


def test_members_are_gone_through_in_any_number_at_a_time(space: VectorSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    words = said(*((n, item, "more") for n in (0, 2, 3, 5) for item in (n, n + 11, n + 22)))
    whole = found(space, words)
    monkeypatch.setattr(digest.earlier, "CHUNK", 1)
    single = found(space, words)
    for one, other in zip(_sorted(whole), _sorted(single), strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def _sorted(pairs: Earlier) -> list[np.ndarray]:
    order = np.lexsort((pairs.score.round(5), ~pairs.good, pairs.member))
    return [np.asarray(values, dtype=np.float64)[order] for values in pairs]


def test_of_many_past_items_some_stand_for_the_others(space: VectorSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest.earlier, "MOST_PASSED_OVER", 10)
    pairs = found(space, said((0, 0, "more"), (0, N - 1, "more")))
    assert set(pairs.weight[~pairs.good].tolist()) == {0.25 * N / 10}


def judged(rng: np.random.Generator, n: int, rate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(member, score, good) of pairs of which the odds of being good rise with the score, all multiplied by `rate`."""
    score = rng.uniform(0.05, 0.5, n)
    odds = rate * np.exp(-4.0 + 14.0 * score)
    return rng.integers(0, 40, n), score, rng.random(n) < odds / (1 + odds)


def test_how_often_members_spoke_elsewhere_is_not_taken_for_how_much_is_good() -> None:
    rng, background = np.random.default_rng(3), Background(np.full(40, 0.01), np.full(40, 0.03))
    member, score, good = judged(rng, 4_000, 1.0)
    here = Judged(member, score, good.astype(np.float64), np.ones(4_000), background)
    member, score, good = judged(rng, 4_000, 0.02)
    rarer = here.beside(Earlier(member, score, good, np.ones(4_000)))
    alone, both, mixed = calibrate(here), calibrate(rarer), calibrate(_as_if_here(rarer))
    assert both.earlier == pytest.approx(np.log(0.02), abs=0.6)
    assert abs(_logit(both) - _logit(alone)) < 0.4 < abs(_logit(mixed) - _logit(alone))
    assert both.effects(rarer).intercept.mean() == pytest.approx(alone.effects(here).intercept.mean(), abs=0.3)


def _as_if_here(judged: Judged) -> Judged:
    return Judged(judged.member, judged.score, judged.good, judged.weight, judged.background)


def _logit(calibration: object) -> float:
    return float(calibration.weights @ np.array([1.0, 0.25, np.log1p(8.0)]))  # type: ignore[attr-defined]


def test_earlier_words_alone_teach_a_first_edition_what_a_match_means() -> None:
    rng, background = np.random.default_rng(5), Background(np.full(40, 0.01), np.full(40, 0.03))
    nothing = Judged(*(np.empty(0, kind) for kind in (np.int64, float, float, float)), background)  # type: ignore[arg-type]
    member, score, good = judged(rng, 4_000, 1.0)
    learnt = calibrate(nothing.beside(Earlier(member, score, good, np.full(4_000, 0.25))))
    assert calibrate(nothing.beside(Earlier.nothing())) == DEFAULT
    assert learnt != DEFAULT
    assert abs(_logit(learnt) + 0.5) < abs(_logit(DEFAULT) + 0.5) - 0.5  # it is -0.5 where they spoke
