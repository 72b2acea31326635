"""`germane suppress`: addresses that must never be mailed again."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs.cli import PARTLY
from jobs.terminal import as_json_option, print_json
from profiles.suppression import REASONS, Reason

if TYPE_CHECKING:
    from jobs.services import Services


@click.group()
def suppress() -> None:
    """Add, check and lift suppressions: addresses that no network mails again, kept as keyed hashes only.

    Example: germane suppress add jo@example.org --reason request
    """


@suppress.command("add")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@click.option("--reason", type=click.Choice(REASONS), default="request", show_default=True,
              help="bounce: it is dead; complaint: called spam; request: somebody asked for it.")  # fmt: skip
@click.option("--note", default="", help="For the record, such as who asked; do not write the address here.")
@click.pass_obj
def add(config: Path | None, addresses: tuple[str, ...], reason: Reason, note: str) -> None:
    """Suppress ADDRESS..., however it is spelt, and stop its members' mail in every network at once.

    Imports, sign-up, the next edition and messages that wait already leave it out from now on, also after its member was
    erased. A "-" reads addresses from standard input, one a line. What is no address is named, and the exit code is 1.

    Example: germane suppress add jo@example.org --reason complaint --note "telephone call of 3 May"
    """
    from store import suppression as store

    services = _open(config)
    basis = "germane suppress add" + (f": {note}" if note else "")
    added, wrong = 0, []
    with services.database.writing() as connection:
        for address in _given(addresses):
            try:
                added += store.add(connection, address, services.secret_key, reason, services.now(), basis)
            except ValueError as error:
                wrong.append(f"{address}: {error}")
    click.echo(f"{added} suppressed")
    _name(wrong)


@suppress.command("check")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@as_json_option
@click.pass_obj
def check(config: Path | None, addresses: tuple[str, ...], as_json: bool) -> None:
    """Say whether ADDRESS... is suppressed, why and since when.

    Example: germane suppress check jo@example.org
    """
    from store import members
    from store import suppression as store

    services = _open(config)
    rows, wrong = [], []
    with services.database.reading() as connection:
        for address in _given(addresses):
            try:
                found = store.find(connection, address, services.secret_key)
                erased = members.was_erased(connection, address, services.secret_key)
            except ValueError as error:
                wrong.append(f"{address}: {error}")
                continue
            about = {"reason": found.reason, "basis": found.basis, "since": found.at} if found else {}
            rows.append({"address": address, "suppressed": found is not None, "erased": erased} | about)
    if as_json:
        print_json(rows)
    for row in () if as_json else rows:
        said = "erased: no import brings it back" if row["erased"] else "free"
        if row["suppressed"]:
            said = f"suppressed since {row['since']:%Y-%m-%d}: {row['reason']} ({row['basis']})"
        click.echo(f"{row['address']}: {said}")
    _name(wrong)


@suppress.command("remove")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@click.option("--reason", default="", help="Why, in your words, for the record.")
@click.pass_obj
def remove(config: Path | None, addresses: tuple[str, ...], reason: str) -> None:
    """Lift the suppression of ADDRESS.... Nobody gets mail by this alone: members come back by their own act, and others
    may be imported again.

    Example: germane suppress remove jo@example.org --reason "typing error"
    """
    from store import suppression as store

    services = _open(config)
    why = "germane suppress remove" + (f": {reason}" if reason else "")
    lifted, wrong = 0, []
    with services.database.writing() as connection:
        for address in _given(addresses):
            try:
                done = store.lift(connection, address, services.secret_key, services.now(), why)
            except ValueError as error:
                wrong.append(f"{address}: {error}")
                continue
            lifted += done
            wrong += [] if done else [f"{address}: was not suppressed"]
    click.echo(f"{lifted} lifted")
    _name(wrong)


def _given(addresses: tuple[str, ...]) -> list[str]:
    if addresses != ("-",):
        return list(addresses)
    return [line.strip() for line in sys.stdin if line.strip()]


def _name(wrong: list[str]) -> None:
    for line in wrong:
        click.echo(f"germane: {line}", err=True)
    if wrong:
        sys.exit(PARTLY)


def _open(config: Path | None) -> "Services":
    from jobs.services import open_services

    return open_services(config)
