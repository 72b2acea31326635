"""`germane run`: a network's weekly edition, once and only once."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.failpoints import reach
from jobs.shortfalls import print_shortfalls, told
from jobs.terminal import advancing, as_json_option, network_option, print_bars, print_json, print_table, progress

if TYPE_CHECKING:
    from digest.items import Item
    from jobs.send import SendReport
    from jobs.services import Services
    from store.editions import Counts, Edition
    from store.networks import Network

WORDS = {
    "paused": "paused by the member",
    "cadence": "not due yet by the member's own cadence",
    "quiet": "long silent: sent less often",
    "empty_profile": "no stated interest and no chosen topic",
    "nothing_fits": "nothing fits well enough",
    "nothing_allowed": "what fits is muted, not for them, or was sent before",
    "combined": "in the mail of another network of theirs",
    "not_urgent": "takes no urgent mail any more",
    "over_budget": "what fits goes beyond their budget, or went to enough others",
    "changed_meanwhile": "came back while the edition was decided",
    "left": "left meanwhile",
    "bounced": "address bounced meanwhile",
    "erased": "erased meanwhile",
    "pending": "sign-up not confirmed",
}


class EditionBusy(click.ClickException):
    """Another process is composing this edition."""

    def __init__(self, slot: str, owner: str, lease_s: float) -> None:
        self.slot, self.owner = slot, owner or "another process"
        super().__init__(
            f"edition {slot} is being composed by {self.owner}; wait for it, "
            f"or at most {lease_s:.0f} s if that process is gone, and run the command again"
        )


class Moment(click.ParamType[datetime]):
    """A time as ISO 8601 writes it, with or without a zone, in years that calendars of members can show."""

    name = "iso-time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = datetime.min
        if not 1990 <= moment.year <= 2200:
            self.fail(f"{value!r} is not a time; write it like 2026-11-16T07:30 or 2026-11-16T07:30+01:00", param, ctx)
        return moment


@dataclass(frozen=True)
class RunReport:
    """What came of a run. `reach` has (kind, title, digests it is in) for each item; `sizes` counts digests by items.

    `busy` says who composes the edition at this time; `complete` is whether all that was due was handed over or rightly
    cancelled.
    """

    network: str
    slot: str
    state: str
    nothing_to_do: bool = False
    considered: int = 0
    digests: int = 0
    delivered: int = 0
    failed: int = 0
    queued: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    reach: list[tuple[str, str, int]] = field(default_factory=list)
    short: list[dict[str, Any]] = field(default_factory=list)
    """Items that fewer members get than they need, and why; see `jobs.shortfalls.told`."""
    preview: dict[str, Any] | None = None
    """Of a rehearsal: see `jobs.dry_run.looked_over`."""
    stored: str = ""
    """Of a rehearsal: the state of this week's edition where there is one already."""
    mail_server_problem: str = ""
    busy: str = ""
    complete: bool = True

    @property
    def median_items(self) -> int:
        """Items in the median digest (the lower one of two)."""
        middle, passed = (sum(self.sizes.values()) + 1) // 2, 0
        for items, digests in sorted(self.sizes.items()):
            passed += digests
            if passed >= middle:
                return items
        return 0


