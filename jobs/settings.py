"""Every setting: name, default, limits and one sentence. `config.toml` is written from here; the environment wins."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_origin

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

CONFIG_FILE = "config.toml"
PREFIX = "GERMANE_"
SELECTOR = r"[A-Za-z0-9]([A-Za-z0-9-]{0,40}[A-Za-z0-9])?"
"""A label of the DNS with room for what is put after it."""
SECRETS = (("smtp", "password"), ("incoming", "imap_password"), ("incoming", "webhook_secret"), (None, "secret_key"))
"""(section, key) of what comes from the environment only."""

Share = Annotated[float, Field(ge=0, le=1)]
Match = Annotated[float, Field(ge=0, le=100)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class SettingsError(Exception):
    """A configuration that cannot be used. The message names the file or variable and the key."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(Section):
    url: str = Field(
        "sqlite:///germane.db", description="Where everything is kept: sqlite:///FILE, or postgresql://USER@HOST/NAME."
    )
    wait_s: Seconds = Field(30, description="How long to wait for what another process has locked.")


class WebSettings(Section):
    base_url: str = Field(
        "http://localhost:8025",
        pattern=r"^https?://[^/\s]+(/\S*[^/\s])?$",
        description="Where members reach the pages, as it stands in every mail; no slash at the end; https outside a trial.",
    )
    host: str = Field("127.0.0.1", description="The address `germane serve` listens on.")
    port: int = Field(8025, ge=1, le=65535, description="The port `germane serve` listens on.")


class SmtpSettings(Section):
    host: str = Field("localhost", description="The mail server that takes the messages.")
    port: int = Field(25, ge=1, le=65535, description="Its port.")
    security: Literal["auto", "tls", "starttls", "none"] = Field(
        "auto",
        description="auto: STARTTLS unless the server is on this machine; tls: from the first octet; starttls: always; none.",
    )
    ca_file: str = Field(
        "", description="Certificates (PEM) that the server's must come from; empty means those this machine trusts."
    )
    username: str = Field("", description="User name for AUTH; the password comes from GERMANE_SMTP__PASSWORD only.")
    password: SecretStr = Field(SecretStr(""), exclude=True, description="From the environment only.")
    local_hostname: str = Field("", description="The name to say in EHLO; empty means this machine's.")
    connections: int = Field(10, ge=1, le=100, description="Connections kept open at the same time.")
    slow_connections: int = Field(
        4, ge=0, le=100, description="Connections beside them for domains that answer slowly, so that no others wait."
    )
    messages_per_connection: Positive = Field(
        1000, description="Messages after which a connection is closed and opened anew."
    )
    rate_per_s: float = Field(
        0, ge=0, description="Most messages a second over all connections; 0 means as fast as the server takes them."
    )
    timeout_s: Seconds = Field(
        300, description="How long to wait for a reply to a command (RFC 5321 4.5.3.2 asks 300)."
    )
    final_dot_timeout_s: Seconds = Field(
        600, description="How long to wait for the reply to the final dot (RFC 5321 4.5.3.2.6 asks 600)."
    )
    connect_timeout_s: Seconds = Field(30, description="How long to wait for a connection.")
    rate_per_window: int = Field(
        0, ge=0, description="Most messages in a window, over all processes; 0 means no limit."
    )
    window_s: Seconds = Field(3600, description="Seconds of that window.")
    slow_start_per_s: float = Field(
        10,
        ge=0,
        description="Messages a second with which a server elsewhere starts when it is new to us; 0: at full speed.",
    )
    slow_start_doubles_after: Positive = Field(
        100, description="Messages taken after which a slow start gets twice as fast."
    )
    weight: float = Field(
        1,
        ge=0,
        description="Share of the messages this server gets beside other routes; 0: only while no other can be used.",
    )


class DestinationSettings(Section):
    """Domains of one provider, which are treated as one."""

    domains: tuple[str, ...] = Field((), description="The provider's domains.")
    rate_per_s: float = Field(0, ge=0, description="Most messages a second; 0 means no limit.")
    rate_per_window: int = Field(0, ge=0, description="Most messages in a window, over all processes; 0: no limit.")
    window_s: Seconds = Field(3600, description="Seconds of that window.")
    connections: int = Field(0, ge=0, description="Most of its messages on their way at a time; 0 means no limit.")


