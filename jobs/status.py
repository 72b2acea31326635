"""`germane status`: editions, their balance, and the outbox."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.terminal import as_json_option, network_option, print_json, print_table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.editions import Counts, Edition
    from store.networks import Network


@click.command()
@network_option
@click.option("--editions", type=click.IntRange(1, 500), default=5, show_default=True, help="How many, newest first.")
@as_json_option
@click.pass_obj
def status(config: Path | None, slug: str, editions: int, as_json: bool) -> None:
    """Show each edition's counts, and which do not balance or are not done; exit code 1 if there is such an edition.

    Example: germane status --network breathe-well --json
    """
    from jobs.services import open_services
    from store import editions as store
    from store import networks

    with open_services(config).database.reading() as connection:
        chosen = [networks.find(connection, slug)] if slug else networks.every(connection)
        rows = [_facts(connection, n, e) for n in chosen for e in store.latest(connection, n.key, editions)]
    if as_json:
        print_json(rows)
    else:
        _print(rows)
    if any(row["state"] != "finished" for row in rows):
        raise click.exceptions.Exit(1)


def _facts(connection: "Connection", network: "Network", edition: "Edition") -> dict[str, Any]:
    from store import editions as store

    found = store.counts(connection, edition.key)
    return {
        "network": network.slug,
        "slot": edition.slot,
        "state": _state(edition, found),
        "as_of": edition.as_of,
        "considered": found.considered,
        "planned": found.planned,
        "digests": found.digests,
        "skipped": store.skipped_reasons(connection, edition.key),
        "delivered": found.delivered,
        "failed": found.failed,
        "queued": found.queued,
        "outbox": store.outbox_states(connection, edition.key),
        "balanced": found.balanced,
        "difference": found.difference,
    }


def _state(edition: "Edition", found: "Counts") -> str:
    """The edition's state; one whose counts do not balance is never finished, whatever was written down: incomplete."""
    over = edition.state in {"released", "finished"} and not (found.planned or found.queued)
    return "incomplete" if over and not found.balanced else edition.state


def _print(rows: list[dict[str, Any]]) -> None:
    if not rows:
        click.echo("There is no edition yet; `germane run --dry-run` shows what the first would be")
        return
    columns = (
        "network",
        "slot",
        "state",
        "considered",
        "digests",
        "skipped",
        "delivered",
        "failed",
        "queued",
        "balanced",
    )
    table = [
        [*(r[c] for c in columns[:5]), sum(r["skipped"].values()), *(r[c] for c in columns[6:9]), _word(r)]
        for r in rows
    ]
    print_table("Editions, newest first", columns, table, right=(3, 4, 5, 6, 7, 8))
    for row in rows:
        unsettled = {k: n for k, n in row["outbox"].items() if k != "handed_over"}
        if unsettled:
            listed = ", ".join(f"{n} {state}" for state, n in unsettled.items())
            click.echo(f"{row['network']} {row['slot']}: {listed}")
        if row["difference"]:
            click.echo(f"{row['network']} {row['slot']} does not balance: {row['difference']}")
        if "uncertain" in unsettled:
            click.echo("what is uncertain was sent, but no reply came; `germane outbox status` says what can be done")


def _word(row: dict[str, Any]) -> str:
    return "yes" if row["balanced"] else "NO"
