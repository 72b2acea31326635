"""Items: what coordinators post, and who may receive it at all."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

Kind = Literal["request", "event", "opportunity", "job", "resource", "news", "survey"]
State = Literal["draft", "held", "published", "closed", "withdrawn", "expired"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""Every kind, in the order in which a digest shows them: requests first."""
STATES: tuple[State, ...] = get_args(State)

URGENT = "urgent-"
"""What the slot of an urgent item's own edition begins with; its public id follows."""

AUDIENCE_FACETS = ("profession", "setting", "organisation_type", "region", "country")


@dataclass(frozen=True, slots=True)
class Audience:
    """Hard eligibility: who may receive an item at all. An empty field admits everybody.

    Every field that is set must admit the member (AND between fields, OR within one). Facet values compare case-folded.
    `topics` admits members who chose one of these topics or a topic below it.
    `languages` admits members who read one of these; the language of the item itself is checked apart from this.
    """

    profession: tuple[str, ...] = ()
    setting: tuple[str, ...] = ()
    organisation_type: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    country: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """Something posted, as plain values. Times are aware, in UTC.

    `key` is the row's integer key (0 before it has one), `public_id` the one that may appear in a link, `external_id` the
    poster's own identifier, which makes a second import of the same item harmless. `body` is Markdown.
    """

    title: str
    kind: Kind = "news"
    body: str = ""
    summary: str = ""
    url: str = ""
    poster: str = ""
    topics: tuple[str, ...] = ()
    language: str = ""
    audience: Audience = field(default_factory=Audience)
    state: State = "published"
    deadline: datetime | None = None
    event_at: datetime | None = None
    expires_at: datetime | None = None
    published_at: datetime | None = None
    external_id: str = ""
    reach_needed: int | None = None
    """How many members it should reach at least; None: as the settings have it for its kind."""
    reach_most: int | None = None
    """How many members it may reach at most, 0 for no limit; None: as the settings have it for its kind."""
    answers_wanted: int | None = None
    """How many offers of help are enough, 0 for no end; None: as the settings have it for requests."""
    urgent: bool = False
    """Sent at once, once somebody else approved of it, instead of waiting for the weekly digest."""
    public_id: str = ""
    key: int = 0

    def is_open(self, now: datetime) -> bool:
        """True while the item may be sent: published, not before its date, neither expired nor past deadline or event."""
        if self.state != "published" or (self.published_at and self.published_at > now):
            return False
        ends = [t for t in (self.expires_at, self.deadline, self.event_at) if t]
        return all(now < end for end in ends)


@dataclass(frozen=True, slots=True)
class Topic:
    """A theme in a network's tree. `key` is a slug, `parent` the parent's key or empty; synonyms may be in any language."""

    key: str
    label: str
    description: str = ""
    parent: str = ""
    synonyms: tuple[str, ...] = ()
