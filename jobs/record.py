"""The record of an edition for one member: what was sent and why, what was not and why."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from jobs.run import WORDS
from jobs.terminal import print_table, printable, several

if TYPE_CHECKING:
    from jobs.services import Services
    from store.networks import Network
    from store.records import Record

LEFT = {
    "already_sent": "sent before",
    "muted_poster": "its poster is muted",
    "muted_topic": "its topic is muted",
    "muted_kind": "its kind is muted",
    "language": "in a language they do not read",
    "not_eligible": "not for them by its audience",
    "own": "they posted it",
    "over_budget": "over budget: no room the second time either",
    "duplicate": "the same thing as",
    "compared": "its place went to what another matcher picked",
    "asked_enough": "they were asked for help enough for now",
    "reach_full": "it goes to as many members as it may",
    "poster_limit": "enough from its poster",
    "topic_limit": "enough on its topic",
    "carried_over": "carried over to the next edition",
    "not_picked": "others fit better",
    "no_requests": "they take no requests for help of its network",
}
NOTES = {
    "deep": "under the threshold, for a request that few could answer",
    "bridging": "from beside their usual field",
}
DROPPED = {
    "withdrawn": "withdrawn before it was sent",
    "closed": "closed before it was sent",
    "over": "over before it was sent",
}
SOURCES = {"stated": "said", "topic": "follows", "learned": "learned", "related": "related", "network": "in"}
NOT_SENT = ("planned", "claimed", "deferred", "refused", "cancelled")
"""States in the outbox of a mail that is not out, or not yet."""


def record_of(services: "Services", network: "Network", member_key: int, slot: str) -> "Record":
    """The member's record in an edition, or in the newest one that considered them. Raises click.ClickException for none."""
    from store import editions, records

    with services.database.reading() as connection:
        if slot:
            found = editions.find(connection, network.key, slot)
            known = [found] if found else []
        else:
            known = editions.latest(connection, network.key)
        found_in = (records.record(connection, edition, member_key) for edition in known)
        record = next((one for one in found_in if one), None)
    if record is None:
        which = f"edition {slot}" if slot else "any edition"
        raise click.ClickException(f"{network.slug}: the member was not in the audience of {which}")
    return record


def as_json(who: str, record: "Record") -> dict[str, Any]:
    facts = asdict(record) | {"member": who, "reason_words": WORDS.get(record.reason, record.reason)}
    for row in facts["sent"]:
        row["terms"] = [{"term": term, "weight": weight, "source": source} for term, weight, source in row["terms"]]
    for row in facts["left"]:
        row["why"] = _why_left(row["reason"], row["because_of"])
    return facts


def print_record(who: str, record: "Record") -> None:
    click.echo(f"{printable(who)}, edition {record.slot}: {_state(record)}")
    sent = [
        (s.rank, s.kind, printable(s.title), f"{s.match:.0f}", _why_sent(s.terms, s.note, s.dropped))
        for s in record.sent
    ]
    if sent:
        heading = "Chosen, and why" if record.delivery in NOT_SENT else "Sent, and why"
        print_table(heading, ("", "kind", "title", "match", "why"), sent, right=(0, 3))
    left = [(o.kind, printable(o.title), f"{o.match:.0f}", _why_left(o.reason, o.because_of)) for o in record.left]
    if left:
        print_table("Fitted and not sent, and why", ("kind", "title", "match", "why"), left, right=(2,))
    rest = record.to_choose_from - len(sent) - len(left) - record.below_threshold
    if record.threshold is not None:
        click.echo(
            f"{record.below_threshold} of {several(record.to_choose_from, 'item')} {_were(record.below_threshold)} below the "
            f"threshold of {record.threshold:.0f}"
            + (f", {rest} {_were(rest)} not for them, muted or sent before" if rest > 0 else "")
        )


def _state(record: "Record") -> str:
    if record.state != "composed":
        return f"no digest: {WORDS.get(record.reason, record.reason.replace('_', ' '))}"
    why = f" ({printable(record.delivery_reason)})" if record.delivery_reason else ""
    held = sum(1 for one in record.sent if not one.dropped)
    return f"a digest of {several(held, 'item')}, {record.delivery.replace('_', ' ')}{why}"


def _were(n: int) -> str:
    return "was" if n == 1 else "were"


def _why_sent(terms: list[Any], note: str, dropped: str) -> str:
    words = "; ".join(f"{SOURCES.get(source, source)} {printable(term)}" for term, _, source in terms)
    return "; ".join(filter(None, (DROPPED.get(dropped, dropped), NOTES.get(note, note), words)))


def _why_left(reason: str, because_of: str) -> str:
    words = LEFT.get(reason, reason.replace("_", " "))
    return f"{words} “{printable(because_of)}”" if because_of else words
