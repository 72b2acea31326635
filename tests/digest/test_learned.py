"""What was learned: shown as terms, taken back term by term, and never instead of what was stated."""

import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.fitting import fit
from digest.items import Item, Topic
from digest.learned import columns_of, forgotten_rows, learned_terms
from digest.learning import Feedback, Settings, effective_profiles, learned_rows
from digest.matching import TfidfMatcher
from digest.vectors import Rows
from profiles.member import Profile

TEXTS = (
    "Pulmonary rehabilitation at home for people with COPD",
    "Pulmonary rehabilitation by video in rural areas",
    "Bell ringing in country churches",
    "Bell ringers meet in the tower",
    "Stroke units and early supported discharge",
    "Early supported discharge after a stroke",
    "Home oxygen for breathless people",
    "Vocational rehabilitation and work",
)
ITEMS = [Item(text, body=text, topics=("lungs",) if "ulmonary" in text else ()) for text in TEXTS] * 3
TOPICS = [Topic("lungs", "Respiratory medicine")]
SPACE = fit(ITEMS, TOPICS)
PAST = SPACE.item_vectors(ITEMS)
PROFILES = [Profile(stated="early supported discharge after stroke"), Profile(stated="home oxygen", chosen=("lungs",))]
INTERESTS = SPACE.interests(PROFILES)


def feedback(liked: dict[int, list[int]], disliked: dict[int, list[int]] | None = None) -> Feedback:
    """By member (0 or 1) the items they liked and disliked."""
    return Feedback(_rows(liked), _rows(disliked or {}))


def _rows(said: dict[int, list[int]]) -> Rows:
    pairs = [(member, item) for member, items in said.items() for item in items]
    row, column = zip(*pairs, strict=True) if pairs else ((), ())
    return sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(2, len(ITEMS)))


def scores(said: Feedback | None, forgotten: Rows | None = None) -> npt.NDArray[np.float32]:
    rows = effective_profiles(SPACE, INTERESTS, PAST, said, forgotten=forgotten)
    return np.concatenate(list(TfidfMatcher(SPACE.n_terms, most=0).blocks(rows, PAST)))


@dataclass
class Told:
    labels: list[str]
    weights: list[float]
    items: list[tuple[int, ...]]


def told(said: Feedback, member: int = 0, most: int = 20) -> Told:
    found = learned_terms(SPACE, learned_rows(SPACE, PAST, said), PAST, said, most)
    own = [term for term in found if term.member == member]
    return Told([t.label for t in own], [t.weight for t in own], [t.items for t in own])


def test_what_was_liked_fits_better_and_so_does_what_is_like_it() -> None:
    before, after = scores(None), scores(feedback({0: [2]}))
    assert after[0, 2] > before[0, 2]
    assert after[0, 3] > before[0, 3]
    assert np.allclose(after[1], before[1])


def test_what_was_not_wanted_fits_worse_and_so_does_what_is_like_it() -> None:
    before, after = scores(None), scores(feedback({}, {1: [0]}))
    assert after[1, 0] < before[1, 0]
    assert after[1, 1] < before[1, 1]


def test_learned_terms_are_told_in_words_with_the_items_they_came_from() -> None:
    found = told(feedback({0: [2]}))
    assert "bell ringing" in [label.casefold() for label in found.labels]
    assert all(weight > 0 for weight in found.weights)
    assert found.weights == sorted(found.weights, reverse=True)
    assert set(found.items) == {(2,)}


def test_terms_of_which_less_is_wanted_have_a_weight_below_zero() -> None:
    found = told(feedback({0: [2]}, {0: [6]}))
    less = {label for label, weight in zip(found.labels, found.weights, strict=True) if weight < 0}
    assert any("oxygen" in label for label in less)
    assert all(
        items == ((6,) if label in less else (2,)) for label, items in zip(found.labels, found.items, strict=True)
    )


def test_words_of_a_phrase_that_is_told_are_not_told_again() -> None:
    labels = [label.casefold() for label in told(feedback({0: [4, 5]})).labels]
    assert "early supported" in labels
    for label in labels:
        heavier = labels[: labels.index(label)]
        assert not any(set(label.split()) <= set(other.split()) for other in heavier)


@pytest.mark.parametrize("text", ["Sleep: apnoea", "การฟื้นฟูสมรรถภาพปอด"])
def test_only_what_people_can_read_is_told(text: str) -> None:
    items = [Item(text), Item("Beekeeping")]
    space = fit(items, [])
    past, said = space.item_vectors(items), Feedback(_of(2, 0), _of(2))
    labels = [one.label for one in learned_terms(space, learned_rows(space, past, said), past, said, most=99)]
    assert labels
    assert not any("…" in label or unicodedata.category(label[0]).startswith("M") for label in labels)


