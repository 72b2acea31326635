"""Members who stay silent get less and are asked once; a sign of life brings all of it back."""

import re
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from jobs.serve import pages
from jobs.services import open_services
from profiles.standing import Quiet
from store import editions, members
from store.database import Database
from tests.builders import NOW
from tests.jobs.composing import Community
from tests.jobs.installation import Installation, germane

AFTER_TWO = {"quiet_after": 2, "quiet_most_weeks": 4}


def test_the_time_between_two_digests_doubles_up_to_the_most() -> None:
    quiet = Quiet(after=8, most_weeks=8)
    assert [quiet.weeks(n) for n in (0, 7, 8, 15, 16, 24, 32, 10**6)] == [1, 1, 2, 2, 4, 8, 8, 8]
    assert Quiet().weeks(10**6) == 1


@pytest.mark.parametrize(
    ("unanswered", "asked_days_ago", "asks"), [(7, None, False), (8, None, True), (20, 10, False), (8, 40, True)]
)
def test_somebody_is_asked_once_in_each_silence(unanswered: int, asked_days_ago: int | None, asks: bool) -> None:
    asked_at = None if asked_days_ago is None else NOW - timedelta(days=asked_days_ago)
    heard_at = NOW - timedelta(days=30)
    assert Quiet(after=8).asks(unanswered, asked_at, heard_at) is asks


class Silence(Community):
    def weeks(self, n: int) -> list[str]:
        """What became of Ann's digest in each of the next n weeks, with something new to send each time."""
        found = []
        for _ in range(n):
            self.post(
                f"w{self.week}", kind="news", title=f"Stroke discharge at home {self.week}", published_at=self.today
            )
            self.compose(digest=AFTER_TWO)
            with self.database.reading() as connection:
                query = select(editions.DIGEST).order_by(editions.DIGEST.c.id.desc()).limit(1)
                row = connection.execute(query).one()
            found.append(row.notice or row.reason or row.state)
        return found

    @property
    def today(self) -> datetime:
        return NOW + timedelta(weeks=self.week, days=-1)


@pytest.fixture
def silence(database: Database) -> Silence:
    return Silence(database)


def test_who_stays_silent_is_asked_once_and_sent_less(silence: Silence) -> None:
    silence.join("ann")
    assert silence.weeks(8) == [
        "composed", "composed", "quiet", "still_there", "quiet", "composed", "quiet", "quiet"
    ]  # fmt: skip


def test_a_word_on_an_item_or_a_visit_to_the_preferences_brings_all_of_it_back(silence: Silence) -> None:
    ann = silence.join("ann")
    assert silence.weeks(4)[-1] == "still_there"
    silence.said(ann, 1, "more")
    with silence.database.writing() as connection:
        members.seen(connection, ann, silence.today)
    assert silence.weeks(3) == ["composed", "composed", "quiet"]


def test_the_question_is_in_one_mail_and_its_button_brings_all_of_it_back(installation: Installation) -> None:
    installation.set("DIGEST__QUIET_AFTER", 2)

    def week(n: int) -> str:
        """Ann's mail of that week, empty for none."""
        installation.now = NOW + timedelta(weeks=n)
        title, at = f"Stroke discharge at home {n}", installation.now - timedelta(days=1)
        installation.post(kind="news", external_id=f"w{n}", title=title, published_at=at, topics=())
        before = len(installation.server.accepted)
        germane("run")
        mine = [mail for mail in installation.server.accepted[before:] if "ann@example.org" in mail.recipients]
        return "".join(str(message_from_bytes(mail.content, policy=default).get_body(("plain",))) for mail in mine)

    mails = [week(n) for n in range(6)]
    assert [bool(mail) for mail in mails] == [True, True, False, True, False, True]
    assert ["/keep/" in mail for mail in mails] == [False, False, False, True, False, False]
    (page,) = re.findall(r"http://localhost:8025(/keep/\w+)", mails[3])
    with TestClient(pages(open_services(None))) as client:
        assert client.post(page, data={"choice": "keep"}).status_code == 200
    assert all(week(n) for n in (6, 7))
