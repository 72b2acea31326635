"""What a message that came back is: a bounce, a complaint, an automatic reply or something else, and whom it is about."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from delivery.bounces import arf, autoreply, dsn, phrases
from delivery.bounces.dsn import Report
from delivery.bounces.fate import Fate, fate_of, says_something
from delivery.bounces.fence import known_to_flufl
from delivery.bounces.mime import Message, first, read, split_headers
from delivery.bounces.notices import Notice, notice_in
from delivery.bounces.recipients import Named, addresses_in, chosen, is_contact, named_in
from delivery.bounces.text import folded

Kind = Literal["bounce", "complaint", "autoreply", "other"]

MAX_PROSE = 40_000
LIVING_ACTIONS = frozenset({"delivered", "relayed", "expanded"})

_ANSWERED = re.compile(
    r"^\s*(?:re|fwd?|aw|wg|sv|vs|tr|rv|antw|odp|res|enc|i|r|回复|转发|答复|回覆|轉寄)\s{0,2}(?:\[\d+\])?\s{0,2}[:：]",
    re.IGNORECASE,
)
_HEADER_LINE = re.compile(
    r"^(?:>\s?)?(Received|Return-Path|Message-ID|From|To|Subject|Date|MIME-Version|X-[\w-]{1,40}|Content-Type|Sender|Delivered-To|DKIM-Signature):\s",
    re.IGNORECASE,
)
_DIALOGUE = re.compile(r"^\s{0,10}(?:<<<|>>>|[245]\d\d[\s\-]).*$", re.MULTILINE)
_AFTER_HEADERS = (
    "did not reach", "cannot be delivered to the following", "was not delivered to", "recipient address:",
    "error message below", "could not be delivered",
)  # fmt: skip
_MACHINES = (
    "noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "smtp", "mail_service", "mailservice", "mail-service",
    "virus", "gateway", "imss", "mailsystem", "mail-system", "mailserver", "mail-server", "exchange", "spam", "filter",
    "firewall",
)  # fmt: skip
_SUCCESS = (
    "successfully delivered", "delivery status notification (success", "successful mail delivery", "was successfully",
    "delivery receipt", "has been successfully", "succeeded", "erfolgreich zugestellt", "entregado correctamente",
    "remis avec succ", "(relay)",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipient:
    """`hard`: the address is dead; `soft`: anything that may pass; `unknown`: nothing tells. `said` is the server's reason.

    `delayed`: nothing has failed yet, the server still tries.
    """

    address: str
    kind: Fate
    status: str = ""
    said: str = ""
    delayed: bool = False


@dataclass(frozen=True, slots=True)
class Classified:
    """What a message is. Only bounces and complaints have recipients, and not all of them name any."""

    kind: Kind
    recipients: tuple[Recipient, ...] = ()


OTHER = Classified("other")


def classify(raw: bytes) -> Classified:
    """Classify any octets at all, in bounded time and memory, and never raise; what cannot be read is `other`."""
    try:
        return _classified(read(raw))
    except Exception:  # one message of a stream: whatever it holds, the next one must be read
        return OTHER


def _classified(message: Message) -> Classified:
    feedback = arf.feedback_type(message)
    if feedback is not None:
        return _complaint(message) if feedback in arf.COMPLAINTS else OTHER
    notice = notice_in(message)
    if notice is not None:
        return _of_notice(notice)
    view = _View.of(message)
    if message.disposition and not (view.robot and _refused(view)):
        return OTHER
    found = _by_fields(view)
    if found is not None:
        return found
    if autoreply.by_headers(message) and not (view.robot or view.failed_subject):
        return Classified("autoreply")
    if _is_prose_bounce(view):
        return Classified("bounce", _by_prose(view))
    if autoreply.by_headers(message) or autoreply.by_words(message):
        return Classified("autoreply")
    return OTHER


@dataclass(frozen=True)
class _View:
    """A message as the rules below see it. `prose` is what the reporting server wrote, `quoted` what came back as text."""

    message: Message
    subject: str
    prose: str
    quoted: str
    said: str
    robot: bool
    null_sender: bool
    failed_subject: bool
    answered: bool

    @classmethod
    def of(cls, message: Message) -> "_View":
        prose, quoted = _cut("\n".join(part.text for part in message.texts)[:MAX_PROSE])
        sender = folded(" ".join(message.all("from", "sender")) or first(message.headers, "return-path"))
        subject = folded(message.header("subject"))
        received = " ".join(message.headers.get("received", [])[:20])
        robot = (
            any(name in sender for name in phrases.ROBOT_NAMES)
            or "x-failed-recipients" in message.headers
            or "invoked for bounce" in received
            or first(message.headers, "from").strip() == "<>"
        )
        return cls(
            message,
            subject,
            prose,
            quoted,
            folded(prose[:20_000]),
            robot,
            first(message.headers, "return-path").strip() in {"<>", "< >"},
            any(phrase in subject for phrase in phrases.FAILED_SUBJECTS)
            and not any(word in subject for word in _SUCCESS),
            bool(_ANSWERED.match(message.header("subject"))),
        )

    def returned_headers(self) -> dict[str, list[str]]:
        """Headers of the message that came back, as a part or as text."""
        for part in self.message.returned:
            headers, _ = split_headers(part.octets.lstrip(b"\n"))
            if headers:
                return headers
        lines = self.quoted.splitlines()
        start = next((n for n, line in enumerate(lines[:200]) if _HEADER_LINE.match(line.lstrip("> \t"))), None)
        if start is None:
            return {}
        block = "\n".join(line.lstrip("> ") if line.startswith(">") else line for line in lines[start : start + 300])
        return split_headers(block.encode("utf-8", "surrogateescape"))[0]

    def own(self) -> set[str]:
        """Addresses of whoever sent the message that came back, and of whoever reports."""
        returned = self.returned_headers()
        names = ("to", "from", "delivered-to", "x-original-to", "envelope-to", "return-path", "reply-to", "sender")
        values = [value for name in names for value in self.message.headers.get(name, [])]
        values += [value for name in ("from", "sender", "reply-to", "return-path", "errors-to", "message-id")
                   for value in returned.get(name, [])]  # fmt: skip
        values += [
            value
            for name in ("message-id", "in-reply-to", "references")
            for value in self.message.headers.get(name, [])
        ]
        return {address.lower() for value in values for address in addresses_in(value)}

    def returned_to(self, *names: str) -> list[str]:
        """Whom the message that came back was for, by these of its headers."""
        headers = self.returned_headers()
        return addresses_in(" ".join(value for name in names for value in headers.get(name, [])[:5]))


def _complaint(message: Message) -> Classified:
    return Classified("complaint", tuple(Recipient(address, "unknown") for address in arf.complained(message)))


def _of_notice(notice: Notice) -> Classified:
    if notice.kind == "delivery":
        return OTHER
    if notice.kind == "complaint":
        return Classified("complaint", tuple(Recipient(address, "unknown") for address, _, _ in notice.recipients))
    action = "failed" if notice.permanent else "delayed"
    people = (
        Recipient(address, fate_of(said, status, action), status, said[:500])
        for address, status, said in notice.recipients
    )
    return Classified("bounce", tuple(people))


def _by_fields(view: _View) -> Classified | None:
    """What the fields of a delivery status notification say, or None where there are none that count."""
    message = view.message
    found = dsn.reports(message.status)
    is_report = "delivery-status" in message.parameters.get("report-type", "").lower() or bool(message.status)
    machine = view.robot or view.null_sender or _from_a_machine(message)
    if found and message.kind != "multipart/report" and not machine:
        return None
    if not found and (is_report or (machine and (view.robot or view.failed_subject))) and not view.answered:
        found = dsn.in_text("\n".join(part.text for part in message.texts)[:MAX_PROSE])
    if not found and view.robot and not message.status:
        found = _of_the_bounce_inside(message)
    if not found or (view.answered and not view.robot):
        return None
    failed = [report for report in found if _has_failed(report)]
    if not failed:
        return (
            OTHER if any(report.action in LIVING_ACTIONS or report.status.startswith("2") for report in found) else None
        )
    recipients = _of_reports(failed, view)
    return Classified("bounce", recipients or _by_prose(view))


def _refused(view: _View) -> bool:
    """Some servers refuse mail by a disposition notification (RFC 8098), which otherwise tells of a mail that was read."""
    return (
        any("deleted" in part.text for part in view.message.disposition) and "rejected" in f"{view.subject} {view.said}"
    )


def _of_the_bounce_inside(message: Message) -> list[Report]:
    """Some gateways send the bounce as the attachment of another one."""
    for part in message.returned[:2]:
        inner = read(part.octets.lstrip(b"\n"))
        if inner.status:
            return dsn.reports(inner.status)
    return []


def _has_failed(report: Report) -> bool:
    return report.action not in LIVING_ACTIONS and not (report.status.startswith("2") and report.action != "failed")


def _of_reports(failed: Sequence[Report], view: _View) -> tuple[Recipient, ...]:
    named = {one.address.lower(): one for one in named_in(view.prose)}
    returned_to = [address.lower() for address in view.returned_to("to")]
    found: dict[str, Recipient] = {}
    for report in failed:
        address = _address_of(report, named, returned_to, alone=len(failed) == 1)
        if not address:
            continue
        about = named.get(address.lower()) or named.get(report.final.lower())
        prose = about.said if about else ""
        kind = fate_of(f"{report.diagnostic} {report.category}".strip(), report.status, report.action, prose)
        if kind == "unknown" and len(failed) == 1:
            kind = fate_of(view.prose, report.status, report.action)
        found.setdefault(
            address.lower(),
            Recipient(address, kind, report.status, report.diagnostic[:500], report.action == "delayed"),
        )
    return tuple(found.values())


def _address_of(report: Report, named: dict[str, Named], returned_to: Sequence[str], *, alone: bool) -> str:
    """The address that was written to: what the report calls original, unless only another one was ever written to."""
    candidates = [one for one in (report.original, report.final, report.actual) if _is_address(one)]
    for one in candidates:
        if one.lower() in returned_to:
            return one
    if alone and len(returned_to) == 1 and returned_to[0] in named and named[returned_to[0]].weight >= 2:
        return named[returned_to[0]].address
    if candidates:
        return candidates[0]
    prose = [one.address for one in named.values() if one.weight == 3]
    return prose[0] if alone and len(prose) == 1 else ""


def _is_address(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    return bool(at and local and domain) and len(text) < 400


def _is_prose_bounce(view: _View) -> bool:
    """Whether a message without fields is a bounce: the less its sender is a machine, the more must speak for it."""
    message = view.message
    body = any(phrase in view.said for phrase in phrases.FAILED_BODIES)
    sure = body and any(phrase in view.said for phrase in phrases.FAILED_BODIES if phrase not in phrases.ALSO_ORDINARY)
    if not view.failed_subject and any(phrase in view.subject or phrase in view.said[:3000] for phrase in _SUCCESS):
        return False
    if "x-failed-recipients" in message.headers and (body or view.failed_subject):
        return True
    daemon = "mailer-daemon@" in message.header("from").lower()
    listed = any(name in message.headers for name in ("list-id", "list-unsubscribe", "list-post"))
    if view.answered or (listed and not (daemon or (view.robot and view.failed_subject))):
        return view.robot and body and view.null_sender and _evidence(view)
    shown = bool(message.returned or view.quoted)
    if view.robot and autoreply.by_headers(message):
        return (view.failed_subject and (body or shown)) or (sure and _evidence(view))
    if view.robot:
        return _robot_failed(view, body=body, sure=sure, shown=shown, daemon=daemon)
    if autoreply.by_words(message) or "in-reply-to" in message.headers:
        return view.failed_subject and body and view.null_sender and _evidence(view)
    if view.null_sender:
        return (view.failed_subject and body) or (
            sure and says_something(view.prose[:10_000]) and _names_somebody(view)
        )
    if not _from_a_machine(message) or any(word in f"{view.subject} {view.said[:1000]}" for word in phrases.GOODS):
        return False
    shown = shown or _has_machine_subject(view) or says_something(view.prose[:10_000])
    return view.failed_subject and sure and shown and _names_somebody(view)


def _has_machine_subject(view: _View) -> bool:
    return any(phrase in view.subject for phrase in phrases.MACHINE_SUBJECTS)


def _from_a_machine(message: Message) -> bool:
    """No address at all, or one of a program: people copy bounces, subject and all, to ask what they are."""
    sender = message.header("from").lower().rpartition("<")[2]
    local = sender.partition("@")[0]
    return not sender.strip(" >") or any(word in local for word in _MACHINES)


def _robot_failed(view: _View, *, body: bool, sure: bool, shown: bool, daemon: bool) -> bool:
    """Postmasters also write about full disks and quarantines: a failure must be told, and somebody or something shown."""
    if view.failed_subject:
        lost = "delivery-status" in view.message.parameters.get("report-type", "").lower()
        alone = daemon or view.null_sender or _has_machine_subject(view)
        return shown or lost or _evidence(view) or (body and (alone or _names_somebody(view, least=1)))
    if any(word in view.subject for word in phrases.SUMMARIES):
        return False
    if sure:
        return shown or _evidence(view) or (daemon and bool(named_in(view.prose[:10_000])))
    return body and (shown or daemon) and _evidence(view)


def _evidence(view: _View) -> bool:
    """A server's reply code, or somebody who is named as a recipient or beside a failure."""
    return says_something(view.prose[:10_000]) or _names_somebody(view)


