"""`germane topics`: a network's tree of topics."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.cli import REJECTED
from jobs.terminal import as_json_option, network_option, print_json, printable

if TYPE_CHECKING:
    from digest.items import Topic
    from jobs.services import Services
    from sources.delimited import Row, Table
    from store.networks import Network
    from store.topics import Merged


@click.group()
def topics() -> None:
    """Import and list a network's topics.

    Example: germane topics import topics.csv
    """


@topics.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@network_option
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@as_json_option
@click.pass_obj
def import_(config: Path | None, /, file: Path, slug: str, dry_run: bool, as_json: bool) -> None:
    """Import topics from a CSV file with the columns key, label, description, parent and synonyms (; between them).

    A topic is known by its key: importing it again updates it. Topics that the file does not name stay as they are.
    Rejected rows go to FILE.rejected.csv with their reason, and the exit code is 4.

    Example: germane topics import topics.csv --dry-run
    """
    from jobs.services import open_services
    from sources.decoding import SourceError
    from store import networks

    services = open_services(config)
    with services.database.reading() as connection:
        network = networks.find(connection, slug)
    try:
        merged, rejected, rejects_file = import_topics(services, network, file, dry_run)
    except SourceError as error:
        click.echo(f"germane: {printable(error)}", err=True)
        sys.exit(REJECTED)
    for line, reason in rejected:
        click.echo(f"germane: {file}: line {line}: {printable(reason)}", err=True)
    if as_json:
        print_json(_as_json(merged, rejected, rejects_file))
    else:
        _print_merged(merged, len(rejected), dry_run)
    if rejects_file:
        click.echo(f"germane: rejected rows are in {rejects_file}: mend them and import that file", err=True)
    if rejected:
        sys.exit(REJECTED)


def import_topics(
    services: "Services", network: "Network", file: Path, dry_run: bool = False
) -> "tuple[Merged, list[tuple[int, str]], str]":
    """Merge `file` into a network; returns what changed, (line, reason) of rejected rows, and the file these are in.

    Raises SourceError when the file cannot be read at all.
    """
    from sources.topics import sort_topics
    from store import topics as store

    with services.database.reading() as connection:
        stored = store.load(connection, network.key)
    table, rows, wrong = _read(file)
    placed = sort_topics([(row.line, topic) for row, topic in rows], stored)
    rejected = sorted([*((row.line, reason) for row, reason in wrong), *placed.rejected])
    if dry_run:
        with services.database.reading() as connection:
            return store.compare(connection, network.key, placed.topics), rejected, ""
    with services.database.writing() as connection:
        merged = store.merge(connection, network.key, placed.topics)
    every = [row for row, _ in rows] + [row for row, _ in wrong]
    return merged, rejected, _keep_rejected(file, table, {row.line: row for row in every}, rejected)


@topics.command("list")
@network_option
@as_json_option
@click.pass_obj
def list_(config: Path | None, /, slug: str, as_json: bool) -> None:
    """List the topics as a tree.

    Example: germane topics list
    """
    from jobs.services import open_services
    from store import networks
    from store import topics as store

    with open_services(config).database.reading() as connection:
        network = networks.find(connection, slug)
        found = store.load(connection, network.key)
    if as_json:
        print_json(_nested(found, ""))
        return
    for depth, topic in _walk(found, "", 0):
        synonyms = f"  ({', '.join(topic.synonyms)})" if topic.synonyms else ""
        click.echo(printable(f"{'  ' * depth}{topic.label}  [{topic.key}]{synonyms}"))
    if not found:
        click.echo(f"{network.slug} has no topics yet; germane topics import FILE.csv adds some", err=True)


def _read(file: Path) -> "tuple[Table, list[tuple[Row, Topic]], list[tuple[Row, str]]]":
    from sources.delimited import Table
    from sources.topics import check_header, read_topic

    rows: list[tuple[Row, Topic]] = []
    wrong: list[tuple[Row, str]] = []
    with Table(file) as table:
        names = check_header(table.header, str(file))
        for row in table:
            try:
                if row.problem:
                    raise ValueError(row.problem)
                rows.append((row, read_topic(dict(zip(names, row.cells, strict=True)))))
            except ValueError as error:
                wrong.append((row, str(error)))
    return table, rows, wrong


def _keep_rejected(file: Path, table: "Table", rows: "dict[int, Row]", rejected: Sequence[tuple[int, str]]) -> str:
    from sources.rejects import Rejects

    with Rejects(file, table.header, table.delimiter) as rejects:
        for line, reason in rejected:
            rejects.add(rows[line], reason)
    return str(rejects.path) if rejected else ""


def _walk(found: "Sequence[Topic]", parent: str, depth: int) -> "Iterator[tuple[int, Topic]]":
    for topic in found:
        if topic.parent == parent:
            yield depth, topic
            yield from _walk(found, topic.key, depth + 1)


def _nested(found: "Sequence[Topic]", parent: str) -> list[dict[str, Any]]:
    return [
        {
            "key": t.key,
            "label": t.label,
            "description": t.description,
            "synonyms": t.synonyms,
            "below": _nested(found, t.key),
        }
        for t in found
        if t.parent == parent
    ]


def _as_json(merged: "Merged", rejected: Sequence[tuple[int, str]], rejects_file: str) -> dict[str, Any]:
    return {
        "added": [topic.key for topic in merged.added],
        "changed": [after.key for _, after in merged.changed],
        "unchanged": merged.unchanged,
        "rejected": [{"line": line, "reason": reason} for line, reason in rejected],
        "rejects_file": rejects_file,
    }


def _print_merged(merged: "Merged", rejected: int, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    if dry_run:
        for topic in merged.added:
            click.echo(f"+ {printable(topic.key)}: {printable(topic.label)}")
        for before, after in merged.changed:
            names = [n for n in type(after).__slots__ if getattr(before, n) != getattr(after, n)]
            click.echo(f"~ {printable(after.key)}: {', '.join(names)}")
    click.echo(
        f"{len(merged.added)} {would}added, {len(merged.changed)} {would}changed, "
        f"{merged.unchanged} as they were, {rejected} rejected"
    )
