"""Whether an address is dead, may work again, or nothing tells: from status codes, words and SMTP codes."""

import re
from typing import Literal

from delivery.bounces import phrases
from delivery.bounces.dsn import status_in
from delivery.bounces.text import folded

Fate = Literal["hard", "soft", "unknown"]

MAX_LOOKED_AT = 8_000

DEAD_STATUSES = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.4.310"})
"""RFC 3463 X.1.1 bad mailbox, X.1.2 bad domain, X.1.3 bad syntax, X.1.6 moved; RFC 7505 null MX; Exchange Online's NXDOMAIN.

5.2.1 (disabled) is not among them: the mailbox exists, and may be opened again.
"""

_LIVING = re.compile(r"4\.\d+\.\d+|5\.[234567]\.\d+|5\.1\.(?:4|5|7|8|9)")
_CODE = re.compile(
    r"(?<![\d.\-/:])([245])(\d\d)(?=[\s\-#:;,)\]'\"]|$)(?!\s*(?:bytes|octets|kb|lines|hours|days|minutes|seconds))"
)
_AFTER_DATA = re.compile(
    r"(?:docomo|ezweb|au|softbank|vodafone|willcom|disney)\.(?:ne\.jp|com)\b.{0,300}(?:end of )?\bdata\b",
    re.IGNORECASE | re.DOTALL,
)
_UNKNOWN = re.compile(
    r"(?<!sender )\b(?:user|recipient|mailbox|account|address) \S{1,200} (?:is )?(?:unknown|not known|not found)\b"
)
_OURS = (
    "spam",
    "blocked",
    "blacklist",
    "blocklist",
    "policy",
    "dmarc",
    "reputation",
    "greylist",
    "rate limit",
    "virus",
    "relay",
)
_SURE = (
    "user unknown",
    "unknown user",
    "no such user",
    "does not exist",
    "doesn't exist",
    "user not found",
    "unknown recipient",
    "no such recipient",
)


def fate_of(diagnostic: str, status: str = "", action: str = "", prose: str = "") -> Fate:
    """`diagnostic` is what the recipient's server said, `prose` what the reporting one tells its reader about it."""
    if action == "delayed":
        return "soft"
    failed = action == "failed"
    if status in DEAD_STATUSES and not diagnostic.strip():
        return "soft" if _any(phrases.FULL, folded(prose[:MAX_LOOKED_AT])) else "hard"
    found = _fate(diagnostic, status, failed=failed) if diagnostic.strip() else "unknown"
    if found == "unknown" and prose.strip():
        found = _fate(prose, status, failed=failed)
    return found if found != "unknown" or diagnostic.strip() else _fate("", status, failed=failed)


def _fate(text: str, status: str, *, failed: bool) -> Fate:
    """What words and codes say, the surest first."""
    said = folded(text[:MAX_LOOKED_AT]).replace("_", " ")
    codes = _statuses(said, status)
    if _any(phrases.FULL, said) or _any(phrases.SENDER, said):
        return "soft"
    if _temporary(said, codes):
        really = failed and any(phrase in said for phrase in _SURE) and any(code[0] == "5" for code in codes)
        return "hard" if really else "soft"
    if not _AFTER_DATA.search(said):
        if _any(phrases.DEAD, said) or _UNKNOWN.search(said):
            return "hard"
        if _any(phrases.NO_HOST, said):
            return "soft" if "again" in said or "temporar" in said else "hard"
    return _less_sure(said, codes)


def _less_sure(said: str, codes: list[str]) -> Fate:
    if _AFTER_DATA.search(said) or _any(phrases.SOFT, said):
        return "soft"
    if any(code in DEAD_STATUSES for code in codes):
        return "hard"
    if any(code.startswith("5.2.") for code in codes):
        return "soft"
    if codes and all(code.startswith("5.7.") for code in codes):
        return "soft"
    if _any(phrases.LIKELY_DEAD, said):
        return "hard"
    living = bool(codes) and all(_LIVING.fullmatch(code) for code in codes)
    return "soft" if living or _any(phrases.LIKELY_SOFT, said) else "unknown"


def _statuses(said: str, status: str) -> list[str]:
    """The status codes that say something, those in the server's own words first: X.0.0 and X.9.9 say nothing."""
    found = re.findall(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])", said)
    codes = [code for code in found if code[1:] not in {".0.0", ".9.9"}]
    return codes or ([status] if status and status[1:] not in {".0.0", ".9.9"} else [])


def _temporary(said: str, codes: list[str]) -> bool:
    """The server spoke of now, not of for ever: its last word counts."""
    if codes:
        return codes[-1].startswith("4.") or all(code.startswith("4.") for code in codes)
    replies = _CODE.findall(said)
    return bool(replies) and all(first == "4" for first, _rest in replies)


def _any(table: tuple[str, ...], said: str) -> bool:
    return any(phrase in said for phrase in table)


def is_about_us(said: str, status: str = "") -> bool:
    """True for a refusal because of who sent it or what it holds (policy, content, authentication): it says nothing about the
    address, and must count against nobody. What names a full mailbox or an unknown person is about the address all the same.
    """
    words = folded(said[:MAX_LOOKED_AT])
    if _any(phrases.FULL, words) or _any(phrases.DEAD, words):
        return False
    codes = _statuses(words, status)
    return any(code[2] in "67" for code in codes) or _any(phrases.SENDER, words) or any(word in words for word in _OURS)


def says_something(text: str) -> bool:
    """True for a text with an SMTP code or a status code in it."""
    return bool(status_in(text) or _CODE.search(text))
