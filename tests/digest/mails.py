"""Values and readers for tests of the mail."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader, StrictUndefined

from digest.items import Item
from digest.message import DigestPress, Entry, MailParts, Masthead, Recipient

TEMPLATES = Path(__file__).parents[2] / "templates"
DATE = datetime(2026, 11, 16, 7, 30, tzinfo=UTC)
MESSAGE_ID = "<edition0.member0@news.example.org>"
FEEDBACK_TOKEN = "feedback" + "c" * 50
TERMS = (("pulmonary rehabilitation", "stated"), ("home oxygen", "stated"), ("COPD", "topic"))


def a_masthead(**changes: Any) -> Masthead:
    values = {
        "network_name": "Breathe, Network",
        "network_slug": "breathe",
        "sender_name": "Breathe, Network",
        "sender_address": "digest@news.example.org",
        "reply_to": "office@example.org",
        "postal_address": "1 Example Street, Cardiff CF10 1AA",
        "list_id": "digest.news.example.org",
        "language": "en",
        "time_zone": "Europe/London",
        "edition_id": "edition000000000",
        "slot": "2026-W47",
        "base_url": "https://germane.example.org",
    }
    return Masthead(**values | changes)


def a_recipient(**changes: Any) -> Recipient:
    values = {
        "address": "ann@example.org",
        "name": "Ann Example",
        "language": "en",
        "leave_token": "leave" + "a" * 37,
        "preferences_token": "prefs" + "b" * 37,
    }
    return Recipient(**values | changes)


def an_entry(item: Item | None = None, terms: tuple[tuple[str, str], ...] = TERMS, **changes: Any) -> Entry:
    values = {
        "title": "Examples of exercise classes",
        "kind": "news",
        "body": "Some text.",
        "public_id": "item000000000001",
    }
    return Entry(item or Item(**values | changes), 61.0, terms, FEEDBACK_TOKEN)


def an_environment(**overrides: str) -> Environment:
    """The project's templates; `overrides` replace some, "digest_card_html" standing for email/digest.card.html."""
    names = {f"email/{name.replace('_', '.')}": source for name, source in overrides.items()}
    loader = ChoiceLoader([DictLoader(names), FileSystemLoader(TEMPLATES)])
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined)


_PRESS = DigestPress(an_environment(), a_masthead(), {"copd": "COPD"})


def the_press() -> DigestPress:
    """One press for many tests: making one takes a tenth of a second."""
    return _PRESS


def sent(
    entries: Sequence[Entry], recipient: Recipient | None = None, press: DigestPress | None = None
) -> EmailMessage:
    octets = (press or _PRESS).message(recipient or a_recipient(), entries, MESSAGE_ID, DATE)
    return read(octets)


def read(octets: bytes) -> EmailMessage:
    return message_from_bytes(octets, policy=policy.SMTP)


def parts(message: EmailMessage) -> MailParts:
    """Subject, text and html with line feeds, as `DigestPress.parts` gives them."""
    text, html = (part.get_content().replace("\r\n", "\n") for part in message.iter_parts())
    return MailParts(str(message["Subject"]), text, html)
