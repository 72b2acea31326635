"""`germane items`: what coordinators post."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from digest.items import AUDIENCE_FACETS, KINDS, STATES
from jobs.cli import REJECTED
from jobs.items_preview import preview
from jobs.terminal import as_json_option, network_option, print_json, print_table, printable

if TYPE_CHECKING:
    from digest.items import Item
    from jobs.services import Services
    from store.networks import Network

FORMATS = ("csv", "jsonl", "feed")
SHOWN_CHARACTERS = 60


@click.group()
def items() -> None:
    """Post, import, list, show, publish and withdraw items.

    Example: germane items import https://news.example.org/feed.xml --kind news
    """


items.add_command(preview)


@items.command("import")
@click.argument("source")
@network_option
@click.option("--format", "found", type=click.Choice(FORMATS), help="The format; it is found out if not given.")
@click.option(
    "--kind", type=click.Choice(KINDS), help='For items that say none, such as those of feeds (default "news").'
)
@click.option("--ignore-unknown", is_flag=True, help="Leave out columns and keys that mean nothing here.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@as_json_option
@click.pass_obj
def import_(config: Path | None, /, source: str, slug: str, as_json: bool, dry_run: bool, **options: Any) -> None:
    """Import items from SOURCE: a CSV, JSON Lines, RSS or Atom file, or an http(s) address of one.

    An item is known by its id: importing it again updates it, or does nothing when it is the same; one that is closed or
    withdrawn stays so. Rejected ones go to SOURCE.rejected.csv or .jsonl with their reason, and the exit code is 4: mend
    them there and import that file.

    Example: germane items import items.csv --dry-run
    """
    from jobs.import_items import import_items
    from jobs.items_output import print_report, report_as_json, watcher_of
    from sources.decoding import SourceError

    services, network = _open(config, slug)
    try:
        with watcher_of(source, dry_run, as_json) as watcher:
            report = import_items(services, network, source, dry_run=dry_run, watcher=watcher, **options)
    except SourceError as error:
        click.echo(f"germane: {printable(error)}", err=True)
        sys.exit(REJECTED)
    print_json(report_as_json(report, watcher)) if as_json else print_report(report)
    if report.rejected:
        sys.exit(REJECTED)


def _audience_options(command: Callable[..., None]) -> Callable[..., None]:
    for facet in reversed((*AUDIENCE_FACETS, "topics", "languages")):
        text = f"Only for members with this {facet.replace('_', ' ')}; may be given again."
        command = click.option(f"--audience-{facet.replace('_', '-')}", multiple=True, help=text)(command)
    return command


@items.command()
@network_option
@click.option("--title", help="Without a title your editor opens.")
@click.option("--kind", type=click.Choice(KINDS), help='What it is (default "news").')
@click.option("--body", help="The text, in Markdown.")
@click.option("--body-file", type=click.File(encoding="utf-8"), help="A file with the text; - is standard input.")
@click.option("--summary", help="One or two sentences for the mail, if not the beginning of the text.")
@click.option("--url", help="Where to read on.")
@click.option("--topic", "topics", multiple=True, help="A topic by key, label or synonym; may be given again.")
@click.option("--deadline", help="Last day, such as 2026-11-30, or last moment, such as 2026-11-30T17:00.")
@click.option("--event-at", help="When it takes place, such as 2026-12-01T14:00.")
@click.option("--expires", "expires_at", help="Last day on which it is worth sending.")
@click.option("--language", help="Such as cy; it is guessed if not given.")
@click.option("--poster", help="Who posts it, as members read it.")
@_audience_options
@click.option(
    "--reach-needed", type=click.IntRange(0), help="How many members it should reach, if need be the next best."
)
@click.option("--reach-most", type=click.IntRange(0), help="How many members it may reach at most; 0 sets no limit.")
@click.option(
    "--answers-wanted", type=click.IntRange(0), help="Offers of help after which a request is closed; 0: no end."
)
@click.option("--draft", is_flag=True, help="Store it as a draft, which is not sent.")
@click.option("--urgent", is_flag=True, help="Send it at once, once another coordinator approved it; needs --by.")
@click.option("--by", default="", help="The coordinator who posts an urgent item, by address or id.")
@click.option(
    "--resume", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Go on with a text that was kept."
)
@click.pass_obj
def post(
    config: Path | None,
    /,
    slug: str,
    body_file: Any,
    draft: bool,
    resume: Path | None,
    urgent: bool,
    by: str,
    **given: Any,
) -> None:
    """Post one item and print its public id. Without --title your editor opens on a form.

    An urgent one waits for `germane items approve`, and then goes at once to the members it fits best, of those who take
    urgent mail, within their budgets.

    Example: germane items post --kind request --title "Who has a TIA pathway?" --topic stroke --deadline 2026-11-30
    """
    from jobs.post_item import edit, post_fields

    if body_file and given["body"]:
        raise click.UsageError("give --body or --body-file, not both")
    if by and not urgent:
        raise click.UsageError("--by is for --urgent; --poster names who posts it")
    if draft and urgent:
        raise click.UsageError("an urgent item is held until it is approved: give --urgent or --draft, not both")
    services, network = _open(config, slug)
    fields: dict[str, object] = {name: value for name, value in given.items() if value or value == 0}
    fields |= {"body": body_file.read()} if body_file else {}
    fields |= {"state": "draft"} if draft else {}
    if urgent:
        _post_urgent(services, network, fields, given["title"], by)
        return
    posted = post_fields(services, network, fields) if given["title"] else edit(services, network, fields, resume)
    click.echo(posted.public_id if posted else "nothing was posted", err=posted is None)
    if posted and posted.state == "published":
        _tell_reach(services, network, posted)


def _post_urgent(
    services: "Services", network: "Network", fields: dict[str, object], title: str | None, by: str
) -> None:
    from jobs.urgent import post_urgent

    if not title or not by:
        raise click.UsageError("an urgent item needs --title, and --by with the coordinator who posts it")
    held = post_urgent(services, network, fields, by)
    click.echo(held.public_id)
    click.echo(
        f"germane: it is held until another coordinator says: germane items approve {held.public_id} --by WHO; "
        f"germane items preview {held.public_id} shows whom it would reach",
        err=True,
    )


@items.command()
@click.argument("id_")
@network_option
@click.option("--by", required=True, help="The coordinator or admin who approves, by address or id; not its poster.")
@click.option("--no-send", is_flag=True, help="Compose only; `germane send` or `germane serve` sends it.")
@click.pass_obj
def approve(config: Path | None, /, id_: str, slug: str, by: str, no_send: bool) -> None:
    """Approve an urgent item, which is then sent at once.

    Example: germane items approve k3x7m2q5v8wz4b6n --by helen@trust.example.org
    """
    from jobs.run import exit_by, print_problems, print_report
    from jobs.urgent import approve as approve_urgent

    services, network = _open(config, slug)
    item = _find(services, network, id_)
    report = approve_urgent(services, network, item, by, send=not no_send)
    click.echo(f"{item.public_id}: approved: {printable(item.title)}")
    if not report.busy:
        print_report(report)
    print_problems([report])
    exit_by([report], sent=not no_send)


@items.command("list")
@network_option
@click.option("--kind", type=click.Choice(KINDS), help="Only this kind.")
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@click.option("--topic", default="", help="Only on this topic or one below it; by key, label or synonym.")
@click.option("--open", "only_open", is_flag=True, help="Only what may still be sent.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many, newest first.")
@as_json_option
@click.pass_obj
def list_(config: Path | None, /, slug: str, topic: str, only_open: bool, as_json: bool, **filters: Any) -> None:
    """List items, newest first.

    Example: germane items list --kind request --open
    """
    from store import items as store

    services, network = _open(config, slug)
    topics = _with_below(services, network, topic) if topic else ()
    with services.database.reading() as connection:
        now = services.now() if only_open else None
        found = store.listing(connection, network.key, topics=topics, open_at=now, **filters)
    if as_json:
        print_json([_as_json(item) for item in found])
    else:
        columns = ("id", "kind", "state", "published", "ends", "title")
        print_table(f"Items of {network.name}", columns, [_cells(item, network) for item in found])


@items.command()
@click.argument("id_")
@network_option
@as_json_option
@click.pass_obj
def show(config: Path | None, /, id_: str, slug: str, as_json: bool) -> None:
    """Show one item, by public or external id, how many digests it went to, and what kept it from more.

    Example: germane items show k3x7m2q5v8wz4b6n
    """
    from jobs.shortfalls import sentence, standing
    from store import items as store

    services, network = _open(config, slug)
    item = _find(services, network, id_)
    with services.database.reading() as connection:
        reach = store.reach(connection, item.key)
        reason = store.state_reason(connection, item.key)
    facts = _as_json(item) | {"state_reason": reason, "digests": reach.chosen, "handed_over": reach.handed_over}
    if short := standing(services, network, item):
        facts["shortfall"] = sentence(short)
    if as_json:
        print_json(facts | {"body": item.body})
    else:
        _print_item(item, network, facts)


@items.command()
@click.argument("id_")
@network_option
@click.pass_obj
def publish(config: Path | None, /, id_: str, slug: str) -> None:
    """Publish a draft, or an item that was held for a moderator.

    Example: germane items publish k3x7m2q5v8wz4b6n
    """
    from store import items as store

    services, network = _open(config, slug)
    item = _find(services, network, id_)
    with services.database.writing() as connection:
        done = store.publish(connection, item.key, services.now())
    if not done:
        needs = "an urgent item needs `germane items approve`" if item.urgent else f"it is {item.state}"
        raise click.ClickException(f"{item.public_id}: {needs}; only a draft or a held item can be published")
    click.echo(f"{item.public_id}: published: {printable(item.title)}")
    _tell_reach(services, network, _find(services, network, item.public_id))


@items.command()
@click.argument("id_")
@network_option
@click.option("--reason", default="", help="Why, for the record.")
@click.pass_obj
def close(config: Path | None, /, id_: str, slug: str, reason: str) -> None:
    """Close an item, such as a request that is answered: it is in no mail that is handed over from now on.

    Example: germane items close k3x7m2q5v8wz4b6n --reason "answered at the meeting"
    """
    from digest.cleaning import one_line
    from store import items as store

    services, network = _open(config, slug)
    item = _find(services, network, id_)
    with services.database.writing() as connection:
        done = store.close(connection, item.key, services.now(), one_line(reason))
    if not done:
        raise click.ClickException(f"{item.public_id} is {item.state}; only a published item can be closed")
    click.echo(f"{item.public_id}: closed: {printable(item.title)}")


@items.command()
@click.argument("id_")
@network_option
@click.option("--reason", default="", help="Why, for the record.")
@click.pass_obj
def withdraw(config: Path | None, /, id_: str, slug: str, reason: str) -> None:
    """Withdraw an item: it is in no mail that is handed over from now on, composed or not.

    Example: germane items withdraw k3x7m2q5v8wz4b6n --reason "posted twice"
    """
    from digest.cleaning import one_line
    from store import items as store

    services, network = _open(config, slug)
    item = _find(services, network, id_)
    with services.database.writing() as connection:
        done = store.withdraw(connection, item.key, services.now(), one_line(reason))
    click.echo(f"{item.public_id}: {'withdrawn' if done else 'was withdrawn already'}: {printable(item.title)}")


def _tell_reach(services: "Services", network: "Network", item: "Item") -> None:
    """Say at once, to standard error, when the item would reach fewer members than it needs."""
    from jobs.reach import expected_shortfall
    from jobs.shortfalls import sentence

    short = expected_shortfall(services, network, item)
    if short:
        click.echo(f"germane: {sentence(short, expected=True)}", err=True)


def _open(config: Path | None, slug: str) -> "tuple[Services, Network]":
    from jobs.services import open_services
    from store import networks

    services = open_services(config)
    with services.database.reading() as connection:
        return services, networks.find(connection, slug)


def _find(services: "Services", network: "Network", id_: str) -> "Item":
    from store import items as store

    with services.database.reading() as connection:
        item = store.find(connection, network.key, id_)
    if item is None:
        raise click.ClickException(f"there is no item {id_!r} in {network.slug}; `germane items list` shows their ids")
    return item


def _with_below(services: "Services", network: "Network", word: str) -> tuple[str, ...]:
    from sources.topics import below, names, resolve
    from store import topics as store

    with services.database.reading() as connection:
        known = store.load(connection, network.key)
    try:
        return below(resolve(word, names(known)), known)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--topic") from None


def _as_json(item: "Item") -> dict[str, Any]:
    facts = asdict(item)
    facts["audience"] = {name: words for name, words in facts["audience"].items() if words}
    return {"public_id": item.public_id} | {n: v for n, v in facts.items() if n not in {"key", "body", "public_id"}}


def _cells(item: "Item", network: "Network") -> tuple[object, ...]:
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(network.time_zone)
    ends = min((t for t in (item.deadline, item.event_at, item.expires_at) if t), default=None)
    times = [time.astimezone(zone).strftime("%Y-%m-%d") if time else "" for time in (item.published_at, ends)]
    return item.public_id, item.kind, item.state, *times, _short(item.title)


def _short(text: str) -> str:
    from sources.items import shortened

    return shortened(text, SHOWN_CHARACTERS)


def _print_item(item: "Item", network: "Network", facts: dict[str, Any]) -> None:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from digest.markdown import to_text

    zone = ZoneInfo(network.time_zone)
    click.echo(printable(item.title))
    for name, value in facts.items():
        if name == "title" or value in ("", (), {}, None):
            continue
        plain = value.astimezone(zone) if isinstance(value, datetime) else _listed(value)
        click.echo(f"  {name.replace('_', ' ')}: {printable(plain)}")
    if item.body:
        click.echo(f"\n{printable(to_text(item.body))}")


def _listed(value: object) -> object:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {', '.join(words)}" for name, words in value.items())
    return ", ".join(value) if isinstance(value, tuple) else value
