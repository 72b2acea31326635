import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.cleaning import many_lines, one_line

TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    "gap", ["\r\n", "\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029", "\t", "\x00", "\x1b", "\u202e", "\ufeff"]
)
def test_a_title_stays_on_one_line(gap: str) -> None:
    assert one_line(f" Help{gap}wanted{gap}") == "Help wanted"


def test_accents_are_composed() -> None:
    assert one_line("stro\u0302c") == "strôc"


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert one_line("a\ud83d") == "a?"


def test_a_body_keeps_its_lines_and_its_tabs() -> None:
    assert many_lines("\n\none \r\ntwo\x85three\u2028\n\n\n\n\nfour\tfive\x07\n") == "one\ntwo\nthree\n\n\nfour\tfive"


@given(TEXT)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert one_line(one_line(text)) == one_line(text)
    assert many_lines(many_lines(text)) == many_lines(text)


@given(TEXT)
def test_what_is_cleaned_can_be_stored_and_printed(text: str) -> None:
    many_lines(text).encode("utf-8")
    assert one_line(text) == "" or len(one_line(text).splitlines()) == 1
