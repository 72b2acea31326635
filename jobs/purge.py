"""`germane purge`: what grows with each edition goes once it is old."""

from datetime import timedelta
from pathlib import Path

import click

from jobs.terminal import as_json_option, print_json, print_table

LEAST_DAYS = 90
"""Younger editions are still explained, tuned on and carried over from."""


@click.command()
@click.option("--older-than", "days", type=click.IntRange(LEAST_DAYS), default=400, show_default=True, metavar="DAYS",
              help="Only of editions opened longer ago.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Count only; take nothing away.")
@as_json_option
@click.pass_obj
def purge(config: Path | None, days: int, dry_run: bool, as_json: bool) -> None:
    """Take away stored vectors, what was left out, and each attempt's reply of old editions that are finished.

    Editions, digests and messages stay with their outcome, and whatever belongs to a message that is not settled.

    Example: germane purge --older-than 400 --dry-run
    """
    from jobs.services import open_services
    from store import retention

    services = open_services(config)
    with services.database.writing() as connection:
        gone = retention.purge(connection, services.now() - timedelta(days=days), dry_run=dry_run)
    if as_json:
        print_json(gone)
    else:
        print_table("", ("what", "would go" if dry_run else "went"), list(gone.items()), right=(1,))
