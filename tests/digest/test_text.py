import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.text import MAX_CHARS, STOP_WORDS, Analyser, joined, plain_text


def terms(text: str, language: str = "en") -> list[str]:
    return [term for term in Analyser().terms(text, language) if term]


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "rehabilitating", "rehabilitation"),
        ("fr", "réadaptations", "réadaptation"),
        ("es", "rehabilitaciones", "rehabilitación"),
        ("it", "riabilitazioni", "riabilitazione"),
    ],
)
def test_forms_of_a_word_are_one_term_in_its_language(language: str, one: str, other: str) -> None:
    assert terms(one, language) == terms(other, language)


def test_welsh_and_unknown_languages_keep_their_words_whole() -> None:
    assert terms("Rydym yn chwilio am adsefydlu", "cy") == ["rydym", "chwilio", "adsefydlu"][1:]
    assert terms("Kuntoutusta kotona", "xx") == ["kuntoutusta", "kotona"]


def test_stop_lists_hold_no_professional_vocabulary() -> None:
    professional = {"research", "system", "information", "interest", "new", "work", "member", "help", "care", "patient"}
    assert not professional & set().union(*STOP_WORDS.values())


def test_codes_keep_what_makes_them_codes() -> None:
    assert terms("COVID-19 in C++ by ICD-10, FeNO") == ["covid", "19", "c++", "icd", "10", "feno"]


@pytest.mark.parametrize("text", ["肺康复治疗", "โรคหลอดเลือด", "リハビリテーション"])
def test_scripts_without_spaces_become_character_pairs(text: str) -> None:
    found = terms(text, "zh")
    assert found == [text[i : i + 2] for i in range(len(text) - 1)]


def test_marks_stay_inside_their_word() -> None:
    assert terms("हिन्दी भाषा", "xx") == ["हिन्दी", "भाषा"]


def test_full_width_letters_are_the_same_letters() -> None:
    assert terms("ＣＯＰＤ") == terms("COPD")


def test_links_addresses_and_tags_are_no_words_but_comparisons_are() -> None:
    text = (
        "See [the guide](https://example.org/a?b=c) or <b>write</b> to jo@example.org, www.example.org; x <y and z> q"
    )
    assert "example" not in plain_text(text)
    assert "the guide" in plain_text(text)
    assert "<y and z>" in plain_text(text)


def test_a_long_text_is_read_only_to_its_limit() -> None:
    assert len(terms("word " * 1_000_000)) == MAX_CHARS // 5


@pytest.mark.parametrize("text", ["a" * 1_000_000, "@" * 1_000_000, "a.b+" * 250_000, "[](" * 300_000, "<p " * 300_000])
def test_a_megabyte_of_anything_comes_to_an_end(text: str) -> None:
    assert len(plain_text(text)) <= MAX_CHARS


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("We are looking for advice on the care of patients after a stroke", "en"),
        ("Nous cherchons des conseils pour les patients après un AVC dans notre hôpital", "fr"),
        ("Rydym yn chwilio am gyngor ar ofal yn y gymuned ac mae angen help", "cy"),
        ("Buscamos ejemplos de buenas prácticas para los pacientes con asma en su casa", "es"),
        ("Cerchiamo esempi di buone pratiche per i pazienti con asma nella loro casa", "it"),
        ("Spirometry", "en"),
    ],
)
def test_function_words_tell_the_language(text: str, language: str) -> None:
    assert Analyser("en").language_of(text.split()) == language


@given(st.text(max_size=200), st.sampled_from(["en", "cy", "fr", "zh", "", "xx-YY"]))
def test_any_text_in_any_language_has_terms_without_blanks(text: str, language: str) -> None:
    assert all(term == term.strip() and " " not in term for term in terms(text, language))


@pytest.mark.parametrize(
    ("first", "second", "whole"),
    [
        ("肺康", "康复", "肺康复"),
        ("肺康复", "康复治", "肺康复治"),
        ("肺康", "治疗", ""),
        ("ab", "bc", ""),
        ("康康", "康康", "康康康"),
    ],
)
def test_parts_of_an_unspaced_text_are_joined_where_they_overlap(first: str, second: str, whole: str) -> None:
    assert joined(first, second) == whole
