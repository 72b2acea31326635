"""`germane thresholds tune`: what each threshold would send, before anything is saved."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest.items import KINDS
from jobs.terminal import as_json_option, network_option, printable, progress, several

if TYPE_CHECKING:
    from jobs.services import Services
    from jobs.tuning import BorderPair, Matching, Report

ANSWERS = {"y": True, "n": False}


@click.command()
@click.option("--edition", "slot", default="", help="Replay this recorded edition, such as 2026-W47.")
@click.option("--kind", type=click.Choice(KINDS), default=None, help="Tune the threshold of this kind only.")
@click.option("--step", type=click.FloatRange(0.5, 25), default=5, show_default=True, help="Between two thresholds.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Write a page and pictures there.")
@click.option("--judge", is_flag=True, help="Ask of each border pair whether it should be sent, and keep the answers.")
@click.option("--names", is_flag=True, help="Show the names of members, too.")
@network_option
@as_json_option
@click.pass_obj
def tune(
    config: Path | None,
    slot: str,
    kind: str | None,
    step: float,
    output: Path | None,
    judge: bool,
    names: bool,
    slug: str,
    as_json: bool,
) -> None:
    """Show what thresholds up to 80 would send in the edition that would open now, and propose one. Nothing is changed.

    For each threshold: members with a digest, silent members, items a digest, how far requests reach, and the share of good items
    as estimated from the matches and corrected by feedback and judgements. Pairs near the threshold are listed, to be judged
    with --judge: y (should be sent), n (should not), s (skip) or q (quit), and Enter.

    The threshold is proposed of which the estimated worth is greatest, where a good item is worth matching.utility_w and any
    other one costs 1; the one in force stays unless another one is worth over 2 % more.

    Example: germane thresholds tune --edition 2026-W47 --output tuning
    """
    from jobs.services import open_services
    from jobs.tuning import lowest_of, match_edition
    from jobs.tuning import tune as report_of
    from jobs.tuning_output import print_report, write_report
    from store import networks

    if judge and as_json:
        raise click.UsageError("--judge asks questions and --json answers a program: use one of them")
    services = open_services(config)
    with services.database.reading() as connection:
        network = networks.find(connection, slug)
    in_force = network.threshold_for(kind or "", services.settings.matching.threshold)
    floor = services.settings.matching.floor
    with progress() as bars:
        matching = match_edition(services, network, slot, lowest_of(step, in_force, floor), bars)
    report = report_of(services, matching, kind or "", step, names=names)
    if judge and _judge(services, matching, report):
        report = report_of(services, matching, kind or "", step, names=names)
    print_report(report, as_json=as_json)
    if output is not None:
        page = _written(report, output, write_report)
        click.echo(f"The page and its pictures: {page}", err=as_json)


def _written(report: "Report", folder: Path, write: Callable[["Report", Path], Path]) -> Path:
    try:
        return write(report, folder)
    except OSError as error:
        raise click.BadParameter(f"{folder}: {error.strerror}; name another", param_hint="--output") from None


def _judge(services: "Services", matching: "Matching", report: "Report") -> int:
    """Ask about each border pair; every answer is kept at once. Returns how many there were."""
    from jobs.thresholds import who
    from store import thresholds
    from store.thresholds import Judgement

    answered = 0
    for number, pair in enumerate(report.border, start=1):
        click.echo(f"\n{number} of {len(report.border)}")
        _show(pair)
        answer = _answer()
        if answer == "q":
            break
        if answer in ANSWERS:
            given = Judgement(pair.member_key, pair.item_key, ANSWERS[answer], pair.match, who(), services.now())
            with services.database.writing() as connection:
                thresholds.judge(connection, [given])
            answered += 1
    click.echo(f"\n{several(answered, 'judgement')} kept")
    return answered


def _show(pair: "BorderPair") -> None:
    from jobs.tuning_output import facts

    click.echo(f"  member  {printable(facts(pair))}")
    click.echo(f"  wants   {printable('; '.join(filter(None, (pair.stated, ', '.join(pair.chosen)))))}")
    click.echo(f"  {pair.kind:<7} {printable(pair.title)}")
    click.echo(f"  match   {pair.match:g}, threshold {pair.threshold:g}: {printable(', '.join(pair.reason))}")


def _answer() -> str:
    """y, n, s or q; the end of the input is q."""
    while True:
        click.echo("Should it be sent? y, n, s (skip), q (quit): ", nl=False)
        line = sys.stdin.readline()
        answer = line.strip().casefold()[:1]
        if not line or answer in {"y", "n", "s", "q"}:
            return answer or "q"
