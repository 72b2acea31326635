"""How other programs export their members, and what their columns are called here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from profiles.joining import DEFAULTS
from profiles.member import Status
from sources.rejects import OUR_COLUMNS

ADDRESS_COLUMNS = ("email_address", "email", "e_mail", "mail", "address")
"""Best first: where a file has an e-mail and an address, the address is where somebody lives."""

OTHER_NAMES: Mapping[str, str] = {
    "full_name": "name",
    "display_name": "name",
    "firstname": "first_name",
    "fname": "first_name",
    "given_name": "first_name",
    "lastname": "last_name",
    "lname": "last_name",
    "surname": "last_name",
    "family_name": "last_name",
    "interests": "stated",
    "topics": "chosen",
    "attribs": "attributes",
    "organization": "organisation",
    "organization_type": "organisation_type",
    "company": "organisation",
    "timezone": "time_zone",
}

HELPERS = frozenset({"first_name", "last_name", "tags", "attributes", "unsub_time", "clean_time"})
"""Columns that are no field of their own but make one."""

STATUS_WORDS: Mapping[str, Status] = {
    "active": "active",
    "enabled": "active",
    "subscribed": "active",
    "confirmed": "active",
    "pending": "pending",
    "unconfirmed": "pending",
    "nonsubscribed": "pending",
    "non-subscribed": "pending",
    "paused": "paused",
    "bounced": "bounced",
    "cleaned": "bounced",
    "left": "left",
    "disabled": "left",
    "blocklisted": "left",
    "blacklisted": "left",
    "unsubscribed": "left",
    "archived": "left",
}
"""The words of listmonk and Mailchimp beside our own. Only the first four let mail go out."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What one program writes. `ignored` columns mean something else there; `evidence` says when and how they agreed."""

    name: str
    ignored: frozenset[str] = frozenset()
    evidence: tuple[str, ...] = ()


CSV = Layout("CSV")
ADDRESSES = Layout("list of addresses")
LISTMONK = Layout("listmonk", frozenset({"uuid", "updated_at", "lists"}), ("created_at",))
MAILCHIMP = Layout(
    "Mailchimp",
    frozenset({"address", "region", "cc", "timezone", "language"}),  # a postal address, and guesses from an IP address
    ("optin_time", "optin_ip", "confirm_time", "confirm_ip"),
)
_MAILCHIMP_FILE = re.compile(r"(subscribed|unsubscribed|nonsubscribed|cleaned|archived)_")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a row things are. `places` maps each field or helper to its index; `unused` are headers nothing is taken from."""

    layout: Layout
    places: Mapping[str, int]
    evidence: Mapping[str, int]
    unused: tuple[str, ...]


def columns_of(header: Sequence[str]) -> Columns:
    """Raises ValueError when no column holds the e-mail address, or two hold the same thing."""
    names = [re.sub(r"\W+", "_", name.strip().casefold()).strip("_") for name in header]
    layout = _layout(set(names))
    address = next((n for n in ADDRESS_COLUMNS if n in names), "")
    if not address:
        listed = ", ".join(header)
        raise ValueError(f"no column is called address (or email, or Email Address); the columns are: {listed}")
    places = {"address": names.index(address)}
    for place, name in enumerate(names):
        known = _known(name, layout)
        if known in places:
            raise ValueError(
                f"the columns {header[places[known]]} and {header[place]} give the same thing; take one out"
            )
        if known:
            places[known] = place
    evidence = {header[n]: n for n, name in enumerate(names) if name in layout.evidence}
    used = {*places.values(), *evidence.values()}
    unused = tuple(h for n, h in enumerate(header) if n not in used and names[n] not in OUR_COLUMNS)
    return Columns(layout, places, evidence, unused)


def status_by_file_name(name: str) -> Status | None:
    """Mailchimp says in the name of a file what the people in it are: `unsubscribed_email_audience_export_1a2b.csv`."""
    found = _MAILCHIMP_FILE.match(name)
    return STATUS_WORDS[found[1]] if found else None


def _layout(names: set[str]) -> Layout:
    if {"uuid", "email", "attributes"} <= names:
        return LISTMONK
    return MAILCHIMP if names & {"member_rating", "optin_time", "leid", "euid"} else CSV


def _known(name: str, layout: Layout) -> str:
    """The field or helper that a column is; empty for none, and for those that hold the address, found apart."""
    if name in layout.ignored or name in ADDRESS_COLUMNS:
        return ""
    name = OTHER_NAMES.get(name, name)
    return name if name in DEFAULTS or name in HELPERS else ""