@click.command()
@network_option
@click.option(
    "--at", type=Moment(), help="Compose as if it were this moment (the network's time zone unless it names one)."
)
@click.option("--dry-run", is_flag=True, help="Show what would be sent; write and send nothing.")
@click.option(
    "--as", "address", default="", help="Your address, with --dry-run: names are told to coordinators and admins."
)
@click.option("--no-send", is_flag=True, help="Compose only; `germane send` or `germane serve` sends it.")
@as_json_option
@click.pass_obj
def run(
    config: Path | None, slug: str, at: datetime | None, dry_run: bool, address: str, no_send: bool, as_json: bool
) -> None:
    """Compose this week's edition and send it. Running it again does nothing; after a crash it goes on where it stopped.

    Example: germane run --network breathe-well --dry-run
    """
    from digest.layout import TemplateError
    from jobs.services import open_services
    from jobs.settings import SettingsError
    from store import networks

    if address and not dry_run:
        raise click.UsageError("--as is for --dry-run: a run shows no names")
    services = open_services(config)
    with services.database.reading() as connection:
        chosen = [networks.find(connection, slug)] if slug else networks.every(connection)
    if not chosen:
        raise click.ClickException("there is no network yet; `germane networks add` makes one")
    reports: list[RunReport] = []
    misconfigured: dict[str, Exception] = {}
    with progress() as bars:
        for network in chosen:
            try:
                reports += _run_one(services, network, at, dry_run, address, send=not no_send, bars=bars)
            except (SettingsError, TemplateError) as error:  # the other networks' members get their mail
                misconfigured.setdefault(str(error), error)
    if reports:
        _print(reports, as_json, dry_run)
    print_problems(reports)
    if misconfigured:
        *others, last = misconfigured.values()
        for other in others:
            click.echo(f"germane: {other}", err=True)
        raise last
    exit_by(reports, sent=not dry_run and not no_send)


def _run_one(
    services: "Services",
    network: "Network",
    at: datetime | None,
    dry_run: bool,
    address: str,
    *,
    send: bool,
    bars: Any,
) -> list[RunReport]:
    """One network's reports, urgent items that were approved and not sent yet first. An edition that another process is
    composing does not keep the next network waiting."""
    from jobs.urgent import run_approved

    moment = _moment(at, network, services.now())
    if dry_run:
        return [rehearse(services, network, at=moment, progress=bars, address=address)]
    try:
        urgent = run_approved(services, network, send=send)
        return [*urgent, run_edition(services, network, at=moment, send=send, progress=bars)]
    except EditionBusy as busy:
        return [RunReport(network.slug, busy.slot, "busy", busy=busy.message, complete=False)]


def run_edition(
    services: "Services",
    network: "Network",
    *,
    at: datetime,
    slot: str = "",
    send: bool = True,
    progress: Any = None,
    only: "Item | None" = None,
) -> RunReport:
    """Compose the edition of the week of `at` (or of `slot`), and send it. Idempotent, and exclusive over all processes.

    With `only` it is an urgent edition, of that item alone. Raises EditionBusy while another live process holds the edition,
    and TemplateError before anything is composed.
    """
    from digest.slots import week_of
    from jobs import watermark
    from jobs.edition import open_edition
    from jobs.services import process_name
    from store import editions
    from store.editions import NotMine

    _ = services.secret_key  # raises where it is missing, before anything is composed
    _check_templates(services, network)
    with services.database.reading() as connection:
        watermark.refuse_older(services, connection)
    slot = slot or week_of(at, network.time_zone)
    open_edition(services, network, slot, at, only)
    reach("run.opened")
    owner, lease_s = process_name(), services.settings.schedule.lease_s
    edition = _claimed(services, network, slot, owner)
    if edition is None:
        return report_on(services, network, _stored(services, network, slot), nothing_to_do=True)
    try:
        _compose(services, network, edition, owner, progress)
        sent = _send(services, edition, progress) if send else None
        with services.database.writing() as connection:
            editions.settle(connection, edition.key, services.now())
        reach("run.settled")
    except NotMine as error:
        raise EditionBusy(slot, _stored(services, network, slot).owner, lease_s) from error
    finally:
        with services.database.writing() as connection:
            editions.give_back(connection, edition.key, owner)
    reach("run.given_back")
    return report_on(services, network, edition, sent=sent)


def _check_templates(services: "Services", network: "Network") -> None:
    from jobs.press import press_for
    from store import topics

    with services.database.reading() as connection:
        known = topics.load(connection, network.key)
    press_for(services, network, known, signed=True)


def _stored(services: "Services", network: "Network", slot: str) -> "Edition":
    from store import editions

    with services.database.reading() as connection:
        edition = editions.find(connection, network.key, slot)
    assert edition is not None
    return edition


