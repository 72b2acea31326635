import numpy as np

from digest.composition import Batch, Edition, compose
from digest.fitting import fit
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
