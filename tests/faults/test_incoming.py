"""F20: a process that takes in mail is killed at each step: every mail is in the database once, and counts once."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from jobs.failpoints import POINTS
from profiles.verp import return_path
from store import inbound, tables
from store.database import Database
from tests.builders import stored_digest, stored_edition, stored_member, stored_network
from tests.delivery.bounces.samples import fields, report
from tests.faults.processes import Germane, killed

SECRET = "a secret of at least thirty-two characters"
STEPS = [point for point in POINTS if point.startswith("incoming.")]
MAILS = 3
EVENT = tables.CameBack.__table__  # type: ignore[attr-defined]
OUTBOX = tables.Outbox.__table__  # type: ignore[attr-defined]
MEMBER = tables.Member.__table__  # type: ignore[attr-defined]
EDITION = tables.Edition.__table__  # type: ignore[attr-defined]


@pytest.fixture
def maildir(database: Database, tmp_path: Path) -> Path:
    """Bounces of three digests to three members, not yet taken in."""
    (tmp_path / "Maildir" / "new").mkdir(parents=True)
    with database.writing() as connection:
        network = stored_network(connection)
        edition = stored_edition(connection, network)
        for n in range(MAILS):
            key = stored_digest(
                connection, edition, stored_member(connection, network, address=f"m{n}@example.org"), ()
            )
            connection.execute(OUTBOX.update().where(OUTBOX.c.id == key).values(state="handed_over", attempts=1))
        members = [row.public_id for row in connection.execute(select(MEMBER).order_by(MEMBER.c.id))]
        public_id = connection.execute(select(EDITION.c.public_id)).scalar_one()
    for n, member in enumerate(members):
        path = return_path(SECRET.encode(), member, public_id, "news.example.org")
        raw = b"Delivered-To: " + path.encode() + b"\r\n" + report(fields(f"m{n}@example.org", "failed", "5.1.1"))
        (tmp_path / "Maildir" / "new" / f"{n}.lab").write_bytes(raw)
    return tmp_path / "Maildir"


def ingest(database: Database, maildir: Path, failpoint: str = "") -> Germane:
    url = database.engine.url.render_as_string(hide_password=False)
    variables = {"GERMANE_DATABASE__URL": url, "GERMANE_SECRET_KEY": SECRET}
    return Germane("bounces", "ingest", maildir, folder=maildir.parent, variables=variables, failpoint=failpoint)


@pytest.mark.fault("kill -9", "{point}")
@pytest.mark.parametrize("nth", [1, MAILS])
@pytest.mark.parametrize("point", STEPS)
def test_f20_killed_at_each_step_every_mail_is_there_once_and_counts_once(
    database: Database, maildir: Path, point: str, nth: int
) -> None:
    assert killed(ingest(database, maildir, f"{point}:{nth}:kill").ended()[0])
    _expire_what_was_taken(database)
    assert ingest(database, maildir).ended()[0] == 0
    with database.reading() as connection:
        assert inbound.counts(connection) == {"done": MAILS}
        per_message = select(EVENT.c.outbox_id, func.count()).group_by(EVENT.c.outbox_id)
        assert [row[1] for row in connection.execute(per_message)] == [1] * MAILS
        assert [row.state for row in connection.execute(select(OUTBOX))] == ["bounced"] * MAILS
    assert not list((maildir / "new").iterdir())


def _expire_what_was_taken(database: Database) -> None:
    """As if the two minutes had gone by in which a mail belongs to the process that took it."""
    with database.writing() as connection:
        connection.execute(inbound.TABLE.update().values(taken_until=None))