class SendingSettings(Section):
    batch: int = Field(500, ge=1, le=1000, description="Messages claimed in one transaction.")
    processes: int = Field(
        1,
        ge=1,
        le=16,
        description="Processes that send, each with its share of every limit; no more than batches, or connections in any limit.",
    )
    lease_s: Seconds = Field(
        900,
        description="How long a claim holds when its process is not heard of; longer than smtp.final_dot_timeout_s.",
    )
    mark_file: str = Field(
        "",
        description="Where it is kept how much was sent, to know an old copy of the database; empty: beside an SQLite file.",
    )
    first_retry_s: Seconds = Field(
        1800,
        description="Wait after the first temporary failure; it doubles each time (RFC 5321 4.5.4.1 asks 30 minutes).",
    )
    give_up_after_h: Seconds = Field(
        96, description="Hours after which a message that is still refused for now is given up."
    )
    in_doubt: Literal["leave", "resend"] = Field(
        "leave",
        description="A message whose reply was lost after the final dot: leave it, or resend it with the same Message-ID.",
    )
    resend_after_s: Seconds = Field(
        3600,
        description="How long a message in doubt waits for a bounce or the mail server's log before it is sent again.",
    )
    most_resends: Positive = Field(1, description="How often at most a message in doubt is sent again.")
    domain_rate_per_s: float = Field(
        0, ge=0, description="Most messages a second to a domain without an entry under destinations; 0 means no limit."
    )
    domain_rate_per_window: int = Field(0, ge=0, description="Most messages in a window to such a domain; 0: no limit.")
    domain_window_s: Seconds = Field(3600, description="Seconds of that window.")
    domain_connections: int = Field(0, ge=0, description="Most messages on their way to such a domain; 0: no limit.")
    slow_after_s: Seconds = Field(1, description="A domain whose messages take longer than this counts as slow.")
    back_off_s: Seconds = Field(
        60, description="How long a domain is left alone after 421 or 4.7.x; twice as long each time in a row."
    )
    back_off_most_s: Seconds = Field(3600, description="The longest it is left alone.")
    alarm_least: Positive = Field(50, description="Refusals of one kind, or by one domain, that may pause a route.")
    alarm_share: float = Field(
        0.05, ge=0, description="A route is paused when refusals of one kind are more than this share; 1: never."
    )
    alarm_domain_share: float = Field(
        0.3, ge=0, description="A route to a domain is paused when more than this share is refused; 1: never."
    )


class DkimSettings(Section):
    sign: bool = Field(
        False,
        description="Sign each message here, with the keys of `germane dkim keygen`; false: the mail server signs.",
    )
    selector: str = Field(
        "germane",
        pattern=f"^{SELECTOR}$",
        description="The keys that sign: SELECTOR-rsa and SELECTOR-ed25519 under _domainkey of the sender's domain.",
    )
    keys: str = Field(
        "dkim", min_length=1, description="The folder of the private keys, which nobody but Germane should read."
    )


class MatchingSettings(Section):
    threshold: Match = Field(
        33, description="The match, 0 to 100, below which an item is not sent, where a network sets none."
    )
    floor: Match = Field(
        15,
        description="Where too few members match a request that needs answers, it is sent to the best ones down to this match.",
    )
    candidates: int = Field(32, ge=1, le=1000, description="Best-scoring items kept for each member before selection.")
    background_items: Positive = Field(
        20000, description="Most recent items of the network the vocabulary is learnt from."
    )
    half_life_days: float = Field(
        90, gt=0, description="Days after which what a member said about an item counts half as much."
    )
    opened_weight: Share = Field(
        0.2, description='What having opened an item counts, where a member agreed to that; "more like this" counts 1.'
    )
    utility_w: float = Field(
        2, gt=0, description="What a good item gains a member, where one that is not for them costs 1 (TREC utility)."
    )
    threshold_step: float = Field(
        1, ge=0, description="Match by which each unit of a member's utility lowers their own threshold, or raises it."
    )
    threshold_floor: Match = Field(25, description="Feedback never lowers a member's own threshold below this match.")
    threshold_ceiling: Match = Field(60, description="Feedback never raises a member's own threshold above this match.")

    compare_share: Share = Field(
        0,
        description="Share of members whose digests another matcher picks in turn with ours (team-draft interleaving), "
        "also from under the threshold; 0 compares nothing.",
    )
    compare_with: Literal["tfidf"] = Field(
        "tfidf", description="That matcher; tfidf: plain cosine with what a member stated, nothing learned or expanded."
    )


