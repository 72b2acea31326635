import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from digest.eligibility import Block
from digest.selection import select
from digest.tuning import Allowed, Estimate, Labels, Point, border, curve, proposed

BOUNDS = (25.0, 60.0)


def allowed(
    *rows: list[float], cap: int = 6, blocked: object = None, group: object = None, least: float = 0
) -> Allowed:
    matches = sp.csr_matrix(np.array(rows, dtype=float))
    n_members, n_items = matches.shape
    return Allowed.of(
        matches,
        np.zeros(matches.shape, np.uint8) if blocked is None else np.array(blocked, np.uint8),
        np.full(n_members, cap),
        np.zeros(n_members),
        BOUNDS,
        np.arange(n_items) if group is None else np.array(group),
        least,
    )


def labels(*rows: tuple[int, int, float, bool]) -> Labels:
    member, item, match, good = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    return Labels(
        np.array(member, np.int64), np.array(item, np.int64), np.array(match, np.float64), np.array(good, np.bool_)
    )


def points(pairs: Allowed, grid: list[float], known: Labels | None = None, *, requests: int = 0) -> list[Point]:
    n_items = len(pairs.group)
    every, asks = np.ones(n_items, np.bool_), np.arange(n_items) < requests
    return curve(pairs, grid, np.full(n_items, 33.0), every, asks, known or labels(), 2.0)


def test_a_higher_threshold_sends_less_to_fewer() -> None:
    pairs = allowed([80, 50, 20], [30, 10, 0], [0, 0, 90], [5, 0, 0])
    low, middle, high = points(pairs, [10, 40, 95], requests=2)
    assert (low.digests, low.silent, low.items, low.median_items) == (3, 1, 6, 2)
    assert (middle.digests, middle.items, middle.median_items, middle.p90_items) == (2, 3, 1.5, 1.9)
    assert (high.digests, high.silent, high.items, high.median_items, high.precision) == (0, 4, 0, 0, None)
    assert (low.median_reach, low.requests_unheard) == (2, 0)
    assert (middle.median_reach, middle.requests_unheard) == (1, 0)
    assert (high.median_reach, high.requests_unheard) == (0, 2)


def test_before_any_label_the_mean_match_is_the_estimate_without_an_interval() -> None:
    (point,) = points(allowed([80, 50, 20]), [40])
    assert point.precision == pytest.approx(0.65)
    assert (point.interval, point.labels, point.su) == (None, 0, None)
    assert point.utility == pytest.approx(2 * 1.3 - 0.7)


def test_labels_pull_the_estimate_of_their_stratum_and_narrow_its_interval() -> None:
    pairs = allowed([55.0] * 5)
    few = labels(*[(-1, -1, 52.0, False)] * 4)
    many = labels(*[(-1, -1, 52.0, False)] * 96)
    (guessed,), (some,), (sure,) = (points(pairs, [40], known) for known in (None, few, many))
    assert guessed.precision == pytest.approx(0.55)
    assert some.precision == pytest.approx(0.275)
    assert sure.precision == pytest.approx(0.022)
    assert some.interval is not None
    assert sure.interval is not None
    assert some.interval[0] < 0.275 < some.interval[1]
    assert sure.interval[1] - sure.interval[0] < (some.interval[1] - some.interval[0]) / 3


def test_labels_of_other_strata_say_nothing() -> None:
    (point,) = points(allowed([55.0]), [40], labels((-1, -1, 35.0, False)))
    assert point.precision == pytest.approx(0.55)
    assert point.interval is None


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(1), 0
    for _ in range(400):
        truth = rng.beta(4 * 0.5, 4 * 0.5)
        known = labels(*((-1, -1, 50.0, bool(good)) for good in rng.random(12) < truth))
        (_, interval) = Estimate.of(known).precision(np.full(30, 50.0))
        assert interval is not None
        held += interval[0] <= truth <= interval[1]
    assert 0.9 <= held / 400 <= 0.99


