"""`germane members`: who is in a network."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from jobs.cli import REJECTED
from jobs.terminal import as_json_option, network_option, print_json, print_table, printable
from profiles.member import CADENCES, ROLES, STATUSES

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from digest.items import Topic
    from jobs.services import Services
    from store.feedback import LearnedTerm
    from store.members import StoredMember
    from store.networks import Network

FROM_FILE = tuple(status for status in STATUSES if status != "erased")
FREE_TEXT = {
    "name": "Their name.",
    "stated": "What they are interested in, in their own words.",
    "profession": "Their profession.",
    "setting": "Where they work, such as Community services.",
    "organisation": "Their organisation.",
    "organisation_type": "What kind of organisation it is.",
    "region": "Their region.",
    "country": "Their country.",
    "languages": "Languages they read, most preferred first, such as cy;en.",
    "language": "The language of the mail, such as cy.",
    "weekday": "The day they want it on, such as tuesday.",
    "hour": "The hour they want it at, 0 to 23 in their time zone.",
    "time_zone": "Their time zone, such as Europe/London.",
    "items_per_digest": "Most items in one digest.",
    "muted_kinds": "Kinds of item they do not want, such as job;survey.",
    "mails_per_week": "Most mails they want in any 7 days.",
    "hours_between_mails": "Fewest hours between two mails.",
    "asks_per_month": "Most requests for help they want in any 31 days.",
}


@click.group()
def members() -> None:
    """Import, add, show, list, export and remove members.

    Example: germane members import members.csv
    """


@members.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@network_option
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--basis", default="", help='On what basis they joined, for the record (default "import FILE").')
@click.option("--status", type=click.Choice(FROM_FILE), help="For rows that say none.")
@as_json_option
@click.pass_obj
def import_(config: Path | None, /, file: Path, slug: str, as_json: bool, **options: Any) -> None:
    """Import members from a CSV file, an export of listmonk, Mailchimp or Mailman, or a list of addresses.

    Who left, bounced or was erased is never changed. Rejected rows go to FILE.rejected.csv with their reason, and the exit
    code is 4: mend them there and import that file.

    Example: germane members import members.csv --dry-run
    """
    from jobs.import_members import import_members
    from jobs.import_output import as_record, print_report, watcher_of
    from sources.decoding import SourceError

    services, network = _open(config, slug)
    try:
        with watcher_of(file, options["dry_run"], as_json) as watcher:
            topics = _topics(services, network)
            report = import_members(services, network, file, topics=topics, watcher=watcher, **options)
    except SourceError as error:
        click.echo(f"germane: {error}", err=True)
        sys.exit(REJECTED)
    if as_json:
        print_json(as_record(report, watcher))
    else:
        print_report(report)
    if report.outcomes["rejected"]:
        sys.exit(REJECTED)


def _field_options(command: Callable[..., None]) -> Callable[..., None]:
    for field, text in reversed(FREE_TEXT.items()):
        command = click.option(f"--{field.replace('_', '-')}", field, callback=_read, help=text)(command)
    return command


def _read(_ctx: click.Context, option: click.Parameter, value: str | None) -> Any:
    from sources.fields import read_field

    if value is None:
        return None
    try:
        return read_field(option.name or "", value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@members.command("add")
@click.argument("address")
@network_option
@_field_options
@click.option("--topic", "topics", multiple=True, help="A topic they chose, by key or label; may be given again.")
@click.option("--cadence", type=click.Choice(CADENCES), default="weekly", show_default=True)
@click.option("--role", type=click.Choice(ROLES), default="member", show_default=True)
@click.option("--urgent/--no-urgent", default=False, help="Whether they take urgent requests.")
@click.option("--basis", default="germane members add", help="On what basis they joined, for the record.")
@click.pass_obj
def add(config: Path | None, /, address: str, slug: str, topics: tuple[str, ...], basis: str, **given: Any) -> None:
    """Add one member.

    Example: germane members add jo@example.org --name "Jo Bloggs" --topic stroke --languages en
    """
    from jobs.import_members import erasure_secret
    from store import members as store

    services, network = _open(config, slug)
    values = {name: value for name, value in given.items() if value is not None}
    chosen = _chosen(topics, _topics(services, network))
    secret = erasure_secret(services, network.key)
    try:
        member = store.member_of(address, values | {"chosen": chosen})
        with services.database.writing() as connection:
            added = store.add(connection, network.key, member, services.now(), basis, secret=secret)
    except (ValueError, store.AlreadyMember) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{added.member.address}: added to {network.slug} as {added.public_id}")


@members.command("show")
@click.argument("who")
@network_option
@as_json_option
@click.pass_obj
def show(config: Path | None, who: str, slug: str, as_json: bool) -> None:
    """Everything that is held about WHO (an address or an id): profile, preferences, what was learned from what they
    said about items, consent and the last digests.

    Example: germane members show jo@example.org
    """
    from dataclasses import asdict

    from store import feedback
    from store import members as store

    services, network = _open(config, slug)
    with services.database.reading() as connection:
        found = _find(connection, network, who)
        learned, forgotten = feedback.learned(connection, found.key), feedback.forgotten(connection, found.key)
        consents = store.consents(connection, found.key)
        digests = store.recent_digests(connection, found.key)
    record = _record(found)
    if as_json:
        record |= {"learned": [asdict(t) for t in learned], "forgotten": forgotten}
        print_json(record | {"consent": [asdict(c) for c in consents], "digests": [asdict(d) for d in digests]})
        return
    print_table("", ("field", "value"), [(name, _cell(value)) for name, value in record.items()])
    if learned or forgotten:
        print_table("Learned", ("term", "weight", "from"), _learned_rows(learned, forgotten), right=(1,))
    print_table(
        "Consent", ("when", "what", "basis", "wording"), [(c.at, c.action, c.basis, c.wording) for c in consents]
    )
    rows = [(d.slot, d.state, d.items, d.reason, d.delivery) for d in digests]
    print_table("Digests", ("slot", "state", "items", "reason", "delivery"), rows, right=(2,))


def _learned_rows(learned: "list[LearnedTerm]", forgotten: list[str]) -> list[tuple[str, str, str]]:
    rows = [(term.label, f"{term.weight:+.2f}", "; ".join(title for _, title in term.items)) for term in learned]
    return rows + [(label, "", "forgotten, as they wish") for label in forgotten]


@members.command("budget")
@click.argument("who")
@network_option
@click.option("--mails-per-week", type=click.IntRange(1, 50), help="Most mails in any 7 days.")
@click.option("--hours-between-mails", type=click.IntRange(0, 24 * 31), help="Fewest hours between two mails.")
@click.option("--asks-per-month", type=click.IntRange(0, 200), help="Most requests for help in any 31 days.")
@click.option("--overall", is_flag=True, help="Set what is given over all networks, not in this one.")
@as_json_option
@click.pass_obj
def budget(config: Path | None, /, who: str, slug: str, overall: bool, as_json: bool, **given: int | None) -> None:
    """Show what WHO can still be asked to take in, in this network and over all, and what it is drawn for; or set it.

    A member may set less than the network's own figures, or more up to the most that the settings allow.

    Example: germane members budget jo@example.org --asks-per-month 2
    """
    from jobs.budget import budget_of, print_budget, set_budget, tell_limits

    services, network = _open(config, slug)
    with services.database.reading() as connection:
        found = _find(connection, network, who)
    if changes := {name: value for name, value in given.items() if value is not None}:
        set_budget(services, found, changes, overall=overall)
    account = budget_of(services, network, found)
    tell_limits(account, changes, overall=overall)
    print_json(account) if as_json else print_budget(found.member.address, account)


@members.command("list")
@network_option
@click.option("--status", "statuses", type=click.Choice(STATUSES), multiple=True, help="May be given again.")
@click.option("--topic", default="", help="Who chose this topic, by its key.")
@click.option("--region", default="", help="Who is in this region.")
@click.option("--search", default="", help="Part of a name, an address or an organisation.")
@click.option(
    "--limit", type=click.IntRange(min=0), help="Most members shown; 0 shows all (default: 50, all with --json)."
)
@as_json_option
@click.pass_obj
def list_(config: Path | None, /, slug: str, limit: int | None, as_json: bool, **filters: Any) -> None:
    """Members in the order they joined. With --json one array, written as it is read.

    Example: germane members list --status active --topic stroke
    """
    from store import members as store

    services, network = _open(config, slug)
    most = limit if limit is not None else 0 if as_json else 50
    with services.database.reading() as connection:
        found = store.stream(connection, network.key, **filters, limit=most + 1 if most else None)
        if as_json:
            _print_array(_record(member) for n, member in enumerate(found) if not most or n < most)
            return
        shown = [(m.public_id, *_summary(m)) for m in found]
    columns = ("id", "address", "name", "status", "region", "topics")
    print_table(f"Members of {network.name}", columns, shown[:most] if most else shown)
    if most and len(shown) > most:
        click.echo(f"There are more than these {most}; --limit 0 shows all, --search finds one.")


@members.command("export")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False))
@network_option
@click.pass_obj
def export(config: Path | None, file: Path, slug: str) -> None:
    """Write every member but the erased to a CSV FILE (- is standard output) that `members import` takes back unchanged.

    Example: germane members export members.csv
    """
    from jobs.export_members import export_members

    services, network = _open(config, slug)
    if str(file) == "-":
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
        export_members(services, network, sys.stdout)
        return
    count = _write_whole(file, lambda target: export_members(services, network, target))
    click.echo(f"{file}: {count:,} members")


@members.command("remove")
@click.argument("who")
@network_option
@click.option(
    "--erase", is_flag=True, help="Also delete what is known of them; only a keyed hash of the address stays."
)
@click.option("--yes", is_flag=True, help="Do not ask before erasing.")
@click.option("--basis", default="germane members remove", help="Why, for the record.")
@click.pass_obj
def remove(config: Path | None, who: str, slug: str, erase: bool, yes: bool, basis: str) -> None:
    """Let WHO (an address or an id) leave. No import brings them back, and nothing more is sent to them.

    Example: germane members remove jo@example.org
    """
    from store import members as store

    services, network = _open(config, slug)
    secret = services.secret_key if erase else b""
    with services.database.reading() as connection:
        found = _find(connection, network, who)
    if erase and not yes:
        click.confirm(f"Delete what is known of {printable(found.member.address or who)} for good?", abort=True)
    with services.database.writing() as connection:
        if erase:
            done = store.erase(connection, found.key, services.now(), secret, basis)
        else:
            done = store.leave(connection, found.key, services.now(), basis)
    if erase:
        store.scrub(services.database)
    click.echo(f"{found.public_id}: {'erased' if erase else 'left'}" if done else f"{found.public_id}: gone already")


def _open(config: Path | None, slug: str) -> "tuple[Services, Network]":
    from jobs.services import open_services
    from store import networks

    services = open_services(config)
    with services.database.reading() as connection:
        return services, networks.find(connection, slug)


def _topics(services: "Services", network: "Network") -> "list[Topic]":
    from store import topics

    with services.database.reading() as connection:
        return topics.load(connection, network.key)


def _chosen(words: tuple[str, ...], topics: "list[Topic]") -> tuple[str, ...]:
    from sources.topics import names, resolve

    known = names(topics)
    try:
        return tuple(dict.fromkeys(resolve(word, known) for word in words))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--topic") from None


def _find(connection: "Connection", network: "Network", who: str) -> "StoredMember":
    from store import members as store

    found = store.find(connection, network.key, who)
    if found is None:
        raise click.ClickException(
            f"{who} is no member of {network.slug}; `germane members list --search` finds people"
        )
    return found


def _record(member: "StoredMember") -> dict[str, Any]:
    from store.members import flat

    head = {"id": member.public_id, "address": member.member.address}
    return head | flat(member.member) | {"joined_at": member.joined_at, "left_at": member.left_at}


def _summary(member: "StoredMember") -> tuple[str, ...]:
    values = member.member
    return values.address, values.name, values.status, values.profile.region, ", ".join(values.profile.chosen)


def _cell(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, tuple) else "" if value is None else value


def _print_array(records: Iterator[dict[str, Any]]) -> None:
    import json

    click.echo("[", nl=False)
    for n, record in enumerate(records):
        click.echo(("," if n else "") + "\n  " + json.dumps(record, ensure_ascii=False, default=str), nl=False)
    click.echo("\n]")


def _write_whole(file: Path, write: Callable[[TextIO], int]) -> int:
    """Write a file so that it is there whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("w", encoding="utf-8-sig", newline="") as target:
            count = write(target)
        part.replace(file)
    except OSError as error:
        raise click.ClickException(f"{file}: cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return count
