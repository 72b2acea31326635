"""An edition's mail in one language: the pieces for the fast way, and the plain way that says the same."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from digest import cards, mime
from digest.cards import Card, Place
from digest.items import KINDS, Item, Kind
from digest.layout import CARD, FRAME, NETWORK, QUESTION, SECTION, Layout
from digest.mail import Entry, Masthead
from digest.pieces import Plate, Printed, cut, inline, slot
from digest.subject import subject
from digest.translation import Translation

REMEMBERED = 20_000
"""Reasons kept ready, in each language."""
COMFORTABLE = 60_000
"""Octets of a whole message: what does not fit any more is told in brief. Gmail cuts html of 102,000 octets, the foot first."""
LONGEST = 100_000
"""Octets of a whole message: brief entries that do not fit either are counted, and no more."""
BRIEF = 1_500
"""Octets set aside for each entry told in brief, so that all of them find room in all but the oddest mail."""
HEAD = 6_000
"""Octets set aside for header fields, signatures and headings."""


class Body(NamedTuple):
    """The entries of a mail, in both forms; the first `whole` of them as cards, the next `brief` without their summary."""

    text: bytes
    html: bytes
    whole: int
    brief: int


class Sheet:
    """The pieces of the mail in one language, made when they are first needed."""

    def __init__(
        self, layout: Layout, masthead: Masthead, translation: Translation, topic_labels: Mapping[str, str]
    ) -> None:
        self._layout = layout
        self._translation = translation
        self._topic_labels = topic_labels
        self._urgent = masthead.urgent
        self._place = Place(masthead.base_url, masthead.reply_to, masthead.time_zone)
        self.words = {
            "_": translation.gettext,
            "ngettext": translation.ngettext,
            "masthead": masthead,
            "language": translation.language,
            "direction": translation.direction,
        }
        self.language_field = f"Content-Language: {translation.language}\r\n".encode()
        self._cards: dict[tuple[str, int, bool, bool], tuple[Item, Plate]] = {}
        self._subjects: dict[tuple[int, int, str], tuple[bytes, Printed]] = {}
        self.printed_lead = lru_cache(4096)(self._printed_lead)
        self._printed_reason = lru_cache(REMEMBERED)(self._make_reason)
        self._headings = {kind: self._piece(SECTION, self._section(kind)) for kind in KINDS}
        self._further = lru_cache(256)(self._make_further)
        self.frame = self._frame()
        taken = HEAD + sum(map(len, self.frame))
        self._rooms = COMFORTABLE - taken, LONGEST - taken

    # the fast way

    def printed(self, entries: Sequence[Entry]) -> Body:
        """The body of a mail: entries under their headings, in the order given, as many of them whole as there is room for."""
        cards, whole = self._whole(entries)
        brief = 0
        if whole < len(entries):
            further, brief = self._in_brief(entries[whole:], self._rooms[1] - sum(map(_size, cards)))
            cards += further
        text, html = zip(*cards, strict=True)
        return Body(b"".join(text), b"".join(html), whole, brief)

    def _whole(self, entries: Sequence[Entry]) -> tuple[list[Printed], int]:
        """As many cards under their headings as there is room for, and how many they are: at least one."""
        printed: list[Printed] = []
        kind = ""
        used = 0
        for n, entry in enumerate(entries):
            card = self._entry(entry)
            used += len(card.text) + len(card.html)
            if n and (used > self._rooms[0] or used + BRIEF * (len(entries) - n - 1) > self._rooms[1]):
                return printed, n
            if entry.item.kind != kind:
                kind = entry.item.kind
                printed.append(self._headings[kind])
            printed.append(card)
        return printed, len(entries)

    def _in_brief(self, entries: Sequence[Entry], room: int) -> tuple[list[Printed], int]:
        """As many entries as there is room for, the rest counted, and how many they are."""
        printed: list[Printed] = []
        for entry in entries:
            card = self._entry(entry, brief=True)
            room -= _size(card)
            if room < 0:
                break
            printed.append(card)
        n = len(printed)
        if n:
            printed.insert(0, self._further("brief", n))
        if n < len(entries):
            printed.append(self._further("left out", len(entries) - n))
        return printed, n

    def _entry(self, entry: Entry, *, brief: bool = False) -> Printed:
        plate = self._card(entry.item, bool(entry.feedback_token) and not brief, brief)
        why = self._printed_reason(entry.terms)
        token = mime.quoted_printable(quoted(entry.feedback_token))
        text = plate.text % {b"why": why.text, b"token": token}
        return Printed(text, plate.html % {b"why": why.html, b"token": token})

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

    def _card(self, item: Item, with_feedback: bool, brief: bool) -> Plate:
        key = (item.public_id, item.key, with_feedback, brief)
        known = self._cards.get(key)
        if known is not None and (known[0] is item or known[0] == item):
            return known[1]
        feedback_url = cards.feedback_url(self._place, slot("token") if with_feedback else "")
        values = self.words | {"card": self._values(item, brief), "why": slot("why"), "feedback_url": feedback_url}
        plate = Plate(cut(self._layout.text(CARD, **values)), cut(self._layout.fragment(CARD, **values)))
        self._cards[key] = (item, plate)
        return plate

    def _make_further(self, how: str, n: int) -> Printed:
        return self._piece(SECTION, self._further_section(how, n))

    def _piece(self, template: str, values: dict[str, object]) -> Printed:
        text, html = self._layout.text(template, **values), self._layout.fragment(template, **values)
        return Printed(mime.quoted_printable(text), mime.quoted_printable(html))

    def _frame(self) -> Plate:
        slots = {name: slot(name) for name in ("subject", "lead", "body", "leave_url", "preferences_url")}
        values = self.words | slots
        return Plate(cut(self._layout.text(FRAME, **values)), cut(self._layout.page(**values)))

    def _printed_lead(self, kinds: tuple[Kind, ...]) -> Printed:
        return inline(cards.lead(kinds, self._translation, urgent=self._urgent))

    def _make_reason(self, terms: tuple[tuple[str, str], ...]) -> Printed:
        return inline(self._reason(terms))

    # the plain way

    def rendered(self, entries: Sequence[Entry]) -> tuple[str, str]:
        """Text and html of the body, the html not styled yet. What is whole and what is brief is decided by encoded size."""
        _, _, whole, brief = self.printed(entries)
        text: list[str] = []
        html: list[str] = []

        def add(template: str, values: dict[str, object]) -> None:
            text.append(self._layout.text(template, **values))
            html.append(self._layout.markup(template, **values))

        kind = ""
        for n, entry in enumerate(entries[: whole + brief]):
            if n == whole:
                add(SECTION, self._further_section("brief", brief))
            elif n < whole and entry.item.kind != kind:
                kind = entry.item.kind
                add(SECTION, self._section(entry.item.kind))
            feedback_url = cards.feedback_url(self._place, quoted(entry.feedback_token)) if n < whole else ""
            card = {"card": self._values(entry.item, n >= whole), "why": self._reason(entry.terms)}
            add(CARD, self.words | card | {"feedback_url": feedback_url})
        if whole + brief < len(entries):
            add(SECTION, self._further_section("left out", len(entries) - whole - brief))
        return "".join(text), "".join(html)

    def networks(self, others: Sequence[tuple[str, str, str]]) -> Printed:
        """What is said of each other network, as (name, address of preferences, address to leave)."""
        said = [
            self.words | dict(zip(("network_name", "preferences_url", "leave_url"), one, strict=True)) for one in others
        ]
        text = "".join(self._layout.text(NETWORK, **values) for values in said)
        html = "".join(self._layout.fragment(NETWORK, **values) for values in said)
        return Printed(mime.quoted_printable(text), mime.quoted_printable(html))

    def rendered_networks(self, others: Sequence[tuple[str, str, str]]) -> tuple[str, str]:
        """The same, the html not styled yet."""
        said = [
            self.words | dict(zip(("network_name", "preferences_url", "leave_url"), one, strict=True)) for one in others
        ]
        text = "".join(self._layout.text(NETWORK, **values) for values in said)
        return text, "".join(self._layout.markup(NETWORK, **values) for values in said)

    def question(self, keep_url: str) -> Printed:
        """Whether they still want it, with the address of the page that takes a yes."""
        return self._piece(QUESTION, self.words | {"keep_url": keep_url})

    def rendered_question(self, keep_url: str) -> tuple[str, str]:
        """The same, the html not styled yet."""
        values = self.words | {"keep_url": keep_url}
        return self._layout.text(QUESTION, **values), self._layout.markup(QUESTION, **values)

    def subject(self, entries: Sequence[Entry]) -> str:
        words = subject([entry.item for entry in entries], self._translation, urgent=self._urgent)
        return cards.line(self._layout.subject(**self.words, subject=words))

    def lead(self, entries: Sequence[Entry]) -> str:
        return cards.lead([entry.item.kind for entry in entries], self._translation, urgent=self._urgent)

    def _reason(self, terms: Sequence[tuple[str, str]]) -> str:
        return cards.reason(terms, self._topic_labels, self._translation)

    def _values(self, item: Item, brief: bool) -> Card:
        card = cards.card(item, self._place, self._translation)
        return cards.in_brief(card) if brief else card

    def _section(self, kind: Kind) -> dict[str, object]:
        return self.words | {"kind": kind, "heading": cards.heading(kind, self._translation)}

    def _further_section(self, how: str, n: int) -> dict[str, object]:
        words = cards.in_brief_words if how == "brief" else cards.without_room_words
        return self.words | {"kind": "further", "heading": words(n, self._translation)}


def _size(printed: Printed) -> int:
    return len(printed.text) + len(printed.html)


def quoted(token: str) -> str:
    """A token as it may stand in an address; ours need nothing done."""
    return token if token.isascii() and token.isalnum() else quote(token, safe="")
