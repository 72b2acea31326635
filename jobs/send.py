"""`germane send`: hand over what is due in the outbox."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import TYPE_CHECKING

import click

from jobs.failpoints import reach
from jobs.terminal import advancing, as_json_option, print_json, print_table, progress

if TYPE_CHECKING:
    from rich.progress import Progress

    from jobs.dispatch import Tally
    from jobs.services import Services
    from store.outbox import Scope

OUTCOMES = {
    "handed_over": "handed over to the mail server",
    "deferred": "refused for now; tried again later",
    "refused": "refused for good",
    "uncertain": "uncertain: sent, but no reply came; not sent again",
    "cancelled": "cancelled before it was sent",
}
WORDS = {
    "left": "the member left",
    "paused": "the member paused",
    "bounced": "the address bounced",
    "erased": "the member was erased",
    "pending": "the sign-up is not confirmed",
    "withdrawn": "its items were withdrawn or are over",
    "suppressed": "the address is suppressed",
}


@dataclass(frozen=True)
class SendReport:
    """What came of a run: `reasons` counts messages by outcome and reason, `waiting` what is still in the outbox."""

    reasons: dict[str, dict[str, int]] = field(default_factory=dict)
    waiting: int = 0
    seconds: float = 0.0
    commits: int = 0
    errors: int = 0
    postponed: int = 0
    paused: tuple[str, ...] = ()
    stopped: bool = False
    mail_server_problem: str = ""
    lost_processes: int = 0
    """Sending processes that ended too early; what they had claimed is settled by the next run."""

    def of(self, outcome: str) -> int:
        return sum(self.reasons.get(outcome, {}).values())

    @property
    def done(self) -> int:
        return sum(map(self.of, OUTCOMES))

    @property
    def complete(self) -> bool:
        """Everything that was due was handed over, or rightly cancelled."""
        failed = self.errors + self.lost_processes + sum(map(self.of, ("deferred", "refused", "uncertain")))
        return not (failed or self.stopped or self.paused or self.mail_server_problem)


@click.command()
@click.option("--network", "-n", "slug", default="", help="Only this network's messages (default: all networks').")
@click.option("--limit", type=click.IntRange(1), help="Hand over at most this many messages.")
@click.option("--processes", "-p", type=click.IntRange(1, 16), help="Send by so many (default: sending.processes).")
@as_json_option
@click.pass_obj
def send(config: Path | None, slug: str, limit: int | None, processes: int | None, as_json: bool) -> None:
    """Hand what is due in the outbox to the mail server. May run as often, and in as many processes, as one likes.

    A message whose reply was lost after the final dot is uncertain: it is shown, and never sent again by itself.

    Example: germane send --network breathe-well --limit 100
    """
    from jobs.cli import MAIL_SERVER, PARTLY
    from jobs.senders import most_processes
    from jobs.services import open_services
    from store import networks

    services = open_services(config)
    with services.database.reading() as connection:
        network = networks.find(connection, slug).key if slug else None
    if processes and processes > (most := most_processes(services.settings)):
        click.echo(f"no more than {most} send: each needs one of the connections that the settings allow", err=True)
    with progress() as bars:
        report = send_due(services, network=network, limit=limit, processes=processes, progress=bars)
    _print(report, as_json)
    if report.mail_server_problem:
        click.echo(f"germane: {report.mail_server_problem}; {report.waiting} messages stay in the outbox", err=True)
        raise click.exceptions.Exit(MAIL_SERVER)
    if not report.complete:
        raise click.exceptions.Exit(PARTLY)


def send_due(
    services: "Services",
    *,
    edition: int | None = None,
    network: int | None = None,
    limit: int | None = None,
    processes: int | None = None,
    stopping: Event | None = None,
    progress: "Progress | None" = None,
) -> SendReport:
    """Hand over what is due, of one edition or network or of all, and finish the editions that are done with.

    At most so many processes do it (without a number: `sending.processes`), each with a batch and a connection at least.
    Once another thread sets `stopping`, no new message is taken.

    A mail server that cannot be used is told in the report; everything stays in the outbox then. Raises StoreError when
    the database fails, SettingsError without a secret key, and TemplateError before anything is claimed.
    """
    from jobs.senders import hand_over, most_processes
    from store import outbox
    from store.outbox import Scope

    assert services.secret_key
    scope, started = Scope(edition, network), perf_counter()
    with services.database.reading() as connection:
        due = outbox.due(connection, services.now(), scope)
    wanted, sending = min(due, limit or due), services.settings.sending
    wished = processes or sending.processes
    number = min(wished, max(1, wanted // sending.batch), most_processes(services.settings))
    with advancing(progress, "Sending", wanted) as advance:
        tally = asyncio.run(hand_over(services, scope, limit, advance, number, stopping or Event()))
    return _report(services, tally, scope, perf_counter() - started)


def _report(services: "Services", tally: "Tally", scope: "Scope", seconds: float) -> SendReport:
    from store import editions, outbox

    with services.database.writing() as connection:
        for key in outbox.released(connection, scope):
            editions.settle(connection, key, services.now())
        states = outbox.counts(connection, scope)
    reach("send.settled")
    return SendReport(
        reasons={state: dict(reasons.most_common()) for state, reasons in tally.outcomes.items()},
        waiting=sum(states.get(state, 0) for state in ("planned", "claimed", "deferred")),
        seconds=seconds,
        commits=tally.commits,
        errors=tally.errors,
        postponed=tally.postponed,
        paused=tuple(tally.paused),
        stopped=tally.stopped,
        mail_server_problem=tally.mail_server_problem,
        lost_processes=tally.lost_processes,
    )


def _print(report: SendReport, as_json: bool) -> None:
    if as_json:
        print_json({name: report.of(name) for name in OUTCOMES} | {
            "waiting": report.waiting, "reasons": report.reasons, "seconds": round(report.seconds, 3),
            "errors": report.errors, "postponed": report.postponed, "paused": report.paused,
            "stopped": report.stopped, "mail_server_problem": report.mail_server_problem,
            "lost_processes": report.lost_processes,
        })  # fmt: skip
        return
    if report.errors:
        click.echo(f"{report.errors} messages met an unexpected error, told above; they stay in the outbox", err=True)
    if report.lost_processes:
        click.echo(f"{report.lost_processes} sending processes ended too early; run `germane send` again", err=True)
    for what in report.paused:
        click.echo(f"{what}; `germane outbox resume` lets them go again", err=True)
    if not report.done:
        click.echo(f"Nothing was handed over; {report.waiting} messages wait in the outbox")
        return
    rows = [row for outcome in OUTCOMES for row in _rows(outcome, report.reasons.get(outcome, {}))]
    print_table(f"{report.done} messages in {report.seconds:.1f} s", ("outcome", "why", "messages"), rows, right=(2,))
    if report.waiting:
        click.echo(f"{report.waiting} messages wait in the outbox")


def _rows(outcome: str, reasons: dict[str, int]) -> Iterator[tuple[str, str, int]]:
    for reason, number in reasons.items():
        yield OUTCOMES[outcome], WORDS.get(reason, reason), number
