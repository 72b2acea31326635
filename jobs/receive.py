"""`germane receive`: a mail to leave+TOKEN@ takes its member out, a bounce is dealt with. It answers nobody, so it can start no
loop."""

import re
import sys
from collections.abc import Iterable
from datetime import datetime
from email import message_from_bytes, policy
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from profiles import links

if TYPE_CHECKING:
    from jobs.services import Services
    from store.database import Database

MAX_OCTETS = 1_000_000
"""As much of a mail is looked at; the rest is read, so that the mail server does not see a broken pipe, and dropped."""

TEMPORARY_FAILURE = 75
"""EX_TEMPFAIL of sysexits.h: the mail server keeps the mail and tries again, instead of returning it to its sender."""

ENVELOPE = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To")
ROBOTS = re.compile(r"^(mailer-daemon|postmaster|listserv|majordomo|owner-[^@]*|[^@]*-request|[^@]*-bounces?)@", re.I)
FROM_ADDRESS = re.compile(r"leave[+=-]([a-z2-7]{42})@")
ANYWHERE = re.compile(r"(?<![a-z0-9])[a-z2-7]{42}(?![a-z0-9])")


@click.command()
@click.option("--recipient", envvar="ORIGINAL_RECIPIENT",
              help="The address the mail was sent to (default: ORIGINAL_RECIPIENT, which Postfix sets).")  # fmt: skip
@click.pass_obj
def receive(config: Path | None, recipient: str | None) -> None:
    """Take one mail from standard input; one with a valid token to leave takes that member out of their network, and a bounce
    or complaint is dealt with as by `germane bounces ingest`.

    Made for an alias or pipe of the mail server for leave+TOKEN@ and b+TOKEN@your-domain. Exit code 0: dealt with, whatever
    the mail was; 75: try again later.

    Example: germane receive --recipient "$ORIGINAL_RECIPIENT" < mail.eml
    """
    from jobs.services import open_services
    from jobs.settings import SettingsError
    from store.database import StoreError

    raw = read_all(sys.stdin.buffer)
    try:
        services = open_services(config)
        outcome = obey(read_message(raw), recipient or "", services.database, services.secret_key, services.now())
        if outcome.startswith("ignored"):
            outcome = _bounced(services, raw, recipient or "") or outcome
    except (SettingsError, StoreError) as error:
        click.echo(f"receive: kept for later: {error}", err=True)
        sys.exit(TEMPORARY_FAILURE)
    click.echo(f"receive: {outcome}", err=True)


def _bounced(services: "Services", raw: bytes, recipient: str) -> str:
    """What a bounce or a complaint came to; "" for any other mail, of which nothing is kept."""
    from delivery.bounces import classify
    from jobs import incoming

    if classify(raw).kind not in {"bounce", "complaint"}:
        return ""
    incoming.take_in(services, raw, recipient, "pipe")
    return "; ".join(incoming.work_off(services)) or "known already"


def read_all(stream: BinaryIO) -> bytes:
    """The beginning of the mail on `stream`, which is read to its end whatever its size."""
    raw = stream.read(MAX_OCTETS)
    while stream.read(MAX_OCTETS):
        pass
    return raw


def read_message(raw: bytes) -> Message:
    """The headers of a mail."""
    head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
    return message_from_bytes(head, policy=policy.compat32)


def obey(message: Message, recipient: str, database: "Database", key: bytes, now: datetime) -> str:
    """Take out the member whose token the mail holds, unless a robot answered; returns what was done, without addresses."""
    from store import members

    reason = why_ignored(message)
    if reason:
        return f"ignored: {reason}"
    public_id = find_token(message, recipient, key)
    if public_id is None:
        return "ignored: no valid token to leave"
    with database.writing() as connection:
        member = members.find_by_public_id(connection, public_id)
        left = member is not None and members.leave(connection, member.key, now, "a mail to the leaving address")
    return "left" if left else "had left before"


def why_ignored(message: Message) -> str:
    """Why the mail is nobody's wish, or "" (RFC 3834 section 2).

    "auto-generated" alone is no reason: a mail program that leaves on its user's behalf may say so, and an answer to one
    of our mails is "auto-replied" and does not go to the leaving address.
    """
    automatic = _value(message, "Auto-Submitted").partition(";")[0].strip().lower()
    if automatic not in {"", "no", "auto-generated"}:
        return "an automatic reply"
    if any(name in message for name in ("X-Digest-Issue", "List-Id", "List-Unsubscribe")):
        return "mail of a list"
    if _value(message, "Precedence").strip().lower() in {"bulk", "list", "junk", "auto_reply"}:
        return "bulk mail"
    if any(name in message for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Reply-From", "X-Mailer-Daemon")):
        return "an automatic reply"
    if "<>" in _value(message, "Return-Path") or message.get_content_type() == "multipart/report":
        return "a delivery report"
    return "mail of a robot" if ROBOTS.search(_sender(message)) else ""


def find_token(message: Message, recipient: str, key: bytes) -> str | None:
    """The public id of the first valid token: in `recipient`, else the envelope's headers, To and Cc, then the subject."""
    addresses = [recipient, *_values(message, ENVELOPE), *_values(message, ("To", "Cc"))]
    found = [token for text in addresses for token in FROM_ADDRESS.findall(_unfolded(text))]
    found += [token for text in _values(message, ("Subject",)) for token in ANYWHERE.findall(_unfolded(text))]
    return next((public_id for token in found if (public_id := links.verify(key, "leave", token))), None)


def _unfolded(text: str) -> str:
    """Lower case, since mail servers fold the case of local parts; a long header's folding taken back."""
    return re.sub(r"\r?\n[ \t]", " ", text).lower()


def _sender(message: Message) -> str:
    sender = _value(message, "From")
    return sender.rpartition("<")[2].strip(" >")


def _value(message: Message, name: str) -> str:
    return str(message.get(name, ""))


def _values(message: Message, names: Iterable[str]) -> list[str]:
    return [str(value) for name in names for value in message.get_all(name, [])]
