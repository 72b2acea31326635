"""What a mail server's refusal is about, read from its codes (RFC 5321, 3463, 2034) and never from its words."""

from dataclasses import dataclass
from typing import Literal

About = Literal["address", "mailbox", "size", "sender", "policy", "content", "system", "network", "protocol", "unknown"]
"""address: the recipient's address is dead. mailbox: it is alive, and full or closed. size: this message is too big for it.
sender, policy, content: about us and what we send, never about the member. system, network, protocol: about servers."""

OUR_FAULT: tuple[About, ...] = ("sender", "policy", "content", "protocol")
"""Refusals that are never held against a member; enough of them raise the alarm."""

_BY_SUBJECT: dict[str, About] = {
    "1": "unknown", "2": "mailbox", "3": "system", "4": "network", "5": "protocol", "6": "content", "7": "policy"
}  # fmt: skip
_BY_DETAIL: dict[str, About] = {
    "1.1": "address", "1.2": "address", "1.3": "address", "1.6": "address", "1.10": "address",
    "1.7": "sender", "1.8": "sender", "1.9": "sender",
    "2.3": "size", "3.4": "size",
}  # fmt: skip
_BY_CODE: dict[int, About] = {
    450: "mailbox", 451: "system", 452: "mailbox", 421: "system", 432: "policy", 454: "system", 455: "protocol",
    500: "protocol", 501: "protocol", 502: "protocol", 503: "protocol", 504: "protocol", 521: "policy", 523: "size",
    530: "policy", 534: "policy", 535: "policy", 538: "policy", 552: "mailbox", 553: "unknown", 555: "protocol",
    556: "address",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """`retry`: the same message may be tried again later. `fail`: this message is lost to this member. `suppress`: the address is
    dead, which the bounce rule should know. `back_off`: the receiving domain asks for less, from everybody."""

    about: About
    retry: bool = False
    fail: bool = False
    suppress: bool = False
    back_off: bool = False


def verdict(code: int, enhanced_status: str = "", step: str = "RCPT") -> Verdict:
    """What a refusal (400 to 599) at `step` (MAIL, RCPT, DATA or dot) means.

    The first digit of the code decides whether it is for good: an enhanced status of another class is a server's mistake, of
    which only the rest is believed. Only a status that says so makes an address dead: a bare 550 is also what policy says.
    """
    about = _about(code, enhanced_status, step)
    if code < 500:
        return Verdict(about, retry=True, back_off=code == 421 or about == "policy")
    return Verdict(about, fail=True, suppress=about == "address" and step != "MAIL")


def _about(code: int, enhanced_status: str, step: str) -> About:
    _, _, detail = enhanced_status.partition(".")
    if detail and detail != "0.0":
        about = _BY_DETAIL.get(detail) or _BY_SUBJECT.get(detail.partition(".")[0], "unknown")
        return "sender" if about == "address" and step == "MAIL" else about
    if code == 552 and step in {"MAIL", "dot"}:
        return "size"  # RFC 1870 6.1 and 6.3; at RCPT it is the mailbox that is full (RFC 5321 4.2.3)
    if code == 554:
        return "content" if step == "dot" else "policy"
    return _BY_CODE.get(code, "unknown")