def _claimed(services: "Services", network: "Network", slot: str, owner: str) -> "Edition | None":
    """The edition as it was when we took it, or None when it is finished. Raises EditionBusy."""
    from jobs.services import process_is_gone
    from store import editions

    now, lease_s = services.now(), services.settings.schedule.lease_s
    before = _stored(services, network, slot)
    with services.database.writing() as connection:
        taken = editions.claim(connection, before, owner, now, lease_s, dead=process_is_gone(before.owner))
    reach("run.claimed")
    found = _stored(services, network, slot)
    if found.state == "finished":
        return None
    if not taken:
        raise EditionBusy(slot, found.owner, lease_s)
    return found


def _compose(services: "Services", network: "Network", edition: "Edition", owner: str, progress: Any) -> None:
    """Decide what is still planned, and let the senders have it; an edition released before a crash stays so."""
    from jobs.combined import company_of, explain_guests
    from jobs.edition import compose_edition
    from store import editions

    if edition.state == "opened":
        company = company_of(services, network, edition)
        with _bar(progress, services, edition) as advance:
            compose_edition(services, network, edition, owner, advance, company, explain_guests)
    if edition.state != "released":
        with services.database.writing() as connection:
            editions.move(connection, edition.key, owner, "composed", "released")
        reach("run.released")


def _send(services: "Services", edition: "Edition", progress: Any) -> "SendReport":
    from jobs.send import send_due

    return send_due(services, edition=edition.key, progress=progress)


def _bar(progress: Any, services: "Services", edition: "Edition") -> Any:
    from store import editions

    with services.database.reading() as connection:
        left = editions.counts(connection, edition.key).planned
    return advancing(progress, f"Composing {edition.slot}", left)


def report_on(
    services: "Services",
    network: "Network",
    edition: "Edition",
    *,
    nothing_to_do: bool = False,
    sent: "SendReport | None" = None,
) -> RunReport:
    """What came of an edition so far, and of handing it over just now."""
    from store import decisions, editions, items, records

    with services.database.reading() as connection:
        found: Counts = editions.counts(connection, edition.key)
        state = editions.find(connection, network.key, edition.slot)
        reaches = records.reaches(connection, edition.key)
        titles = {item.key: item for item in items.load(connection, network.key, [key for key, _ in reaches])}
        shortfalls = decisions.shortfalls(connection, edition.key)
        skipped, sizes = (
            editions.skipped_reasons(connection, edition.key),
            records.digest_sizes(connection, edition.key),
        )
    return RunReport(
        network=network.slug,
        slot=edition.slot,
        state=state.state if state else edition.state,
        nothing_to_do=nothing_to_do,
        considered=found.considered,
        digests=found.digests,
        delivered=found.delivered,
        failed=found.failed,
        queued=found.queued,
        skipped=skipped,
        sizes=sizes,
        reach=[(titles[key].kind, titles[key].title, n) for key, n in reaches if key in titles],
        short=[told(titles.values(), one) for one in shortfalls if one.item_key in titles],
        mail_server_problem=sent.mail_server_problem if sent else "",
        complete=sent.complete if sent else True,
    )


