from typing import Any

import numpy as np
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from digest.eligibility import Block
from digest.pool import Bar, Beside, Pool, pooled, raised
from digest.thresholds import moved

MEMBERS, ITEMS, FLOOR, BOUNDS = 7, 9, 15.0, (25.0, 60.0)


def a_case(seed: int) -> dict[str, Any]:
    """A batch of members in which everything occurs that the pool looks at."""
    rng = np.random.default_rng(seed)
    matches = sp.csr_matrix(rng.integers(5, 80, (MEMBERS, ITEMS)) * (rng.random((MEMBERS, ITEMS)) < 0.8) * 1.0)
    codes = [Block.NONE] * 5 + [Block.MUTED_KIND, Block.ALREADY_SENT, Block.OVER_BUDGET, Block.NOT_ELIGIBLE]
    strange = rng.random((MEMBERS, ITEMS)) < 0.5
    return {
        "matches": matches,
        "blocked": rng.choice(np.array(codes, np.uint8), (MEMBERS, ITEMS)),
        "shifts": rng.integers(-15, 16, MEMBERS).astype(float),
        "needed": rng.random(ITEMS) < 0.4,
        "is_ask": rng.random(ITEMS) < 0.4,
        "own_kind": rng.random(ITEMS) < 0.2,
        "caps": rng.integers(0, 4, MEMBERS),
        "carried": tuple(rng.integers(0, most, 6) for most in (MEMBERS, ITEMS)),
        "beside": Beside(rng.random(MEMBERS) < 0.7, lambda row, column: strange[row, column]),
    }


def bar_of(case: dict[str, Any], threshold: float) -> Bar:
    thresholds = np.where(case["own_kind"], 50.0, threshold)
    return Bar(thresholds, case["shifts"], BOUNDS, FLOOR, case["needed"], case["is_ask"])


def pool_of(case: dict[str, Any], threshold: float) -> Pool:
    return pooled(
        case["matches"] / 100.0, case["matches"], case["blocked"], bar_of(case, threshold), case["caps"],
        np.full(MEMBERS, 2), moved(threshold, case["shifts"], *BOUNDS), case["carried"], case["beside"], most_left_out=ITEMS,
    )  # fmt: skip


@given(seed=st.integers(0, 10_000), lower=st.integers(15, 80), higher=st.integers(15, 80))
def test_a_raised_pool_is_the_one_that_the_higher_bar_makes(seed: int, lower: int, higher: int) -> None:
    case = a_case(seed)
    lower, higher = sorted((lower, higher))
    found = raised(pool_of(case, lower), bar_of(case, higher), moved(higher, case["shifts"], *BOUNDS))
    expected = pool_of(case, higher)
    for name in Pool.__slots__:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


def test_items_of_other_networks_keep_their_own_bar() -> None:
    case = a_case(1)
    low = pool_of(case, 20)
    of_some = Bar(np.full(5, 100.0), case["shifts"], BOUNDS, 100.0, np.zeros(5, bool), np.zeros(5, bool))
    found = raised(low, of_some, low.threshold)
    kept = low.item >= 5
    assert found.item[found.item >= 5].tolist() == low.item[kept].tolist()
    assert found.deep[found.item >= 5].tolist() == low.deep[kept].tolist()
    assert (found.item < 5).sum() == 0
