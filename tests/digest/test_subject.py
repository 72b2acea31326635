import pytest

from digest.items import Item
from digest.subject import LONGEST, subject
from digest.translation import load_translations
from tests.digest.mails import an_environment

TRANSLATIONS = load_translations(an_environment())
LONG = "Has anybody measured what patients think of home oxygen assessment and follow-up at three months"


def of(*items: Item, language: str = "en") -> str:
    return subject(items, TRANSLATIONS[language])


def requests(n: int) -> list[Item]:
    return [Item(f"Request {i}", "request") for i in range(n)]


def test_requests_are_counted_first() -> None:
    assert of(*requests(2), Item("News"), Item("More")) == "2 requests you may be able to answer, and 2 more"


def test_only_requests() -> None:
    assert of(*requests(3)) == "3 requests you may be able to answer"


def test_one_request_is_named() -> None:
    assert of(Item("Discharge letters", "request"), Item("News")) == "Request: Discharge letters (and 1 more)"


def test_without_requests_the_first_title_speaks() -> None:
    assert of(Item("Living guideline"), Item("News"), Item("Event")) == "Living guideline (and 2 more)"


def test_a_single_item_is_its_title() -> None:
    assert of(Item("Living guideline")) == "Living guideline"


@pytest.mark.parametrize("language", sorted(TRANSLATIONS))
@pytest.mark.parametrize("others", range(8))
def test_a_long_title_is_cut_between_words(language: str, others: int) -> None:
    line = of(Item(LONG, "request"), *[Item("x")] * others, language=language)
    assert len(line) <= LONGEST
    shown = line.split(": ", 1)[1].split(" …")[0]
    assert LONG.startswith(f"{shown} ")


@pytest.mark.parametrize("title", ["", " ", "\n", "\u2028"])
def test_a_subject_is_never_empty(title: str) -> None:
    assert of(Item(title)) == "Without a title"


def test_a_subject_is_one_line() -> None:
    assert of(Item("One\r\nBcc: two\u2028three")) == "One Bcc: two three"


@pytest.mark.parametrize(("n", "words"), [(2, "2 gais"), (3, "3 chais"), (4, "4 cais"), (6, "6 chais"), (7, "7 cais")])
def test_welsh_counts_with_its_own_plural_forms(n: int, words: str) -> None:
    assert of(*requests(n), language="cy") == f"{words} y gallech eu hateb"


@pytest.mark.parametrize(
    ("language", "title", "expected"),
    [
        ("en", "Oxygen wanted", "Urgent: Oxygen wanted"),
        ("en", "URGENT - oxygen wanted", "URGENT - oxygen wanted"),
        ("fr", "Urgent : qui a de l’oxygène ?", "Urgent : qui a de l’oxygène ?"),
        ("cy", "Urgent: oxygen", "Brys: Urgent: oxygen"),
    ],
)
def test_that_it_is_urgent_is_said_once(language: str, title: str, expected: str) -> None:
    assert subject([Item(title)], TRANSLATIONS[language], urgent=True) == expected
