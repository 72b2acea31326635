"""`germane feedback`: what members said about items."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.cli import REJECTED
from jobs.terminal import advancing, as_json_option, network_option, print_json, print_table, printable, progress
from profiles.feedback import VERDICTS

if TYPE_CHECKING:
    from jobs.import_feedback import FeedbackReport
    from jobs.services import Services
    from store.feedback import Listed
    from store.networks import Network

SHOWN = 10
LISTED = 50
WORDS = {
    "recorded": "recorded",
    "known": "recorded before",
    "outdated": "kept as history, since something later was said",
    "rejected": "rejected",
}


@click.group()
def feedback() -> None:
    """Import and list what members said about items.

    Example: germane feedback list --verdict less
    """


@feedback.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@network_option
@click.option("--dry-run", is_flag=True, help="Show what would be recorded, and write nothing.")
@as_json_option
@click.pass_obj
def import_(config: Path | None, /, file: Path, slug: str, dry_run: bool, as_json: bool) -> None:
    """Import feedback from a CSV FILE with the columns member, item, verdict and at.

    A member is an address or an id, an item an id of ours or its poster's own. The verdict is more, less, can_help, opened or
    reported; the time is in the network's zone where it names none. Of more and less the latest stands. Importing a file again
    changes nothing. Rejected rows go to FILE.rejected.csv with their reason, and the exit code is 4.

    Example: germane feedback import feedback.csv --dry-run
    """
    from jobs.import_feedback import import_feedback
    from sources.decoding import SourceError

    services, network = _open(config, slug)
    size = file.stat().st_size if file.is_file() and not as_json else 0
    try:
        with progress() if size else nullcontext() as shown, advancing(shown, file.name, size) as advance:
            report = import_feedback(services, network, file, dry_run=dry_run, advance=advance)
    except SourceError as error:
        click.echo(f"germane: {error}", err=True)
        sys.exit(REJECTED)
    print_json(_record(report)) if as_json else _print(report)
    if report.outcomes["rejected"]:
        sys.exit(REJECTED)


@feedback.command("list")
@network_option
@click.option("--member", "who", default="", help="What this member said (an address or an id).")
@click.option("--item", "what", default="", help="What was said of this item (an id of ours or its poster's own).")
@click.option("--verdict", type=click.Choice(VERDICTS), help="Only this.")
@click.option("--limit", type=click.IntRange(min=0), default=LISTED, show_default=True, help="Most rows; 0 shows all.")
@as_json_option
@click.pass_obj
def list_(
    config: Path | None, /, slug: str, who: str, what: str, verdict: str | None, limit: int, as_json: bool
) -> None:
    """What was said about items, newest first, with what was taken back or replaced since.

    Example: germane feedback list --member jo@example.org
    """
    from dataclasses import asdict

    from store import feedback as store

    services, network = _open(config, slug)
    keys = _keys(services, network, who, what)
    with services.database.reading() as connection:
        found = list(store.listing(connection, network.key, **keys, verdict=verdict or "", limit=limit or None))
    if as_json:
        print_json([asdict(word) for word in found])
        return
    columns = ("when", "member", "verdict", "item", "edition", "said by", "now")
    print_table(f"Feedback in {network.name}", columns, map(_row, found))
    if limit and len(found) == limit:
        click.echo(f"The newest {limit}; --limit 0 shows all.")


def _keys(services: "Services", network: "Network", who: str, what: str) -> dict[str, Any]:
    from store import feedback as store

    with services.database.reading() as connection:
        members = store.members_named(connection, network.key, [who] if who else [])
        items = store.items_named(connection, network.key, [what] if what else [])
    if who and who not in members:
        raise click.ClickException(
            f"{who} is no member of {network.slug}; `germane members list --search` finds people"
        )
    if what and what not in items:
        raise click.ClickException(f"{what} is no item of {network.slug}; `germane items list` shows them")
    return {"member_key": members[who][0] if who else None, "item_key": items[what] if what else None}


def _row(word: "Listed") -> tuple[Any, ...]:
    return (
        word.at,
        word.address or word.member,
        word.verdict,
        word.title,
        word.edition,
        word.source,
        word.ended or "stands",
    )


def _record(report: "FeedbackReport") -> dict[str, Any]:
    return {
        "file": report.file,
        "dry_run": report.dry_run,
        "outcomes": {word: report.outcomes[word] for word in WORDS},
        "rejected": [{"line": line, "reason": reason} for line, reason in report.rejections],
        "rejects_file": report.rejects_file,
    }


def _print(report: "FeedbackReport") -> None:
    for line, reason in report.rejections[:SHOWN]:
        click.echo(f"line {line}: rejected: {printable(reason)}", err=True)
    if (more := report.outcomes["rejected"] - SHOWN) > 0:
        click.echo(f"and {more:,} more", err=True)
    title = f"{report.file}{': nothing was written' if report.dry_run else ''}"
    rows = [(words, f"{report.outcomes[word]:,}") for word, words in WORDS.items() if report.outcomes[word]]
    print_table(title, ("rows", "number"), rows or [("none", "0")], right=(1,))
    if report.rejects_file:
        click.echo(f"The rejected rows are in {report.rejects_file}: mend them there and import that file.")


def _open(config: Path | None, slug: str) -> "tuple[Services, Network]":
    from jobs.services import open_services
    from store import networks

    services = open_services(config)
    with services.database.reading() as connection:
        return services, networks.find(connection, slug)