def _names_somebody(view: _View, least: int = 2) -> bool:
    """Somebody else than the one this was sent to: mail about a person's own mailbox is no bounce."""
    to = {address.lower() for value in view.message.headers.get("to", []) for address in addresses_in(value)}
    return any(
        one.address.lower() not in to and (one.weight == 3 or (one.weight >= least and not is_contact(one.address)))
        for one in named_in(view.prose[:10_000])
    )


def _by_prose(view: _View) -> tuple[Recipient, ...]:
    message = view.message
    failed = [address for value in message.all("x-failed-recipients") for address in addresses_in(value)]
    named = named_in(view.prose)
    returned_to = view.returned_to("to", "cc", "bcc", "x-original-to", "delivered-to", "envelope-to")
    about = {one.address.lower(): one for one in named}
    if not failed:
        people = chosen(named, view.own(), returned_to)
        failed = [one.address for one in people]
    if not failed and not view.message.returned:
        failed = [
            one.address for one in chosen(named_in(view.quoted[:3000]), view.own(), returned_to) if one.weight == 3
        ]
    if not failed:
        known = known_to_flufl(
            message.header("from"), message.header("subject"), message.header("x-mailer"), view.prose
        )
        failed = [address for address in known if address.lower() in about]
    if not failed and len(set(returned_to)) == 1:
        failed = returned_to
    if not failed or {address.lower() for address in failed} <= view.own():
        failed = _without_domain(view) or failed
    addresses = list({address.lower(): address for address in failed}.values())
    told = [about[address.lower()].said if address.lower() in about else "" for address in addresses]
    delayed = _is_delayed(view)
    if delayed:
        kinds: list[Fate] = ["soft"] * len(addresses)
    else:
        kinds = [fate_of(said, action="failed") for said in told]
    if all(kind == "unknown" for kind in kinds):
        kinds = [_fate_of_all(view)] * len(addresses)
    return tuple(
        Recipient(address, kind, dsn.status_in(said), said[:500], delayed)
        for address, kind, said in zip(addresses, kinds, told, strict=True)
    )


