"""`germane simulate`: a year of a made-up network in minutes, through the code that runs a real one."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.terminal import advancing, as_json_option, progress

if TYPE_CHECKING:
    from jobs.settings import Settings
    from jobs.simulation_output import Report
    from simulation.measures import Year
    from simulation.world import World
    from store.database import Database

POLICIES = ("greedy", "allocation")
BACKGROUND_ITEMS = 2_000
"""Most past items that the vocabulary is learnt from, a quarter of a year's: a late week costs no more than an early one."""
SECRET = "no mail leaves a simulation, so nobody need keep this secret"  # noqa: S105


@click.command()
@click.option("--weeks", type=click.IntRange(1, 520), default=52, show_default=True, help="How long it lasts.")
@click.option("--members", type=click.IntRange(1), default=15_000, show_default=True, help="Members at the start.")
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed gives the same result."
)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="A labelled corpus for texts and truth.")
@click.option("--items-per-week", type=click.IntRange(1), default=150, show_default=True, help="In a usual week.")
@click.option("--requests-per-week", type=click.IntRange(0), default=40, show_default=True, help="Of these items.")
@click.option("--policy", "policies", type=click.Choice(POLICIES), multiple=True, default=POLICIES, show_default=True,
              help="What decides; may be given more than once.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1, len(POLICIES)), default=1, show_default=True,
              help="Policies that are lived at the same time, where each has a database of its own.")  # fmt: skip
