"""Feedback reports (RFC 5965) and what some providers send instead: somebody called a mail spam."""

import re

from delivery.bounces.dsn import address
from delivery.bounces.mime import Message, first, split_headers
from delivery.bounces.text import folded

COMPLAINTS = frozenset({"abuse", "fraud", "opt-out", "opt-out-list", "complaint", "miscategorized", "other", ""})
"""Feedback types by which somebody says that they do not want the mail. `auth-failure`, `not-spam` and `virus` are reports
to the sender, and nobody's wish (RFC 5965 section 3.1, RFC 6650)."""

_FIELD = re.compile(r"^([A-Za-z0-9-]{1,60})[ \t]*:[ \t]*(.*)$", re.MULTILINE)
_REDACTED = re.compile(r"redacted|undisclosed|hidden|xxxx|\*\*\*", re.IGNORECASE)
_SENDERS = (
    "staff@hotmail.com", "scomp@aol.net", "feedback@arf.mail.yahoo.com", "complaints@email-abuse.amazonses.com",
    "feedbackloop@", "fbl@", "fbl-no-reply@", "@reports.spamcop.net", "abuse-report@", "feedback-loop@", "@fbl.",
    "feedbackreport@", "complaint@", "complaints@", "@feedbackloop.", "feedback@", "jmrp", "@abuse.mail.ru", "arf@",
)  # fmt: skip
_SUBJECTS = (
    "complaint about message from", "client tos notification", "email feedback report for ip", "abuse report", "spam report",
    "feedback report", "email abuse report", "spam complaint", "complaint from", "abuse complaint", "fw: junk", "[spamcop (",
)  # fmt: skip
_BODIES = (
    "this is an email abuse report", "email abuse report for an email", "this is a spam report", "reported as spam",
    "abuse report for an email message", "marked as spam", "reported this message as spam", "flagged this message as spam",
    "complained about", "spam complaint", "reported the message", "marked this message as", "report-type: complaint",
    "category: abuse", "marked the attached", "considers the message", "x-arf", "unsolicited email", "[ offending message ]",
)  # fmt: skip


def feedback_type(message: Message) -> str | None:
    """The type of a feedback report in lower case ("" where it has none), or None for a message that is none."""
    if message.feedback:
        return _token(_field(message.feedback[0].text, "feedback-type"))
    is_report = "feedback-report" in message.parameters.get("report-type", "").lower()
    for part in message.texts if is_report else ():
        found = _field(part.text, "feedback-type")
        if found:
            return _token(found)
    if is_report:
        return ""
    return "abuse" if _looks_like_complaint(message) else None


def complained(message: Message) -> list[str]:
    """Whom the report is about, as far as it says: most providers leave it out."""
    found: list[str] = []
    for part in [*message.feedback, *message.texts]:
        for name, value in _FIELD.findall(part.text):
            if name.lower() in {
                "original-rcpt-to",
                "x-hmxmroriginalrecipient",
                "removal-recipient",
                "original-recipient",
            }:
                found.append(address(value))
    for part in () if found else message.returned:
        headers, _ = split_headers(part.octets.lstrip(b"\n"))
        found += [address(value) for value in headers.get("x-hmxmroriginalrecipient", [])]
        if not found:
            found += [address(value) for value in headers.get("to", []) if value.count("@") == 1]
    named = [one for one in found if "@" in one.strip("@") and not _REDACTED.search(one)]
    return list(dict.fromkeys(named))


def _looks_like_complaint(message: Message) -> bool:
    """Hotmail's, AOL's, Yahoo's and SpamCop's reports of before, and beside, RFC 5965."""
    sender = message.header("from").lower()
    subject = folded(message.header("subject"))
    returned = [split_headers(part.octets.lstrip(b"\n"))[0] for part in message.returned[:3]]
    if any("x-hmxmroriginalrecipient" in headers for headers in [message.headers, *returned]):
        return True
    by_sender = any(known in sender for known in _SENDERS) or "x-arf" in message.headers or "x-xarf" in message.headers
    by_subject = any(phrase in subject for phrase in _SUBJECTS)
    said = folded("\n".join(part.text[:3000] for part in message.texts[:3]))
    by_body = any(phrase in said for phrase in _BODIES)
    if subject.startswith(("re:", "fwd:")) or "list-id" in message.headers or first(message.headers, "in-reply-to"):
        return by_sender and by_body and bool(message.returned)
    return by_sender + by_subject + by_body + bool(message.returned) >= 3 or (by_sender and (by_subject or by_body))


def _token(value: str) -> str:
    """A field's first word; some generators put parameters or a comment after it."""
    return re.split(r"[^a-z-]", value.strip().lower(), maxsplit=1)[0]


def _field(text: str, name: str) -> str:
    return next((value.strip() for found, value in _FIELD.findall(text) if found.lower() == name), "")
