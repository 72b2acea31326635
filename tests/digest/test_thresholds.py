"""A member's own threshold: moved by what they said, within bounds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from digest.thresholds import moved

matches = st.floats(0, 100)


@given(matches, st.floats(-1e6, 1e6), matches, matches)
def test_a_threshold_never_leaves_its_bounds_but_where_it_was_set_outside(base, shift, one, other):  # type: ignore[no-untyped-def]
    floor, ceiling = sorted((one, other))
    found = float(moved(base, shift, floor, ceiling))
    assert min(base, floor) <= found <= max(base, ceiling)
    if floor <= base <= ceiling:
        assert floor <= found <= ceiling


@given(matches, matches, matches)
def test_a_threshold_that_nothing_moves_stays(base, one, other):  # type: ignore[no-untyped-def]
    assert float(moved(base, 0.0, *sorted((one, other)))) == base


def test_each_kinds_threshold_moves_by_the_same() -> None:
    assert moved(np.array([30.0, 50.0, 58.0]), 5.0, 25, 60).tolist() == [35.0, 55.0, 60.0]
