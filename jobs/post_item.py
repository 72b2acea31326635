"""Posting one item: from flags, or from a form in an editor, in which nothing typed is lost."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest.items import KINDS, Item
from jobs.import_items import item_reader
from sources.items import Rejection, derived_id
from store import items as store

if TYPE_CHECKING:
    from jobs.services import Services
    from store.networks import Network

NOTE, BODY = "#", "--- the text in Markdown, below this line ---"
PROBLEM = f"{NOTE}! "
KEYS = {
    "title": "",
    "kind": f"one of {', '.join(KINDS)}; news if empty",
    "summary": "one or two sentences for the mail; the beginning of the text if empty",
    "url": "where to read on",
    "topics": "keys or labels, with ; between them",
    "deadline": "last day or moment: 2026-11-30 or 2026-11-30T17:00",
    "event_at": "when it takes place",
    "expires_at": "last day on which it is worth sending",
    "poster": "who posts it, as members read it",
    "language": "such as cy; guessed if empty",
    "audience_profession": "only for members with one of these, with ; between them; for everybody if empty; the same below",
    "audience_setting": "",
    "audience_organisation_type": "",
    "audience_region": "",
    "audience_country": "",
    "audience_topics": "",
    "audience_languages": "",
    "reach_needed": "how many members it should reach, and may reach at most; as usual for its kind if empty",
    "reach_most": "",
    "answers_wanted": "offers of help after which a request is closed; as usual if empty",
    "state": "published or draft; published if empty",
}


def post_fields(services: "Services", network: "Network", fields: Mapping[str, object]) -> Item:
    """Store one item. Raises click.UsageError with every reason why it cannot be stored."""
    try:
        return _post(services, network, fields)
    except Rejection as reason:
        raise click.UsageError(str(reason)) from None


def edit(
    services: "Services", network: "Network", fields: Mapping[str, object], resume: Path | None = None
) -> Item | None:
    """Open a form until what is in it can be stored. None when it was left as it was, or emptied.

    Whatever goes wrong after something was typed, the text is kept in a file that is named.
    """
    blank = _form(network, fields)
    text = resume.read_text(encoding="utf-8") if resume else blank
    while True:
        edited = click.edit(text, extension=".md", require_save=text == blank)
        if not edited or not edited.strip() or edited == blank:
            return None
        if edited == text and _has_problem(text):
            raise click.ClickException(f"nothing was posted; {_kept(edited)}")
        try:
            return _post(services, network, parse_form(edited))
        except Rejection as reason:
            text = _with_problems(edited, reason.args)
        except BaseException:
            click.echo(f"germane: {_kept(edited)}", err=True)
            raise


def parse_form(text: str) -> dict[str, object]:
    """The fields of a form that are not empty. Raises Rejection for a line above the text that is neither field nor note."""
    head, _, body = text.replace("\r\n", "\n").partition(BODY)
    fields: dict[str, object] = {"body": body.strip("\n")} if body.strip() else {}
    for line in head.split("\n"):
        name, colon, value = line.partition(":")
        if not line.strip() or line.startswith(NOTE):
            continue
        if not colon or name.strip() not in KEYS:
            raise Rejection(f"{line[:60]!r} is no field of the form; the text belongs below the line {BODY!r}")
        fields |= {name.strip(): value.strip()} if value.strip() else {}
    return fields


def _post(services: "Services", network: "Network", fields: Mapping[str, object]) -> Item:
    named = _read(services, network, fields)
    with services.database.writing() as connection:
        return store.add(connection, network.key, named, services.now())


def read_item(services: "Services", network: "Network", fields: Mapping[str, object]) -> Item:
    """One item that can be stored. Raises click.UsageError with every reason why it cannot."""
    try:
        return _read(services, network, fields)
    except Rejection as reason:
        raise click.UsageError(str(reason)) from None


def _read(services: "Services", network: "Network", fields: Mapping[str, object]) -> Item:
    now = services.now()
    if fields.get("state", "published") not in {"published", "draft"}:
        raise Rejection("state: a new item is published or draft")
    item = item_reader(services, network).read(fields).item
    problems = _over(item, now)
    if problems:
        raise Rejection(*problems)
    dated = replace(item, published_at=now, external_id="")
    return replace(dated, external_id=derived_id(dated), published_at=now if item.state == "published" else None)


def _over(item: Item, now: datetime) -> list[str]:
    times = {"deadline": item.deadline, "event_at": item.event_at, "expires_at": item.expires_at}
    return [
        f"{name}: is over already, so that nobody would receive the item" for name, t in times.items() if t and t <= now
    ]


def _form(network: "Network", fields: Mapping[str, object]) -> str:
    lines = [
        f"{NOTE} A post to {network.name}. Save and close to post it; leave it as it is, or empty it, to post nothing.",
        f"{NOTE} Times are in {network.time_zone} where they name no zone. Lines that begin with {NOTE} are notes.",
        "",
    ]
    for name, note in KEYS.items():
        lines += [f"{NOTE} {note}"] if note else []
        lines += [f"{name}: {_cell(fields.get(name, ''))}".rstrip()]
    return "\n".join([*lines, "", BODY, "", str(fields.get("body", ""))])


def _cell(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else " ".join(str(value).split())


def _has_problem(text: str) -> bool:
    return text.startswith(PROBLEM)


def _with_problems(text: str, reasons: Sequence[str]) -> str:
    lines = text.split("\n")
    while lines and lines[0].startswith(PROBLEM):
        lines.pop(0)
    return "\n".join([*(PROBLEM + reason for reason in reasons), *lines])


def _kept(text: str) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="germane-post-", suffix=".md", delete=False, encoding="utf-8", newline="\n"
    ) as file:
        file.write(text)
    return f"what you wrote is kept; go on with: germane items post --resume {file.name}"
