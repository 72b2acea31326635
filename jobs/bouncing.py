"""What is done with a mail that came in: leaving, bounces and complaints; nothing is answered, so that nothing can loop."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from delivery.bounces import Classified, classify, is_about_us
from delivery.bounces.mime import MAX_OCTETS, Headers, Message, read, split_headers
from profiles import links, verp
from profiles.reachability import Fault, Rule

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from jobs.services import Services
    from jobs.settings import BouncesSettings
    from store.inbound import Mail

ENVELOPE = (
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "to",
    "original-recipient",
    "x-failed-recipients",
)
"""Headers in which the mail server, or the one before it, may have left the return path that the mail came back to."""

_TOKEN = re.compile(r"(?<![a-z2-7])[a-z2-7]{58}(?![a-z2-7])")
_LEAVE = re.compile(r"(?<![a-z2-7])[a-z2-7]{42}(?![a-z2-7])")
_MESSAGE_ID = re.compile(r"<[^<>\s]{3,250}>")
MOST_SEARCHED = 20_000
ITS_ID_CAME_BACK = "a mail that came back, unsigned, names its Message-ID"


def rule_of(settings: "BouncesSettings") -> Rule:
    return Rule(
        hard_in_a_row=settings.hard_in_a_row,
        failures_in_a_row=settings.failures_in_a_row,
        probe_after=timedelta(days=settings.probe_after_days),
        probe_wait=timedelta(days=settings.probe_wait_days),
        most_probes=settings.most_probes,
    )


def deal_with(connection: "Connection", mail: "Mail", services: "Services") -> str:
    """Do what one mail asks for or tells; returns what was done, without addresses."""
    message = read(mail.raw)
    left = _left(connection, mail, services)
    if left:
        return left
    found = classify(mail.raw)
    if found.kind == "other":
        return "ignored: our own mail came back" if is_our_own(message.headers) else "ignored: no bounce, no complaint"
    if found.kind == "autoreply":
        return "ignored: an automatic reply"
    return _record(connection, mail, message, found, services)


def is_our_own(headers: Headers) -> bool:
    """A mail of Germane's that was sent back to it whole, by a forwarder or a list that it was subscribed to."""
    return "x-digest-issue" in headers


def _left(connection: "Connection", mail: "Mail", services: "Services") -> str:
    """What leaving came to, for a mail to a leaving address or with a token to leave in its subject; "" for any other."""
    from email import message_from_bytes, policy

    from jobs import receive
    from store import members

    head = re.split(rb"\r?\n\r?\n", mail.raw[:MAX_OCTETS], maxsplit=1)[0]
    message = message_from_bytes(head, policy=policy.compat32)
    if receive.why_ignored(message):
        return ""
    public_id = receive.find_token(message, mail.recipient, services.secret_key)
    if public_id is None:
        return ""
    member = members.find_by_public_id(connection, public_id)
    left = member is not None and members.leave(connection, member.key, services.now(), "a mail to the leaving address")
    return "left" if left else "had left before"


def _record(connection: "Connection", mail: "Mail", message: Message, found: Classified, services: "Services") -> str:
    from store import bounces, members, outbox

    key = services.secret_key
    path = return_path_in(mail.recipient, message.headers, key)
    returned = returned_headers(message)
    member = path[0] if path else leaving_member(returned, key)
    ledger = _in_ledger(connection, path, returned, member)
    known = members.find_by_public_id(connection, member) if member else None
    fault, status, said = fate_for(found, known.member.address if known else "")
    delayed = bool(found.recipients) and all(one.delayed for one in found.recipients)
    if not member and ledger is None:
        member = _named(connection, found)
    elif known is None and ledger is not None:
        # Whoever names the Message-ID has the mail: it was taken. Nothing else follows from what is not signed.
        outbox.settle_doubt(connection, ledger, services.now(), ITS_ID_CAME_BACK)
    assert found.kind in {"bounce", "complaint"}
    report = bounces.Report(
        "bounce" if found.kind == "bounce" else "complaint",
        "" if found.kind != "bounce" or (fault != "hard" and is_about_us(said, status)) else fault,
        services.now(),
        signed=known is not None,
        status=status,
        said=bounces.without_addresses(said),
        inbound_key=mail.key,
        delayed=delayed,
    )
    rule = rule_of(services.settings.bounces)
    return f"{found.kind}: " + bounces.record(connection, report, key, rule, member=member, message=ledger)


def return_path_in(recipient: str, headers: Headers, key: bytes) -> tuple[str, str] | None:
    """The public ids of member and edition in the first return path of ours that the mail was sent to, or None."""
    for text in (recipient, *(value for name in ENVELOPE for value in headers.get(name, [])[:10])):
        for token in _TOKEN.findall(text.lower()[:MOST_SEARCHED]):
            found = verp.read_return_path(key, token)
            if found:
                return found
    return None


def returned_headers(message: Message) -> Headers:
    """Headers of the mail that came back, wherever it stands; {} where it was left out."""
    for part in message.returned[:3]:
        headers, _ = split_headers(part.octets.lstrip(b"\n"))
        if "message-id" in headers or "list-unsubscribe" in headers:
            return headers
    for part in message.texts[:5]:
        at = max(part.text.find("\nMessage-ID:"), part.text.find("\nMessage-Id:"), part.text.find("\nReturn-Path:"))
        if at >= 0:
            start = part.text.rfind("\n\n", 0, at)
            return split_headers(part.text[start + 2 : start + MOST_SEARCHED].encode("utf-8", "surrogateescape"))[0]
    return {}


def leaving_member(returned: Headers, key: bytes) -> str:
    """The member whose signed link to leave stands in the mail that came back; only they and we ever had it."""
    for value in returned.get("list-unsubscribe", [])[:3]:
        for token in _LEAVE.findall(value.lower()[:MOST_SEARCHED]):
            public_id = links.verify(key, "leave", token)
            if public_id:
                return public_id
    return ""


def fate_for(found: Classified, address: str) -> tuple[Fault, str, str]:
    """What a bounce says of this address: (fault, status, reason). Of several other addresses the mildest word counts, since
    the member's own may have been forwarded."""
    from profiles.address import normalise

    said = {one.address: one for one in found.recipients}
    for one in found.recipients:
        try:
            if address and normalise(one.address).key == normalise(address).key:
                return one.kind, one.status, one.said
        except ValueError:
            continue
    if len(said) == 1:
        only = found.recipients[0]
        return only.kind, only.status, only.said
    kinds = {one.kind for one in found.recipients}
    mildest: Fault = "soft" if "soft" in kinds else "unknown" if "unknown" in kinds or not kinds else "hard"
    return mildest, "", ""


def _in_ledger(connection: "Connection", path: tuple[str, str] | None, returned: Headers, member: str) -> int | None:
    """The message in the ledger: of that member and edition, or that probe; else the one whose Message-ID came back, as long
    as it is no other member's."""
    from store import bounces, outbox

    if path:
        found = outbox.find(connection, edition=path[1], member=path[0])
        return bounces.probe(connection, *path) if found is None else found
    for value in returned.get("message-id", [])[:2]:
        for message_id in _MESSAGE_ID.findall(value)[:2]:
            found = outbox.find(connection, message_id=message_id)
            if found is not None and (not member or bounces.is_for(connection, found, member)):
                return found
    return None


def _named(connection: "Connection", found: Classified) -> str:
    """A member whom the mail only names: enough to note it for people, not enough for anything to follow."""
    from store import bounces

    for one in found.recipients[:5]:
        public_id = bounces.member_named(connection, one.address)
        if public_id:
            return public_id
    return ""