def test_t11su_is_a_third_for_silence_and_one_for_all_that_is_good_alone() -> None:
    pairs = allowed([80, 60, 40], [0, 30, 0])
    known = labels((0, 0, 80, True), (0, 1, 60, True), (0, 2, 40, False), (1, 1, 30, False))
    all_good, with_bad, silence = points(pairs, [50, 35, 90], known)
    assert all_good.su == pytest.approx(1)
    assert with_bad.su == pytest.approx(((4 - 1) / 4 + 0.5) / 1.5)
    assert silence.su == pytest.approx(1 / 3)
    assert (all_good.labels, with_bad.labels, silence.labels) == (2, 3, 0)


def test_a_good_item_that_no_threshold_shown_would_send_counts_as_missed() -> None:
    pairs = allowed([80, 3], least=5)
    (point,) = points(pairs, [50], labels((0, 0, 80, True), (0, 1, 3, True)))
    assert point.su == pytest.approx((0.5 + 0.5) / 1.5)


def test_a_threshold_of_one_kind_leaves_the_others_alone() -> None:
    pairs, of_items = allowed([50, 50], [20, 50]), np.array([33.0, 33.0])
    low, high = curve(pairs, [10, 90], of_items, np.array([True, False]), np.zeros(2, np.bool_), labels(), 2.0)
    assert (low.items, high.items) == (4, 2)


def test_border_pairs_are_the_nearest_one_of_a_member_and_kinds_take_turns() -> None:
    pairs = allowed([34, 33.5, 10], [36, 0, 0], [32, 0, 0], [0, 0, 50], [31, 0, 0])
    kinds, nothing = np.array([0, 0, 1]), np.zeros(len(pairs.member), np.bool_)
    found = border(pairs, np.full(3, 33.0), kinds, nothing, most=3)
    assert [(int(pairs.member[at]), int(pairs.item[at])) for at in found] == [(0, 1), (2, 0), (3, 2)]
    judged = (pairs.member == 0) & (pairs.item == 1)
    again = border(pairs, np.full(3, 33.0), kinds, judged, most=20)
    assert [(int(pairs.member[at]), int(pairs.item[at])) for at in again] == [(0, 0), (2, 0), (4, 0), (1, 0), (3, 2)]


def test_the_greatest_utility_is_proposed_unless_it_gains_next_to_nothing() -> None:
    pairs = allowed([90, 10, 10, 10])
    at = dict(zip([5, 33, 50, 95], points(pairs, [5, 33, 50, 95]), strict=True))
    assert proposed(list(at.values()), 5) == at[50]
    assert proposed(list(at.values()), 33) == at[33]
    assert proposed(list(at.values()), 95) == at[50]


def test_where_nothing_matches_the_threshold_in_force_stays() -> None:
    pairs = allowed([0, 0], [0, 0])
    found = points(pairs, [5, 33, 80])
    assert proposed(found, 33).threshold == 33
    assert len(border(pairs, np.full(2, 33.0), np.zeros(2, np.int64), np.zeros(0, np.bool_))) == 0


tables = st.tuples(st.integers(1, 6), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(
        arrays(np.float64, shape, elements=st.floats(0, 100, width=32)),
        arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, Block.MUTED_KIND])),
        arrays(np.float64, shape[1], elements=st.floats(5, 95, width=32)),
        arrays(np.int64, shape[0], elements=st.integers(0, 8)),
        arrays(np.float64, shape[0], elements=st.floats(-40, 40, width=32)),
        arrays(np.int64, shape[1], elements=st.integers(0, 3)),
        st.integers(0, shape[0]),
    )
)


@given(tables)
def test_what_would_be_sent_is_what_selection_sends(table) -> None:  # type: ignore[no-untyped-def]
    match, blocked, thresholds, caps, shifts, group, cut = table
    shards = [slice(0, cut), slice(cut, None)]
    pairs = Allowed.joined(
        [Allowed.of(sp.csr_matrix(match[s]), blocked[s], caps[s], shifts[s], BOUNDS, group, least=5) for s in shards]
    )
    wanted = select(sp.csr_matrix(match), blocked, thresholds, caps, shifts=shifts, bounds=BOUNDS, group=group)
    sent = pairs.sent(thresholds)
    assert pairs.member[sent].tolist() == wanted.member.tolist()
    assert pairs.item[sent].tolist() == wanted.item.tolist()