def _fate_of_all(view: _View) -> Fate:
    """What the report says where nothing stands beside an address: the dialogue with the server, else its whole text."""
    dialogue = " ".join(found[0] for found in _DIALOGUE.finditer(view.prose))
    found = fate_of(dialogue, action="failed") if dialogue else "unknown"
    return fate_of(f"{view.subject} {view.prose}", action="failed") if found == "unknown" else found


def _without_domain(view: _View) -> list[str]:
    """AOL names its members by their screen names alone, each on a line of its own."""
    sender = addresses_in(view.message.header("from"))
    if not sender or not sender[0].lower().endswith("@aol.com"):
        return []
    words = [line.strip() for line in view.prose.splitlines() if line.startswith(("\t", "   "))]
    return [f"{word}@aol.com" for word in words if re.fullmatch(r"[A-Za-z0-9._]{3,32}", word)]


def _is_delayed(view: _View) -> bool:
    return any(phrase in view.subject or phrase in view.said for phrase in phrases.DELAYED) and not _gave_up(view)


def _gave_up(view: _View) -> bool:
    return any(
        phrase in view.said
        for phrase in ("permanent", "giving up", "will not be retried", "no further delivery attempts")
    )


def _cut(text: str) -> tuple[str, str]:
    """The text before and after the line from which on the message that came back is quoted."""
    lines = text.splitlines()
    for n, line in enumerate(lines):
        if n and len(line) < 200 and _opens_quote(line) and "@" not in line:
            return "\n".join(lines[:n]), "\n".join(lines[n + 1 :])
        if n and _HEADER_LINE.match(line) and _begins_message(lines, n):
            return "\n".join(lines[:n]), "\n".join(lines[n:])
    return text, ""


def _begins_message(lines: Sequence[str], n: int) -> bool:
    """True for the first of several header lines. They are the last thing in a report: where failures follow, they are only
    mentioned."""
    if sum(bool(_HEADER_LINE.match(line)) for line in lines[n : n + 6]) < 3:
        return False
    rest = folded("\n".join(lines[n : n + 40]))
    return lines[n].lower().startswith(("received", "return-path")) or not any(
        phrase in rest for phrase in _AFTER_HEADERS
    )


def _opens_quote(line: str) -> bool:
    said = folded(line)
    return any(phrase in said for phrase in phrases.CUTS)
