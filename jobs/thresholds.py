"""`germane thresholds`: the matches below which nothing is sent."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest.items import KINDS
from jobs.terminal import as_json_option, network_option, print_json, print_table

if TYPE_CHECKING:
    from jobs.settings import Settings
    from store.networks import Network


@click.group()
def thresholds() -> None:
    """Show and set the matches, 0 to 100, below which an item is not sent.

    Example: germane thresholds show
    """


@thresholds.command("show")
@network_option
@as_json_option
@click.pass_obj
def show(config: Path | None, slug: str, as_json: bool) -> None:
    """The threshold in force for each kind, and where it comes from.

    Example: germane thresholds show --network breathe-well
    """
    from jobs.services import open_services
    from store import networks as store

    services = open_services(config)
    with services.database.reading() as connection:
        network = store.find(connection, slug)
    rows = [(kind, *_in_force(kind, network, services.settings)) for kind in KINDS]
    if as_json:
        print_json([{"kind": kind, "threshold": value, "from": origin} for kind, value, origin in rows])
    else:
        print_table(f"Thresholds of {network.slug}", ("kind", "match", "from"), rows, right=(1,))


@thresholds.command("set")
@click.argument("value", metavar="MATCH|default")
@click.option("--kind", type=click.Choice(KINDS), help="For this kind only; without it for the whole network.")
@network_option
@click.pass_obj
def set_(config: Path | None, value: str, kind: str | None, slug: str) -> None:
    """Set the threshold of a network, or of one kind; `default` goes back to what stands above it.

    Example: germane thresholds set 40 --kind job
    """
    from jobs.services import open_services
    from store import networks as store

    match = _match(value)
    services = open_services(config)
    with services.database.writing() as connection:
        network = store.find(connection, slug)
        if kind is None:
            store.change(connection, network.slug, threshold=match)
        else:
            kinds = {k: v for k, v in network.kind_thresholds.items() if k != kind}
            store.change(connection, network.slug, kind_thresholds=kinds | ({} if match is None else {kind: match}))
    click.echo(
        f"{network.slug}: threshold {'for ' + kind if kind else 'for every kind'} is {value} from the next edition on"
    )


def _match(value: str) -> float | None:
    if value == "default":
        return None
    try:
        match = float(value)
    except ValueError:
        match = -1.0
    if not 0 <= match <= 100:
        raise click.BadParameter(f"{value!r} is not a match; write a number from 0 to 100, or default")
    return match


def _in_force(kind: str, network: "Network", settings: "Settings") -> tuple[float, str]:
    origin = (
        "this kind"
        if kind in network.kind_thresholds
        else "config.toml"
        if network.threshold is None
        else "the network"
    )
    return network.threshold_for(kind, settings.matching.threshold), origin
