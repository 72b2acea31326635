import pytest

from sources.language import LANGUAGES, guess_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Help wanted with a stroke pathway", "en"),
        ("Galwad am bapurau: gofal strôc yng Nghymru", "cy"),
        ("Appel à projets : réadaptation après un AVC", "fr"),
        ("Ayuda para una guía de rehabilitación", "es"),
        ("Cerchiamo esempi di percorsi per l'ictus", "it"),
        ("Wer hat Erfahrung mit der Entlassung nach Schlaganfall?", "de"),
    ],
)
def test_a_sentence_says_its_language(text: str, language: str) -> None:
    assert guess_language(text) == language


@pytest.mark.parametrize("text", ["", "123 !", "COPD", "NHS", "A"])
def test_too_little_text_says_nothing(text: str) -> None:
    assert guess_language(text) == ""


def test_every_language_is_one_that_the_model_knows() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    assert set(LANGUAGES) <= set(LanguageIdentifier.from_model_file(MODEL_FILE).labels)
