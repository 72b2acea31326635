"""`germane preview`: the digest that a member would get now."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.terminal import network_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from digest.composition import Edition as Fitted
    from jobs.services import Services
    from store.considered import PlannedDigest
    from store.editions import ChosenItem
    from store.networks import Network


@click.command()
@click.argument("member")
@click.option("--format", "as_format", type=click.Choice(["text", "html", "eml"]), default="text", show_default=True)
@network_option
@click.pass_obj
def preview(config: Path | None, member: str, as_format: str, slug: str) -> None:
    """Print the mail that MEMBER (an address or public id) would get now, or why there is none. Nothing is written or sent.

    Example: germane preview ann@trust.example.org --format html > ann.html
    """
    from jobs.rehearsal import rehearsed
    from jobs.run import WORDS
    from jobs.services import open_services
    from store import networks

    services = open_services(config)
    with services.database.reading() as connection:
        network = networks.find(connection, slug)
    now = services.now()
    planned = one_member(services, network, member)
    found = rehearsed(services, network, now, only=planned)
    decided = found.decided[0]
    if not decided.chosen:
        click.echo(f"no digest: {WORDS[decided.digests[0][2]]}")
        return
    mail = _mail(services, network, planned, decided.chosen, found.fitted, as_format, now)
    click.echo(mail, nl=as_format != "eml")


def one_member(services: "Services", network: "Network", who: str) -> "PlannedDigest":
    """The member by address or public id, as composing sees them. Raises click.ClickException when there is none."""
    from store import considered, members

    with services.database.reading() as connection:
        found = members.find(connection, network.key, who)
        if found is None:
            raise click.ClickException(f"{network.slug} has no member {who!r}; `germane members list` shows them")
        return considered.audience(connection, network.key, 0, 1, member_key=found.key)[0]


def _mail(
    services: "Services",
    network: "Network",
    member: "PlannedDigest",
    chosen: "Sequence[ChosenItem]",
    fitted: "Fitted",
    as_format: str,
    now: datetime,
) -> str | bytes:
    from functools import partial

    from digest.message import Entry
    from jobs.press import press_for, recipient_for
    from profiles.links import sign_feedback
    from store import members

    items = {item.key: item for item in fitted.items}
    about = partial(sign_feedback, services.secret_key, member.member_public_id)
    entries = [
        Entry(items[one.item_key], one.match, _terms(one.reason, one.note), about(items[one.item_key].public_id))
        for one in chosen
    ]
    press = press_for(services, network, fitted.topics, edition_id="preview")
    with services.database.reading() as connection:
        found = members.find(connection, network.key, member.member_public_id)
        assert found is not None
    who, language = found.member, found.member.preferences.language or next(iter(found.member.profile.languages), "")
    recipient = recipient_for(services, found.public_id, who.address, who.name, language)
    if as_format == "eml":
        return press.message(recipient, entries, f"<preview.{member.member_public_id}@{network.list_id}>", now)
    parts = press.parts(recipient, entries)
    return f"Subject: {parts.subject}\n\n{parts.text}" if as_format == "text" else parts.html


def _terms(why: list[Any], note: str) -> tuple[tuple[str, str], ...]:
    terms = tuple((label, source) for label, _, source in why)
    return (("", note), *terms) if note else terms
