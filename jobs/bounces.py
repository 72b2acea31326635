"""`germane bounces`: take in what comes back, and see and undo what followed from it."""

import sys
from dataclasses import asdict
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.cli import PARTLY
from jobs.terminal import as_json_option, network_option, print_json, print_table

if TYPE_CHECKING:
    from jobs import incoming
    from jobs.services import Services
    from store.bounces import Event

ACTIONS = ("none", "delayed", "hold", "probe", "open", "remove", "suppress", "pause")


@click.group()
def bounces() -> None:
    """Take in bounces, complaints and mails that ask to leave; see and undo what followed from them.

    Example: germane bounces ingest /var/mail/bounces
    """


@bounces.command("ingest")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@as_json_option
@click.pass_obj
def ingest(config: Path | None, sources: tuple[str, ...], as_json: bool) -> None:
    """Take in each SOURCE and deal with it: a Maildir, an mbox file, one message as a file, `-` for one on standard input, or
    `imap` for the folder that config.toml names.

    A mail is kept in the database before anything else; a Maildir's file is then moved from new/ to cur/, a mail in an IMAP
    folder deleted, an mbox file left alone. The same mail is taken once, however often it is handed in. Without a SOURCE only
    what waits already is dealt with, refusals of the mail server are counted, and held addresses are probed.

    Example: germane bounces ingest ~/Maildir
    """
    from jobs import incoming

    services = _open(config)
    taken, problems = incoming.Taken(), []
    for source in sources:
        try:
            found = _take(services, source)
        except incoming.SourceProblem as error:
            problems.append(str(error))
            continue
        taken = incoming.Taken(taken.kept + found.kept, taken.known + found.known)
    outcomes = incoming.work_off(services, limit=1_000_000)
    followed = incoming.follow_up(services)
    record = {"taken": taken.kept, "known": taken.known, "outcomes": dict(outcomes), **followed}
    if as_json:
        print_json(record)
    else:
        click.echo(f"{taken.kept} mails taken in, {taken.known} known already")
        for outcome, n in [*sorted(outcomes.items()), *followed.items()]:
            click.echo(f"{n:6} {outcome}") if n else None
    for problem in problems:
        click.echo(f"germane: {problem}", err=True)
    if problems or outcomes["set aside"]:
        sys.exit(PARTLY)


@bounces.command("list")
@click.option("--action", type=click.Choice(ACTIONS), default=None, help="Only what led to this.")
@click.option("--aside", is_flag=True, help="The mails that broke their reader, instead.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@as_json_option
@click.pass_obj
def list_(config: Path | None, /, action: str | None, aside: bool, limit: int, as_json: bool) -> None:
    """What came back, newest first, with what followed from it.

    Example: germane bounces list --action hold
    """
    from store import bounces as store
    from store import inbound

    services = _open(config)
    with services.database.reading() as connection:
        if aside:
            mails = inbound.shelved(connection, "aside", limit)
            _print(as_json, ("id", "source", "came", "octets", "tries", "why"), [
                (mail.key, mail.source, mail.received_at, mail.octets, mail.tries, mail.outcome) for mail in mails
            ])  # fmt: skip
            return
        events = store.latest(connection, limit, action=action or "")
    if as_json:
        print_json([asdict(event) for event in events])
        return
    rows = [
        (e.key, e.at.strftime("%Y-%m-%d %H:%M"), e.kind, e.fault, e.status, e.address or "-", _effect(e))
        for e in events
    ]
    print_table("", ("id", "when", "what", "fault", "status", "member", "effect"), rows, right=(0,))


@bounces.command("show")
@click.argument("who", metavar="EVENT|MEMBER")
@network_option
@as_json_option
@click.pass_obj
def show(config: Path | None, who: str, slug: str, as_json: bool) -> None:
    """Everything about one event (by its number), or about one member's address (by address or id).

    Example: germane bounces show jo@example.org
    """
    from store import bounces as store
    from store import members, networks

    services = _open(config)
    with services.database.reading() as connection:
        if who.isdecimal():
            event = store.find(connection, int(who))
            if event is None:
                raise click.ClickException(f"there is no event {who}; `germane bounces list` shows them")
            record: dict[str, Any] = asdict(event)
            events = []
        else:
            network = networks.find(connection, slug)
            found = members.find(connection, network.key, who)
            if found is None:
                raise click.ClickException(f"{who} is not in {network.slug}")
            reach = store.reach_of(connection, found.address_key, services.secret_key)
            record = {"address": found.member.address, "status": found.member.status} | asdict(reach)
            events = store.latest(connection, 100, member=found.key)
    if as_json:
        print_json(record | {"events": [asdict(event) for event in events]} if events else record)
        return
    print_table("", ("field", "value"), [(name, "" if value is None else value) for name, value in record.items()])
    rows = [(e.key, e.at.strftime("%Y-%m-%d %H:%M"), e.kind, e.fault, e.status, _effect(e)) for e in events]
    if rows:
        print_table("Came back", ("id", "when", "what", "fault", "status", "effect"), rows, right=(0,))


@bounces.command("undo")
@click.argument("events", nargs=-1, required=True, type=int, metavar="EVENT...")
@click.pass_obj
def undo(config: Path | None, events: tuple[int, ...]) -> None:
    """Undo what followed from EVENT...: the address's record, its members' status and a suppression are put back.

    Who left by themselves meanwhile stays as they are.

    Example: germane bounces undo 17
    """
    from store import bounces as store

    services = _open(config)
    with services.database.writing() as connection:
        for key in events:
            said = store.undo(connection, key, services.now(), _who(), services.secret_key)
            click.echo(f"event {key} undone: {said}")


@bounces.command("retry")
@click.argument("mails", nargs=-1, type=int, metavar="[MAIL]...")
@click.pass_obj
def retry(config: Path | None, mails: tuple[int, ...]) -> None:
    """Deal again with mails that were set aside (`germane bounces list --aside`), or with all of them.

    Example: germane bounces retry
    """
    from jobs import incoming
    from store import inbound

    services = _open(config)
    with services.database.writing() as connection:
        back = sum(inbound.try_again(connection, key) for key in mails or (None,))
    outcomes = incoming.work_off(services)
    click.echo(f"{back} tried again: " + ("; ".join(f"{n} {outcome}" for outcome, n in outcomes.items()) or "none"))
    if outcomes["set aside"]:
        sys.exit(PARTLY)


def _take(services: "Services", source: str) -> "incoming.Taken":
    from delivery.bounces.mime import MAX_OCTETS
    from jobs import incoming

    if source == "imap":
        return incoming.from_imap(services, services.settings.incoming)
    if source == "-":
        raw = sys.stdin.buffer.read(MAX_OCTETS)
        while sys.stdin.buffer.read(MAX_OCTETS):
            pass
        return incoming.Taken().plus(incoming.take_in(services, raw, "", "file"))
    return incoming.from_path(services, Path(source))


def _effect(event: "Event") -> str:
    text = event.reason if event.action == "none" else f"{event.action}: {event.reason}"
    return f"{text} (undone by {event.undone_by})" if event.undone_at else text


def _print(as_json: bool, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table("", columns, rows)


def _who() -> str:
    try:
        return getuser()
    except (OSError, KeyError):
        return "operator"


def _open(config: Path | None) -> "Services":
    from jobs.services import open_services

    return open_services(config)
