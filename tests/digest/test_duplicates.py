import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from digest.duplicates import SAME_TEXT, Duplicates, groups, normalised_link, pairs
from digest.fitting import fit
from digest.items import Item
from tests.builders import NOW, an_item

EXAMPLE = Path(__file__).parents[2] / "example"
COURSE = "https://learn.example.org/course"


def texts(items: list[Item]) -> sp.csr_matrix:
    space = fit(items, [])
    return space.item_vectors(items)[:, : space.first_topic]


def grouped(*items: Item) -> list[int]:
    found: list[int] = groups(items, texts(list(items))).tolist()
    return found


@pytest.mark.parametrize(
    "spelling",
    [
        "http://learn.example.org/course",
        "https://www.learn.example.org/course",
        "https://Learn.Example.ORG/course",
        "https://learn.example.org:443/course/",
        " https://learn.example.org/course#dates ",
        "https://learn.example.org/course?utm_source=mail&UTM_Campaign=x&fbclid=1",
        "https://learn.example.org./course",
    ],
)
def test_all_spellings_of_a_link_are_one(spelling: str) -> None:
    assert normalised_link(spelling) == normalised_link(COURSE) == "learn.example.org/course"


@pytest.mark.parametrize(
    "other",
    [
        "https://learn.example.org/Course",
        "https://learn.example.org/course/2",
        "https://learn.example.org/course?id=2",
        "https://learn.example.org:8443/course",
        "https://example.org/course",
        "https://learn.example.org/#/course",
    ],
)
def test_a_link_to_another_page_is_another_link(other: str) -> None:
    assert normalised_link(other) not in {normalised_link(COURSE), ""}


@pytest.mark.parametrize(
    "link", ["", "https://example.org", "https://www.example.org/?utm_source=x", "mailto:a@example.org", "ftp://a/b",
             "https://[broken/x", "https://example.org:port/x", "not a link", "https:///x"],
)  # fmt: skip
def test_what_names_no_page_is_no_link(link: str) -> None:
    assert normalised_link(link) == ""


def test_a_host_in_its_own_script_is_the_same_in_ascii() -> None:
    assert normalised_link("https://Bücher.example/x") == normalised_link("https://xn--bcher-kva.example/x") != ""


def test_the_order_of_parameters_does_not_matter() -> None:
    assert normalised_link("https://a.org/x?b=2&a=1") == normalised_link("https://a.org/x?a=1&utm_medium=m&b=2")


@given(st.text(max_size=40) | st.text("/#?=&! %:a", max_size=12))
def test_a_link_is_normalised_only_once(path: str) -> None:
    once = normalised_link(f"https://example.org/{path}")
    assert normalised_link(f"https://{once}") == once


def test_items_with_the_same_link_are_the_same_in_any_language() -> None:
    welsh = an_item(title="Cwrs ar adsefydlu'r ysgyfaint", body="Dewch i ddysgu gyda ni.", language="cy", url=COURSE)
    english = an_item(title="Pulmonary rehabilitation", body="A day of learning.", url=COURSE + "?utm_source=x")
    other = an_item(title="Gardening for beginners", body="Spades and seeds.", url="https://learn.example.org/garden")
    assert grouped(welsh, other, english) == [0, 1, 0]


LONG = (
    "Therapists from three hospitals describe how patients after a stroke go home early with a team that visits them each "
    "day, what that costs, how families see it, and which measures showed that nobody was worse off. Slides will follow."
)


def test_nearly_the_same_text_is_the_same_thing() -> None:
    one = an_item(title="Early supported discharge in practice", body=LONG)
    copy = replace(
        one, body=LONG.replace("Slides will follow.", "Slides follow soon!"), url="https://example.net/repost"
    )
    other = an_item(title="Early supported discharge: vacancies", body="A nurse and a therapist are wanted.")
    assert grouped(other, one, copy) == [0, 1, 1]


def test_what_takes_place_at_another_time_is_another_thing() -> None:
    spring = an_item(title="Early supported discharge in practice", body=LONG, url=COURSE, event_at=NOW)
    autumn = replace(spring, event_at=NOW + timedelta(days=180))
    undated = replace(spring, event_at=None)
    assert grouped(spring, autumn) == [0, 1]
    assert grouped(spring, undated) == [0, 0]
    assert grouped(undated, spring, autumn) == grouped(spring, undated, autumn) == [0, 0, 2]
    assert grouped(autumn, spring, undated, spring) == [0, 1, 0, 1]


def test_items_without_words_or_links_are_all_different() -> None:
    blank = [an_item(title="...", body="", url="") for _ in range(3)]
    assert grouped(*blank, an_item()) == [0, 1, 2, 3]
    assert grouped() == []


def test_an_earlier_copy_stands_for_every_item_of_its_group() -> None:
    first, second = an_item(key=11, url=COURSE), an_item(key=12, title="Course", body="Come.", url=COURSE + "#top")
    apart, earlier = an_item(key=13, title="Choir", body="Sing with us."), an_item(key=5, body="Old", url=COURSE)
    unlike = an_item(key=6, title="Gardens", body="Spades and seeds.")
    rows = texts([first, apart, second, earlier, unlike])
    found = Duplicates.among([first, apart, second], rows[:3], [earlier, unlike], rows[3:])
    assert found.group.tolist() == [0, 1, 0]
    assert found.columns == {5: (0, 2), 11: (0, 2), 12: (0, 2), 13: (1,)}


def test_in_the_example_network_the_planted_copies_are_found_and_nothing_else() -> None:
    records = map(json.loads, (EXAMPLE / "items.jsonl").read_text(encoding="utf-8").splitlines())
    items = [
        Item(
            title=record["title"],
            body=record.get("body", ""),
            url=record.get("url", ""),
            language=record.get("language", ""),
            event_at=datetime.fromisoformat(record["event_at"]) if "event_at" in record else None,
            external_id=record["id"],
        )
        for record in records
    ]
    group = groups(items, texts(items))
    found = {
        frozenset((items[n].external_id, items[leader].external_id)) for n, leader in enumerate(group) if n != leader
    }
    assert found == {
        frozenset(("vw-masterclass", "vw-masterclass-b")),
        frozenset(("ev-audit-masterclass", "audit-masterclass-b")),
        frozenset(("aphasia-choir-open", "choir-b")),
    }


rows = st.tuples(st.integers(1, 8), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.0, 1.0, 2.0, 5.0]))
)


@given(rows)
def test_no_pair_above_the_threshold_is_missed_and_none_below_is_found(dense) -> None:  # type: ignore[no-untyped-def]
    items = [an_item(url="") for _ in dense]
    length = np.linalg.norm(dense, axis=1)
    cosine = (dense @ dense.T) / np.maximum(np.outer(length, length), 1e-9)
    first, second = pairs(items, sp.csr_matrix(dense), items, sp.csr_matrix(dense))
    found = np.zeros(cosine.shape, dtype=bool)
    found[first, second] = True
    clear = np.abs(cosine - SAME_TEXT) > 1e-5
    assert np.array_equal(found[clear], cosine[clear] >= SAME_TEXT)
