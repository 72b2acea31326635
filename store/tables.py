"""The tables, as SQLModel classes. Only this room sees their rows; hot paths use the Core tables behind them."""

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlmodel import Field, SQLModel

from digest.items import KINDS, STATES
from profiles.feedback import OPPOSITES, VERDICTS
from profiles.member import CADENCES, ROLES, STATUSES
from profiles.reachability import STATES as REACH_STATES
from profiles.suppression import REASONS
from store.types import Lines, UtcDateTime

EDITION_STATES = ("opened", "composed", "released", "finished")
DIGEST_STATES = ("planned", "composed", "skipped")
FEEDBACK_ENDS = ("", "replaced", "undone", "forgotten")
OUTBOX_KINDS = ("digest", "probe")
PACE_SCOPES = ("route", "destination")
OUTBOX_STATES = (
    "planned", "claimed", "handed_over", "deferred", "refused", "uncertain", "cancelled", "bounced", "complained"
)  # fmt: skip

INBOUND_STATES = ("waiting", "done", "aside")
CAME_BACK_KINDS = ("bounce", "complaint", "refusal", "waited")

Key = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only for a column that is declared INTEGER."""

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: MetaData = SQLModel.metadata


def _one_of(column: str, words: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(_among(column, words), name=column)


def _among(column: str, words: tuple[str, ...]) -> str:
    listed = ", ".join(f"'{word}'" for word in words)
    return f"{column} IN ({listed})"


def _only_one(name: str, *columns: str, where: str) -> Index:
    """Unique among the rows that a condition picks."""
    return Index(name, *columns, unique=True, sqlite_where=text(where), postgresql_where=text(where))


def _key() -> Any:
    return Field(default=None, sa_column=Column("id", Key, primary_key=True, autoincrement=True))


def _to(target: str, **options: Any) -> Any:
    return Field(sa_column=Column(Key, ForeignKey(f"{target}.id", ondelete="CASCADE"), nullable=False, **options))


def _to_if(target: str, **options: Any) -> Any:
    column = Column(Key, ForeignKey(f"{target}.id", ondelete="CASCADE"), nullable=True, **options)
    return Field(default=None, sa_column=column)


def _lines() -> Any:
    return Field(default=(), sa_column=Column(Lines, nullable=False, server_default=""))


def _time(*, nullable: bool = True, **options: Any) -> Any:
    return Field(default=None, sa_column=Column(UtcDateTime, nullable=nullable, **options))


def _text() -> Any:
    return Field(default="", sa_column=Column(Text, nullable=False, server_default=""))


class Network(SQLModel, table=True):
    """A community. None in a threshold or a cap means "as config.toml has it"."""

    id: int | None = _key()
    public_id: str = Field(unique=True)
    slug: str = Field(unique=True)
    name: str
    description: str = _text()
    language: str = "en"
    time_zone: str = "Europe/London"
    weekday: int = 0
    hour: int = 7
    minute: int = 30
    sender_name: str = ""
    sender_address: str = ""
    reply_to: str = ""
    postal_address: str = _text()
    list_id: str = ""
    threshold: float | None = None
    kind_thresholds: dict[str, float] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    items_per_digest: int | None = None
    mails_per_week: int | None = None
    hours_between_mails: int | None = None
    asks_per_month: int | None = None
    bridging: bool = Field(default=True, sa_column=Column(Boolean, nullable=False, server_default=true()))
    created_at: datetime = _time(nullable=False)


class Member(SQLModel, table=True):
    """A person in one network: status, profile and preferences side by side, because every run reads them together."""

    __table_args__: ClassVar[Any] = (
        UniqueConstraint("network_id", "address_key"),
        _one_of("status", STATUSES),
        _one_of("role", ROLES),
        _one_of("cadence", CADENCES),
        Index("ix_member_address_key", "address_key"),
    )

    id: int | None = _key()
    public_id: str = Field(unique=True)
    network_id: int = _to("network")
    address: str
    address_key: str
    name: str = ""
    status: str = "active"
    role: str = "member"
    stated: str = _text()
    chosen: tuple[str, ...] = _lines()
    profession: str = ""
    setting: str = ""
    organisation: str = ""
    organisation_type: str = ""
    region: str = ""
    country: str = ""
    languages: tuple[str, ...] = _lines()
    cadence: str = "weekly"
    weekday: int | None = None
    hour: int | None = None
    time_zone: str = ""
    items_per_digest: int | None = None
    muted_kinds: tuple[str, ...] = _lines()
    muted_topics: tuple[str, ...] = _lines()
    muted_posters: tuple[str, ...] = _lines()
    paused_until: date | None = None
    urgent: bool = False
    language: str = ""
    learn_from_opened: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    mails_per_week: int | None = None
    hours_between_mails: int | None = None
    asks_per_month: int | None = None
    combine: bool = Field(default=True, sa_column=Column(Boolean, nullable=False, server_default=true()))
    bridging: bool = Field(default=True, sa_column=Column(Boolean, nullable=False, server_default=true()))
    seen_at: datetime | None = _time()
    """When they last did something on a page of ours, feedback aside, which has its own table."""
    asked_at: datetime | None = _time()
    """When somebody long silent was asked whether they still want the digest."""
    joined_at: datetime = _time(nullable=False)
    left_at: datetime | None = _time()
    last_due_at: datetime | None = _time()
    updated_at: datetime = _time(nullable=False)


class Consent(SQLModel, table=True):
    """Who agreed to what, when, how and in which words; leaving is recorded here too. Never updated."""

    id: int | None = _key()
    member_id: int = _to("member", index=True)
    action: str
    """joined, left, paused or resumed."""
    basis: str = ""
    """How: an import with its file name, the command line, a page, a one-click POST, a mail."""
    wording: str = _text()
    at: datetime = _time(nullable=False)


class Topic(SQLModel, table=True):
    __table_args__: ClassVar[Any] = (UniqueConstraint("network_id", "key"),)

    id: int | None = _key()
    network_id: int = _to("network")
    key: str
    label: str
    description: str = _text()
    parent: str = ""
    synonyms: tuple[str, ...] = _lines()


class Item(SQLModel, table=True):
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("network_id", "external_id"),
        _one_of("kind", KINDS),
        _one_of("state", STATES),
        Index("ix_item_network_id_state_published_at", "network_id", "state", "published_at"),
    )

    id: int | None = _key()
    public_id: str = Field(unique=True)
    network_id: int = _to("network")
    external_id: str
    kind: str = "news"
    title: str
    body: str = _text()
    summary: str = _text()
    url: str = _text()
    poster: str = ""
    topics: tuple[str, ...] = _lines()
    language: str = ""
    audience: dict[str, list[str]] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    state: str = "published"
    state_reason: str = _text()
    """Why it was withdrawn or closed, in the words of whoever did it."""
    reach_needed: int | None = None
    reach_most: int | None = None
    answers_wanted: int | None = None
    urgent: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    posted_by: int | None = Field(default=None, sa_column=Column(Key, nullable=True))
    """The coordinator who posted it, where that is known: an urgent one counts on their quota."""
    approved_by: int | None = Field(default=None, sa_column=Column(Key, nullable=True))
    approved_at: datetime | None = _time()
    deadline: datetime | None = _time()
    event_at: datetime | None = _time()
    expires_at: datetime | None = _time()
    published_at: datetime | None = _time()
    created_at: datetime = _time(nullable=False)
    updated_at: datetime = _time(nullable=False)


class Edition(SQLModel, table=True):
    """One run of a network's digest for one slot (a local ISO week). The unique key makes it run once and only once."""

    __table_args__: ClassVar[Any] = (UniqueConstraint("network_id", "slot"), _one_of("state", EDITION_STATES))

    id: int | None = _key()
    public_id: str = Field(unique=True)
    network_id: int = _to("network")
    slot: str
    kind: str = Field(default="weekly", sa_column=Column(Text, nullable=False, server_default="weekly"))
    """weekly, or urgent: of one item, for those who take urgent mail."""
    state: str = "opened"
    as_of: datetime = _time(nullable=False)
    """The moment the edition is composed for: what is open, due and paused is decided by it, also after a restart."""
    owner: str = ""
    """The process that holds the edition, as host:pid:start; empty when nobody does."""
    lease_until: datetime | None = _time()
    members_considered: int = 0
    digests: int = 0
    skipped: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    settings: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    finished_at: datetime | None = _time()


