"""`germane items preview`: whom an item would reach, before anything is sent."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs.cli import REJECTED
from jobs.shortfalls import sentence
from jobs.terminal import as_json_option, network_option, print_bars, print_json, print_table, printable, progress

if TYPE_CHECKING:
    from digest.items import Item
    from jobs.previewing import ItemPreview, Person
    from jobs.services import Services
    from sources.items import ItemReader
    from store.networks import Network

MOST_ITEMS = 20
"""Items of a file that are previewed at one time."""
SHOWN_VALUES = 8
MAY_NAME = ("coordinator", "admin")


@click.command("preview")
@click.argument("item")
@network_option
@click.option("--as", "address", default="", help="Your address: names are told to coordinators and admins only.")
@as_json_option
@click.pass_obj
def preview(config: Path | None, /, item: str, slug: str, address: str, as_json: bool) -> None:
    """Show whom ITEM would reach if the edition opened now. Nothing is written or sent.

    ITEM is the public or external id of an item, or a FILE of items that are not posted yet, as `items import` reads it or
    as `items post` kept it.

    Example: germane items preview request.csv --as ann@trust.example.org
    """
    from jobs.previewing import NobodyDue, load, previewed
    from jobs.services import open_services
    from jobs.terminal import advancing
    from store import considered, networks

    services = open_services(config)
    with services.database.reading() as connection:
        network = networks.find(connection, slug)
        size = considered.audience_size(connection, network.key)
    names = bool(address) and entitled(services, network, address)
    found = _found(services, network, item)
    try:
        with progress() as bars, advancing(bars, "Matching", size) as advance:
            loaded = load(services, network, services.now(), found, advance)
    except NobodyDue as error:
        raise click.ClickException(str(error)) from None
    reports = [previewed(loaded, number, names=names) for number in range(len(loaded.columns))]
    if as_json:
        print_json([asdict(report) for report in reports])
        return
    for report in reports:
        print_preview(report)
    click.echo("Nothing was written and nothing was sent.")


def entitled(services: "Services", network: "Network", address: str) -> bool:
    """Whether names may be told to them. Raises click.ClickException where they may not."""
    from store import members

    with services.database.reading() as connection:
        found = members.find(connection, network.key, address)
    if found is None or found.member.role not in MAY_NAME or found.member.status != "active":
        raise click.ClickException(
            f"{address} is no active coordinator or admin of {network.slug}: names are told to these only"
        )
    return True


def _found(services: "Services", network: "Network", source: str) -> "list[Item]":
    """The stored item, or those of the file, which get keys that no stored item has. Ends the program with REJECTED when any
    cannot be posted as it is."""
    from store import items

    if Path(source).is_file():
        return _from_file(services, network, Path(source))
    with services.database.reading() as connection:
        item = items.find(connection, network.key, source)
    if item is None:
        raise click.ClickException(
            f"{source!r} is neither a file nor an item of {network.slug}; `germane items list` shows their ids"
        )
    over = replace(item, state="published", published_at=None)
    if item.state in {"closed", "withdrawn", "expired"} or not over.is_open(services.now()):
        state = "over" if item.state not in {"closed", "withdrawn"} else item.state
        raise click.ClickException(f"{item.public_id} is {state}: it will not be sent to anybody")
    return [item]


def _from_file(services: "Services", network: "Network", file: Path) -> "list[Item]":
    from jobs.import_items import item_reader
    from sources.decoding import SourceError

    try:
        found, problems = _read(file, item_reader(services, network), services)
    except SourceError as error:
        found, problems = [], [str(error)]
    if not found and not problems:
        problems = [f"{file}: there is no item in it"]
    if len(found) > MOST_ITEMS:
        problems = [f"{file}: has more than {MOST_ITEMS} items; preview fewer at a time"]
    if problems:
        for problem in problems[:MOST_ITEMS]:
            click.echo(f"germane: {printable(problem)}", err=True)
        sys.exit(REJECTED)
    return [replace(item, key=-1 - n, state="published", published_at=None) for n, item in enumerate(found)]


def _read(file: Path, reader: "ItemReader", services: "Services") -> "tuple[list[Item], list[str]]":
    from sources.items import Rejection

    found: list[Item] = []
    problems: list[str] = []
    for place, fields in _records(file, reader):
        try:
            if isinstance(fields, str):
                raise Rejection(fields)
            item = reader.read(fields).item
            if not replace(item, state="published", published_at=None).is_open(services.now()):
                raise Rejection("it is over already, so that nobody would receive it")
            found.append(item)
        except Rejection as error:
            problems.append(f"{place}: {error}")
        if len(found) > MOST_ITEMS:
            break
    return found, problems


def _records(file: Path, reader: "ItemReader") -> "Iterator[tuple[str, Mapping[str, object] | str]]":
    """(where it stands, its fields or what is wrong with it) for each item: of a form that `items post` kept, or of any file that
    can be imported."""
    from jobs.post_item import BODY, parse_form
    from sources.item_files import format_of, open_items
    from sources.items import Rejection

    with file.open(encoding="utf-8", errors="replace") as opened:
        is_form = BODY in opened.read(100_000)
    if is_form:
        try:
            yield str(file), parse_form(file.read_text(encoding="utf-8"))
        except Rejection as error:
            yield str(file), str(error)
        return
    with open_items(file, format_of(file, file.name), topics=reader.topics) as records:
        for record in records:
            yield f"{file}, line {record.line}", record.problem or record.fields


def print_preview(report: "ItemPreview") -> None:
    """All that is known of one item before it is sent."""
    title = f"{report.kind}: {report.title}"
    when = "if it were approved now" if report.urgent else "if the edition opened now"
    print_table(title, (when, "members"), summary(report), right=(1,))
    if report.shortfall:
        click.echo(sentence(report.shortfall, expected=True))
    for same in report.same_as:
        click.echo(f"The same thing as: {printable(same)}. A member gets one of the two.")
    for facet, counts in report.who.items():
        print_who(f"By {facet.replace('_', ' ')}", counts)
    bars = [(f"{low} to {low + 5}{_mark(low, report.threshold)}", n) for low, n in report.histogram]
    print_bars("Members who may receive it, by match (◂ the threshold)", bars)
    click.echo()
    if report.border:
        rows = [
            (
                facts(case.member),
                f"{case.match:g}",
                f"{case.threshold:g}",
                "yes" if case.reached else "",
                ", ".join(case.reason),
            )
            for case in report.border
        ]
        print_table(
            "Border cases, nearest first", ("member", "match", "threshold", "gets it", "reason"), rows, right=(1, 2)
        )
    if report.pushed_out:
        print_table("Would lose places to it", ("item", "members"), report.pushed_out, right=(1,))
    _print_others(report)
    if report.members:
        people = [(facts(one.member), one.member.organisation, f"{one.match:g}") for one in report.members]
        print_table("Would get it", ("member", "organisation", "match"), people, right=(2,))


def summary(report: "ItemPreview") -> list[tuple[str, int]]:
    """The rows of the summary table, in words; those that say nothing are left out."""
    most = "" if report.most is None else f" (at most {report.most:,})"
    rows = [
        (f"would get it{most}", report.reached),
        (f"  under their threshold, down to {report.floor:g}: it needs {report.needed:,}", report.deep),
        ("  in the mail of another network of theirs", report.elsewhere),
        (f"lacking of the {report.needed:,} it needs", report.lacking),
        (f"fit it at or above the threshold ({report.threshold:g}, moved by feedback)", report.fits),
        ("  who have no room for it, or were asked enough lately", report.full),
        ("  beyond the reach it may have", report.over_reach),
        *((f"fit it but may not get it: {reason.replace('_', ' ')}", n) for reason, n in report.blocked.items()),
        ("take urgent mail" if report.urgent else "considered", report.considered),
    ]
    always = {0, 4, len(rows) - 1}
    return [row for n, row in enumerate(rows) if row[1] or n in always]


def facts(person: "Person") -> str:
    """Who a member is, in a line."""
    told = (person.name, person.profession, person.setting, person.organisation_type, person.region)
    return ", ".join(filter(None, told)) or "nothing told of themselves"


def print_who(title: str, counts: dict[str, int]) -> None:
    """A bar for each of the most frequent values of a facet."""
    rows = [(value or "not told", n) for value, n in counts.items()][:SHOWN_VALUES]
    rest = sum(counts.values()) - sum(n for _, n in rows)
    rows += [("others", rest)] if rest else []
    print_bars(title, rows, width=30)


def _mark(low: int, threshold: float) -> str:
    return " ◂" if low <= threshold < low + 5 else "  "


def _print_others(report: "ItemPreview") -> None:
    rows: Sequence[tuple[str, str, str]] = [
        (f"{'= ' if threshold == report.threshold else ''}{threshold:g}", f"{fits:,}", f"{reached:,}")
        for threshold, fits, reached in report.others
    ]
    print_table("At other thresholds", ("threshold", "fit", "would get it"), rows, right=(0, 1, 2))
