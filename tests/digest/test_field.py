import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.feedback import Told
from digest.field import LEAST, MOST, SPREAD, field_weight, joined, parts
from digest.fitting import fit
from digest.hubness import damped
from digest.learning import effective_profiles
from digest.vectors import Settings, VectorSpace
from profiles.member import Profile
from tests.digest.test_vectors import ITEMS, words

SPACE = fit([*ITEMS, *words(320)], [], Settings(latent=16, broad=4))
SMALL = fit(ITEMS, [])


def told(weight: float, n: int = 60, items: int = 100, seed: int = 0) -> Told:
    """Of a network in which the field truly counts so much: the chance to be good rises with the score at that weight."""
    rng = np.random.default_rng(seed)
    rest, field = rng.beta(1, 8, (n, items)), rng.beta(2, 6, (n, items)) / 10
    score = rest + weight * field
    good = rng.random(score.shape) < 1 / (1 + np.exp(5.7 - 17.0 * score))
    member, one = np.repeat(np.arange(n), items), np.ones(n * items)
    return Told(member, np.full(n * items, -1), rest.ravel(), field.ravel(), one, good.ravel(), one)


@pytest.mark.parametrize("weight", [0.5, 1.0, 2.0, 3.0])
def test_the_weight_that_a_network_goes_by_is_found(weight: float) -> None:
    found = [field_weight(told(weight, seed=seed), SPREAD) for seed in range(5)]
    assert np.mean(found) == pytest.approx(weight, abs=0.35)


def test_it_stays_within_its_ends() -> None:
    assert field_weight(told(-5.0), SPREAD) == LEAST
    assert field_weight(told(12.0), SPREAD) == MOST


def test_few_words_move_it_little_and_none_not_at_all() -> None:
    assert field_weight(Told.nothing()) == 1.0
    assert 0.8 < field_weight(told(3.0, n=2, items=5)) < 1.5
    assert field_weight(told(3.0)) > 2.0


def test_pairs_whose_parts_nobody_wrote_down_tell_nothing() -> None:
    known = told(3.0)
    nothing = known.field * np.nan
    unknown = Told(known.member, known.item, known.rest, nothing, nothing, ~known.good, known.weight)
    assert field_weight(unknown) == 1.0
    assert joined(SPACE.with_field(3.0), unknown.rest, unknown.field, unknown.share).tolist() == unknown.rest.tolist()
    both = Told.joined([known, unknown], [60, 60])
    assert field_weight(both) == pytest.approx(field_weight(known))


SHARES = np.linspace(0.4, 1.0, len(ITEMS))


def scored(space: VectorSpace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(score, rest, field) of one member with each item, as the space sees it."""
    past = space.item_vectors([*ITEMS, *words(320)])
    rows = effective_profiles(space, space.interests([Profile(stated="stroke audit")]), past)
    items = damped(space, space.item_vectors(ITEMS), SHARES)
    score = (rows @ items.T).toarray().ravel().astype(np.float64)
    return score, *parts(space, rows[[0] * len(ITEMS)], items, score, SHARES)


@given(st.floats(LEAST, MOST), st.floats(0, 1))
def test_the_parts_are_the_same_at_any_weight_and_damping_and_give_its_score(weight: float, damping: float) -> None:
    _, rest, field = scored(SPACE)
    space = SPACE.with_field(weight).with_damping(damping)
    score, other_rest, other_field = scored(space)
    assert other_rest == pytest.approx(rest, abs=1e-6)
    assert other_field == pytest.approx(field, abs=1e-6)
    assert joined(space, rest, field, SHARES) == pytest.approx(score, abs=1e-6)
    assert abs(field).max() > 0.001


def test_a_small_network_knows_no_field() -> None:
    score, rest, field = scored(SMALL.with_field(3.0))
    assert rest == pytest.approx(score)
    assert not field.any()
    assert joined(SMALL, rest, field, SHARES) == pytest.approx(score)


def test_a_restored_space_weighs_and_damps_as_much() -> None:
    again = VectorSpace.from_bytes(SPACE.with_field(2.5).with_damping(0.6).to_bytes())
    assert (again.field_weight, again.damping) == (2.5, 0.6)
