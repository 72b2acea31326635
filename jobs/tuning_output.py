"""What `germane thresholds tune` prints, and the page and pictures that it writes."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import click

from digest.tuning import Point
from jobs.charts import Chart, Line, bar, png, svg
from jobs.services import TEMPLATES
from jobs.terminal import print_json, print_table, printable, several
from jobs.tuning import FEW_MEMBERS, BorderPair, Report

BAR = 30
KEYS = {"member_key", "item_key"}
COLUMNS = ("threshold", "members", "silent", "items", "90 %", "reach", "unheard", "good", "T11SU", "worth")
HEADINGS = (
    "Threshold",
    "Members with a digest",
    "Members with nothing",
    "Items in the median digest",
    "In the digest at 90 %",
    "Members the median request reaches",
    "Requests that reach nobody",
    "Estimated good",
    "T11SU",
    "Estimated worth",
)


def print_report(report: Report, *, as_json: bool = False) -> None:
    """A table of thresholds, a bar for each, the border pairs and the proposal; or all of it as JSON."""
    if as_json:
        print_json(plain(report))
        return
    title = f"Thresholds of {report.network} {described(report)}"
    print_table(title, COLUMNS, [_row(point, report) for point in report.points], right=range(len(COLUMNS)))
    click.echo(f"{about_su(report)}\n")
    _print_bars(report)
    if report.border:
        rows = [
            (facts(p), p.kind, p.title, f"{p.match:g}", f"{p.threshold:g}", ", ".join(p.reason)) for p in report.border
        ]
        title = "Border pairs, nearest to the member's own threshold first"
        print_table(title, ("member", "kind", "item", "match", "threshold", "reason"), rows, right=(3, 4))
    click.echo(report.why)


def described(report: Report) -> str:
    """Which edition, and of how many members and items."""
    edition = f"in edition {report.edition}" if report.edition else "in an edition that opens now"
    kind = f", for the kind {report.kind}" if report.kind else ""
    due = f"{several(report.members, 'member')} due"
    return f"{edition}{kind}: {due}, {several(report.items, 'item')}, {several(report.requests, 'request')}"


def about_su(report: Report) -> str:
    """On how many members T11SU stands, or why it is left out."""
    members = several(report.known_good, "member")
    if report.known_good < FEW_MEMBERS:
        verb = "has" if report.known_good == 1 else "have"
        only = f"only {members} {verb}" if report.known_good else "no member has"
        return f"T11SU is left out: {only} an item that is known to be good, and it takes {FEW_MEMBERS}."
    return f"T11SU is the mean over {members} who have an item that is known to be good; silence scores 0.333."


def plain(report: Report) -> dict[str, Any]:
    """The report without the database's own keys."""
    pairs = [{name: value for name, value in asdict(pair).items() if name not in KEYS} for pair in report.border]
    return {field.name: getattr(report, field.name) for field in fields(report)} | {
        "points": [asdict(point) for point in report.points],
        "border": pairs,
    }


def facts(pair: BorderPair) -> str:
    """Who a member is, in a line: by name only where names were asked for."""
    told = (pair.profession, pair.setting, pair.organisation_type, pair.region)
    return ", ".join(filter(None, (pair.name or pair.member, *told)))


def _row(point: Point, report: Report) -> tuple[str, ...]:
    mark = {report.proposed: "◂ ", report.in_force: "= "}.get(point.threshold, "")
    return (
        f"{mark}{point.threshold:g}",
        f"{point.digests:,}",
        f"{point.silent:,}",
        f"{point.median_items:g}",
        f"{point.p90_items:g}",
        f"{point.median_reach:g}",
        str(point.requests_unheard),
        _good(point),
        "" if point.su is None or point.known_good < FEW_MEMBERS else f"{point.su:.3f}",
        f"{point.utility:,.0f}",
    )


def _good(point: Point) -> str:
    if point.precision is None:
        return ""
    if point.interval is None:
        return f"{point.precision:.0%}"
    return f"{point.precision:.0%} ({point.interval[0]:.0%} to {point.interval[1]:.0%})"


def _print_bars(report: Report) -> None:
    click.echo("Members with a digest (█) and share of good items (●), by threshold; = in force, ◂ proposed")
    for point in report.points:
        drawn = list(bar(point.digests / max(report.members, 1), BAR).ljust(BAR + 1))
        if point.precision is not None:
            drawn[round(point.precision * BAR)] = "●"
        marks = ("=" if point.threshold == report.in_force else "") + (
            "◂" if point.threshold == report.proposed != report.in_force else ""
        )
        click.echo(printable(f"{point.threshold:>6g} {''.join(drawn)} {marks}".rstrip()))
    click.echo()


def chart(report: Report) -> Chart:
    """Members, good items and requests heard, in percent by threshold."""
    points = report.points
    lines = [
        Line("members with a digest", [100 * point.digests / max(report.members, 1) for point in points]),
        Line("good, of what is sent (estimated)", [_percent(point.precision) for point in points]),
    ]
    if report.requests:
        heard = [100 * (1 - point.requests_unheard / report.requests) for point in points]
        lines.append(Line("requests that reach somebody", heard))
    marks = [(report.in_force, f"in force {report.in_force:g}")]
    if report.proposed != report.in_force:
        marks.append((report.proposed, f"proposed {report.proposed:g}"))
    title = f"What each threshold would send: {report.network}"
    return Chart(title, "threshold (match, 0 to 100)", [point.threshold for point in points], lines, marks)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def write_report(report: Report, folder: Path) -> Path:
    """Write tuning.html, tuning.svg and tuning.png into the folder and return the page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder.mkdir(parents=True, exist_ok=True)
    picture = svg(chart(report))
    loader = FileSystemLoader(TEMPLATES / "web")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    rows = [_row(point, report) for point in report.points]
    page = environment.get_template("tuning.html").render(
        report=report,
        described=described(report),
        picture=picture,
        headings=HEADINGS,
        rows=rows,
        facts=facts,
        about_su=about_su(report),
    )
    (folder / "tuning.html").write_text(page, encoding="utf-8")
    (folder / "tuning.svg").write_text(picture, encoding="utf-8")
    (folder / "tuning.png").write_bytes(png(chart(report)))
    return folder / "tuning.html"
