"""A member's budget: what it allows, what it was drawn for, and what is left."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from digest.budgets import Wished, room
from jobs.budgeting import bounds_of
from jobs.terminal import print_table, printable
from store import budgets, members

if TYPE_CHECKING:
    from jobs.services import Services
    from store.members import StoredMember
    from store.networks import Network


def budget_of(services: "Services", network: "Network", member: "StoredMember") -> dict[str, Any]:
    """The allowance in this network and over all, what is left of it now, and the draws of the last month, as JSON has them."""
    from zoneinfo import ZoneInfo

    now, wish = services.now(), member.member.preferences
    day = now.astimezone(ZoneInfo(network.time_zone)).toordinal()
    with services.database.writing() as connection:
        budgets.open_accounts(connection, network.key)
        account = budgets.accounts(connection, network.key, member.key, member.key, day).get(member.key)
        wished = budgets.wished_by(connection, member.key)
        draws = budgets.recent(connection, account.key, day) if account else []
    usual, over_all = bounds_of(services.settings.budget.model_dump())
    own = usual.allowance(Wished(*(getattr(network, name) for name in Wished._fields)), wished)
    altogether = over_all.allowance(Wished(), account.wished if account else Wished())
    left = room(account.drawn if account else (), network.key, own, altogether, now, day)
    most_items = network.items_per_digest or services.settings.digest.items
    return {
        "allowed": {"items_per_digest": min(most_items, wish.items_per_digest or most_items)} | own._asdict(),
        "allowed_overall": altogether._asdict(),
        "left": {"mails": left.mails, "asks": left.asks, "next_mail_from": left.not_before},
        "draws": draws,
    }


def set_budget(services: "Services", member: "StoredMember", changes: dict[str, Any], *, overall: bool) -> None:
    now = services.now()
    with services.database.writing() as connection:
        if overall:
            before = budgets.wished_overall(connection, member.address_key)
            budgets.wish(connection, member.address_key, before._replace(**changes))
        else:
            preferences = replace(member.member.preferences, **changes)
            members.change(connection, member.key, now, preferences=preferences)


NAMES = {
    "items_per_digest": "items in one digest",
    "mails_per_week": "mails in any 7 days",
    "hours_between_mails": "hours between two mails",
    "asks_per_month": "requests in any 31 days",
}


def tell_limits(account: dict[str, Any], changes: dict[str, Any], *, overall: bool) -> None:
    """Say, to standard error, where something else holds than what was set, since it is more or less than is allowed."""
    holds, where = account["allowed_overall" if overall else "allowed"], "over all networks" if overall else "here"
    for name, wanted in changes.items():
        if wanted != holds[name]:
            side = "more" if wanted > holds[name] else "less"
            click.echo(
                f"germane: {NAMES[name]}: {wanted} is {side} than may be set {where}; {holds[name]} holds", err=True
            )


def print_budget(who: str, account: dict[str, Any]) -> None:
    rows = [
        (words, account["allowed"][name], account["allowed_overall"].get(name, "")) for name, words in NAMES.items()
    ]
    print_table(f"What {printable(who)} can be sent", ("", "here", "over all"), rows, right=(1, 2))
    left = account["left"]
    first = printable(left["next_mail_from"])
    click.echo(f"left now: mails {left['mails']}, requests {left['asks']}; the next mail from {first}")
    columns = ("when", "network", "what", "mails", "requests", "items")
    rows = [tuple(draw.values()) for draw in account["draws"]]
    if rows:
        print_table("Drawn in the last 31 days", columns, rows, right=(3, 4, 5))