class DigestSettings(Section):
    items: int = Field(
        6, ge=1, le=50, description="Most items in one digest, where neither network nor member sets fewer."
    )
    max_item_age_days: Positive = Field(28, description="Items published longer ago are not sent any more.")
    policy: Literal["allocation", "greedy"] = Field(
        "allocation",
        description="allocation: the edition is decided as one, by reach and budgets; greedy: each member gets their best.",
    )
    per_poster: int = Field(3, ge=0, le=50, description="Most items of one poster in one digest; 0 sets no limit.")
    per_topic: int = Field(4, ge=0, le=50, description="Most items of one topic in one digest; 0 sets no limit.")
    mmr_lambda: Share = Field(
        0.8,
        description="Order of a digest: 1 looks only at how well an item fits, 0 only at how unlike it is to those before.",
    )
    few: int = Field(
        10,
        ge=0,
        description="A request that so many members or fewer could answer stands before the rest of their digests.",
    )
    near_days: float = Field(14, gt=0, description="Days before its deadline from which an item moves forward.")
    near_match: float = Field(
        10, ge=0, le=100, description="Points of match it has gained in the order at its deadline."
    )
    quiet_after: int = Field(
        8, ge=0, description="Digests without a sign of life after which they come half as often, and so on; 0: never."
    )
    quiet_most_weeks: int = Field(
        8, ge=1, description="Weeks between two digests of a member who stays silent, at most."
    )
    shard: int = Field(10_000, ge=1, description="Members composed in one transaction.")


class BudgetSettings(Section):
    """What a member can be asked to take in. A network may set other defaults, a member fewer, or more up to the most."""

    mails_per_week: int = Field(
        3,
        ge=1,
        le=50,
        description="Most mails to a member in any 7 days, digests and urgent ones together, in one network.",
    )
    most_mails_per_week: int = Field(7, ge=1, le=50, description="Most that a member may ask for.")
    hours_between_mails: int = Field(
        6,
        ge=0,
        le=168,
        description="Hours between two mails: a digest waits for so long, an urgent request goes to others.",
    )
    least_hours_between_mails: int = Field(1, ge=0, le=168, description="Fewest that a member may ask for.")
    asks_per_month: int = Field(
        4, ge=1, le=200, description="Most requests for help sent to a member in any 31 days in one network."
    )
    ask_cost: float = Field(
        0.085,
        ge=0,
        le=1,
        description=(
            "Share of an edition's match that may be given up so that requests go to others than those who got a month's"
            " allowance of them in the last year, and less to spare those who got more than that; 0: none."
        ),
    )
    most_asks_per_month: int = Field(20, ge=1, le=200, description="Most that a member may ask for.")
    overall_mails_per_week: int = Field(
        7, ge=1, le=50, description="Most mails in any 7 days over all networks; a person may set fewer."
    )
    overall_hours_between_mails: int = Field(
        0, ge=0, le=168, description="Hours between two mails over all networks; a person may set more."
    )
    overall_asks_per_month: int = Field(
        20, ge=1, le=200, description="Most requests in any 31 days over all networks; a person may set fewer."
    )


class ReachSettings(Section):
    """How many members an item should reach at least, and at most (0: no limit). A coordinator may set others for an item."""

    needed_request: int = Field(5, ge=0, description="Members a request is to reach, if need be under the threshold.")
    most_request: int = Field(40, ge=0, description="Most members a request is sent to; 0 sets no limit.")
    most_event: int = Field(0, ge=0, description="Most members an event is sent to; 0 sets no limit.")
    most_job: int = Field(0, ge=0, description="Most members a job is sent to; 0 sets no limit.")
    answers_wanted: int = Field(
        5, ge=0, description="Offers of help after which a request is closed and sent no more; 0 sets no end."
    )

    last_call_days: int = Field(
        5,
        ge=0,
        description="Days before its deadline on which a request with too few offers goes to as many members again.",
    )


class UrgentSettings(Section):
    quota: Positive = Field(2, description="Urgent items that one coordinator may post in `urgent.period_days`.")
    period_days: Positive = Field(28, description="Days over which they are counted.")
    most: Positive = Field(
        40, description="Most members an urgent item is sent to at once, where it sets no limit itself."
    )


class ImportSettings(Section):
    batch: int = Field(2000, ge=1, le=20000, description="Rows written in one transaction.")
    max_bytes: Positive = Field(20_000_000, description="Most octets read from an http(s) address.")
    timeout_s: Seconds = Field(20, description="Most seconds to wait for an http(s) address.")


