import re
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from digest.translation import CatalogueError, choose, load_translations, read_translation
from tests.digest.mails import TEMPLATES, an_environment

TRANSLATIONS = load_translations(an_environment())
LANGUAGES = sorted(set(TRANSLATIONS) - {"en"})
ROOT = Path(__file__).parents[2]
WHEN = datetime(2026, 12, 4, 16, 0, tzinfo=UTC)


def messages() -> set[str | tuple[str, str]]:
    """Everything that the code and the templates of the mail say."""
    found: set[str | tuple[str, str]] = set()
    for file in [*(ROOT / "digest").glob("*.py"), *(TEMPLATES / "email").glob("digest*")]:
        method = "python" if file.suffix == ".py" else "jinja2.ext:babel_extract"
        keywords = {"_": None, "gettext": None, "ngettext": (1, 2)}
        for _, message, _, _ in extract(method, BytesIO(file.read_bytes()), keywords=keywords):
            found.add(message if isinstance(message, str) else (message[0], message[1]))
    return found


def catalogue(language: str) -> dict[str | tuple[str, str], tuple[str, ...]]:
    po = read_po(BytesIO((TEMPLATES / "locale" / language / "LC_MESSAGES" / "germane.po").read_bytes()))
    return {
        m.id if isinstance(m.id, str) else (m.id[0], m.id[1]): (m.string,)
        if isinstance(m.string, str)
        else tuple(m.string)
        for m in po
        if m.id and not m.fuzzy
    }


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", text))


def test_the_networks_languages_are_there() -> None:
    assert LANGUAGES == ["cy", "es", "fr", "it"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated_and_none_is_left_over(language: str) -> None:
    assert catalogue(language).keys() == messages()


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_values(language: str) -> None:
    for source, forms in catalogue(language).items():
        expected = placeholders(source if isinstance(source, str) else source[1])
        assert all(form and placeholders(form) == expected for form in forms), source


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "Friday 4 December 2026, 16:00 (London time)"),
        ("cy", "Dydd Gwener, 4 Rhagfyr 2026, 16:00 (amser Llundain)"),
        ("fr", "vendredi 4 décembre 2026 à 16:00 (heure de Londres)"),
        ("es", "viernes, 4 de diciembre de 2026, 16:00 (hora de Londres)"),
        ("it", "venerdì 4 dicembre 2026, 16:00 (ora di Londra)"),
    ],
)
def test_a_date_is_in_words_of_the_language(language: str, expected: str) -> None:
    assert TRANSLATIONS[language].moment(WHEN, "Europe/London") == expected


def test_a_date_is_the_networks_local_day() -> None:
    late = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    assert TRANSLATIONS["en"].date(late, "Europe/London") == "Wednesday 1 July 2026"


@pytest.mark.parametrize("when", [datetime(2026, 7, 1, 22, 59, tzinfo=UTC), datetime(2026, 6, 30, 23, 0, tzinfo=UTC)])
def test_midnight_and_a_minute_before_it_stand_for_the_day(when: datetime) -> None:
    assert TRANSLATIONS["en"].moment(when, "Europe/London") == "Wednesday 1 July 2026"


@pytest.mark.parametrize(
    ("asked", "got"), [(("cy",), "cy"), (("fr-CA",), "fr"), (("de", "es"), "es"), (("de",), "en"), (("", "it"), "it")]
)
def test_the_first_language_that_there_is_is_chosen(asked: tuple[str, ...], got: str) -> None:
    assert choose(TRANSLATIONS, *asked).language == got


def test_a_broken_catalogue_says_what_is_wrong() -> None:
    with pytest.raises(CatalogueError, match="cy catalogue"):
        read_translation("cy", b'msgid "x"\nmsgstr "y"\nnonsense\n')
