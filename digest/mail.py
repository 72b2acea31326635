"""What a mail is made from, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from digest.items import KINDS, Item

_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Masthead:
    """What all mails of one edition share.

    `list_id` is the label with its domain, without angle brackets; `slot` the local ISO week, such as "2026-W47".
    """

    network_name: str
    network_slug: str
    sender_name: str
    sender_address: str
    reply_to: str
    postal_address: str
    list_id: str
    language: str
    time_zone: str
    edition_id: str
    slot: str
    base_url: str
    urgent: bool = False
    """Whether these are mails of one urgent item, outside the digest."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A member as far as a mail needs to know them. An empty language means the network's."""

    address: str
    name: str
    language: str
    leave_token: str
    preferences_token: str
    keep_token: str = ""
    """With one the mail asks them first if they still want it."""
    others: tuple[tuple[str, str, str], ...] = ()
    """For each other network whose items are in it: its name, and the tokens of their preferences and of leaving there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An item in a member's digest; `terms` are (label, source) pairs, heaviest first."""

    item: Item
    match: float
    terms: tuple[tuple[str, str], ...]
    feedback_token: str = ""
    """Signed for this member and item; without one the mail has no feedback links."""


class MailParts(NamedTuple):
    """What a person reads; lines of `text` and `html` end in a line feed."""

    subject: str
    text: str
    html: str


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Grouped by kind, requests first, the given order kept inside a kind. Raises ValueError for none."""
    if not entries:
        raise ValueError("a digest needs at least one item")
    return sorted(entries, key=lambda entry: _RANK[entry.item.kind])
