"""Urgent items: posted by a coordinator within a quota, approved by another one, and sent at once in an edition of their own."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from digest.items import URGENT
from jobs.post_item import read_item
from store import items, members

if TYPE_CHECKING:
    from digest.items import Item
    from jobs.run import RunReport
    from jobs.services import Services
    from store.members import StoredMember
    from store.networks import Network

MAY_POST = ("coordinator", "admin")


def coordinator(services: "Services", network: "Network", who: str, option: str = "--by") -> "StoredMember":
    """The active coordinator or admin of a network by address or id. Raises click.BadParameter for anybody else."""
    with services.database.reading() as connection:
        found = members.find(connection, network.key, who)
    if found is None or found.member.status != "active" or found.member.role not in MAY_POST:
        raise click.BadParameter(
            f"{who!r} is no active coordinator or admin of {network.slug}; `germane members list --search` finds people",
            param_hint=option,
        )
    return found


def post_urgent(services: "Services", network: "Network", fields: Mapping[str, object], who: str) -> "Item":
    """Hold an urgent item until somebody else approves it. Its poster is the coordinator where no other is named. Raises
    click.ClickException when the quota is used up."""
    by, now, rule = coordinator(services, network, who), services.now(), services.settings.urgent
    item = read_item(services, network, {"poster": by.member.name, **fields})
    with services.database.writing() as connection:
        since = now - timedelta(days=rule.period_days)
        held = items.post_urgent(connection, network.key, item, by.key, now, rule.quota, since)
    if held is None:
        raise click.ClickException(
            f"{who} has posted {rule.quota} urgent items in the last {rule.period_days} days, which is as many as there may be; "
            "post it without --urgent for the next digest, or ask another coordinator"
        )
    return held


def approve(services: "Services", network: "Network", item: "Item", who: str, *, send: bool) -> "RunReport":
    """Approve a held urgent item and send it at once. Raises click.ClickException for one that cannot be approved by them."""
    from jobs.run import EditionBusy, RunReport

    by, now = coordinator(services, network, who), services.now()
    if item.state == "held" and not replace(item, state="published", published_at=None).is_open(now):
        raise click.ClickException(f"{item.public_id}: it is over; post it anew with a later deadline")
    with services.database.writing() as connection:
        done = items.approve(connection, item.key, by.key, now)
    if not done:
        why = (
            "its own poster cannot approve it: another coordinator must"
            if item.urgent and item.state == "held"
            else f"it is {item.state}; only an urgent item that is held can be approved"
        )
        raise click.ClickException(f"{item.public_id}: {why}")
    try:
        return _run(services, network, item, send=send)
    except EditionBusy as busy:
        message = (
            f"edition {busy.slot} is being composed by {busy.owner}, which sends it; if that ends, `germane run` does"
        )
        return RunReport(network.slug, busy.slot, "busy", busy=message, complete=False)


def run_approved(services: "Services", network: "Network", *, send: bool = True) -> "list[RunReport]":
    """Compose and send urgent items that were approved and not sent yet."""
    with services.database.reading() as connection:
        waiting = items.urgent_to_send(connection, network.key, services.now())
    return [_run(services, network, item, send=send) for item in waiting]


def _run(services: "Services", network: "Network", item: "Item", *, send: bool) -> "RunReport":
    from jobs.run import run_edition

    return run_edition(services, network, at=services.now(), slot=URGENT + item.public_id, send=send, only=item)
