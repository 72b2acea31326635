import numpy as np
import pytest

from digest.fitting import fit
from digest.items import Item, Topic
from digest.vectors import Settings, VectorSpace
from profiles.member import Profile

TOPICS = [
    Topic("long-term", "Long-term conditions"),
    Topic("stroke", "Stroke", parent="long-term", synonyms=("brain attack", "accident vasculaire cérébral", "strôc")),
]
ITEMS = [
    Item("Pulmonary rehabilitation by video", body="Who has tried pulmonary rehabilitation for COPD at home?"),
    Item("Analyst for the heart failure audit", body="Band 6, two years, full time."),
    Item("Life after a brain attack", body="Groups that meet each week."),
    Item("COVID-19 and FeNO", body="COVID-19 clinics. COVID-19 data."),
]


def words(n: int, seed: int = 0) -> list[Item]:
    """Items of made-up words in a few made-up fields."""
    rng = np.random.default_rng(seed)
    fields = [[f"{chr(97 + f)}{chr(97 + i)}xo{chr(97 + j)}" for i in range(6) for j in range(6)] for f in range(5)]
    return [
        Item(" ".join(rng.choice(fields[k % 5], 4)), body=" ".join(rng.choice(fields[k % 5], 30))) for k in range(n)
    ]


def stated(space: VectorSpace, *interests: str, chosen: tuple[str, ...] = ()) -> np.ndarray:
    rows = space.profile_vectors([Profile(stated=text, chosen=chosen, languages=("en",)) for text in interests])
    return np.asarray((rows @ space.item_vectors(ITEMS).T).toarray())


def test_each_block_of_a_row_is_a_unit_vector() -> None:
    space = fit(words(400), [], Settings(latent=20, broad=5))
    rows = space.item_vectors(words(50, seed=1))
    for block in space.blocks:
        assert block.stop > block.start
        np.testing.assert_allclose(np.linalg.norm(rows[:, block].toarray(), axis=1), 1.0, atol=1e-5)


def test_three_items_are_enough_for_five_words() -> None:
    scores = stated(fit(ITEMS, []), "rehabilitation for people with COPD")[0]
    assert scores.argmax() == 0
    assert (scores[1:] == 0).all()


def test_a_chosen_topic_finds_its_synonym_in_a_text() -> None:
    scores = stated(fit(ITEMS, TOPICS), "", chosen=("stroke",))[0]
    assert scores[2] > 0
    assert (scores[[0, 1, 3]] == 0).all()


def test_an_interest_of_fifty_thousand_characters_is_read_to_its_end() -> None:
    long = "unheard " * 6200 + "rehabilitation"
    assert stated(fit(ITEMS, []), long)[0].argmax() == 0
    assert stated(fit(ITEMS, []), long)[0].max() > 0


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("Pulmonary rehabilitation and exercise", True),
        ("Walking, pulmonary rehabilitation", True),
        ("Anadlu ac pulmonary rehabilitation", True),
        ("Rehabilitation and exercise", False),
        ("Sandy pulmonary", False),
    ],
)
def test_a_topic_is_found_by_a_part_of_its_label_that_is_no_single_word(label: str, found: bool) -> None:
    scores = stated(fit(ITEMS, [Topic("rehabilitation", label)]), "", chosen=("rehabilitation",))[0]
    assert (scores > 0).tolist() == [found, False, False, False]


def test_an_abbreviation_is_read_in_no_other_language() -> None:
    space = fit(ITEMS, [Topic("lung-function", "Lung function testing", synonyms=("FeNO",))])
    fens, feno = space.interests([Profile(stated=text, languages=("en",)) for text in ("the Fens", "feno")]).rows
    assert space.first_topic not in fens.indices
    assert space.first_topic in feno.indices


def test_a_topic_is_the_same_in_every_language() -> None:
    space = fit([*ITEMS, Item("Vivre après un accident vasculaire cérébral", language="fr")], TOPICS)
    french = space.profile_vectors([Profile(stated="accident vasculaire cérébral", languages=("fr",))])
    assert (french @ space.item_vectors([ITEMS[2]]).T).toarray()[0, 0] > 0


def test_a_parent_topic_counts_less_than_the_topic() -> None:
    space = fit([*ITEMS, Item("x", topics=("stroke",)), Item("y", topics=("long-term",))], TOPICS)
    row = space.item_vectors([Item("z", topics=("stroke",))]).toarray()[0]
    by_key = {topic.key: row[space.first_topic + i] for i, topic in enumerate(space.topics)}
    assert 0 < by_key["long-term"] < by_key["stroke"]


def test_a_topic_that_was_chosen_counts_for_more_than_a_word_in_passing() -> None:
    items = [Item("Beds and staff", body="Who counts the beds?", topics=("stroke",)), Item("The stroke of an oar")]
    space = fit([*ITEMS, *items], [Topic("stroke", "Cerebrovascular disease")])
    member = space.profile_vectors([Profile(stated="stroke", chosen=("stroke",), languages=("en",))])
    chosen, passing = (member @ space.item_vectors(items).T).toarray()[0]
    assert chosen > passing > 0


def test_a_parent_of_a_topic_counts_half() -> None:
    space = fit([*ITEMS, Item("x", topics=("stroke",)), Item("y", topics=("long-term",))], TOPICS)
    topic = space.topic_map.weights["stroke"]
    assert [weight for _, weight in topic] == [3.0, 1.5]


