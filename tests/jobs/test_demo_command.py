"""`germane demo`, twice in one folder, as a real process: what a person sees who tries Germane for the first time."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from sqlalchemy import select

from digest.items import Item
from jobs.keyring import load
from jobs.run import WORDS
from store import editions, items, networks, records
from store.database import Database
from store.records import Outcome
from store.tables import Member
from tests.digest.keys import verified

GERMANE = (sys.executable, "-c", "from jobs.cli import main; main()", "demo", "--folder", "shown")
MEMBER = Member.__table__  # type: ignore[attr-defined]


class Shown:
    """The folder of a demo that ran twice, and what it said the second time."""

    def __init__(self, folder: Path, said: str) -> None:
        self.folder, self.said = folder, said
        self.database = Database(f"sqlite:///{folder / 'germane.db'}")
        with self.database.reading() as connection:
            self.network = networks.find(connection)
            (self.edition,) = editions.latest(connection, self.network.key)
            self.outcomes: list[Outcome] = records.outcomes(connection, self.edition.key)
            self.items = {item.key: item for item in items.load(connection, self.network.key)}
            self.members = {row.id: row for row in connection.execute(select(MEMBER))}
            self.chosen = list(connection.execute(select(editions.DIGEST_ITEM)))
        self.mails = {file.name: _mail(file) for file in (folder / "mail").glob("*.eml")}

    def pairs(self) -> list[tuple[Any, Item]]:
        """Each (member's row, item) that was sent."""
        return [(self.members[row.member_id], self.items[row.item_id]) for row in self.chosen]


def _mail(file: Path) -> EmailMessage:
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _run(folder: Path) -> str:
    done = subprocess.run(GERMANE, cwd=folder, env=os.environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("demo")
    _run(folder)
    leftovers = [folder / "shown" / name for name in ("mail/99999-gone@example.org.eml", "pages/gone.html")]
    for file in leftovers:
        assert file.parent.is_dir()
        file.write_text("from an earlier demo")
    (folder / "shown" / "notes.txt").write_text("the user's own")
    said = _run(folder)
    assert [file for file in leftovers if file.exists()] == []
    assert (folder / "shown" / "notes.txt").read_text() == "the user's own"
    found = Shown(folder / "shown", said)
    yield found
    found.database.close()


def test_most_members_get_a_digest_and_some_rightly_get_none(shown: Shown) -> None:
    digests = [one for one in shown.outcomes if one.state == "composed"]
    skipped = {one.reason for one in shown.outcomes if one.state == "skipped"}
    assert len(shown.outcomes) >= 120
    assert len(digests) > len(shown.outcomes) / 2
    assert {"nothing_fits", "empty_profile", "paused"} <= skipped
    bells = [one for one in shown.outcomes if "bell" in one.stated.lower()]
    assert bells
    assert {one.reason for one in bells} == {"nothing_fits"}


def test_the_table_and_the_second_run_are_on_the_screen(shown: Shown) -> None:
    words = " ".join(shown.said.split())
    assert f"members considered {len(shown.outcomes)}" in words
    assert f"delivered {len(shown.mails)}" in words
    assert "items in the median digest" in words
    assert "members reached by the median request" in words
    assert f"{shown.network.slug} {shown.edition.slot}: finished already; nothing to do" in words


def test_every_digest_is_a_mail_that_parses_and_there_is_no_other(shown: Shown) -> None:
    composed = {one.message_id: one.address for one in shown.outcomes if one.state == "composed"}
    assert {mail["Message-ID"]: mail["To"].addresses[0].addr_spec for mail in shown.mails.values()} == composed
    for mail in shown.mails.values():
        assert not mail.defects
        parts = [mail.get_body((kind,)) for kind in ("plain", "html")]
        assert all(part is not None and part.get_content().strip() for part in parts)
        assert mail["Subject"].strip()
        assert "List-Unsubscribe" in mail


def test_every_mail_is_signed_twice_and_has_a_return_path_of_its_own(shown: Shown) -> None:
    domain = shown.network.sender_address.partition("@")[2]
    keys = [load(shown.folder / "dkim" / domain / f"germane-{kind}.pem") for kind in ("rsa", "ed25519")]
    for name, mail in list(shown.mails.items())[:10]:
        assert verified((shown.folder / "mail" / name).read_bytes(), *keys) == [True, True]
        assert mail["X-Envelope-To"] == mail["To"].addresses[0].addr_spec
    senders = {str(mail["X-Envelope-From"]) for mail in shown.mails.values()}
    assert len(senders) == len(shown.mails)
    assert {sender.partition("@")[2] for sender in senders} == {domain}


def _links(page: Path) -> set[Path]:
    found = re.findall(r'(?:href|src)="([^"#?]+)', page.read_text(encoding="utf-8"))
    return {(page.parent / unquote(link)).resolve() for link in found if not re.match(r"[a-z]+:", link)}


def test_the_index_links_every_mail_and_no_link_is_broken(shown: Shown) -> None:
    index = shown.folder / "index.html"
    linked = _links(index)
    told = "".join(page.read_text(encoding="utf-8") for page in linked)
    assert len(linked) == len(shown.mails)
    assert [mail["Message-ID"] for mail in shown.mails.values() if mail["Message-ID"].strip("<>") not in told] == []
    for page in linked:
        assert all(target.exists() for target in _links(page)), page


def test_the_index_names_who_got_nothing_and_why(shown: Shown) -> None:
    index = unescape((shown.folder / "index.html").read_text(encoding="utf-8"))
    for one in shown.outcomes:
        assert (one.name or one.address) in index
        assert one.state == "composed" or WORDS[one.reason] in index


def test_nobody_gets_mail_who_paused_left_bounced_or_never_confirmed(shown: Shown) -> None:
    idle = {row.address: row.status for row in shown.members.values() if row.status != "active"}
    assert {"paused", "left", "pending", "bounced"} <= set(idle.values())
    assert {mail["To"].addresses[0].addr_spec for mail in shown.mails.values()} & set(idle) == set()


def test_nobody_gets_an_item_twice_or_their_own(shown: Shown) -> None:
    pairs = [(member.id, item.key) for member, item in shown.pairs()]
    assert len(pairs) == len(set(pairs))
    posters = {item.poster.split(",")[0].casefold() for item in shown.items.values()}
    assert posters & {row.name.casefold() for row in shown.members.values()}, "nobody of the members has posted"
    for member, item in shown.pairs():
        assert item.poster.split(",")[0].casefold() != member.name.casefold()


def test_nobody_gets_a_language_that_they_do_not_read(shown: Shown) -> None:
    languages = set()
    for member, item in shown.pairs():
        assert item.language in (member.languages or (shown.network.language,)), (member.address, item.title)
        languages.add(item.language)
    assert len(languages) >= 2


def test_nothing_that_is_over_held_or_withdrawn_is_sent(shown: Shown) -> None:
    now = datetime.now(UTC)
    for _, item in shown.pairs():
        assert item.is_open(now), item.title
        assert item.state == "published"
    assert any(not item.is_open(now) for item in shown.items.values())


def test_mutes_and_caps_hold(shown: Shown) -> None:
    for member, item in shown.pairs():
        assert item.kind not in member.muted_kinds
        assert not set(item.topics) & set(member.muted_topics)
    for row in shown.chosen:
        assert row.rank <= (shown.members[row.member_id].items_per_digest or shown.network.items_per_digest or 6)


def test_its_secret_is_for_its_owner_alone_and_in_no_page(shown: Shown) -> None:
    secret = shown.folder / "secret"
    assert secret.stat().st_mode & 0o077 == 0
    told = secret.read_text()
    assert told not in shown.said
    assert not any(told in file.read_text(encoding="utf-8") for file in shown.folder.rglob("*.html"))


@pytest.mark.parametrize("folder", ["taken", "taken/inside"])
def test_a_folder_that_cannot_be_is_a_wrong_call(tmp_path: Path, folder: str) -> None:
    (tmp_path / "taken").write_text("a file")
    done = subprocess.run(
        [*GERMANE[:-1], folder], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "taken" in done.stderr
    assert (tmp_path / "taken").read_text() == "a file"
