"""A member of one network: who they are, what they want, and how they want it."""

from dataclasses import dataclass, field
from datetime import date
from typing import Literal, get_args

Status = Literal["pending", "active", "paused", "bounced", "left", "erased"]
Cadence = Literal["weekly", "fortnightly", "monthly", "none"]
Role = Literal["member", "coordinator", "admin"]

STATUSES: tuple[Status, ...] = get_args(Status)
CADENCES: tuple[Cadence, ...] = get_args(Cadence)
ROLES: tuple[Role, ...] = get_args(Role)

GONE: frozenset[Status] = frozenset({"left", "erased", "bounced"})
"""Statuses that an import never changes and that are never mailed."""

FACETS = ("profession", "setting", "organisation", "organisation_type", "region", "country")
"""The single-valued facets, in the order in which they are shown. Languages are a facet of their own."""

LONGEST_STATED = 50_000
"""Characters of a stated interest."""
LONGEST_LINE = 500
"""Characters of a name or a facet."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a member is interested in. `languages` are BCP 47 primary tags ("en", "cy"), most preferred first."""

    stated: str = ""
    chosen: tuple[str, ...] = ()
    profession: str = ""
    setting: str = ""
    organisation: str = ""
    organisation_type: str = ""
    region: str = ""
    country: str = ""
    languages: tuple[str, ...] = ()

    def is_empty(self) -> bool:
        """True when there is nothing to match on: no stated interest and no chosen topic."""
        return not self.stated.strip() and not self.chosen


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a member wants mail. None means "as the network has it"."""

    cadence: Cadence = "weekly"
    weekday: int | None = None
    """0 is Monday, 6 is Sunday."""
    hour: int | None = None
    """0 to 23, in the member's own time zone."""
    time_zone: str = ""
    items_per_digest: int | None = None
    muted_kinds: tuple[str, ...] = ()
    muted_topics: tuple[str, ...] = ()
    muted_posters: tuple[str, ...] = ()
    paused_until: date | None = None
    urgent: bool = False
    language: str = ""
    """The language of the mail itself; empty means the first of the profile's languages, then the network's."""
    learn_from_opened: bool = False
    """Whether the items that a member opened may teach something about them; they must have said so."""
    mails_per_week: int | None = None
    hours_between_mails: int | None = None
    asks_per_month: int | None = None
    """Most requests for help in a month."""
    combine: bool = True
    """Whether items of the person's other networks may come in one mail with those of this one."""
    bridging: bool = True
    """Whether one item from beside their usual field may be among the others, marked as such."""


@dataclass(frozen=True, slots=True)
class Member:
    """A person who joined a network, as plain values."""

    address: str
    name: str = ""
    status: Status = "active"
    role: Role = "member"
    profile: Profile = field(default_factory=Profile)
    preferences: Preferences = field(default_factory=Preferences)