class EditionModel(SQLModel, table=True):
    """The fitted vector space of an edition, kept so that each score can be explained later."""

    __tablename__: ClassVar[Any] = "edition_model"

    edition_id: int = _to("edition", primary_key=True)
    sha256: str
    model: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class EditionSpace(SQLModel, table=True):
    """The fitted vector space of another network whose items are in an edition's combined mails."""

    __tablename__: ClassVar[Any] = "edition_space"

    edition_id: int = _to("edition", primary_key=True)
    network_id: int = _to("network", primary_key=True)
    sha256: str
    model: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class EditionDecision(SQLModel, table=True):
    """What an edition decided for the members from `first_member` on, until all of it is written down as digests."""

    __tablename__: ClassVar[Any] = "edition_decision"

    edition_id: int = _to("edition", primary_key=True)
    first_member: int = Field(sa_column=Column(Key, primary_key=True, autoincrement=False))
    last_member: int = Field(sa_column=Column(Key, nullable=False))
    sha256: str
    decision: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Shortfall(SQLModel, table=True):
    """An item that an edition could not bring to as many members as it needs, and why: told to its coordinator."""

    edition_id: int = _to("edition", primary_key=True)
    item_id: int = _to("item", primary_key=True)
    needed: int
    got: int
    cause: str
    counts: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    """How many members were eligible, and of these muted, over budget, had it before, or were below the floor."""
    words: list[str] = Field(sa_column=Column(JSON, nullable=False))
    """Words of eligible members' interests that the item does not have."""