class IncomingSettings(Section):
    lmtp_host: str = Field("127.0.0.1", description="The address `germane serve` takes mail on, by LMTP or SMTP.")
    lmtp_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Its port; 0 takes none. Let only your mail server reach it: it asks for no password.",
    )
    max_mb: Positive = Field(
        64, description="Megabytes from which on a mail is refused; only its first one is kept and read."
    )
    maildir: str = Field("", description="A Maildir that `germane serve` empties; empty for none.")
    imap_host: str = Field("", description="An IMAP server whose folder `germane serve` empties; empty for none.")
    imap_port: int = Field(993, ge=1, le=65535, description="Its port.")
    imap_security: Literal["tls", "starttls", "none"] = Field("tls", description="none only on this machine.")
    imap_user: str = Field("", description="The user; the password comes from GERMANE_INCOMING__IMAP_PASSWORD only.")
    imap_password: SecretStr = Field(SecretStr(""), exclude=True, description="From the environment only.")
    imap_folder: str = Field("INBOX", description="The folder that is emptied.")
    webhook_secret: SecretStr = Field(
        SecretStr(""), exclude=True, description="From the environment only; empty: no webhook."
    )


class BouncesSettings(Section):
    hard_in_a_row: Positive = Field(2, description="Messages in a row to a dead address after which it is held.")
    failures_in_a_row: Positive = Field(
        5, description="Failed messages in a row, of any kind, after which an address is held."
    )
    probe_after_days: Seconds = Field(7, description="Days after which an address that is held gets a probe.")
    probe_wait_days: Seconds = Field(
        7, description="Days after which a probe that did not come back opens the address again."
    )
    most_probes: Positive = Field(3, description="Probes that come back after which the address is suppressed.")


class ScheduleSettings(Section):
    tick_s: Seconds = Field(30, description="How often `germane serve` looks whether an edition or a message is due.")
    grace_h: Seconds = Field(72, description="An edition missed by more hours than this is not caught up.")
    spread_min: int = Field(
        60, ge=1, le=60, description="Minutes over which the mails that members want at the same hour are spread."
    )
    lease_s: Seconds = Field(120, description="How long an edition stays with a process that is not heard of.")


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe message that is logged."
    )


GROUPS = {
    "google": ("gmail.com", "googlemail.com"),
    "microsoft": ("outlook.com", "hotmail.com", "hotmail.co.uk", "live.com", "live.co.uk", "msn.com"),
    "yahoo": ("yahoo.com", "yahoo.co.uk", "ymail.com", "aol.com", "sky.com"),
    "apple": ("icloud.com", "me.com", "mac.com"),
}
ROUTES_NOTE = """
# Further mail servers, each with the keys of [smtp] and its own weight; its password is GERMANE_ROUTES__SECOND__PASSWORD.
# [routes.second]
# host = "mail2.example.org"
# weight = 1.0
"""


class Settings(BaseSettings):
    """All settings. Environment variables win over config.toml: GERMANE_SMTP__HOST is smtp.host."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    database: DatabaseSettings = DatabaseSettings()
    web: WebSettings = WebSettings()
    smtp: SmtpSettings = SmtpSettings()
    routes: dict[str, SmtpSettings] = Field(default_factory=dict)
    sending: SendingSettings = SendingSettings()
    dkim: DkimSettings = DkimSettings()
    destinations: dict[str, DestinationSettings] = {n: DestinationSettings(domains=d) for n, d in GROUPS.items()}
    matching: MatchingSettings = MatchingSettings()
    digest: DigestSettings = DigestSettings()
    budget: BudgetSettings = BudgetSettings()
    reach: ReachSettings = ReachSettings()
    urgent: UrgentSettings = UrgentSettings()
    imports: ImportSettings = ImportSettings()
    incoming: IncomingSettings = IncomingSettings()
    bounces: BouncesSettings = BouncesSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    log: LogSettings = LogSettings()
    secret_key: SecretStr = Field(
        SecretStr(""), exclude=True, description="Signs the links in mails; from the environment only."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Raises ValueError, with the keys, for settings that contradict each other."""
        pairs = [
            ("matching.floor", "matching.threshold"),
            ("matching.floor", "matching.threshold_floor"),
            ("matching.threshold_floor", "matching.threshold_ceiling"),
            ("budget.mails_per_week", "budget.most_mails_per_week"),
            ("budget.least_hours_between_mails", "budget.hours_between_mails"),
            ("budget.asks_per_month", "budget.most_asks_per_month"),
        ]
        if self.reach.most_request:
            pairs.append(("reach.needed_request", "reach.most_request"))
        for low, high in pairs:
            if self._value(low) > self._value(high):
                raise ValueError(
                    f"{low} = {self._value(low):g} is above {high} = {self._value(high):g}; lower it or raise the other"
                )
        return self

    def _value(self, key: str) -> float:
        section, name = key.split(".")
        return float(getattr(getattr(self, section), name))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(path: Path | None = None) -> Settings:
    """Settings from `path` (a file that need not exist unless it is named) and the environment.

    Raises SettingsError for a file that is not TOML, an unknown key, a wrong type or an impossible value.
    """
    named = path or (Path(os.environ[PREFIX + "CONFIG"]) if os.environ.get(PREFIX + "CONFIG") else None)
    file = named or Path(CONFIG_FILE)
    if named and not named.is_file():
        raise SettingsError(f"{file}: there is no such file; `germane init` writes one")
    _check_file(file)
    _check_environment()
    try:
        return _reading(file)()
    except ValidationError as error:
        raise SettingsError("\n".join(_problem(file, dict(e)) for e in error.errors())) from None
    except (ValueError, OSError) as error:
        raise SettingsError(f"{file}: {error}") from None


