"""Notices of Amazon SES that SNS sends as mail: JSON instead of a report, by notification or by event publishing."""

import json
from typing import Any, Literal, NamedTuple

from delivery.bounces.mime import Message

MAX_TEXT = 100_000


class Notice(NamedTuple):
    """What a notice tells: (address, status, diagnostic) of each recipient; `permanent` is the sender's own word for all."""

    kind: Literal["bounce", "complaint", "delivery"]
    recipients: list[tuple[str, str, str]]
    permanent: bool


def notice_in(message: Message) -> Notice | None:
    """The notice that the first text of a message is, or None for anything else."""
    text = message.texts[0].text[:MAX_TEXT].strip() if message.texts else ""
    if not text.startswith("{") or not any(name in text for name in ("otificationType", "eventType")):
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
        found = json.loads(found["Message"]) if "Message" in found else found
        return _notice(found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _notice(found: dict[str, Any]) -> Notice | None:
    what = str(found["notificationType"] if "notificationType" in found else found["eventType"]).lower()
    if what == "bounce":
        people = [
            (str(one["emailAddress"]), str(one.get("status", "")), str(one.get("diagnosticCode", "")))
            for one in found["bounce"]["bouncedRecipients"]
        ]
        return Notice("bounce", people, found["bounce"].get("bounceType") == "Permanent")
    if what == "complaint":
        return Notice(
            "complaint",
            [(str(one["emailAddress"]), "", "") for one in found["complaint"]["complainedRecipients"]],
            False,
        )
    return Notice("delivery", [], False)
