"""`germane thresholds`: the matches below which nothing is sent."""

from dataclasses import asdict
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest.items import KINDS
from jobs.terminal import as_json_option, network_option, print_json, print_table
from jobs.tune import tune

if TYPE_CHECKING:
    from jobs.settings import Settings
    from store.networks import Network
    from store.thresholds import Change


@click.group()
def thresholds() -> None:
    """Show, tune and set the matches, 0 to 100, below which an item is not sent.

    Example: germane thresholds show
    """


thresholds.add_command(tune)


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
@as_json_option
@click.pass_obj
def set_(config: Path | None, value: str, kind: str | None, slug: str, as_json: bool) -> None:
    """Set the threshold of a network, or of one kind; `default` goes back to what stands above it.

    Example: germane thresholds set 40 --kind job
    """
    from jobs.services import open_services
    from store import networks
    from store import thresholds as store

    match = _match(value)
    services = open_services(config)
    floor = services.settings.matching.floor
    if match is not None and match < floor:
        raise click.BadParameter(
            f"{match:g} is under matching.floor = {floor:g}, down to which requests look for readers; lower that first",
            param_hint="MATCH",
        )
    with services.database.writing() as connection:
        network = networks.find(connection, slug)
        store.put(connection, network, kind or "", match, who(), services.now())
        (change,) = store.history(connection, network.key, 1)
    if as_json:
        print_json(asdict(change))
    else:
        click.echo(f"{network.slug}: threshold for {kind or 'every kind'} is {value} from the next edition on")


@thresholds.command()
@network_option
@as_json_option
@click.pass_obj
def history(config: Path | None, slug: str, as_json: bool) -> None:
    """Every change of a network's thresholds, newest first: when, who, from what to what.

    Example: germane thresholds history
    """
    from jobs.services import open_services
    from store import networks
    from store import thresholds as store

    services = open_services(config)
    with services.database.reading() as connection:
        network = networks.find(connection, slug)
        changes = store.history(connection, network.key)
    if as_json:
        print_json([asdict(change) for change in changes])
    elif not changes:
        click.echo(f"{network.slug}: no threshold was changed yet")
    else:
        rows = [(c.key, c.at, c.by, c.kind or "every kind", _word(c.before), _word(c.after), _note(c)) for c in changes]
        columns = ("change", "when (UTC)", "who", "for", "from", "to", "")
        print_table(f"Changes of thresholds in {network.slug}", columns, rows, right=(0, 4, 5))


@thresholds.command()
@network_option
@as_json_option
@click.pass_obj
def undo(config: Path | None, slug: str, as_json: bool) -> None:
    """Take back the newest change of a threshold; once more takes back the one before it.

    Example: germane thresholds undo
    """
    from jobs.services import open_services
    from store import networks
    from store import thresholds as store

    services = open_services(config)
    with services.database.writing() as connection:
        network = networks.find(connection, slug)
        undone = store.undo(connection, network, who(), services.now())
        newest = store.history(connection, network.key, 1)
    if undone is None:
        raise click.ClickException(f"{network.slug} has no change of a threshold left to undo")
    where = undone.kind or "every kind"
    if as_json:
        print_json(asdict(newest[0]))
    else:
        click.echo(
            f"{network.slug}: threshold for {where} is {_word(undone.before)} again; it was {_word(undone.after)}"
        )


def who() -> str:
    """The name of whoever gives the command, as the system knows them; empty where it knows none."""
    try:
        return getuser()
    except (KeyError, OSError):
        return ""


def _word(match: float | None) -> str:
    return "default" if match is None else f"{match:g}"


def _note(change: "Change") -> str:
    return f"undoes {change.undoes}" if change.undoes else ""


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
