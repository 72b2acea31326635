"""The language of a text whose poster did not say."""

from functools import cache
from typing import Any

LANGUAGES = ("en", "cy", "ga", "fr", "es", "it", "de", "pt", "nl", "pl")
"""The languages told apart. Fewer are surer: a short title is like something in every one of 140 languages."""

LEAST_CONFIDENCE = 0.7
"""Below this the guess is not used: single words and abbreviations come out at 0.2 to 0.6, sentences above 0.95."""


def guess_language(text: str) -> str:
    """A tag of LANGUAGES, or nothing when the text does not say enough. The first call loads the model (about 0.5 s)."""
    if not any(map(str.isalpha, text)):
        return ""
    language, confidence = _identifier().classify(text)
    return str(language) if confidence >= LEAST_CONFIDENCE else ""


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(LANGUAGES))
    return identifier
