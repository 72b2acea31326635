from typing import Any

import numpy as np

from digest.eligibility import Block, Members, blocks
from digest.items import AUDIENCE_FACETS, Audience, Item
from tests.builders import a_topic, an_item

TOPICS = [a_topic(), a_topic(key="aphasia", label="Aphasia", parent="stroke")]
NOTHING_SENT = (np.empty(0, np.int64), np.empty(0, np.int64))


def members(*rows: dict[str, Any]) -> Members:
    def column(name: str) -> list[Any]:
        return [row.get(name, "" if name in AUDIENCE_FACETS else ()) for row in rows]

    lists = ("chosen", "languages", "muted_kinds", "muted_topics", "muted_posters")
    names = [row.get("name", "") for row in rows]
    return Members(
        names=names, facets={name: column(name) for name in AUDIENCE_FACETS}, **{name: column(name) for name in lists}
    )


def block(member: dict[str, Any], item: Item, sent: Any = NOTHING_SENT) -> int:
    return int(blocks(members(member), [item], TOPICS, "en", sent)[0, 0])


def test_an_item_for_everybody_is_for_a_member_without_any_facet() -> None:
    assert block({}, an_item()) == Block.NONE


def test_an_audience_admits_only_who_has_one_of_its_values_whatever_the_case() -> None:
    nurses = an_item(audience=Audience(profession=("Nurse", "Midwife")))
    assert block({"profession": "nurse"}, nurses) == Block.NONE
    assert block({"profession": "Librarian"}, nurses) == Block.NOT_ELIGIBLE
    assert block({}, nurses) == Block.NOT_ELIGIBLE


def test_every_field_of_an_audience_must_admit() -> None:
    item = an_item(audience=Audience(profession=("nurse",), region=("Wales",)))
    assert block({"profession": "nurse", "region": "wales"}, item) == Block.NONE
    assert block({"profession": "nurse", "region": "London"}, item) == Block.NOT_ELIGIBLE


def test_an_audience_by_topic_admits_who_follows_a_topic_below_it() -> None:
    item = an_item(audience=Audience(topics=("stroke",)))
    assert block({"chosen": ("aphasia",)}, item) == Block.NONE
    assert block({"chosen": ("asthma",)}, item) == Block.NOT_ELIGIBLE


def test_an_item_in_a_language_that_is_not_read_does_not_go_out() -> None:
    welsh = an_item(language="cy")
    assert block({"languages": ("en", "cy")}, welsh) == Block.NONE
    assert block({"languages": ("en",)}, welsh) == Block.LANGUAGE
    assert block({}, welsh) == Block.LANGUAGE  # who names none reads the network's


def test_a_muted_topic_covers_the_topics_below_it() -> None:
    assert block({"muted_topics": ("stroke",)}, an_item(topics=("aphasia",))) == Block.MUTED_TOPIC
    assert block({"muted_topics": ("aphasia",)}, an_item(topics=("stroke",))) == Block.NONE


def test_a_muted_kind_and_a_muted_poster_never_appear() -> None:
    assert block({"muted_kinds": ("job",)}, an_item(kind="job")) == Block.MUTED_KIND
    assert block({"muted_posters": ("Acme ltd",)}, an_item(poster="ACME Ltd")) == Block.MUTED_POSTER


def test_what_was_sent_is_not_sent_again() -> None:
    sent = (np.array([0]), np.array([0]))
    assert block({}, an_item(), sent) == Block.ALREADY_SENT


def test_of_several_reasons_the_hardest_is_told() -> None:
    item = an_item(kind="job", language="cy", audience=Audience(country=("Ireland",)))
    assert block({"muted_kinds": ("job",), "country": "France"}, item) == Block.NOT_ELIGIBLE


def test_a_topic_tree_with_a_loop_does_no_harm() -> None:
    loop = [a_topic(key="a", parent="b"), a_topic(key="b", parent="a")]
    found = blocks(members({"muted_topics": ("b",)}), [an_item(topics=("a",))], loop, "en", NOTHING_SENT)
    assert found[0, 0] == Block.MUTED_TOPIC


def test_nobody_is_sent_what_they_posted_themselves() -> None:
    item = an_item(poster="Ann Example, Example Hospital")
    assert block({"name": "Ann Example"}, item) == Block.OWN
    assert block({"name": "Ann Other"}, item) == Block.NONE
    assert block({}, an_item(poster="")) == Block.NONE