def test_labels_are_words_as_people_write_them() -> None:
    labels = set(fit(ITEMS, TOPICS).labels)
    assert {"rehabilitation", "Pulmonary rehabilitation", "FeNO", "COVID-19", "Stroke"} <= labels | {
        label[:1].upper() + label[1:] for label in labels
    }


def test_a_pair_is_labelled_with_the_function_word_between() -> None:
    space = fit(
        [
            Item("Quality of life"),
            Item("Measuring quality of life"),
            Item("Days", body="A page for a list of the nurses"),
        ],
        [],
    )
    assert "quality of life" in [label.casefold() for label in space.labels]
    assert "list … nurses" in space.labels


@pytest.mark.parametrize(
    ("title", "broken"),
    [
        ("Home oxygen in COPD: new guideline", "COPD new"),
        ("Asthma, COPD and sleep", "Asthma COPD"),
        ("Long-term oxygen therapy (LTOT)", "therapy LTOT"),
        ("Research training. Apply now", "training Apply"),
        ("PaO2 of 7.3 kPa", "3 kPa"),
        ("肺康复。家庭氧疗", "康复 家庭"),
        ("Sleep - apnoea", "Sleep apnoea"),
    ],
)
def test_words_with_a_mark_between_are_no_phrase(title: str, broken: str) -> None:
    labels = [label.casefold() for label in fit([Item(title), Item("Beekeeping")], []).labels]
    assert broken.casefold() not in labels


@pytest.mark.parametrize("code", ["ICD-10", "J44.9", "EQ-5D", "COVID-19"])
def test_a_code_is_labelled_as_it_is_written(code: str) -> None:
    for title in (f"Coding {code}", f"新型{code}の患者"):
        assert code in fit([Item(title, body=f"What {code} is."), Item("Beekeeping")], []).labels


def test_bytes_restore_the_same_rows_and_are_the_same_bytes() -> None:
    space = fit([*words(320), *ITEMS], TOPICS, Settings(latent=16))
    restored = VectorSpace.from_bytes(space.to_bytes())
    assert restored.to_bytes() == space.to_bytes()
    profile = [Profile(stated="rehabilitation after stroke; COPD", chosen=("stroke",))]
    assert abs(restored.profile_vectors(profile) - space.profile_vectors(profile)).max() == 0
    assert abs(restored.item_vectors(ITEMS) - space.item_vectors(ITEMS)).max() == 0


def test_the_same_items_give_the_same_bytes() -> None:
    assert fit(words(320), TOPICS).to_bytes() == fit(words(320), TOPICS).to_bytes()


def test_bytes_of_something_else_are_refused() -> None:
    with pytest.raises(ValueError, match="pickle"):
        VectorSpace.from_bytes(b"something else")


@pytest.mark.parametrize("interest", ["", "the of and", "12345 67", "?!", "word " * 10_000, "肺康复", "C++"])
def test_odd_interests_have_a_row_without_nonsense(interest: str) -> None:
    rows = fit(ITEMS, TOPICS).profile_vectors([Profile(stated=interest)])
    assert rows.shape[0] == 1
    assert np.isfinite(rows.data).all()


def test_a_space_without_items_and_items_without_words_are_no_failure() -> None:
    empty = fit([], TOPICS)
    assert empty.item_vectors([Item("")]).nnz == 0
    assert empty.profile_vectors([Profile(stated="stroke", chosen=("stroke",))]).shape[0] == 1
    numbers = [Item("2026"), Item("7 - 8"), Item("of the")]
    wordless = VectorSpace.from_bytes(fit(numbers, []).to_bytes())
    assert wordless.n_terms == 0
    assert wordless.item_vectors(numbers).nnz == wordless.profile_vectors([Profile(stated="stroke")]).nnz == 0


def test_a_vocabulary_that_changes_entirely_matches_nothing_and_breaks_nothing() -> None:
    space = fit(words(320), [])
    assert space.lexical(space.item_vectors([Item("Quite unknown subjects")])).nnz == 0


def test_several_languages_are_read_side_by_side() -> None:
    items = [
        Item("Réadaptation respiratoire", language="fr"),
        Item("Respiratory rehabilitation", language="en"),
        Item("Jobs"),
    ]
    space = fit(items, [])
    rows = space.profile_vectors([Profile(stated="réadaptations; rehabilitating", languages=("fr", "en"))])
    scores = (rows @ space.item_vectors(items).T).toarray()[0]
    assert scores[0] > 0
    assert scores[1] > 0
    assert scores[2] == 0


def test_coverage_falls_with_words_that_no_item_has() -> None:
    space = fit(ITEMS, [])
    interests = space.interests([Profile(stated=text) for text in ("COPD", "COPD bell ringing steam", "the of")])
    assert interests.coverage[0] == 1.0
    assert 0 < interests.coverage[1] < 1.0
    assert interests.coverage[2] == 0.0


def test_each_interest_between_semicolons_is_a_row_of_its_member() -> None:
    interests = fit(ITEMS, TOPICS).interests([Profile(stated="COPD; audit"), Profile(), Profile(chosen=("stroke",))])
    assert interests.owner.tolist() == [0, 0, 2]