class Account(SQLModel, table=True):
    """A person over all networks of the installation, known by their address: what they can be asked to take in altogether."""

    id: int | None = _key()
    address_key: str = Field(unique=True)
    mails_per_week: int | None = None
    hours_between_mails: int | None = None
    asks_per_month: int | None = None


class Draw(SQLModel, table=True):
    """What a mail takes from its reader's account, for each network of which it holds something. It counts until the mail was
    refused or cancelled."""

    __table_args__: ClassVar[Any] = (
        UniqueConstraint("digest_id", "network_id"),
        Index("ix_draw_account_id_day", "account_id", "day"),
    )

    id: int | None = _key()
    account_id: int = _to("account")
    network_id: int = _to("network")
    digest_id: int | None = Field(
        default=None, sa_column=Column(Key, ForeignKey("digest.id", ondelete="CASCADE"), nullable=True)
    )
    what: str
    """digest or urgent."""
    at: datetime = _time(nullable=False)
    """When the mail is due."""
    day: int
    """That day by the network's calendar, as a proleptic ordinal: 1 is 1 January of year 1."""
    mails: int
    asks: int
    items: int


class EditionItem(SQLModel, table=True):
    """The items an edition could choose from, frozen when it opened."""

    __tablename__: ClassVar[Any] = "edition_item"

    edition_id: int = _to("edition", primary_key=True)
    item_id: int = _to("item", primary_key=True)


class Digest(SQLModel, table=True):
    """One member's part of an edition: planned when the audience is frozen, then composed, or skipped with a reason."""

    __table_args__: ClassVar[Any] = (
        UniqueConstraint("edition_id", "member_id"),
        _one_of("state", DIGEST_STATES),
        Index("ix_digest_edition_id_state", "edition_id", "state"),
        Index("ix_digest_member_id", "member_id"),
    )

    id: int | None = _key()
    edition_id: int = _to("edition")
    member_id: int = _to("member")
    state: str = "planned"
    reason: str = ""
    items: int = 0
    below_threshold: int = 0
    """How many open items that the member may receive had some match, but under the threshold."""
    threshold: float | None = None
    notice: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    """still_there: asks whether they still want it, at the top of the mail."""


