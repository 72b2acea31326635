"""Whom a bounce without fields is about: addresses in the prose of mail servers, and what was said of each."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from delivery.bounces import phrases
from delivery.bounces.text import folded

MAX_LINES = 1_500
MAX_LINE = 1_000
MAX_FOUND = 500

_LOCAL = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-\u00c0-\u024f"
_LABEL = r"[A-Za-z0-9_\u00c0-\u024f\-]{1,63}"
ADDRESS = re.compile(rf'(?:"[^"@\n]{{1,64}}"|[{_LOCAL}]{{1,64}})@{_LABEL}(?:\.{_LABEL}){{0,12}}')

_EDGES = "'\"`*|/=!#$%&+?^{}~.-"
_CONTACTS = re.compile(
    r"^(?:postmaster|abuse|support|helpdesk|help|admin|administrator|webmaster|hostmaster|noc|security|mailer-daemon|root|"
    r"mail-daemon|postmaster-.*|info-?abuse|spam|unblock|delist|removeme|tosgeneral|noreply|no-reply|do-not-reply)@",
    re.IGNORECASE,
)
_NOT_RECIPIENTS = re.compile(
    r"(?:from|sender|reply-to|return-path|mail from|message-id|message id|msgid|references|in-reply-to|resent-from|"
    r"x-mailer|received|errors-to|contact|please (?:e-?mail|write)|helo|ehlo|envelope-from|x-sender|absender|expediteur|de|von)"
    r"\s{0,3}[:=<(\s]{0,4}$",
    re.IGNORECASE,
)
_TO = re.compile(r"(?:^|\s)(?:to|cc|bcc|an|para|a|kopie|destinatario|sent to)\s{0,3}:\s{0,3}[^:]{0,60}$", re.IGNORECASE)
_TO_WORDS = frozenset({"to", "cc", "bcc", "an", "para", "a", "kopie", "destinatario", "sent to"})
_RCPT = re.compile(r"rcpt\s{1,3}to\s{0,3}:?\s{0,3}<?$", re.IGNORECASE)
_LABELS = re.compile(
    r"(?:receiver|recipients?(?: address(?:es)?)?|address(?:es)?(?:ed to)?|final-recipient:\s*rfc822;|failed recipient|"
    r"unknown user|unknown local part|undeliverable to|delivered to|"
    r"deliver(?:ed)? (?:the |your |this )?(?:mail |message |e-?mail )?to|"
    r"delivery to|delivery failed to|message to|mail to|email to|e-mail to|sent to|reach|user|mailbox|account|rejected recipient|"
    r"recipient of|for|invalid address|no such user|empf[aä]nger|adresse|destinataires?|destinatarios?|direcci[oó]n|indirizzo|"
    r"endere[cç]o|cuenta|usuario|utente|ontvanger|adres|получател[а-я]{0,4}|адрес[а-я]{0,4}|адресат[а-я]{0,4}|"
    r"пользовател[а-я]{0,4}|odbiorca|adresat|收件人|收件地址|宛先|受信者|メールアドレス|地址|수신자|받는 사람)"
    r"[\s:=.\"'<(\[\-*：]{0,12}$",
    re.IGNORECASE,
)
_WORD_BREAK = re.compile(r"[\s<>(\"]")
_EXPANDED = re.compile(r"\((?:expanded|generated|ultimately generated) from:?\s{0,3}<?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Named:
    """An address in the prose. `weight`: 3 it is named as a recipient, 2 beside a failure, 1 in a To line or anywhere.

    `said` is the text about it: its own line and those that follow, up to the next recipient.
    """

    address: str
    weight: int
    said: str


def addresses_in(text: str) -> list[str]:
    """Every address in a text, in order, each once."""
    return list(dict.fromkeys(_trimmed(found[0]) for found in ADDRESS.finditer(text)))


def is_contact(address: str) -> bool:
    """True for an address that reports and notices give for questions."""
    return bool(_CONTACTS.match(address))


def named_in(text: str) -> list[Named]:
    """Every address in a report's prose, in order, each once with its greatest weight."""
    lines = [line[:MAX_LINE] for line in text.splitlines()[:MAX_LINES]]
    places = _places(lines)
    starts = [(n, address.lower()) for n, address, weight in places if weight == 3]
    found: dict[str, Named] = {}
    for n, address, weight in places[:MAX_FOUND]:
        known = found.get(address.lower())
        if known is None or weight > known.weight:
            found[address.lower()] = Named(
                address, weight, _said(lines, n, address, starts, known.said if known else "")
            )
    return list(found.values())


