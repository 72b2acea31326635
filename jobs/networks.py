"""`germane networks`: the communities of this installation."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from jobs.terminal import as_json_option, print_json, print_table

LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@click.group()
def networks() -> None:
    """Add, list and change networks.

    Example: germane networks list
    """


def _time_zone(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise click.BadParameter(f"{value!r} is not a time zone; write it like Europe/London") from None
    return value


def _slug(_ctx: click.Context, _option: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value) or len(value) > 63:
        raise click.BadParameter(
            f"{value!r} is no short name; use small letters, digits and hyphens, like breathe-well"
        )
    return value


def _language(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[a-z]{2,3}", value):
        raise click.BadParameter(f"{value!r} is not a language code; write it like en")
    return value


def _list_id(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_list_id(value):
        raise click.BadParameter(f"{value!r} is not a domain name; write it like news.your-domain.org (RFC 2919)")
    return value


def is_list_id(value: str) -> bool:
    """Whether it is a domain name of at least two labels and at most 255 characters (RFC 2919 section 2)."""
    return len(value) <= 255 and re.fullmatch(rf"{LABEL}(\.{LABEL})+", value) is not None


def _needed(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """One line, if given; and then not an empty one."""
    line = _one_line(_ctx, _option, value)
    if line == "":
        raise click.BadParameter("it must not be empty")
    return line


def _needed_address(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    return _address(_ctx, _option, _needed(_ctx, _option, value))


def _time(_ctx: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    hour, _, minute = value.partition(":")
    if not (hour.isdecimal() and minute.isdecimal() and int(hour) < 24 and int(minute) < 60):
        raise click.BadParameter(f"{value!r} is not a time of day; write it like 07:30")
    return int(hour), int(minute)


def _address(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    from profiles.address import normalise

    if not value:
        return value
    try:
        return normalise(value).display
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _one_line(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    return None if value is None else " ".join("".join(c if c.isprintable() else " " for c in value).split())


def _settable(command: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.option("--name", callback=_needed, help="Its name, as members read it."),
        click.option("--description", callback=_one_line, help="What it is for, in a sentence."),
        click.option("--language", callback=_language, help="Its main language, as a two-letter code."),
        click.option("--time-zone", callback=_time_zone, help="Such as Europe/London."),
        click.option("--weekday", type=click.Choice(WEEKDAYS), help="The day of the weekly edition."),
        click.option("--at", callback=_time, metavar="HH:MM", help="The time of the weekly edition."),
        click.option("--sender-name", callback=_one_line, help="Who the mails are from."),
        click.option("--sender-address", callback=_needed_address, help="The address the mails are from."),
        click.option("--reply-to", callback=_address, help="Where answers go; default: the sender's address."),
        click.option("--postal-address", callback=_one_line, help="Shown at the foot of each mail."),
        click.option("--list-id", callback=_list_id, help="A name of your domain that stays for ever (RFC 2919)."),
        click.option("--items-per-digest", type=click.IntRange(1, 50), help="Most items in one digest."),
        click.option("--mails-per-week", type=click.IntRange(1, 50), help="Most mails to a member in any 7 days."),
        click.option("--hours-between-mails", type=click.IntRange(0, 168), help="Fewest hours between two mails."),
        click.option("--asks-per-month", type=click.IntRange(1, 200), help="Most requests to a member in any 31 days."),
        click.option("--bridging/--no-bridging", default=None, help="Whether one item from beside a field may come."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@networks.command("add")
@click.argument("slug", callback=_slug)
@_settable
@click.pass_obj
def add(config: Path | None, /, slug: str, **given: Any) -> None:
    """Add a network; SLUG is its short name for commands.

    Example: germane networks add breathe-well --name "Breathe Well" --sender-address digest@breathewell.example.org
    """
    from jobs.services import open_services
    from store import networks as store

    changes = _changes(given)
    for needed in ("name", "sender_address"):
        if not changes.get(needed):
            raise click.UsageError(f"a network needs --{needed.replace('_', '-')}")
    services = open_services(config)
    with services.database.writing() as connection:
        made = store.add(connection, store.Network(slug=slug, **_with_defaults(slug, changes)), services.now())
    click.echo(f"{made.slug}: added; next: germane topics import, germane members import, germane items import")


@networks.command("set")
@click.argument("slug")
@_settable
@click.pass_obj
def set_(config: Path | None, /, slug: str, **given: Any) -> None:
    """Change what is given, leave the rest.

    Example: germane networks set breathe-well --weekday tuesday --at 07:00
    """
    from jobs.services import open_services
    from store import networks as store

    services = open_services(config)
    with services.database.writing() as connection:
        store.change(connection, slug, **_changes(given))
    click.echo(f"{slug}: changed")


@networks.command("list")
@as_json_option
@click.pass_obj
def list_(config: Path | None, as_json: bool) -> None:
    """Every network with its sender and its schedule.

    Example: germane networks list --json
    """
    from dataclasses import asdict

    from jobs.services import open_services
    from store import networks as store

    with open_services(config).database.reading() as connection:
        found = store.every(connection)
    if as_json:
        print_json([{k: v for k, v in asdict(n).items() if k != "key"} for n in found])
        return
    rows = [
        (
            n.slug,
            n.name,
            n.language,
            f"{WEEKDAYS[n.weekday].title()} {n.hour:02}:{n.minute:02} {n.time_zone}",
            n.sender_address,
        )
        for n in found
    ]
    print_table("Networks", ("network", "name", "language", "weekly edition", "sender"), rows)


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    changes = {name: value for name, value in given.items() if value is not None}
    if "at" in changes:
        changes["hour"], changes["minute"] = changes.pop("at")
    if "weekday" in changes:
        changes["weekday"] = WEEKDAYS.index(changes["weekday"])
    return changes


def _with_defaults(slug: str, changes: dict[str, Any]) -> dict[str, Any]:
    domain = changes["sender_address"].partition("@")[2]
    defaults = {"sender_name": changes["name"], "reply_to": changes["sender_address"], "list_id": f"{slug}.{domain}"}
    return defaults | changes
