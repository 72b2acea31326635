"""The words of a mail or page in a member's language: gettext catalogues, plural forms, dates. English is the source."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from functools import cached_property
from gettext import NullTranslations
from zoneinfo import ZoneInfo

import jinja2
from babel import Locale
from babel.dates import format_date, format_time, get_timezone, get_timezone_location
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

SOURCE_LANGUAGE = "en"
LOCALES = {"en": "en_GB"}
"""Where a language's own default would be wrong: plain "en" writes dates the American way."""
DATE_FORMATS = {"en": "EEEE d MMMM y"}
"""Where the full form of a date can be simpler (Unicode TR 35 fields)."""
RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"})

_CATALOGUE = re.compile(r"locale/([A-Za-z]{2,3}(?:_[A-Za-z]+)?)/LC_MESSAGES/germane\.po")
_ALL_DAY = (time(0, 0), time(23, 59))
"""Times that stand for a date alone, as importers write one."""


class CatalogueError(ValueError):
    """A catalogue that cannot be used. The message names the file and what is wrong."""


@dataclass(frozen=True)
class Translation:
    """One language's words. Values go into a message by name: `gettext("From %(poster)s", poster=...)`."""

    language: str
    """A BCP 47 tag, as it stands in `lang` attributes."""
    catalogue: NullTranslations

    @cached_property
    def locale(self) -> Locale:
        return Locale.parse(LOCALES.get(self.language, self.language.replace("-", "_")))

    @property
    def direction(self) -> str:
        """ltr or rtl, as in html's `dir` attribute."""
        return direction(self.language)

    def gettext(self, message: str, **values: object) -> str:
        found = self.catalogue.gettext(message)
        return found % values if values else found

    def ngettext(self, singular: str, plural: str, n: int, **values: object) -> str:
        """The plural form that fits `n`; both messages say the number as %(n)s."""
        return self.catalogue.ngettext(singular, plural, n) % (values | {"n": n})

    def date(self, when: datetime, time_zone: str) -> str:
        """The day in words, in that time zone: "Friday 4 December 2026"."""
        form = DATE_FORMATS.get(self.language, "full")
        return str(format_date(when.astimezone(ZoneInfo(time_zone)).date(), form, locale=self.locale))

    def moment(self, when: datetime, time_zone: str) -> str:
        """The day in words, and the time in its zone unless it is midnight or 23:59, which stand for the day alone."""
        local = when.astimezone(ZoneInfo(time_zone))
        if local.time().replace(second=0, microsecond=0) in _ALL_DAY:
            return self.date(when, time_zone)
        clock = format_time(local.time(), "short", locale=self.locale)
        city = get_timezone_location(get_timezone(time_zone), locale=self.locale, return_city=True)
        return self.gettext(
            "%(date)s, %(time)s (%(city)s time)", date=self.date(when, time_zone), time=clock, city=city
        )


def direction(language: str) -> str:
    return "rtl" if language.split("-")[0].lower() in RIGHT_TO_LEFT else "ltr"


def read_translation(language: str, po: bytes) -> Translation:
    """A language from the octets of its .po file. Raises CatalogueError with the line of what cannot be read."""
    try:
        catalogue = read_po(io.BytesIO(po), locale=language.replace("-", "_"), abort_invalid=True)
    except Exception as error:
        raise CatalogueError(f"the {language} catalogue cannot be read: {str(error).strip()}") from error
    mo = io.BytesIO()
    write_mo(mo, catalogue)
    mo.seek(0)
    return Translation(language, Translations(mo))


def load_translations(environment: jinja2.Environment) -> dict[str, Translation]:
    """Every language that has a catalogue beside the templates (locale/LANGUAGE/LC_MESSAGES/germane.po), and the source."""
    found = {SOURCE_LANGUAGE: Translation(SOURCE_LANGUAGE, NullTranslations())}
    for name in environment.list_templates(filter_func=lambda name: bool(_CATALOGUE.fullmatch(name))):
        match = _CATALOGUE.fullmatch(name)
        assert match is not None
        assert environment.loader is not None
        source, filename, _ = environment.loader.get_source(environment, name)
        language = match[1].replace("_", "-")
        try:
            found[language] = read_translation(language, source.encode())
        except CatalogueError as error:
            raise CatalogueError(f"{filename or name}: {error}") from error
    return found


def choose(translations: Mapping[str, Translation], *languages: str) -> Translation:
    """The first of these languages that there is, also by its primary tag ("fr" for "fr-CA"); English when there is none."""
    for language in languages:
        for tag in (language, language.replace("_", "-").split("-")[0].lower()):
            if tag in translations:
                return translations[tag]
    return translations[SOURCE_LANGUAGE]
