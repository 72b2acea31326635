"""Members into a CSV file that `members import` takes back unchanged."""

import csv
from datetime import date
from typing import TYPE_CHECKING, Any, TextIO

from profiles.joining import DEFAULTS
from profiles.member import STATUSES
from sources.delimited import guard
from sources.fields import join_words
from store import members as store

if TYPE_CHECKING:
    from jobs.services import Services
    from store.networks import Network

HEADINGS = {"chosen": "topics"}
"""Fields whose column is called otherwise."""
EXPORTED = tuple(status for status in STATUSES if status != "erased")


def export_members(services: "Services", network: "Network", target: TextIO) -> int:
    """Write a header and a row for each member who was not erased; returns how many. Memory stays constant."""
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(["email", *(HEADINGS.get(name, name) for name in DEFAULTS)])
    count = 0
    with services.database.reading() as connection:
        for stored in store.stream(connection, network.key, statuses=EXPORTED):
            values = store.flat(stored.member)
            writer.writerow(map(guard, (stored.member.address, *(_cell(values[name]) for name in DEFAULTS))))
            count += 1
    return count


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return join_words(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if isinstance(value, date) else "" if value is None else str(value)