def rehearse(
    services: "Services", network: "Network", *, at: datetime, progress: Any = None, address: str = ""
) -> RunReport:
    """What `run_edition` would compose at this moment, through the same code; nothing is written. The coordinator or admin of
    this `address` is told names."""
    from jobs.dry_run import looked_over
    from jobs.items_preview import entitled
    from jobs.previewing import GRID
    from jobs.rehearsal import rehearsed
    from store import editions

    names = bool(address) and entitled(services, network, address)
    _check_templates(services, network)
    watch = partial(advancing, progress, "Rehearsing")
    found = rehearsed(services, network, at, thresholds=GRID, watch=watch)
    with services.database.reading() as connection:
        stored = editions.find(connection, network.key, found.edition.slot)
    sizes, skipped, reach = Counter[int](), Counter[str](), Counter[int]()
    for decided in found.decided:
        sizes.update(items for _, state, _, items, *_ in decided.digests if state == "composed")
        skipped.update(reason for _, state, reason, *_ in decided.digests if state == "skipped")
        reach.update(one.item_key for one in decided.chosen)
    return RunReport(
        network=network.slug,
        slot=found.edition.slot,
        state="rehearsed",
        considered=sum(len(batch) for batch in found.batches),
        digests=sum(sizes.values()),
        skipped=dict(skipped.most_common()),
        sizes=dict(sorted(sizes.items())),
        reach=[(item.kind, item.title, reach[item.key]) for item in found.fitted.items],
        short=[told(found.fitted.items, one) for one in found.shortfalls],
        preview=looked_over(found, names=names),
        stored=stored.state if stored else "",
    )


def _moment(at: datetime | None, network: "Network", now: datetime) -> datetime:
    from datetime import UTC
    from zoneinfo import ZoneInfo

    if at is None:
        return now
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(network.time_zone))).astimezone(UTC)


def print_problems(reports: list[RunReport]) -> None:
    """To standard error, each once: what another process composes, and what kept mails from being handed over."""
    for problem in dict.fromkeys(report.busy or report.mail_server_problem for report in reports):
        if problem:
            click.echo(f"germane: {problem}", err=True)


def exit_by(reports: list[RunReport], *, sent: bool) -> None:
    """End the command with its exit code, unless all was done; `sent` says whether it was to be sent as well."""
    from jobs.cli import MAIL_SERVER, PARTLY

    if any(report.mail_server_problem for report in reports):
        raise click.exceptions.Exit(MAIL_SERVER)
    unfinished = sent and any(report.state != "finished" for report in reports)
    if unfinished or any(not report.complete for report in reports):
        raise click.exceptions.Exit(PARTLY)


def _print(reports: list[RunReport], as_json: bool, dry_run: bool) -> None:
    if as_json:
        print_json([asdict(report) | {"median_items": report.median_items} for report in reports])
        return
    for report in reports:
        if report.nothing_to_do:
            click.echo(f"{report.network} {report.slot}: finished already; nothing to do")
        elif not report.busy:
            print_report(report)
    if dry_run:
        click.echo("A rehearsal: nothing was written and nothing was sent.")


def print_report(report: RunReport) -> None:
    """The summary that an operator wants to see: the balance, who got nothing and why, and what requests reached."""
    title = f"{report.network}, edition {report.slot}: {report.state}"
    if report.stored:
        click.echo(
            f"The edition of {report.slot} is {report.stored} already, and a run changes nothing of it: "
            "this is what one would send that opened now."
        )
    print_table(title, ("", "number"), summary(report), right=(1,))
    print_bars("Items in a digest", [(str(size), n) for size, n in report.sizes.items()])
    if report.preview:
        from jobs.dry_run import print_overview

        print_overview(report.preview)
    print_shortfalls(report.short, rehearsed=report.state == "rehearsed")


def summary(report: RunReport) -> list[tuple[str, int]]:
    """The rows of the summary table, in words."""
    requests = [n for kind, _, n in report.reach if kind == "request"]
    return [
        ("members considered", report.considered),
        ("digests", report.digests),
        *([] if report.state == "rehearsed" else [("  delivered", report.delivered)]),
        *((f"  {word}", n) for word, n in (("failed", report.failed), ("waiting", report.queued)) if n),
        ("members with nothing", sum(report.skipped.values())),
        *((f"  {WORDS.get(reason, reason)}", n) for reason, n in report.skipped.items()),
        ("items to choose from", len(report.reach)),
        ("items in the median digest", report.median_items),
        ("requests", len(requests)),
        ("  that reached somebody", sum(1 for n in requests if n)),
        ("  members reached by the median request", sorted(requests)[len(requests) // 2] if requests else 0),
    ]
