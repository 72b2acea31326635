"""`germane outbox`: what is in it, what became of it, and what an operator may do about it."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobs.terminal import as_json_option, print_json, print_table

if TYPE_CHECKING:
    from jobs.services import Services
    from store.ledger import Entry, Filter

Command = TypeVar("Command", bound=Callable[..., Any])

STATES = (
    "planned", "claimed", "deferred", "uncertain", "handed_over", "refused", "cancelled", "bounced", "complained"
)  # fmt: skip
CHUNK = 500
MOST = 1_000_000


@click.group()
def outbox() -> None:
    """Look at messages, and decide about those that wait, failed or are in doubt.

    Example: germane outbox status
    """


def _filters(command: Command) -> Command:
    """The options that say which messages are meant."""
    options = [
        click.option("--edition", "-e", default="", help="Only messages of this edition: its slot, or its public id."),
        click.option(
            "--state", "states", multiple=True, type=click.Choice(STATES), help="Only in this state; may repeat."
        ),
        click.option("--domain", "-d", default="", help="Only to addresses of this domain."),
        click.option("--member", "-m", default="", help="Only to this address."),
        click.option("--about", default="", help="Only those once refused about this: policy, content, address ..."),
        click.option("--message-id", default="", help="Only the one with this Message-ID."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _wanted(edition: str, states: tuple[str, ...], domain: str, member: str, about: str, message_id: str) -> "Filter":
    from profiles.address import normalise
    from store.ledger import Filter

    try:
        key = normalise(member).key if member else ""
        domain = normalise(f"x@{domain}").key.partition("@")[2] if domain else ""
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return Filter(edition, states, domain, key, about, message_id)


@outbox.command()
@_filters
@as_json_option
@click.pass_obj
def status(config: Path | None, /, as_json: bool, **chosen: Any) -> None:
    """How many messages are in each state, by edition, and what is paused; exit code 1 when something is in doubt or paused.

    Example: germane outbox status --edition 2026-W47
    """
    from jobs.services import open_services
    from store import ledger, pacing

    with open_services(config).database.reading() as connection:
        rows = ledger.summary(connection, _wanted(**chosen))
        paused = pacing.paused(connection)
    if as_json:
        named = [dict(zip(("slot", "kind", "state", "messages"), row, strict=True)) for row in rows]
        print_json({
            "messages": named,
            "paused": [dict(zip(("scope", "name", "why", "since"), row, strict=True)) for row in paused],
        })  # fmt: skip
    else:
        _print_summary(rows, paused)
    if paused or any(state == "uncertain" for _, _, state, _ in rows):
        raise click.exceptions.Exit(1)


def _print_summary(rows: list[tuple[str | None, str, str, int]], paused: list[tuple[Any, ...]]) -> None:
    if rows:
        print_table(
            "Outbox", ("edition", "kind", "state", "messages"), [(r[0] or "-", *r[1:]) for r in rows], right=(3,)
        )
    else:
        click.echo("There is no such message in the outbox")
    doubtful = sum(number for _, _, state, number in rows if state == "uncertain")
    if doubtful:
        click.echo(
            f"{doubtful} in doubt: sent, but no reply came. A bounce, or `germane outbox reconcile --postfix-log FILE`, settles "
            "them; `germane outbox retry --state uncertain` sends them again"
        )
    for scope, name, why, since in paused:
        click.echo(
            f"the {scope} {name} is paused since {since:%Y-%m-%d %H:%M} UTC: {why}; `germane outbox resume {name}`"
        )


@outbox.command()
@_filters
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Show at most so many.")
@as_json_option
@click.pass_obj
def inspect(config: Path | None, /, limit: int, as_json: bool, **chosen: Any) -> None:
    """Show messages with every attempt: when, over which route, the server's reply with its status, and what came back.

    Example: germane outbox inspect --member ann@example.org
    """
    from jobs.services import open_services
    from store import ledger

    with open_services(config).database.reading() as connection:
        found = ledger.entries(connection, _wanted(**chosen), limit)
        attempts = {entry.key: ledger.attempts_of(connection, entry.key) for entry in found}
    if as_json:
        print_json([asdict(entry) | {"attempts_made": attempts[entry.key]} for entry in found])
        return
    if not found:
        click.echo("There is no such message in the outbox")
    for entry in found:
        _print_entry(entry, attempts[entry.key])


def _print_entry(entry: "Entry", attempts: list[dict[str, Any]]) -> None:
    from store.outbox import WAITING

    click.echo(f"{entry.key} {entry.kind} {entry.slot or '-'} to {entry.address}: {entry.state}")
    due = f", next not before {entry.not_before:%Y-%m-%d %H:%M}" if entry.state in WAITING else ""
    click.echo(f"  {entry.message_id}, planned {entry.created_at:%Y-%m-%d %H:%M}{due}")
    if entry.reason:
        click.echo(f"  {entry.reason}")
    for made in attempts:
        about = f" (about {made['verdict']} at {made['step']})" if made["verdict"] else ""
        route = f" over {made['route']}" if made["route"] else ""
        click.echo(
            f"  {made['at']:%Y-%m-%d %H:%M:%S} attempt {made['attempt']}{route}: {made['outcome']} {made['reply']}{about}"
        )


@outbox.command()
@_filters
@as_json_option
@click.pass_obj
def retry(config: Path | None, /, as_json: bool, **chosen: Any) -> None:
    """Plan messages again that were refused or put off, with the same Message-ID; `germane send` then sends them.

    Those in doubt only when asked for by --state uncertain: they may then arrive twice. Without any filter nothing is done.

    Example: germane outbox retry --state refused --about policy
    """
    from store import outbox as store

    doubtful = "uncertain" in chosen["states"]
    _change(
        config, chosen, as_json, "planned again",
        lambda connection, keys, now: store.retry(connection, keys, now, in_doubt=doubtful),
    )  # fmt: skip


@outbox.command()
@_filters
@click.option("--reason", default="by the operator", show_default=True, help="Why, as it is shown later.")
@as_json_option
@click.pass_obj
def cancel(config: Path | None, /, reason: str, as_json: bool, **chosen: Any) -> None:
    """Take messages that wait out of the outbox for good. Without any filter nothing is done.

    Example: germane outbox cancel --edition 2026-W47 --reason "a wrong item"
    """
    from store import outbox as store

    _change(
        config, chosen, as_json, "cancelled", lambda connection, keys, now: store.cancel(connection, keys, reason, now)
    )


def _change(
    config: Path | None, chosen: dict[str, Any], as_json: bool, done: str, act: Callable[[Any, list[int], Any], int]
) -> None:
    from jobs.services import open_services
    from store import editions, ledger
    from store import outbox as store
    from store.outbox import Scope

    if not any(chosen.values()):
        raise click.UsageError(
            "say which messages are meant: by --edition, --state, --domain, --member or --message-id"
        )
    services = open_services(config)
    now, changed = services.now(), 0
    with services.database.writing() as connection:
        meant = ledger.keys(connection, _wanted(**chosen), MOST)
        for start in range(0, len(meant), CHUNK):
            changed += act(connection, meant[start : start + CHUNK], now)
        for key in store.released(connection, Scope()):
            editions.settle(connection, key, now)
    if as_json:
        print_json({"meant": len(meant), "changed": changed})
    else:
        rest = f"; {len(meant) - changed} were in a state that does not allow it" if len(meant) > changed else ""
        click.echo(f"{changed} messages {done}{rest}")


@outbox.command()
@click.argument("name")
@click.pass_obj
def resume(config: Path | None, name: str) -> None:
    """Let messages go again over a route, or to a domain or provider, that was paused or left alone.

    Example: germane outbox resume smtp
    """
    from jobs.services import open_services
    from store import pacing

    services = open_services(config)
    with services.database.writing() as connection:
        ended = pacing.resume(connection, name, services.now())
        paused = [row[1] for row in pacing.paused(connection)]
    if not ended:
        raise click.UsageError(f"nothing named {name!r} is paused or resting; paused: {', '.join(paused) or 'nothing'}")
    click.echo(f"{name} goes again; `germane send` sends what waits")


@outbox.command()
@click.option("--postfix-log", "files", multiple=True, required=True,
              type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="A log file of Postfix, also a rotated one (.gz); may repeat, oldest first.")  # fmt: skip
@as_json_option
@click.pass_obj
def reconcile(config: Path | None, files: tuple[Path, ...], as_json: bool) -> None:
    """Settle what is in doubt by the mail server's own log: what Postfix took was handed over, what it returned bounced.

    A message that the log does not name stays in doubt: the log may not reach back far enough.

    Example: germane outbox reconcile --postfix-log /var/log/mail.log.1 --postfix-log /var/log/mail.log
    """
    from jobs.services import open_services

    services = open_services(config)
    settled = reconcile_with(services, files)
    if as_json:
        print_json(settled)
    else:
        click.echo(", ".join(f"{number} {what.replace('_', ' ')}" for what, number in settled.items()))


def reconcile_with(services: "Services", files: tuple[Path, ...]) -> dict[str, int]:
    """How many messages in doubt were handed over, bounced, or are in doubt still."""
    from itertools import chain

    from delivery import postfix_log
    from store import ledger
    from store import outbox as store

    log = postfix_log.entries(chain.from_iterable(map(postfix_log.read, files)))
    settled = {"handed_over": 0, "bounced": 0, "still_in_doubt": 0}
    with services.database.writing() as connection:
        for message_id, key in ledger.in_doubt(connection).items():
            entry = log.get(message_id)
            if entry is None:
                settled["still_in_doubt"] += 1
            elif entry.fate == "bounced":
                detail = f"bounced {entry.status}, says the mail server's log".replace("  ", " ")
                settled["bounced"] += store.came_back(
                    connection, key, "bounced", services.now(), status=entry.status, detail=detail
                )
            else:
                how = f"{entry.fate} {entry.status}, says the mail server's log".replace(" ,", ",")
                settled["handed_over"] += store.settle_doubt(connection, key, services.now(), how)
    return settled