@click.option("--database", "url", default="", help="Where it happens (default: an SQLite file that is thrown away).")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write a page and pictures there.")
@as_json_option
@click.pass_obj
def simulate(
    config: Path | None,
    weeks: int,
    members: int,
    seed: int,
    data: Path | None,
    items_per_week: int,
    requests_per_week: int,
    policies: tuple[str, ...],
    processes: int,
    url: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Run a whole network's life through the production code with a clock that is set, once for each policy, and compare.

    Members have interests of which their stated text is only a hint; they join, leave, pause, go quiet, answer requests and say
    what they think of items. One week brings a flood of items, one none. Mails are composed, claimed and settled as in
    service, but no mail server is spoken to. Budget breaches and repeats are counted in the ledger by code that decides nothing.

    \b
    Example:
      germane simulate --weeks 52 --members 2000 --seed 7 --out simulated
    """
    from jobs.simulation_output import Report
    from simulation.calendar import Plan
    from simulation.measures import figures

    if requests_per_week > items_per_week:
        raise click.UsageError("--requests-per-week is more than --items-per-week; requests are some of the items")
    _check_places(config, url, out)
    plan = Plan(weeks, members, items_per_week, requests_per_week, seed)
    world = _world(plan, data)
    years = _lived_by_each(config, world, tuple(dict.fromkeys(policies)), url, 1 if url else processes)
    found = {policy: figures(year) for policy, year in years.items()}
    report = Report(world.plan, data.name if data else "", found, years)
    _show(report, out, as_json)


def _check_places(config: Path | None, url: str, out: Path | None) -> None:
    """Raises click.BadParameter for a database that is in use, whose mails would count as sent, and for a folder that cannot be
    written."""
    from jobs.settings import load_settings
    from store import networks

    if out is not None:
        with _writing(out):
            out.mkdir(parents=True, exist_ok=True)
    if not url:
        return
    with _database(url, load_settings(config).database.wait_s) as database, database.reading() as connection:
        known = networks.every(connection)
    if known:
        raise click.BadParameter(
            f"it holds the network {known[0].slug}; name an empty database, as nothing may be in use where a life is simulated",
            param_hint="--database",
        )


@contextmanager
def _writing(out: Path) -> "Iterator[None]":
    try:
        yield
    except OSError as error:
        raise click.BadParameter(f"{out}: {error.strerror}; name another", param_hint="--out") from None


def _world(plan: Any, data: Path | None) -> "World":
    from simulation.world import labelled, made_up

    if data is None:
        return made_up(plan, prose())
    from bench.corpora import CorpusError, read_corpus

    try:
        corpus = read_corpus(data)
    except CorpusError as error:
        raise click.UsageError(str(error)) from None
    return labelled(plan, corpus.items, corpus.member_records, corpus.judgements)


def prose() -> list[str]:
    """Sentences of the example network's items, to fill others with."""
    from json import loads

    from jobs.services import EXAMPLE

    lines = (EXAMPLE / "items.jsonl").read_text(encoding="utf-8").splitlines()
    bodies = [record["body"] for record in map(loads, lines) if record["language"] == "en"]
    sentences = [s for body in bodies for s in re.split(r"(?<=[.!?])\s+", body)]
    return [sentence for sentence in sentences if 30 < len(sentence) < 260]


def _lived_by_each(
    config: Path | None, world: "World", policies: Sequence[str], url: str, processes: int
) -> "dict[str, Year]":
    with progress() as bars:
        if processes > 1 and len(policies) > 1:
            return _side_by_side(config, world, policies, bars)
        years = {}
        for policy in policies:
            with advancing(bars, _bar(policy), world.plan.weeks) as advance:
                years[policy] = _lived(config, world, policy, url, advance)
        return years


def _side_by_side(config: Path | None, world: "World", policies: Sequence[str], bars: Any) -> "dict[str, Year]":
    """Each policy in a process of its own, with a bar of its own."""
    from concurrent.futures import ProcessPoolExecutor
    from contextlib import ExitStack
    from multiprocessing import get_context

    context = get_context("spawn")
    with ExitStack() as stack, context.Manager() as manager:
        weeks: Any = manager.Queue()
        advances = {policy: stack.enter_context(advancing(bars, _bar(policy), world.plan.weeks)) for policy in policies}
        pool = stack.enter_context(ProcessPoolExecutor(len(policies), mp_context=context))
        running = {policy: pool.submit(_lived_apart, config, world, policy, weeks) for policy in policies}
        for future in running.values():
            future.add_done_callback(lambda _: weeks.put(""))
        left = len(policies)
        while left:
            policy = weeks.get()
            if policy:
                advances[policy](1)
            else:
                left -= 1
        return {policy: future.result() for policy, future in running.items()}


def _lived_apart(config: Path | None, world: "World", policy: str, weeks: Any) -> "Year":
    return _lived(config, world, policy, "", lambda _: weeks.put(policy))


def _bar(policy: str) -> str:
    return f"Living by {policy}"


def _lived(config: Path | None, world: "World", policy: str, url: str, advance: Any) -> "Year":
    from jobs.services import Services
    from jobs.settings import load_settings
    from jobs.simulation import SetClock, Simulation

    settings, clock = load_settings(config), SetClock(world.edition_at(0))
    with _database(url, settings.database.wait_s) as database:
        return Simulation(Services(_under(settings, policy), database, clock), world, clock, policy).live(advance)


@contextmanager
def _database(url: str, wait_s: float) -> "Iterator[Database]":
    """The one that is named, with its tables, or a file that is gone afterwards."""
    from tempfile import TemporaryDirectory

    from store import schema
    from store.database import Database

    with TemporaryDirectory(prefix="germane-simulate-") as folder:
        database = Database(url or f"sqlite:///{folder}/simulation.db", wait_s)
        try:
            schema.upgrade(database)
            yield database
        finally:
            database.close()


def _under(settings: "Settings", policy: str) -> "Settings":
    """The settings with this policy, unsigned, and with a secret where there is none: sample mails lead nowhere."""
    from pydantic import SecretStr

    known = min(settings.matching.background_items, BACKGROUND_ITEMS)
    changes: dict[str, Any] = {
        "digest": settings.digest.model_copy(update={"policy": policy}),
        "matching": settings.matching.model_copy(update={"background_items": known}),
        "dkim": settings.dkim.model_copy(update={"sign": False}),
    }
    if not settings.secret_key.get_secret_value():
        changes["secret_key"] = SecretStr(SECRET)
    return settings.model_copy(update=changes)


def _show(report: "Report", out: Path | None, as_json: bool) -> None:
    from jobs.simulation_output import print_report, write_report

    if out is not None:
        with _writing(out):
            page = write_report(report, out)
        click.echo(f"The page and its pictures: {page}", err=True)
    print_report(report, as_json=as_json)