def _of(n_items: int, *items: int) -> Rows:
    """What one member said of so many items."""
    return Rows(([1.0] * len(items), ([0] * len(items), list(items))), shape=(1, n_items), dtype=np.float32)


def test_no_more_terms_and_items_are_told_than_asked_for() -> None:
    said = feedback({0: list(range(24)), 1: [0]})
    assert len(told(said, most=5).labels) == 5
    assert max(len(items) for items in told(said).items) == 3


def test_without_feedback_nothing_is_told() -> None:
    assert told(feedback({})).labels == []


@pytest.mark.parametrize("label", ["Respiratory medicine", "respiratory MEDICINE"])
def test_a_topic_is_forgotten_by_its_label(label: str) -> None:
    assert SPACE.first_topic in columns_of(SPACE, label)


def test_a_phrase_takes_its_words_with_it_and_phrases_with_those_that_tell() -> None:
    texts = ["Palliative care teams", "Bring palliative drugs", *(f"Respiratory care on ward {n}" for n in range(10))]
    texts += [f"Bells and towers {n}" for n in range(30)]
    space = fit([Item(text, language="en") for text in texts], [])

    def labels(label: str) -> set[str]:
        return {space.labels[column].casefold() for column in columns_of(space, label)}

    assert {"palliative", "care", "palliative care", "bring palliative"} <= labels("Palliative care")
    assert "respiratory care" not in labels("Palliative care")
    assert {"care", "palliative care", "respiratory care"} <= labels("care")
    assert "palliative" not in labels("care")
    assert columns_of(space, "zebra") == columns_of(space, "") == []


def test_a_forgotten_term_is_learned_no_more_and_the_others_still_are() -> None:
    said = feedback({0: [0, 2]})
    gone = forgotten_rows(SPACE, {0: ["bell ringing"]}, 2)
    rows = SPACE.lexical(learned_rows(SPACE, PAST, said, forgotten=gone))
    assert not rows[0, columns_of(SPACE, "bell ringing")].toarray().any()
    assert rows[0, columns_of(SPACE, "pulmonary")].toarray().all()


def test_forgetting_every_learned_term_leaves_what_was_stated() -> None:
    said = feedback({0: [2]})
    gone = forgotten_rows(SPACE, {0: told(said, most=1000).labels}, 2)
    assert np.allclose(scores(said, gone)[0, 2:4], scores(None)[0, 2:4], atol=0.02)
    assert scores(said, gone)[0, 4] == pytest.approx(scores(None)[0, 4], rel=0.05)


def test_a_stated_term_that_is_forgotten_stays_stated() -> None:
    said = feedback({0: [4]})
    gone = forgotten_rows(SPACE, {0: ["early supported", "stroke", "discharge"]}, 2)
    rows = effective_profiles(SPACE, INTERESTS, PAST, said, forgotten=gone)
    assert scores(said, gone)[0, 4] >= 0.9 * scores(None)[0, 4]
    assert rows[0, SPACE.labels.index("stroke")] > 0


def test_nobody_forgot_anything() -> None:
    assert forgotten_rows(SPACE, {}, 2) is None
    assert forgotten_rows(SPACE, {0: ["zebra"]}, 2) is None


HABITS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, len(ITEMS) - 1), st.booleans()), max_size=60)


@settings(deadline=None, max_examples=60)
@given(HABITS)
def test_a_stated_interest_never_disappears_under_what_was_learned(habits: list[tuple[int, int, bool]]) -> None:
    liked: dict[int, list[int]] = {}
    disliked: dict[int, list[int]] = {}
    for member, item, good in dict.fromkeys(habits):
        (liked if good else disliked).setdefault(member, []).append(item)
    found = _unit(SPACE.lexical(effective_profiles(SPACE, INTERESTS, PAST, feedback(liked, disliked))))
    stated = _unit(INTERESTS.sum(SPACE.lexical(INTERESTS.rows)))
    assert (found[stated > 0] >= 0.9 * Settings().stated_floor * stated[stated > 0]).all()


def _unit(rows: Rows) -> npt.NDArray[np.float32]:
    dense: npt.NDArray[np.float32] = rows.toarray()
    return dense / np.linalg.norm(dense, axis=1, keepdims=True)
