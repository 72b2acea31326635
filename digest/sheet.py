"""An edition's mail in one language: the pieces for the fast way, and the plain way that says the same."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote

from digest import cards, mime
from digest.cards import Card, Place
from digest.items import KINDS, Item, Kind
from digest.layout import CARD, FRAME, SECTION, Layout
from digest.mail import Entry, Masthead
from digest.pieces import Plate, Printed, cut, filled, inline, slot
from digest.subject import subject
from digest.translation import Translation

REMEMBERED = 20_000
"""Reasons kept ready, in each language."""


class Sheet:
    """The pieces of the mail in one language, made when they are first needed."""

    def __init__(
        self, layout: Layout, masthead: Masthead, translation: Translation, topic_labels: Mapping[str, str]
    ) -> None:
        self._layout = layout
        self._translation = translation
        self._topic_labels = topic_labels
        self._place = Place(masthead.base_url, masthead.reply_to, masthead.time_zone)
        self.words = {
            "_": translation.gettext,
            "ngettext": translation.ngettext,
            "masthead": masthead,
            "language": translation.language,
            "direction": translation.direction,
        }
        self.language_field = f"Content-Language: {translation.language}\r\n".encode()
        self._cards: dict[tuple[str, int, bool], tuple[Item, Plate]] = {}
        self._subjects: dict[tuple[int, int, str], tuple[bytes, Printed]] = {}
        self.printed_lead = lru_cache(4096)(self._printed_lead)
        self._printed_reason = lru_cache(REMEMBERED)(self._make_reason)
        self._headings = {kind: self._heading(kind) for kind in KINDS}
        self.frame = self._frame()

    # the fast way

    def printed(self, entries: Sequence[Entry]) -> Printed:
        """The body of a mail: entries under their headings, in the order given."""
        text: list[bytes] = []
        html: list[bytes] = []
        kind = ""
        for entry in entries:
            if entry.item.kind != kind:
                kind = entry.item.kind
                heading = self._headings[entry.item.kind]
                text.append(heading.text)
                html.append(heading.html)
            plate = self._card(entry.item, bool(entry.feedback_token))
            why = self._printed_reason(entry.terms)
            token = mime.quoted_printable(_quoted(entry.feedback_token))
            text += filled(plate.text, {"why": why.text, "token": token})
            html += filled(plate.html, {"why": why.html, "token": token})
        return Printed(b"".join(text), b"".join(html))

    def subject_field(self, entries: Sequence[Entry]) -> bytes:
        return self._subject(entries)[0]

    def printed_subject(self, entries: Sequence[Entry]) -> Printed:
        return self._subject(entries)[1]

    def _subject(self, entries: Sequence[Entry]) -> tuple[bytes, Printed]:
        """A subject depends on how many requests and others there are, and on the first title."""
        requests = sum(entry.item.kind == "request" for entry in entries)
        key = (requests, len(entries), entries[0].item.title)
        found = self._subjects.get(key)
        if found is None:
            words = self.subject(entries)
            found = self._subjects[key] = (mime.text_field("Subject", words), inline(words))
        return found

    def _card(self, item: Item, with_feedback: bool) -> Plate:
        key = (item.public_id, item.key, with_feedback)
        known = self._cards.get(key)
        if known is not None and (known[0] is item or known[0] == item):
            return known[1]
        feedback_url = cards.feedback_url(self._place, slot("token") if with_feedback else "")
        values = self.words | {"card": self._values(item), "why": slot("why"), "feedback_url": feedback_url}
        plate = Plate(cut(self._layout.text(CARD, **values)), cut(self._layout.fragment(CARD, **values)))
        self._cards[key] = (item, plate)
        return plate

    def _heading(self, kind: Kind) -> Printed:
        values = self._section(kind)
        text, html = self._layout.text(SECTION, **values), self._layout.fragment(SECTION, **values)
        return Printed(mime.quoted_printable(text), mime.quoted_printable(html))

    def _frame(self) -> Plate:
        slots = {name: slot(name) for name in ("subject", "lead", "body", "leave_url", "preferences_url")}
        values = self.words | slots
        return Plate(cut(self._layout.text(FRAME, **values)), cut(self._layout.page(**values)))

    def _printed_lead(self, kinds: tuple[Kind, ...]) -> Printed:
        return inline(cards.lead(kinds, self._translation))

    def _make_reason(self, terms: tuple[tuple[str, str], ...]) -> Printed:
        return inline(self._reason(terms))

    # the plain way

    def rendered(self, entries: Sequence[Entry]) -> tuple[str, str]:
        """Text and html of the body, the html not styled yet."""
        text: list[str] = []
        html: list[str] = []
        kind = ""
        for entry in entries:
            if entry.item.kind != kind:
                kind = entry.item.kind
                section = self._section(entry.item.kind)
                text.append(self._layout.text(SECTION, **section))
                html.append(self._layout.markup(SECTION, **section))
            feedback_url = cards.feedback_url(self._place, _quoted(entry.feedback_token))
            values = self.words | {"card": self._values(entry.item), "feedback_url": feedback_url}
            why = self._reason(entry.terms)
            text.append(self._layout.text(CARD, why=why, **values))
            html.append(self._layout.markup(CARD, why=why, **values))
        return "".join(text), "".join(html)

    def subject(self, entries: Sequence[Entry]) -> str:
        words = subject([entry.item for entry in entries], self._translation)
        return cards.line(self._layout.subject(**self.words, subject=words))

    def lead(self, entries: Sequence[Entry]) -> str:
        return cards.lead([entry.item.kind for entry in entries], self._translation)

    def _reason(self, terms: Sequence[tuple[str, str]]) -> str:
        return cards.reason(terms, self._topic_labels, self._translation)

    def _values(self, item: Item) -> Card:
        return cards.card(item, self._place, self._translation)

    def _section(self, kind: Kind) -> dict[str, object]:
        return self.words | {"kind": kind, "heading": cards.heading(kind, self._translation)}


def _quoted(token: str) -> str:
    return token if token.isascii() and token.isalnum() else quote(token, safe="")
