from collections.abc import Sequence

import numpy as np
import pytest

from bench import synthetic
from digest.composition import Edition
from digest.eligibility import Block
from digest.fitting import fit
from digest.limits import NO_LIMIT
from digest.matching import Least, Rows
from digest.preview import NOTHING, Bars, Preview, Readers, Standing, Wish, preview
from profiles.member import Preferences
from tests.builders import NOW


class Fixed:
    """A matcher that gives each profile the same score for every item."""

    def score(self, profiles: Rows, items: Rows, least: Least = 0.0) -> Rows:
        return Rows(np.full((profiles.shape[0], items.shape[0]), 0.5, dtype=np.float32))


def an_edition(matcher: Fixed | None = None) -> tuple[Edition, Readers]:
    items = synthetic.items(40, NOW)
    space = fit(items, [])
    rows = space.item_vectors(items)
    edition = Edition(
        items=items, topics=[], space=space, rows=rows, past=rows, thresholds=np.full(40, 33.0), most_items=6, language="en",
        matcher=matcher,
    )  # fmt: skip
    profiles = synthetic.profiles(200)
    wants = [edition.wants(part, [Preferences()] * len(part)) for part in (profiles[:120], profiles[120:])]
    return edition, Readers.joined([Readers.of(edition, some, least=15) for some in wants])


@pytest.mark.parametrize("matcher", [None, Fixed()])
def test_one_item_is_matched_as_in_an_edition(matcher: Fixed | None) -> None:
    edition, readers = an_edition(matcher)
    wants = edition.wants(synthetic.profiles(200), [Preferences()] * 200)
    whole = edition.match(wants)[1].toarray()
    for column in range(10):
        member, match = readers.matches(edition.rows[column])
        assert set(np.flatnonzero(whole[:, column] >= 15).tolist()) <= set(member.tolist())
        assert np.allclose(match, whole[member, column], atol=1e-3)


def standing(
    *digests: Sequence[tuple[int, float]],
    caps: int = 2,
    asks: int = 1,
    is_ask: Sequence[int] = (),
    spare: int = 1,
    burden: Sequence[float] | None = None,
) -> Standing:
    """Of each member the items with their matches."""
    pairs = [(member, item, match) for member, digest in enumerate(digests) for item, match in digest]
    member, item, match = (
        (np.array(column) for column in zip(*pairs, strict=True)) if pairs else (np.empty(0, int),) * 3
    )
    n = len(digests)
    asked, heavy = np.isin(np.arange(9), is_ask), None if burden is None else np.array(burden)
    return Standing.of(member, item, match, asked, np.full(9, spare), np.full(n, caps), np.full(n, asks), heavy)


def of(
    matches: Sequence[float], now: Standing, wish: Wish | None = None, codes: Sequence[int] | None = None
) -> Preview:
    n = len(matches)
    bars = Bars(threshold=33, floor=20, shifts=np.zeros(n), bounds=(25, 60))
    blocks = np.array(codes or [0] * n, dtype=np.uint8)
    return preview(np.arange(n), np.array(matches, float), blocks, bars, now, wish or Wish(), [25.0, 33.0, 60.0])


def test_it_reaches_whom_it_fits_best_match_first() -> None:
    found = of([40, 90, 32.9, 33], standing([], [], [], []))
    assert (found.reached.tolist(), found.match.tolist()) == ([1, 0, 3], [90, 40, 33])
    assert (found.fits, found.full, found.lacking) == (3, 0, 0)


def test_it_pushes_out_the_weakest_item_of_a_full_digest_if_that_is_weaker() -> None:
    found = of([50, 50], standing([(3, 80), (4, 40)], [(3, 80), (4, 60)]))
    assert (found.reached.tolist(), found.pushed_out.tolist()) == ([0], [4])
    assert (found.fits, found.full) == (2, 1)


def test_it_pushes_out_nothing_that_would_then_miss_its_needed_reach() -> None:
    found = of([50], standing([(3, 80), (4, 40)], spare=0))
    assert (found.reached.tolist(), found.full) == ([], 1)


def test_who_can_be_asked_no_more_is_asked_instead_of_another_request() -> None:
    now = standing([(3, 40)], [(4, 40)], is_ask=[3])
    found = of([50, 50], now, Wish(is_ask=True))
    assert list(zip(found.reached.tolist(), found.pushed_out.tolist(), strict=True)) == [(0, 3), (1, NOTHING)]


