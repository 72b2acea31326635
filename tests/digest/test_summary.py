import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.items import Item
from digest.summary import ELLIPSIS, LONGEST, shortened, summary


def of(body: str = "", **values: str) -> str:
    return summary(Item("A title", body=body, **values))


def test_the_posters_own_summary_wins() -> None:
    assert of("A long body.", summary="In a word: evidence.") == "In a word: evidence."


@pytest.mark.parametrize(
    "greeting",
    ["Dear all,\n\n", "Hello everyone\n", "Hi all, ", "Annwyl gyfeillion,\n\n", "Bonjour à tous,\n", "Hola: "],
)
def test_a_greeting_is_skipped(greeting: str) -> None:
    assert of(f"{greeting}We look for examples of discharge letters.") == "We look for examples of discharge letters."


def test_a_sentence_that_only_looks_like_a_greeting_stays() -> None:
    assert of("Care homes may apply in pairs, with a friend. It is easy.") == (
        "Care homes may apply in pairs, with a friend. It is easy."
    )


def test_pleasantries_are_skipped() -> None:
    assert of("Hope you are all well. We need spirometry training.") == "We need spirometry training."


def test_two_sentences_are_enough_and_the_shortening_is_marked() -> None:
    assert of("One is here. Two is here. Three is here.") == f"One is here. Two is here. {ELLIPSIS}"


def test_an_abbreviation_does_not_end_a_sentence() -> None:
    assert of("Dr. Ann Smith, e.g. at St. Mary, leads it. It runs. More.") == (
        f"Dr. Ann Smith, e.g. at St. Mary, leads it. It runs. {ELLIPSIS}"
    )


def test_markdown_and_headings_leave_plain_sentences() -> None:
    body = "# Background\n\nWe ask for **help** with [the audit](https://example.org/audit).\n\n- one\n- two"
    assert of(body) == "We ask for help with the audit (example.org)."


def test_a_web_address_becomes_its_sites_name() -> None:
    assert of("Everything is at https://www.example.org/a/b?c=d.") == "Everything is at example.org."


def test_a_mailbox_is_not_handed_out() -> None:
    assert (
        of("We need help with consent forms. Write to jane@example.org today.")
        == f"We need help with consent forms. {ELLIPSIS}"
    )
    assert "@" not in of("", summary="Write to jane@example.org")


def test_a_list_alone_is_better_than_nothing() -> None:
    assert of("- first thing\n- second thing") == "- first thing - second thing"


def test_an_item_without_text_has_no_summary() -> None:
    assert of("") == of("\n \n") == ""


def test_a_huge_body_is_read_only_at_its_beginning() -> None:
    assert len(of("word " * 200_000)) <= LONGEST


def test_a_number_with_spaces_is_never_cut() -> None:
    assert shortened("people in Wales: 12 000 000", 24) == f"people in Wales: {ELLIPSIS}".replace(": …", f" {ELLIPSIS}")


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=600))
def test_no_summary_is_too_long_or_cut_inside_a_word(text: str) -> None:
    words = summary(Item("A title", summary=text))
    assert len(words) <= LONGEST
    if len(" ".join(text.split())) > LONGEST and words.endswith(f" {ELLIPSIS}"):
        kept = words.removesuffix(f" {ELLIPSIS}")
        rest = " ".join(text.split()).partition(kept)[2]
        assert not (kept[-1:].isalnum() and rest[:1].isalnum())