def render_config() -> str:
    """The text of config.toml: every setting with its default and its sentence. Secrets are left out."""
    lines = ["# Germane's settings. Environment variables win over this file: GERMANE_SMTP__HOST is smtp.host.",
             "# Secrets come from the environment only: GERMANE_SECRET_KEY, GERMANE_SMTP__PASSWORD,",
             "# GERMANE_INCOMING__IMAP_PASSWORD, GERMANE_INCOMING__WEBHOOK_SECRET."]  # fmt: skip
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            lines += ["", f"[{name}]"]
            lines += _section_lines(field.default)
        elif name == "routes":
            lines.append(ROUTES_NOTE.rstrip())
        elif isinstance(field.default, dict):
            lines += ["", "# Providers whose domains are paced as one; a limit of 0 is none."]
            lines += [line for key, one in field.default.items() for line in _entry_lines(f"{name}.{key}", one)]
    return "\n".join(lines) + "\n"


def _reading(file: Path) -> type[Settings]:
    class FileSettings(Settings):
        model_config = SettingsConfigDict(**Settings.model_config | {"toml_file": file})

    return FileSettings


def _section_lines(section: Section) -> list[str]:
    lines = []
    for name, field in type(section).model_fields.items():
        if not field.exclude:
            lines += [f"# {field.description}", f"{name} = {_toml(getattr(section, name))}"]
    return lines


def _entry_lines(name: str, section: Section) -> list[str]:
    return [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in section.model_dump().items())]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _check_file(file: Path) -> None:
    if not file.is_file():
        return
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not a TOML file: {error}") from None
    secrets = [(key, content.get(section) if section else content) for section, key in SECRETS]
    secrets += [("password", server) for server in _values(content.get("routes"))]
    for key, table in secrets:
        if isinstance(table, dict) and key in table:
            raise SettingsError(f"{file}: {key} is a secret; take it out of the file and set it in the environment")


def _values(table: Any) -> list[Any]:
    return list(table.values()) if isinstance(table, dict) else []


def _check_environment() -> None:
    known = {name.upper() for name in Settings.model_fields} | {"CONFIG"}
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable.removeprefix(PREFIX).split("__")[0].upper() not in known:
            raise SettingsError(f"{variable}: unknown environment variable; the settings are listed in {CONFIG_FILE}")


def _problem(file: Path, error: dict[str, Any]) -> str:
    place = [str(part) for part in error["loc"]]
    if not place:  # settings that contradict each other; the message names them
        return f"{file}: {error['msg'].removeprefix('Value error, ')}"
    variable = PREFIX + "__".join(place).upper()
    origin = f"environment variable {variable}" if variable in os.environ else str(file)
    if error["type"] == "extra_forbidden":
        return f"{origin}: unknown key {'.'.join(place)!r}{_nearest(place)}"
    return f"{origin}: {'.'.join(place)} = {error['input']!r}: {error['msg'].lower()}"


GONE = {"order": "its keys are those of [digest]: take the section out"}
"""Sections that a file of an earlier version may hold, and what to do."""


def _nearest(place: list[str]) -> str:
    from difflib import get_close_matches

    if place[0] in GONE:
        return f"; {GONE[place[0]]}"
    model: Any = Settings
    for part in place[:-1]:
        model = model.model_fields[part].annotation
        if get_origin(model) is dict:  # its keys are names that the operator gave
            return "; see the keys in a fresh file from `germane init`"
    near = get_close_matches(place[-1], list(model.model_fields), n=1)
    return f"; did you mean {near[0]!r}?" if near else "; see the keys in a fresh file from `germane init`"
