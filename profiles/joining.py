"""What an import does with a person: decided here, done elsewhere."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal

from profiles.address import Address
from profiles.member import GONE, Member, Preferences, Profile, Status

Outcome = Literal["added", "changed", "unchanged", "protected"]
OUTCOMES: tuple[Outcome, ...] = ("added", "changed", "unchanged", "protected")


def _defaults(kind: type) -> dict[str, Any]:
    return {f.name: f.default for f in fields(kind) if f.default is not MISSING}


DEFAULTS: Mapping[str, Any] = _defaults(Member) | _defaults(Profile) | _defaults(Preferences)
"""Every field that an import can set, with its value for somebody of whom nothing else is known."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A person as a file has them. `values` holds only the fields the file speaks of, by the names of `DEFAULTS`.

    `evidence` is what the file says on when and how they agreed, in its own words.
    """

    line: int
    address: Address
    values: Mapping[str, Any] = field(default_factory=dict)
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of an entry. `changes` maps each field that changes to (old, new); for a new member old is the default.

    `status_kept` says that the source has another status than the member keeps.
    """

    outcome: Outcome
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    status_kept: bool = False


def decide(entry: Entry, stored: Mapping[str, Any] | None) -> Decision:
    """Compare an entry with the member as stored (the fields of `DEFAULTS` at least), or None for somebody new.

    Who left, bounced or was erased stays exactly as they are.
    """
    if stored is None:
        return Decision("added", _differences(DEFAULTS, entry.values))
    if stored["status"] in GONE:
        return Decision("protected")
    wanted = dict(entry.values)
    if "status" in wanted:
        wanted["status"] = status_after(stored["status"], wanted["status"])
    changes = _differences(stored, wanted)
    kept = wanted.get("status") != entry.values.get("status")
    return Decision("changed" if changes else "unchanged", changes, kept)


def status_after(current: Status, wanted: Status) -> Status:
    """An import can stop mail and never starts it: only members themselves confirm, resume or come back."""
    if current in GONE:
        return current
    stops = wanted in {"left", "bounced"} or (current == "active" and wanted == "paused")
    return wanted if stops else current


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (old[name], value) for name, value in new.items() if old[name] != value}
