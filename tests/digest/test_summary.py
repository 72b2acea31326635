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
    [
        "Dear all,\n\n",
        "Dear Sir/Madam, ",
        "Hello everyone\n",
        "Hi all, ",
        "Annwyl gyfeillion,\n\n",
        "Bonjour à tous,\n",
        "Hola: ",
    ],
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


@pytest.mark.parametrize(
    "sentence",
    [
        "It was published on 3. June in Lancet Resp. Med. by us.",
        "We meet at 5 p.m. on Fri. 3 January in the hall.",
        "Mae'r prosiect yn para tan 31 Rhag. 2026 yn y gymuned.",
        "Le 12 févr. Paris accueille la journée.",
        "Er findet am 24. Dezember statt.",
    ],
)
def test_neither_a_date_nor_a_month_ends_a_sentence(sentence: str) -> None:
    assert of(f"{sentence} Two is here. Three is here.") == f"{sentence} Two is here. {ELLIPSIS}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("研讨会讨论肺康复。家庭氧疗的证据也会介绍！欢迎参加。", "研讨会讨论肺康复。家庭氧疗的证据也会介绍！"),
        ("彼は「はい。」と言った。参加費は3,500円です。申込は24日。", "彼は「はい。」と言った。参加費は3,500円です。"),
        ("पहला वाक्य यहाँ है। दूसरा वाक्य यहाँ है। तीसरा वाक्य।", "पहला वाक्य यहाँ है। दूसरा वाक्य यहाँ है।"),
        ("هذا نص عربي. هل لديك سؤال؟ نعم لدينا.", "هذا نص عربي. هل لديك سؤال؟"),
    ],
)
def test_sentences_end_with_the_marks_of_their_script(body: str, expected: str) -> None:
    assert of(body) == f"{expected} {ELLIPSIS}"


def test_a_heading_in_a_script_without_spaces_is_left_out() -> None:
    assert of("# 背景\n\n研讨会讨论肺康复。") == "研讨会讨论肺康复。"


def test_repeated_sentences_that_were_left_out_are_marked() -> None:
    assert of("One is here. Two is here. " * 2) == f"One is here. Two is here. {ELLIPSIS}"


@pytest.mark.parametrize(
    ("text", "longest", "expected"),
    [
        ("参加費は一人あたり13,500円です", 13, "参加費は一人あたり…"),
        ("COVID-19 患者的肺康复治疗方案和家庭氧疗的新证据", 20, "COVID-19 患者的肺康复治疗方案…"),
        ("研讨会讨论肺康复，家庭氧疗的证据也会介绍", 14, "研讨会讨论肺康复，…"),
        ("在宅酸素療法の手引きを公開しました", 12, "在宅酸素療法の手引きを…"),
        ("การฟื้นฟูสมรรถภาพปอดที่บ้าน", 6, "การ…"),
        ("การดูแลที่เท้า", 12, "การดูแลที่…"),
    ],
)
def test_a_text_without_spaces_is_cut_between_words_where_they_show(text: str, longest: int, expected: str) -> None:
    assert shortened(text, longest) == expected


def test_markdown_and_headings_leave_plain_sentences() -> None:
    body = "# Background\n\nWe ask for **help** with [the audit](https://example.org/audit).\n\n- one\n- two"
    assert of(body) == "We ask for help with the audit (example.org)."


@pytest.mark.parametrize("address", ["https://www.example.org/a/b?c=d", "www.example.org/a/b.html", "WWW.example.org"])
def test_a_web_address_becomes_its_sites_name(address: str) -> None:
    assert of(f"Everything is at {address}.") == "Everything is at example.org."


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
