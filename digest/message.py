"""The digest as a message: the same words in plain text and html, joined from pieces that are rendered and encoded once.

An item's card is rendered once for each language of an edition; what differs from member to member (reasons, links, counts)
stands in slots. `DigestPress.parts` renders everything the plain way; both ways say the same, which is checked when the
press is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from digest import cards, mime
from digest.items import KINDS, Item
from digest.layout import FRAME, Layout, TemplateError
from digest.mail import Entry, MailParts, Masthead, Recipient, in_order
from digest.mime import CRLF
from digest.sheet import Sheet, quoted
from digest.signing import DkimKey, Signer, names_of, relaxed
from digest.translation import CatalogueError, choose, load_translations

__all__ = ["CatalogueError", "DigestPress", "Entry", "MailParts", "Masthead", "Recipient", "TemplateError"]

_VARYING = ("subject", "to", "date", "message-id", "list-unsubscribe", "content-language", "content-type")
_PART = b"--%b\r\nContent-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"


class DigestPress:
    """Composes the messages of one edition. Same in, same out: nothing depends on a clock or on chance.

    `environment` loads from the folder of templates (email/, locale/). Raises TemplateError or CatalogueError when a file there
    cannot be used, and ValueError when an address of the masthead cannot stand in a header: before anything is composed.
    With `keys` every message is signed with each of them.
    """

    def __init__(
        self,
        environment: jinja2.Environment,
        masthead: Masthead,
        topic_labels: Mapping[str, str],
        keys: Sequence[DkimKey] = (),
    ) -> None:
        self._masthead = _cleaned(masthead)
        self._topic_labels = topic_labels
        self._layout = Layout(environment)
        self._translations = load_translations(environment)
        self._sheets: dict[str, Sheet] = {}
        self._constant_fields = _constant_fields(self._masthead)
        self._relaxed_fields = relaxed(self._constant_fields)
        self._signer = Signer(keys, [*names_of(self._constant_fields), *_VARYING]) if keys else None
        self._links = {page: mime.quoted_printable(self._url(page, "")) for page in ("leave", "preferences")}
        self._leave_domain = mime.wire_address(self._masthead.sender_address).rpartition("@")[2]
        self._try()

    def message(self, recipient: Recipient, entries: Sequence[Entry], message_id: str, date: datetime) -> bytes:
        """A complete RFC 5322 message with CRLF; stuffing dots and the final dot are left to the sender.

        It is ASCII unless the address has a local part that is not: such a message needs SMTPUTF8 (RFC 6531).
        Raises ValueError for no entries, an address that is none, or a Message-ID that is none.
        """
        sheet = self._sheet(recipient.language)
        ordered = in_order(entries)
        text, html = self._bodies(recipient, sheet, ordered)
        boundary = mime.boundary(message_id)
        varying = b"".join(
            [
                sheet.subject_field(ordered),
                mime.address_field("To", recipient.name, recipient.address),
                _date_field(date),
                b"Message-ID: %b\r\n" % mime.message_id(message_id).encode(),
                self._unsubscribe_field(recipient.leave_token),
                sheet.language_field,
                b'Content-Type: multipart/alternative;\r\n boundary="%b"\r\n' % boundary,
            ]
        )
        body = b"".join(
            [
                _PART % (boundary, b"plain"),
                text,
                b"\r\n",
                _PART % (boundary, b"html"),
                html,
                b"\r\n--%b--\r\n" % boundary,
            ]
        )
        signatures = self._signatures(varying, body, date)
        return b"".join([signatures, self._constant_fields, varying, CRLF, body])

    def _signatures(self, varying: bytes, body: bytes, date: datetime) -> bytes:
        if self._signer is None:
            return b""
        return self._signer.fields(self._relaxed_fields + relaxed(varying), body, date)

    def parts(self, recipient: Recipient, entries: Sequence[Entry]) -> MailParts:
        """Subject, text and html the plain way, one Jinja2 rendering after the other. Raises ValueError for no entries."""
        sheet = self._sheet(recipient.language)
        ordered = in_order(entries)
        text, html = sheet.rendered(ordered)
        more_text, more_html = sheet.rendered_networks(self._others(recipient))
        text, html = text + more_text, html + more_html
        if recipient.keep_token:
            asked_text, asked_html = sheet.rendered_question(self._url("keep", recipient.keep_token))
            text, html = asked_text + text, asked_html + html
        values = {**sheet.words, "subject": sheet.subject(ordered), "lead": sheet.lead(ordered)}
        values["leave_url"] = self._url("leave", recipient.leave_token)
        values["preferences_url"] = self._url("preferences", recipient.preferences_token)
        return MailParts(
            str(values["subject"]),
            self._layout.text(FRAME, body=text, **values),
            self._layout.page(body=Markup(html), **values),  # noqa: S704 - our own templates have escaped every value
        )

    def _sheet(self, language: str) -> Sheet:
        sheet = self._sheets.get(language)
        if sheet is None:
            translation = choose(self._translations, language, self._masthead.language)
            sheet = self._sheets.get(translation.language)
            sheet = sheet or Sheet(self._layout, self._masthead, translation, self._topic_labels)
            self._sheets[translation.language] = self._sheets[language] = sheet
        return sheet

    def _bodies(self, recipient: Recipient, sheet: Sheet, entries: Sequence[Entry]) -> tuple[bytes, bytes]:
        body = sheet.printed(entries)
        lead = sheet.printed_lead(tuple(entry.item.kind for entry in entries))
        subject = sheet.printed_subject(entries)
        links = {
            b"leave_url": self._links["leave"] + mime.quoted_printable(quoted(recipient.leave_token)),
            b"preferences_url": self._links["preferences"] + mime.quoted_printable(quoted(recipient.preferences_token)),
        }
        body_text, body_html = body.text, body.html
        if recipient.others:
            more = sheet.networks(self._others(recipient))
            body_text, body_html = body_text + more.text, body_html + more.html
        if recipient.keep_token:
            asked = sheet.question(self._url("keep", recipient.keep_token))
            body_text, body_html = asked.text + body_text, asked.html + body_html
        text = sheet.frame.text % {**links, b"lead": lead.text, b"subject": subject.text, b"body": body_text}
        html = sheet.frame.html % {**links, b"lead": lead.html, b"subject": subject.html, b"body": body_html}
        return text, html

    def _others(self, recipient: Recipient) -> list[tuple[str, str, str]]:
        return [
            (cards.line(name), self._url("preferences", preferences), self._url("leave", leave))
            for name, preferences, leave in recipient.others
        ]

    def _url(self, page: str, token: str) -> str:
        return f"{self._masthead.base_url}/{page}/{quoted(token)}"

    def _unsubscribe_field(self, token: str) -> bytes:
        """RFC 2369 3.2 and RFC 8058 3.1: exactly one web address, first, and a mailto address beside it."""
        mailto = f"mailto:leave+{quoted(token)}@{self._leave_domain}?subject=leave"
        return mime.list_field("List-Unsubscribe", self._url("leave", token), mailto)

    def _try(self) -> None:
        """Print every kind of item with and without its parts in every language both ways, so that a fault shows now."""
        date = datetime(2026, 1, 1, tzinfo=UTC)
        for language in self._translations:
            others = (("Another & <network>", "t" * 42, "t" * 42),)
            token = "t" * 42
            recipient = Recipient("nobody@example.org", "Nobody", language, token, token, token, others)
            for items in _trial_items():
                entries = [Entry(item, 50.0, (("trial & <error> " * 9, "stated"),), "t" * 58) for item in items]
                message = self.message(recipient, entries, "<trial@example.org>", date)
                _compare(message, self.parts(recipient, entries))
        self._sheets.clear()


def _cleaned(masthead: Masthead) -> Masthead:
    words: dict[str, Any] = {f.name: getattr(masthead, f.name) for f in fields(masthead)}
    words |= {name: cards.line(word) for name, word in words.items() if isinstance(word, str)}
    return Masthead(**words)


def _compare(message: bytes, plain: MailParts) -> None:
    """The two ways differ where a template changes a value that differs from member to member."""
    parsed = message_from_bytes(message, policy=SMTP)
    for part, expected in zip(parsed.iter_parts(), plain[1:], strict=True):
        if part.get_content().split() != expected.split():
            ending = "txt" if part.get_content_subtype() == "plain" else "html"
            raise TemplateError(
                f"email/digest*.{ending}: subject, lead, why, feedback_url, leave_url and preferences_url can only be "
                "written out as they are (in the text with the filter `wrap` and no other), because they are filled in "
                "when the message is joined"
            )


@lru_cache(64)
def _date_field(date: datetime) -> bytes:
    return f"Date: {format_datetime(date)}\r\n".encode()


def _constant_fields(masthead: Masthead) -> bytes:
    """What all messages of an edition begin with. The sender is the network, never a poster (DMARC)."""
    reply_to = quote(mime.wire_address(masthead.reply_to), safe="@+")
    feedback_id = f"{masthead.slot}:{masthead.edition_id}:{masthead.network_slug}:germane"
    return b"".join(
        [
            mime.address_field("From", masthead.sender_name or masthead.network_name, masthead.sender_address),
            mime.address_field("Reply-To", masthead.network_name, masthead.reply_to),
            mime.list_id_field(masthead.network_name, masthead.list_id),
            mime.list_field("List-Help", f"mailto:{reply_to}?subject=help"),
            b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            b"Precedence: list\r\nAuto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n",
            mime.text_field("Feedback-ID", feedback_id),
            mime.text_field("X-Digest-Issue", masthead.slot or masthead.edition_id),
            b"MIME-Version: 1.0\r\n",
        ]
    )


def _trial_items() -> tuple[list[Item], list[Item]]:
    """Every kind with everything a card can show, and with as little as there can be."""
    when = datetime(2026, 12, 4, 16, 0, tzinfo=UTC)
    full = Item("Trial & <error>", body="Body.", url="https://example.org/?a=1&b=2", poster="Poster", language="ar")
    full = replace(full, deadline=when, event_at=when)
    return (
        [replace(full, kind=kind, public_id=f"full-{kind}") for kind in KINDS],
        [Item("", kind, public_id=f"bare-{kind}") for kind in KINDS],
    )
