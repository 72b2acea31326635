"""Reading Postfix's log: what became of each message, by its Message-ID. Plain or gzip, syslog or RFC 3339 timestamps."""

import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Fate = Literal["sent", "bounced", "deferred", "queued"]

_LINE = re.compile(
    r"postfix(?:/[\w.-]+)*/(?P<daemon>[\w-]+)\[\d+\]: (?P<queue>[0-9A-F]{6,}|[0-9A-Za-z]{10,}): (?P<rest>.*)"
)
_MESSAGE_ID = re.compile(r"message-id=(<[^>]*>)")
_STATUS = re.compile(r"\bstatus=(sent|bounced|deferred|expired)\b")
_DSN = re.compile(r"\bdsn=([245]\.\d{1,3}\.\d{1,3})")
_MAX_LINE = 8192


@dataclass(frozen=True, slots=True)
class Entry:
    """The last word of the log on one message; `status` is its enhanced status code. queued: taken, and no more is said."""

    message_id: str
    fate: Fate
    status: str = ""


def read(file: Path) -> Iterator[str]:
    """The lines of a log file, whatever octets are in them. Raises OSError."""
    with file.open("rb") as start:
        is_gzip = start.read(2) == b"\x1f\x8b"
    with gzip.open(file, "rb") if is_gzip else file.open("rb") as lines:
        for line in lines:
            yield line[:_MAX_LINE].decode("utf-8", "replace").rstrip()


def entries(lines: Iterable[str]) -> dict[str, Entry]:
    """What the log says of each Message-ID. `cleanup` names it with its queue id, later lines say what became of that.

    `cleanup` alone proves nothing: it writes before the final dot; what is in the queue `qmgr` names. A queue id may be used
    again for another message: the newest `cleanup` line holds. What was returned stays returned.
    """
    message_of: dict[str, str] = {}
    found: dict[str, Entry] = {}
    for line in lines:
        match = _LINE.search(line)
        if match is None:
            continue
        queue, rest = match["queue"], match["rest"]
        if match["daemon"] == "cleanup" and (named := _MESSAGE_ID.search(rest)):
            message_of[queue] = named[1]
        elif queue in message_of and (said := _STATUS.search(rest)):
            _note(found, message_of[queue], said[1], rest)
        elif queue in message_of and match["daemon"] == "qmgr" and "queue active" in rest:
            found.setdefault(message_of[queue], Entry(message_of[queue], "queued"))
    return found


def _note(found: dict[str, Entry], message_id: str, fate: str, rest: str) -> None:
    before = found.get(message_id)
    final: Fate = "bounced" if fate in {"bounced", "expired"} else "sent" if fate == "sent" else "deferred"
    if before and (before.fate == "bounced" or (before.fate == "sent" and final == "deferred")):
        return
    status = _DSN.search(rest)
    found[message_id] = Entry(message_id, final, status[1] if status else "")