class DigestItem(SQLModel, table=True):
    """A chosen item, best first. The unique key (member, item) makes a repeat impossible in this and any other edition."""

    __tablename__: ClassVar[Any] = "digest_item"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("member_id", "item_id"),
        Index("ix_digest_item_item_id", "item_id"),
    )

    digest_id: int = _to("digest", primary_key=True)
    rank: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    member_id: int = _to("member")
    item_id: int = _to("item")
    score: float
    match: float
    rest: float | None = None
    field: float | None = None
    """Parts of the score at the usual weight of the field, undamped (see `digest.field`); None of before they were kept."""
    share: float | None = None
    """What damping leaves of the item (see `digest.hubness`)."""
    reason: list[Any] = Field(sa_column=Column(JSON, nullable=False))
    """The terms behind the score, heaviest first: [[label, weight, source], ...]."""
    note: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    """deep: under the threshold, for a request that few could answer; bridging: from beside the member's usual field."""
    dropped: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    """Why it was not in the mail after all: withdrawn, closed or over before it was handed over."""


class LeftOut(SQLModel, table=True):
    """An item that passed the member's threshold and was left out all the same, with the named reason."""

    __tablename__: ClassVar[Any] = "left_out"

    digest_id: int = _to("digest", primary_key=True)
    item_id: int = _to("item", primary_key=True)
    reason: str
    score: float
    match: float
    because_of: int | None = Field(default=None, sa_column=Column(Key, nullable=True))
    """For a duplicate: the item that it is the same thing as."""


class PickedItem(SQLModel, table=True):
    """Which of two matchers picked a chosen item, in a digest in which they are compared: 0 ours, 1 the other one."""

    __tablename__: ClassVar[Any] = "picked_item"

    digest_id: int = _to("digest", primary_key=True)
    item_id: int = _to("item", primary_key=True)
    team: int


class Feedback(SQLModel, table=True):
    """A member's word on an item. A row stands until `ended` says why it does not any more; rows are kept as history."""

    __table_args__: ClassVar[Any] = (
        _one_of("verdict", VERDICTS),
        _one_of("ended", FEEDBACK_ENDS),
        _only_one("uq_feedback_standing", "member_id", "item_id", "verdict", where="ended = ''"),
        _only_one(
            "uq_feedback_opposites", "member_id", "item_id", where=f"ended = '' AND {_among('verdict', OPPOSITES)}"
        ),
        Index("ix_feedback_item_id", "item_id"),
        Index("ix_feedback_edition_id", "edition_id"),
        Index("ix_feedback_member_id_item_id", "member_id", "item_id"),
    )

    id: int | None = _key()
    member_id: int = _to("member")
    item_id: int = _to("item")
    edition_id: int | None = Field(
        default=None, sa_column=Column(Key, ForeignKey("edition.id", ondelete="SET NULL"), nullable=True)
    )
    """The edition that sent the item to the member; None when none did."""
    verdict: str
    at: datetime = _time(nullable=False)
    source: str = ""
    """Where it was said: the mail page, an import with its file name, the command line."""
    ended: str = ""
    """replaced by a later word, undone, or forgotten with everything else; empty while it stands."""
    ended_at: datetime | None = _time()


class LearnedTerm(SQLModel, table=True):
    """A term that feedback taught about a member, as of the last edition that considered them; heaviest first."""

    __tablename__: ClassVar[Any] = "learned_term"

    member_id: int = _to("member", primary_key=True)
    rank: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    label: str
    weight: float
    """Its part of what was learned, below 0 where less of it is wanted; all weights of a member have length 1."""
    items: list[int] = Field(sa_column=Column(JSON, nullable=False))
    """Keys of the items it came from, those that taught most first."""


class ForgottenTerm(SQLModel, table=True):
    """A term that a member wants not to be learned, in the words in which it was shown to them."""

    __tablename__: ClassVar[Any] = "forgotten_term"

    member_id: int = _to("member", primary_key=True)
    label: str = Field(sa_column=Column(Text, primary_key=True))
    at: datetime = _time(nullable=False)


