import unicodedata

import numpy as np
import pytest

from digest.fitting import fit
from digest.hubness import damped, shares
from digest.items import Item, Topic
from digest.learning import Feedback, effective_profiles, learned_rows
from digest.matching import Rows, TfidfMatcher
from digest.reasons import Origins, explain, explain_with_sources, reasons_for
from digest.vectors import Settings, VectorSpace
from profiles.member import Profile
from tests.digest.test_vectors import ITEMS, TOPICS, words


@pytest.fixture(scope="module")
def space() -> VectorSpace:
    return fit([*words(400), *ITEMS], TOPICS, Settings(latent=20, broad=5))


def weights(n_members: int, n_items: int, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    return Rows((rng.random((n_members, n_items)) < 0.01).astype(np.float32))


def profiles_of(space: VectorSpace, past: Rows) -> Rows:
    stated = [
        Profile(stated=item.title, chosen=("stroke",) if n % 3 else ()) for n, item in enumerate(words(40, seed=3))
    ]
    feedback = Feedback(weights(40, past.shape[0], 1), weights(40, past.shape[0], 2))
    return effective_profiles(space, space.interests(stated), past, feedback)


def test_weights_of_a_thousand_pairs_sum_to_their_scores(space: VectorSpace) -> None:
    items = space.item_vectors([*words(21, seed=5), *ITEMS])
    profiles = profiles_of(space, space.item_vectors(words(400)))
    items = damped(space.with_damping(1.0), items, shares(space, items, profiles))
    used = np.vstack(list(TfidfMatcher(space.n_terms, most=0).blocks(profiles, items)))
    for row in range(40):
        for column in range(25):
            total = sum(weight for _, weight in explain(space, profiles[[row]], items[[column]]))
            assert total == pytest.approx(exact_score(space, profiles[[row]], items[[column]]), abs=1e-9)
            assert total == pytest.approx(used[row, column], abs=1e-5)


def exact_score(space: VectorSpace, profile: Rows, item: Rows) -> float:
    """The score in double precision from its definition: terms, and the item seen through each latent block, as long as they."""
    x = space.lexical(item).toarray()[0].astype(np.float64)
    p = profile.toarray()[0].astype(np.float64)
    total = x @ p[space.blocks[0]]
    for block in space.blocks[1:]:
        seen = x @ space.latent[:, : block.stop - block.start].astype(np.float64)
        total += seen @ p[block] * np.linalg.norm(x) / max(np.linalg.norm(seen), 1e-6)
    return float(total)


def origins(space: VectorSpace, profiles: list[Profile], learned: Rows | None = None) -> Origins:
    return Origins(space.profile_vectors(profiles), space.chosen_topics(profiles), learned)


def test_reasons_are_phrases_and_topics_in_words_that_share_none() -> None:
    space = fit(ITEMS, TOPICS)
    profiles = [Profile(stated="pulmonary rehabilitation"), Profile(chosen=("stroke",))]
    items = space.item_vectors(ITEMS)
    rows = effective_profiles(space, space.interests(profiles), items)
    first, second = reasons_for(space, rows, ITEMS, items, [0, 1], [0, 2], origins(space, profiles))
    assert [reason.label.casefold() for reason in first] == ["pulmonary rehabilitation"]
    assert first[0].source == "stated"
    assert (second[0].label, second[0].source) == ("Stroke", "topic")


def test_what_was_learned_is_called_learned() -> None:
    space = fit(ITEMS, TOPICS)
    past = space.item_vectors(ITEMS)
    profile = [Profile(stated="audit")]
    feedback = Feedback(Rows(np.array([[0, 0, 0, 1.0]], np.float32)), Rows(np.zeros((1, 4), np.float32)))
    rows = effective_profiles(space, space.interests(profile), past, feedback)
    learned = learned_rows(space, past, feedback)
    (reasons,) = reasons_for(space, rows, ITEMS, past, [0], [3], origins(space, profile, learned))
    assert reasons
    assert {reason.source for reason in reasons} == {"learned"}


@pytest.mark.parametrize("likes_it", [False, True])
def test_a_script_without_spaces_is_told_in_words_and_not_in_their_parts(likes_it: bool) -> None:
    texts = [Item("中风康复的早期出院支持", "经验征集"), Item("早期出院支持"), Item("养蜂入门")]
    space = fit(texts, [])
    profile, rows = [Profile(stated="中风康复和早期出院支持")], space.item_vectors(texts)
    feedback = Feedback(Rows(np.array([[0, 0, float(likes_it)]], np.float32)), Rows(np.zeros((1, 3), np.float32)))
    profiles = effective_profiles(space, space.interests(profile), rows, feedback)
    (reasons,) = reasons_for(space, profiles, texts, rows, [0], [0], origins(space, profile))
    assert {"早期出院支持", "中风康复"} <= {reason.label for reason in reasons if reason.source == "stated"}


@pytest.mark.parametrize(
    ("title", "stated", "expected"),
    [
        ("Early supported discharge teams", "early supported discharge", ["early supported discharge"]),
        ("Chronic obstructive pulmonary disease", "chronic obstructive pulmonary disease",
         ["chronic obstructive pulmonary disease"]),
        ("Home oxygen, then oxygen therapy", "home oxygen, oxygen therapy", ["oxygen", "therapy", "home"]),
        ("Early supported discharge", "early supported teams", ["early supported"]),
    ],
)  # fmt: skip
def test_pairs_of_words_that_follow_each_other_in_the_item_are_one_phrase(
    title: str, stated: str, expected: list[str]
) -> None:
    items = [Item(title), *ITEMS]
    space = fit(items, [])
    rows, profile = space.item_vectors(items), [Profile(stated=stated)]
    profiles = effective_profiles(space, space.interests(profile), rows)
    every = explain(space, profiles, rows[[0]])
    (reasons,) = reasons_for(space, profiles, items, rows, [0], [0], origins(space, profile))
    assert [reason.label.casefold() for reason in reasons] == expected
    assert sum(reason.weight for reason in reasons) <= sum(weight for _, weight in every if weight > 0) + 1e-9


THAI = [
    ("การฟื้นฟูสมรรถภาพปอดที่บ้าน", "ฉันสนใจการฟื้นฟูสมรรถภาพปอดและออกซิเจนที่บ้าน", "การฟื้นฟูสมรรถภาพปอด"),
    ("คู่มือผู้ป่วยโรคหลอดเลือดสมอง", "ผู้ป่วยเบาหวาน โรคหลอดเลือดสมอง", "โรคหลอดเลือดสมอง"),
    ("นักกายภาพบำบัด", "กายภาพ บำบัด นัก", "กายภาพ"),
]


@pytest.mark.parametrize(("title", "stated", "said"), THAI)
def test_words_of_a_script_without_spaces_are_those_of_the_item(title: str, stated: str, said: str) -> None:
    space = fit([Item(title), Item("养蜂入门")], [])
    rows, profile = space.item_vectors([Item(title)]), [Profile(stated=stated)]
    profiles = effective_profiles(space, space.interests(profile), rows)
    (reasons,) = reasons_for(space, profiles, [Item(title)], rows, [0], [0], origins(space, profile), most=50)
    assert said in {reason.label for reason in reasons}
    assert all(reason.label in unicodedata.normalize("NFKC", title) for reason in reasons)


def test_a_reason_begins_and_ends_with_a_whole_syllable() -> None:
    for title, stated in [(title, stated) for title, stated, _ in THAI] + [("ภาวะหัวใจล้มเหลว", "หัวใจวาย และ ล้มเหลว")]:
        space = fit([Item(title), Item("养蜂入门")], [])
        rows, profile = space.item_vectors([Item(title)]), [Profile(stated=stated)]
        profiles = effective_profiles(space, space.interests(profile), rows)
        (reasons,) = reasons_for(space, profiles, [Item(title)], rows, [0], [0], origins(space, profile), most=50)
        for reason in reasons:
            assert not unicodedata.category(reason.label[0]).startswith("M")
            assert reason.label[0] not in "ะาำ"
            assert reason.label[-1] not in "เแโใไ"


def test_a_pair_with_nothing_in_common_has_no_reason() -> None:
    space = fit(ITEMS, TOPICS)
    items = space.item_vectors([*ITEMS, Item("")])
    rows = effective_profiles(space, space.interests([Profile(stated="audit")]), items)
    assert reasons_for(space, rows, [*ITEMS, Item("")], items, [0, 0], [3, 4]) == [[], []]


def test_a_topic_that_was_only_written_about_is_not_called_followed() -> None:
    space = fit(ITEMS, TOPICS)
    profiles = [Profile(stated="stroke"), Profile(stated="stroke", chosen=("stroke",))]
    items = space.item_vectors(ITEMS)
    rows = effective_profiles(space, space.interests(profiles), items)
    first_topic = space.labels[space.first_topic :]
    for row, followed in enumerate(({}, {"topic"})):
        told = explain_with_sources(space, rows[row], items[2], origins(space, profiles[row : row + 1]))
        assert {reason.source for reason in told if reason.label in first_topic and reason.weight > 0} & {
            "topic"
        } == set(followed)


@pytest.mark.parametrize(
    ("stated", "source"),
    [("Stroke", "stated"), ("strokes and falls", "stated"), ("brain attack", "related"), ("heart failure", "related")],
)
def test_a_topic_whose_name_the_member_wrote_is_what_they_said(stated: str, source: str) -> None:
    space = fit(ITEMS, TOPICS)
    item = space.item_vectors([Item("Stroke and heart failure", topics=("stroke",))])
    profile = [Profile(stated=stated)]
    rows = effective_profiles(space, space.interests(profile), space.item_vectors(ITEMS))
    told = explain_with_sources(space, rows, item, origins(space, profile))
    assert {reason.source for reason in told if reason.label == "Stroke"} == {source}


@pytest.mark.parametrize(("stated", "source"), [("home oxygen", "related"), ("home oxygen and ventilation", "stated")])
def test_a_topic_is_only_called_said_where_its_whole_name_was_written(stated: str, source: str) -> None:
    topics = [Topic("oxygen", "Home oxygen and ventilation")]
    item = Item("Guideline for home oxygen", topics=("oxygen",))
    space = fit([item], topics)
    profile = [Profile(stated=stated)]
    rows = effective_profiles(space, space.interests(profile), space.item_vectors([item]))
    told = explain_with_sources(space, rows, space.item_vectors([item]), origins(space, profile))
    assert {reason.source for reason in told if reason.label == topics[0].label} == {source}