def test_who_was_asked_much_gets_a_request_only_if_it_fits_better_or_lacks_readers() -> None:
    now = standing([], [], [], burden=[50, 50, 0])
    assert of([60, 45, 40], now, Wish(is_ask=True)).reached.tolist() == [0, 2]
    assert of([60, 45, 40], now, Wish(is_ask=True, need=3)).reached.tolist() == [0, 1, 2]
    assert of([60, 45, 40], now).reached.tolist() == [0, 1, 2]


def test_who_gets_no_items_or_no_requests_gets_this_one_neither() -> None:
    assert not len(of([90], standing([], caps=0)).reached)
    assert not len(of([90], standing([], asks=0), Wish(is_ask=True)).reached)
    assert len(of([90], standing([], asks=0)).reached)


def test_it_goes_to_no_more_than_it_may() -> None:
    found = of([40, 90, 60], standing([], [], []), Wish(most=2))
    assert (found.reached.tolist(), found.over_reach) == ([1, 2], 1)


def test_where_it_needs_more_it_goes_deeper_and_stops_at_the_floor() -> None:
    found = of([40, 30, 25, 19], standing([], [], [], []), Wish(need=4))
    assert (found.reached.tolist(), found.deep.tolist()) == ([0, 1, 2], [False, True, True])
    assert found.lacking == 1


def test_where_it_needs_more_it_takes_a_stronger_items_place_before_it_goes_deeper() -> None:
    found = of([40, 30], standing([(3, 80), (4, 60)], []), Wish(need=1))
    assert (found.reached.tolist(), found.pushed_out.tolist(), found.deep.tolist()) == ([0], [4], [False])


def test_who_gets_it_since_it_needs_readers_is_not_counted_as_full() -> None:
    full = [(3, 80), (4, 60)]
    found = of([40, 50, 30, 90], standing(full, full, [], []), Wish(need=3))
    assert found.reached.tolist() == [3, 1, 0]
    assert (found.fits, found.full, found.deep.sum()) == (3, 0, 0)
    found = of([40, 50, 30, 90], standing(full, full, [], []), Wish(need=2))
    assert (found.fits, found.full, found.reached.tolist()) == (3, 1, [3, 1])


def test_a_need_of_more_than_it_may_reach_is_no_lack() -> None:
    assert of([40, 50], standing([], []), Wish(need=5, most=2)).lacking == 0


def test_those_who_may_not_receive_it_are_counted_by_why() -> None:
    found = of([90, 90, 20], standing([], [], []), codes=[Block.MUTED_KIND, 0, Block.MUTED_KIND])
    assert (found.reached.tolist(), found.blocked) == ([1], {Block.MUTED_KIND: 1})


def test_border_cases_are_nearest_to_the_threshold_on_both_sides() -> None:
    found = of([33.5, 90, 32, 20], standing([], [], [], []))
    assert found.border.tolist() == [0, 2, 3, 1]
    assert found.border_threshold.tolist() == [33] * 4
    assert len(of([40] * 50, standing(*[[]] * 50)).border) == 20


def test_other_thresholds_are_told_with_those_who_fit_and_those_reached() -> None:
    found = of([26, 34, 61], standing([], [], [(3, 80), (4, 70)]))
    assert found.others == [(25.0, 3, 2), (33.0, 2, 1), (60.0, 1, 0)]


def test_the_histogram_counts_all_who_may_receive_it() -> None:
    found = of([0, 4.9, 5, 100, 50], standing(*[[]] * 5), codes=[0, 0, 0, 0, Block.MUTED_KIND])
    counts = {float(edge): int(n) for edge, n in zip(found.bins, found.histogram, strict=False) if n}
    assert counts == {0.0: 2, 5.0: 1, 95.0: 1}


def test_a_members_own_threshold_counts() -> None:
    bars = Bars(threshold=33, floor=20, shifts=np.array([-8.0, 8.0]), bounds=(25, 60))
    codes = np.zeros(2, np.uint8)
    found = preview(np.arange(2), np.array([26.0, 40.0]), codes, bars, standing([], []), Wish(), [])
    assert found.reached.tolist() == [0]


def test_nobody_is_a_preview_too() -> None:
    found = of([], standing(), Wish(need=2))
    assert (len(found.reached), found.lacking, found.histogram.sum()) == (0, 2, 0)


def test_any_number_means_any_number() -> None:
    assert len(of([50] * 30, standing(*[[]] * 30), Wish(most=NO_LIMIT)).reached) == 30