class ThresholdChange(SQLModel, table=True):
    """A change of a network's threshold: who, when, from what to what. Never updated; undoing one adds another."""

    __tablename__: ClassVar[Any] = "threshold_change"

    id: int | None = _key()
    network_id: int = _to("network", index=True)
    kind: str = ""
    """The kind it was for; empty for the whole network."""
    before: float | None = None
    """None: there was none of its own."""
    after: float | None = None
    by: str = ""
    at: datetime = _time(nullable=False)
    undoes: int | None = Field(
        default=None,
        sa_column=Column(Key, ForeignKey("threshold_change.id", ondelete="CASCADE"), nullable=True),
    )
    """The change that this one took back."""


class Judgement(SQLModel, table=True):
    """Whether somebody who looked at a pair of member and item found that it should be sent; the latest word holds."""

    member_id: int = _to("member", primary_key=True)
    item_id: int = _to("item", primary_key=True)
    good: bool
    match: float
    """The match at that time."""
    by: str = ""
    at: datetime = _time(nullable=False)


class Inbound(SQLModel, table=True):
    """A mail that came in, kept whole from before it is accepted until it is dealt with."""

    __table_args__: ClassVar[Any] = (
        _one_of("state", INBOUND_STATES),
        Index("ix_inbound_state_taken_until", "state", "taken_until"),
    )

    id: int | None = _key()
    digest: str = Field(unique=True)
    """SHA-256 of the recipient and the octets: the same mail is kept once, however often it is handed in."""
    source: str
    """How it came: lmtp, maildir, mbox, imap, file."""
    recipient: str = ""
    received_at: datetime = _time(nullable=False)
    octets: int = 0
    raw: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    """Its first octets, as many as are ever looked at; None once it was dealt with."""
    state: str = "waiting"
    """waiting; done; aside: it broke its reader several times, and waits for a person."""
    tries: int = 0
    taken_until: datetime | None = _time()
    outcome: str = _text()
    settled_at: datetime | None = _time()


class CameBack(SQLModel, table=True):
    """Something that came back about a mail, what was decided of it, and what to put back if that was wrong."""

    __tablename__: ClassVar[Any] = "came_back"
    __table_args__: ClassVar[Any] = (
        _one_of("kind", CAME_BACK_KINDS),
        Index("ix_came_back_outbox_id_kind", "outbox_id", "kind"),
        Index("ix_came_back_member_id", "member_id"),
    )

    id: int | None = _key()
    member_id: int | None = _to_if("member")
    outbox_id: int | None = _to_if("outbox")
    inbound_id: int | None = Field(
        default=None, sa_column=Column(Key, ForeignKey("inbound.id", ondelete="SET NULL"), nullable=True)
    )
    at: datetime = _time(nullable=False)
    kind: str
    """bounce, complaint; refusal: the mail server's own answer; waited: the time of a held address had come."""
    fault: str = ""
    """hard, soft or unknown; empty for what is no failure."""
    status: str = ""
    said: str = _text()
    signed: bool = False
    """It carried what only we can make: a return path, or a signed link of the mail that came back."""
    action: str = ""
    """none, delayed, hold, probe, open, remove, suppress; pause: of a route or a destination."""
    reason: str = _text()
    before: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """The address's record and its members' statuses as they were, for `germane bounces undo`."""
    undone_at: datetime | None = _time()
    undone_by: str = ""


class Reachability(SQLModel, table=True):
    """The record of one address over all networks, by its keyed hash; see `profiles.reachability`."""

    __table_args__: ClassVar[Any] = (_one_of("state", REACH_STATES), Index("ix_reachability_due_at", "due_at"))

    hash: str = Field(sa_column=Column(String, primary_key=True))
    state: str = "open"
    failures: int = 0
    hard: int = 0
    first_failed_at: datetime | None = _time()
    last_failed_at: datetime | None = _time()
    last_ok_at: datetime | None = _time()
    probes: int = 0
    due_at: datetime | None = _time()
    member_id: int | None = _to_if("member")
    """One of the members who have the address: whom a probe is written to."""


