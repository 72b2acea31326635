"""flufl.bounce inside a fence: its knowledge of old mail servers, without its crashes, inventions and running times."""

from email import message_from_string
from email.message import Message

MAX_TEXT = 20_000
MAX_LINE = 400


def known_to_flufl(sender: str, subject: str, x_mailer: str, text: str) -> list[str]:
    """Addresses that flufl.bounce finds in a report's own text: no attachment, no message that came back, no long line."""
    from flufl.bounce import scan_message

    lines = [line[:MAX_LINE] for line in text[:MAX_TEXT].splitlines()]
    message: Message = message_from_string("\n".join(lines).join(("From: x@example.org\n\n", "\n")))
    for name, value in (("Subject", subject), ("X-Mailer", x_mailer)):
        message[name] = " ".join(value.encode("ascii", "replace").decode().split())
    message.replace_header("From", sender.encode("ascii", "replace").decode().replace("\n", " ") or "x@example.org")
    try:
        found = scan_message(message)
    except Exception:  # whatever it stumbles over, the message is read without it
        return []
    return sorted({address.decode("utf-8", "replace") for address in found if b"@" in address})
