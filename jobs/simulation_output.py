"""What `germane simulate` prints, and the page and pictures that it writes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from jobs.charts import Chart, Line, bar, png, svg
from jobs.services import TEMPLATES
from jobs.terminal import print_json, print_table, several
from simulation.calendar import Plan
from simulation.measures import Figures, Year, asks_of, digest_sizes, mails_by_week, reach_of

BAR = 40
SIZES = tuple(range(1, 11))


@dataclass(frozen=True, slots=True)
class Report:
    """What came of each policy; `corpus` is the name of the labelled corpus, empty for a made-up network."""

    plan: Plan
    corpus: str
    figures: dict[str, Figures]
    years: dict[str, Year]


@dataclass(frozen=True, slots=True)
class Row:
    """A figure by name, with how it is written."""

    name: str
    value: Callable[[Figures], Any]
    form: str = "{:,}"

    def cells(self, report: Report) -> tuple[str, ...]:
        found = (self.value(figures) for figures in report.figures.values())
        return (self.name, *(self.form.format(value) for value in found))


PERCENT = "{:.1%}"
ROWS = (
    Row("Budget breaches", lambda f: f.budget_breaches),
    Row("Repeats", lambda f: f.repeats),
    Row("Requests", lambda f: f.requests),
    Row("Requests that could be reached", lambda f: f.requests_reachable),
    Row("of these heard (got the reach they need)", lambda f: f.requests_heard_share, "{:.2%}"),
    Row("Reach needed, median", lambda f: f.reach_needed["median"], "{:g}"),
    Row("Reach got, median", lambda f: f.reach_got["median"], "{:g}"),
    Row("Reach got, one in ten at most", lambda f: f.reach_got["p10"], "{:g}"),
    Row("Asks (requests in mails)", lambda f: f.asks),
    Row("Asks a member and month, mean", lambda f: f.asks_per_member_month, "{:.2f}"),
    Row("Asks of the most-asked member", lambda f: f.most_asked),
    Row("Share of asks on the most-asked 1 %", lambda f: f.top1pct_asks, "{:.2%}"),
    Row("Gini of asks", lambda f: f.gini_asks, "{:.3f}"),
    Row("Mails", lambda f: f.mails),
    Row("Mails a member and week, mean", lambda f: f.mails_per_member_week, "{:.2f}"),
    Row("Silent, of members who were due", lambda f: f.silent_share, PERCENT),
    Row("Items in the median digest", lambda f: f.items_per_digest["median"], "{:g}"),
    Row("Items in the digest at 90 %", lambda f: f.items_per_digest["p90"], "{:g}"),
    Row("Match, total", lambda f: f.match_total, "{:,.0f}"),
    Row("Match lost against unlimited greedy", lambda f: f.match_lost_share, "{:.2%}"),
    Row("Match of an item, mean", lambda f: f.match_mean, "{:.1f}"),
    Row("True utility of an item, mean", lambda f: f.utility_mean, "{:.3f}"),
    Row("True utility lost against it", lambda f: f.utility_lost_share, "{:.2%}"),
    Row("Said: I can help", lambda f: f.said["can_help"]),
    Row("Said: more like this", lambda f: f.said["more"]),
    Row("Said: not for me", lambda f: f.said["less"]),
    Row("Members who left", lambda f: f.left),
)


def print_report(report: Report, *, as_json: bool = False) -> None:
    """A table with a column for each policy, and plots; or the figures as JSON, in which no time of day appears."""
    if as_json:
        print_json(plain(report))
        return
    columns = ("", *report.figures)
    print_table(described(report), columns, [row.cells(report) for row in ROWS], right=range(1, len(columns)))
    for chart in charts(report):
        _print_chart(chart)


def described(report: Report) -> str:
    """What was simulated, in a line."""
    plan = report.plan
    texts = f", texts and truth of {report.corpus}" if report.corpus else ""
    return (
        f"{several(plan.weeks, 'week')} of {several(plan.members, 'member')}, {several(plan.items, 'item')} a week "
        f"with {several(plan.requests, 'request')}, "
        f"seed {plan.seed}{texts}"
    )


def plain(report: Report) -> dict[str, Any]:
    """The figures by policy, and week by week."""
    return {
        "plan": asdict(report.plan) | {"corpus": report.corpus},
        "policies": {
            policy: asdict(figures) | {"weeks": _weeks(report.years[policy])}
            for policy, figures in report.figures.items()
        },
    }


def _weeks(year: Year) -> dict[str, list[int]]:
    weeks = len(year.considered)
    return {
        "considered": year.considered.tolist(),
        "silent": year.silent.tolist(),
        "mails": mails_by_week(year).tolist(),
        "items": np.bincount(year.week, minlength=weeks).tolist(),
        "asks": np.bincount(year.week[year.is_request[year.item]], minlength=weeks).tolist(),
    }


def charts(report: Report) -> list[Chart]:
    """The plots, each with a line for each policy."""
    return [_load(report), _reach(report), _silence(report), _sizes(report)]


def _lines(report: Report, values: Callable[[Year], Sequence[float | None]]) -> list[Line]:
    return [Line(policy, values(year)) for policy, year in report.years.items()]


def _load(report: Report) -> Chart:
    """The Lorenz curve of asks: the straighter, the fairer."""
    xs = [0.0, *range(10, 100, 10), 99.0, 100.0]

    def values(year: Year) -> list[float | None]:
        asks = np.sort(asks_of(year))
        total = np.concatenate([[0], np.cumsum(asks)])
        places = [round(x / 100 * len(asks)) for x in xs]
        return [100.0 * float(total[place]) / max(int(total[-1]), 1) for place in places]

    return Chart("Who is asked: share of all asks", "percent of members, least asked first", xs, _lines(report, values))


def _reach(report: Report) -> Chart:
    """How many of the requests that could be reached got how much of what they need."""
    xs = [float(x) for x in range(0, 101, 5)]

    def values(year: Year) -> list[float | None]:
        wanted = year.is_request & (year.needed > 0) & (year.could >= year.needed)
        got = 100.0 * reach_of(year)[wanted] / np.maximum(year.needed[wanted], 1)
        return [100.0 * float((got >= x).mean()) if len(got) else None for x in xs]

    return Chart("Requests that got so much of their reach", "percent of the reach needed", xs, _lines(report, values))


def _silence(report: Report) -> Chart:
    xs = [float(week) for week in range(1, report.plan.weeks + 1)]
    marks = [
        (week + 1.0, name)
        for week, name in ((report.plan.flood_week, "flood"), (report.plan.empty_week, "nothing posted"))
        if week >= 0
    ]

    def values(year: Year) -> list[float | None]:
        mails = mails_by_week(year)
        return [
            100.0 * s / (s + m) if s + m else None for s, m in zip(year.silent.tolist(), mails.tolist(), strict=True)
        ]

    return Chart("Members with no digest, of those who were due", "week", xs, _lines(report, values), marks)


def _sizes(report: Report) -> Chart:
    def values(year: Year) -> list[float | None]:
        sizes = digest_sizes(year)
        return [100.0 * float((sizes >= n).mean()) if len(sizes) else None for n in SIZES]

    return Chart("Digests with at least so many items", "items", [float(n) for n in SIZES], _lines(report, values))


def _print_chart(chart: Chart) -> None:
    """A bar for each point of each line, at most twelve points."""
    click.echo(f"\n{chart.title}, by {chart.x_label}")
    step = max(1, -(-len(chart.xs) // 12))
    width = max(len(line.name) for line in chart.lines)
    for place in range(0, len(chart.xs), step):
        for number, line in enumerate(chart.lines):
            value = line.values[place]
            label = f"{chart.xs[place]:>5g}" if not number else " " * 5
            drawn = "" if value is None else f"{bar(value / 100, BAR)} {value:.0f} %"
            click.echo(f"{label} {line.name:<{width}} {drawn}".rstrip())


NAMES = ("load", "reach", "silence", "sizes")


def write_report(report: Report, folder: Path) -> Path:
    """Write simulation.html, its figures as simulation.json and each plot as PNG into the folder, and return the page."""
    from json import dumps

    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder.mkdir(parents=True, exist_ok=True)
    drawn = dict(zip(NAMES, charts(report), strict=True))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES / "web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("simulation.html").render(
        described=described(report),
        policies=list(report.figures),
        rows=[row.cells(report) for row in ROWS],
        pictures=[(chart.title, svg(chart, name), _table(chart)) for name, chart in drawn.items()],
    )
    (folder / "simulation.html").write_text(page, encoding="utf-8")
    (folder / "simulation.json").write_text(dumps(plain(report), indent=2) + "\n", encoding="utf-8")
    for name, chart in drawn.items():
        (folder / f"{name}.png").write_bytes(png(chart))
    return folder / "simulation.html"


def _table(chart: Chart) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The points of a plot, for those who read figures: headings and rows."""
    cells = [["" if value is None else f"{value:.1f} %" for value in line.values] for line in chart.lines]
    rows = [(f"{x:g}", *points) for x, *points in zip(chart.xs, *cells, strict=True)]
    return (chart.x_label, *(line.name for line in chart.lines)), rows