class Suppression(SQLModel, table=True):
    """An address that must never be mailed again, as a keyed hash (`profiles.suppression`), until it is lifted."""

    __table_args__: ClassVar[Any] = (
        _one_of("reason", REASONS),
        _only_one("uq_suppression_in_force", "hash", where="lifted_at IS NULL"),
    )

    id: int | None = _key()
    hash: str
    reason: str
    basis: str = _text()
    """What showed it: a message that came back, a page, the command line with the words given there. Never the address."""
    at: datetime = _time(nullable=False)
    lifted_at: datetime | None = _time()
    lifted_why: str = _text()


class Outbox(SQLModel, table=True):
    """A message that the mail server has not yet taken responsibility for, or what became of it. States: `store.outbox`."""

    __table_args__: ClassVar[Any] = (
        _one_of("kind", OUTBOX_KINDS),
        _one_of("state", OUTBOX_STATES),
        CheckConstraint("kind <> 'digest' OR (digest_id IS NOT NULL AND edition_id IS NOT NULL)", name="digest"),
        Index("ix_outbox_state_not_before", "state", "not_before"),
        Index("ix_outbox_edition_id_state", "edition_id", "state"),
    )

    id: int | None = _key()
    kind: str = Field(default="digest", sa_column=Column(String, nullable=False, server_default="digest"))
    """digest: one member's part of an edition; probe: a small mail to an address that is held, to see whether it lives."""
    digest_id: int | None = _to_if("digest", unique=True)
    edition_id: int | None = _to_if("edition")
    member_id: int = _to("member", index=True)
    message_id: str = Field(unique=True)
    state: str = "planned"
    reason: str = ""
    attempts: int = 0
    resends: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    """How often a message in doubt was planned again: it may have arrived so many times more than once."""
    not_before: datetime = _time(nullable=False)
    claimed_by: str = ""
    claims: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    """How often it was claimed. Whoever has the message from an earlier claim cannot have its dot recorded any more."""
    lease_until: datetime | None = _time()
    dot_sent: bool = False
    """Written down before the final dot: a claim that dies with this set is in doubt, not free to send again."""
    created_at: datetime = _time(nullable=False)
    dated_at: datetime | None = _time()
    """The Date of the message: when it was first claimed. Kept, so that every attempt sends the same octets."""
    settled_at: datetime | None = _time()
    came_back_at: datetime | None = _time()
    """When a bounce or a complaint about it came in."""


class Delivery(SQLModel, table=True):
    """One attempt to hand a message over with the server's reply, or what came back after it. Never updated."""

    id: int | None = _key()
    outbox_id: int = _to("outbox", index=True)
    attempt: int
    at: datetime = _time(nullable=False)
    outcome: str
    """handed_over, deferred, refused, uncertain or cancelled; bounced or complained for what came back."""
    code: int = 0
    enhanced_status: str = ""
    step: str = Field(default="", sa_column=Column(String, nullable=False, server_default=""))
    """The command that was answered: MAIL, RCPT, DATA, or dot for the whole message; empty when none was."""
    verdict: str = Field(default="", sa_column=Column(String, nullable=False, server_default=""))
    """What a refusal is about, in the words of `delivery.verdicts`."""
    reply: str = _text()
    route: str = ""
    elapsed_ms: int = 0


class Pace(SQLModel, table=True):
    """What was learned about a route, or about a destination (a domain, or a provider's domains), and outlives a run."""

    __table_args__: ClassVar[Any] = (_one_of("scope", PACE_SCOPES),)

    scope: str = Field(sa_column=Column(String, primary_key=True))
    name: str = Field(sa_column=Column(String, primary_key=True))
    level_per_s: float = 0.0
    """Messages a second that it has been found to bear; 0 is as fast as can be."""
    accepted: int = 0
    strikes: int = 0
    """How often in a row it asked for less."""
    resting_until: datetime | None = _time()
    paused: str = _text()
    """Why nothing may go there until somebody resumes it."""
    window_started: datetime | None = _time()
    window_used: int = 0
    changed_at: datetime = _time(nullable=False)
