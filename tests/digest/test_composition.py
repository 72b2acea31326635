from dataclasses import replace

import numpy as np

from digest.composition import Batch, Edition, Heard, compose
from digest.feedback import Told
from digest.fitting import fit
from digest.interleaving import Comparison
from digest.matching import Least, Rows
from profiles.member import Preferences, Profile
from tests.builders import an_item

ITEMS = [an_item(title="Stroke at home", body="", topics=()), an_item(title="Bell ringing", body="", topics=())]
NOTHING_SENT = (np.empty(0, np.int64), np.empty(0, np.int64))


class LastItem:
    """A matcher for which the last item fits everybody, and nothing else does."""

    def score(self, profiles: Rows, items: Rows, least: Least = 0.0) -> Rows:
        scores = np.zeros((profiles.shape[0], items.shape[0]), dtype=np.float32)
        scores[:, -1] = 1.0
        return Rows(scores)


def edition(matcher: LastItem | None = None) -> Edition:
    space = fit(ITEMS, [])
    return Edition(
        items=ITEMS,
        topics=[],
        space=space,
        rows=space.item_vectors(ITEMS),
        past=space.item_vectors([]),
        thresholds=np.full(2, 33.0),
        most_items=6,
        language="en",
        matcher=matcher,
    )


def chosen(of: Edition, *stated: str) -> list[tuple[int, int]]:
    profiles = [Profile(stated=words, languages=("en",)) for words in stated]
    found = compose(of, Batch(profiles, [Preferences()] * len(stated), [""] * len(stated), NOTHING_SENT)).decision
    return list(zip(found.member.tolist(), found.item.tolist(), strict=True))


def test_each_member_gets_what_they_speak_of() -> None:
    assert chosen(edition(), "stroke at home", "bell ringing", "gardens") == [(0, 0), (1, 1)]


def test_another_matcher_can_be_put_in_the_place_of_tf_idf() -> None:
    assert chosen(edition(LastItem()), "stroke at home", "gardens") == [(0, 1), (1, 1)]


def test_nobody_to_compose_for_is_no_error() -> None:
    assert chosen(edition()) == []


def test_what_was_heard_of_a_member_counts_the_same_where_matchers_are_compared() -> None:
    """The first half of the members turned down everything at such scores, the second half liked it."""
    draws = np.arange(20, dtype=np.uint64) * np.uint64(2**59)
    told = Told(
        member=np.repeat(np.arange(20), 6),
        item=np.full(120, -1),
        rest=np.full(120, 0.28),
        field=np.full(120, 0.02),
        share=np.ones(120),
        good=np.repeat(np.arange(20) >= 10, 6),
        weight=np.ones(120),
    )
    batch = Batch(
        [Profile(stated="stroke at home", languages=("en",))] * 20,
        [Preferences()] * 20,
        [""] * 20,
        NOTHING_SENT,
        heard=Heard(told=told),
        draws=draws,
    )
    alone = compose(edition(), batch).decision
    compared = compose(replace(edition(), comparison=Comparison(0.5)), batch)
    assert 0 < (compared.team >= 0).sum() < 20
    assert compared.decision.match.tolist() == alone.match.tolist()
    assert len(set(alone.match.tolist())) == 2