def chosen(named: Sequence[Named], own: Iterable[str], returned_to: Iterable[str]) -> list[Named]:
    """The recipients among addresses in prose: those that are named as such, else what stands beside a failure.

    `own` are addresses of the sender, which a bounce names too; `returned_to` those the message that came back was for.
    """
    own, returned_to = {one.lower() for one in own}, {one.lower() for one in returned_to}
    for candidates in ([one for one in named if one.address.lower() not in own], named):
        for weight in (3, 2, 1):
            level = [one for one in candidates if one.weight == weight and "." in one.address.rpartition("@")[2]]
            people = [one for one in level if not is_contact(one.address) or one.address.lower() in returned_to]
            sent = [one for one in people if one.address.lower() in returned_to]
            if weight < 3 and sent:
                return sent
            if people and (weight > 1 or len(people) == 1):
                return people
    return []


def _places(lines: Sequence[str]) -> list[tuple[int, str, int]]:
    """Where which address stands with which weight. What was expanded from another one gives way to that."""
    places: list[tuple[int, str, int]] = []
    for n, line in enumerate(lines):
        if "@" not in line:
            continue
        if _EXPANDED.match(line.strip()):
            while places and places[-1][0] >= n - 1:
                places.pop()
        places += [(n, address, weight) for address, weight in _weighed(line, _before(lines, n))]
        if len(places) > MAX_FOUND:
            break
    return places


def _weighed(line: str, before: str) -> list[tuple[str, int]]:
    found = []
    expanded = _EXPANDED.search(line)
    failing = None
    for match in ADDRESS.finditer(line):
        address, lead = _trimmed(match[0]), line[: match.start()]
        if expanded and match.start() < expanded.start():
            continue
        lead = lead + match[0][: match[0].find(address)]
        if "://" in _WORD_BREAK.split(lead)[-1]:
            continue
        weight = _weight(lead, line[match.end() :])
        if weight == 2:
            if failing is None:
                failing = _fails(line) or _fails(before)
            weight = 2 if failing else 1
        if weight:
            found.append((address, weight))
    return found


def _weight(lead: str, after: str) -> int:
    """3 for a place where recipients stand, 2 for one that its line must tell, 1 for a To line, 0 for a place of others."""
    bare = lead.strip(" \t<>\"'*-•·:([`=|+#")
    if _EXPANDED.search(lead[-40:]):
        return 3
    if not bare:
        return 3
    if _NOT_RECIPIENTS.search(lead[-60:]):
        return 0
    if _RCPT.search(lead[-20:]):
        return 3
    if _TO.search(lead[-100:]) and bare.casefold() in _TO_WORDS:
        return 1
    return 3 if _LABELS.search(lead[-100:]) else 2


def _fails(line: str) -> bool:
    said = folded(line)
    tables = (phrases.FAILED_BODIES, phrases.DEAD, phrases.NO_HOST, phrases.FULL)
    return bool(re.search(r"(?<!\d)[45]\d\d[ \-]", said)) or any(phrase in said for table in tables for phrase in table)


def _before(lines: Sequence[str], n: int) -> str:
    return next((line for line in reversed(lines[max(0, n - 3) : n]) if line.strip()), "")


def _said(lines: Sequence[str], n: int, address: str, starts: Sequence[tuple[int, str]], before: str) -> str:
    end = next((start for start, other in starts if start > n and other != address.lower()), n + 12)
    said = " ".join(line.strip() for line in lines[n : min(max(end, n + 1), n + 12)])
    return f"{before} {said}".strip()[:3000]


def _trimmed(address: str) -> str:
    if address.startswith('"'):
        return address
    local, _, domain = address.partition("@")
    local = local.lstrip(_EDGES.replace("_", "")) or local
    if "=" in local and local.lower().startswith(("mailto=", "to=", "email=", "rcpt=", "rfc822=", "smtp=")):
        local = local.partition("=")[2]
    return f"{local}@{domain.rstrip('-_')}"
