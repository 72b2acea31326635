"""A whole installation in a folder, used as its operator uses it: the command line, a database file, a mail server."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from delivery.sink import running
from jobs.cli import main
from profiles.member import Preferences, Profile
from store.database import Database
from store.tables import metadata
from tests.builders import NOW, a_member, stored_item, stored_member, stored_network, stored_topic
from tests.faults.misbehaving import Fault, Misbehaving

SECRET = "a secret of at least thirty-two characters"

MEMBERS = {
    "ann@example.org": Profile(
        stated="early supported discharge after stroke, rehabilitation at home", languages=("en",)
    ),
    "bob@example.org": Profile(chosen=("lungs",), languages=("en",)),
    "carol@example.org": Profile(stated="bell ringing in country churches", languages=("en",)),
    "dora@example.org": Profile(languages=("en",)),
}
ITEMS = {
    "esd": (
        "Early supported discharge teams",
        "How do stroke teams set up early supported discharge at home?",
        ("stroke",),
    ),
    "rehab": (
        "Pulmonary rehabilitation by video",
        "A course of pulmonary rehabilitation for people with COPD, by video.",
        ("lungs",),
    ),
    "library": ("New opening hours", "The library is open on Saturdays from now on.", ()),
}


@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def _whole(arguments: tuple[str, ...]) -> None:
    main(list(arguments))


def germane(*arguments: object, **options: Any) -> Result:
    """What `germane ARGUMENTS` prints and exits with. An exception that it would show as a traceback is raised here."""
    given = [str(argument) for argument in arguments]
    result = CliRunner().invoke(_whole, ["--", *given], catch_exceptions=False, **options)
    assert "Traceback" not in result.output
    return result


def printed(*arguments: object) -> Any:
    """What `germane ARGUMENTS --json` prints, whatever its exit code."""
    return json.loads(germane(*arguments, "--json").stdout)


class Installation:
    """One network, breathe-well: Ann and Bob have something to read, Carol and Dora have not."""

    def __init__(self, database: Database, server: Misbehaving, patch: pytest.MonkeyPatch) -> None:
        self.database, self.server, self._patch = database, server, patch
        self.set("DATABASE__URL", database.engine.url.render_as_string(hide_password=False))
        self.set("SECRET_KEY", SECRET)
        self.set("SMTP__HOST", server.host)
        self.set("SMTP__PORT", server.port)
        self.now = NOW
        self.dns = {"news.example.org": ["v=spf1 a -all"], "_dmarc.example.org": ["v=DMARC1; p=reject"]}
        patch.setattr("jobs.services.wall_clock", lambda: self.now)
        patch.setattr("jobs.dns.txt_records", lambda name: self.dns.get(name, []))
        self.network_key = self.add_network("breathe-well")

    def set(self, variable: str, value: object) -> None:
        self._patch.setenv("GERMANE_" + variable, str(value))

    def unset(self, variable: str) -> None:
        self._patch.delenv("GERMANE_" + variable)

    def add_network(self, slug: str, *, filled: bool = True, **changes: Any) -> int:
        """A network in which every item that fits at all is sent."""
        with self.database.writing() as connection:
            key = stored_network(connection, slug=slug, name=slug.title(), threshold=1.0, **changes)
            stored_topic(connection, key)
            stored_topic(connection, key, key="lungs", label="Breathing", synonyms=("pulmonary",))
            for name, (title, body, topics) in ITEMS.items() if filled else ():
                stored_item(connection, key, title=title, body=body, topics=topics, external_id=name, kind="resource")
            for address, profile in MEMBERS.items():
                apart = Preferences(combine=False)  # each of the networks mails them by itself
                stored_member(connection, key, a_member(address=address, profile=profile, preferences=apart))
        return key

    def join(self, address: str, profile: Profile, **changes: Any) -> None:
        with self.database.writing() as connection:
            stored_member(connection, self.network_key, a_member(address=address, profile=profile, **changes))

    def post(self, **changes: Any) -> None:
        with self.database.writing() as connection:
            stored_item(connection, self.network_key, **changes)

    @property
    def fingerprint(self) -> str:
        """A hash of every row of every table."""
        digest = hashlib.sha256()
        with self.database.reading() as connection:
            for table in metadata.sorted_tables:
                rows = connection.execute(select(table).order_by(*table.primary_key.columns))
                digest.update(f"{table.name}: {[tuple(row) for row in rows]}".encode())
        return digest.hexdigest()

    @property
    def mailed(self) -> list[str]:
        return sorted(self.server.recipients())


@contextmanager
def installed(database: Database, folder: Path, patch: pytest.MonkeyPatch, *faults: Fault) -> Iterator[Installation]:
    patch.chdir(folder)
    with running(Misbehaving(*faults)) as server:
        assert isinstance(server, Misbehaving)
        yield Installation(database, server, patch)
