"""When members get their digests, over several weeks of real editions: once a week at their hour, whatever is changed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select, update

from jobs import edition as composing
from jobs import settling
from jobs.run import run_edition
from profiles.member import Preferences, Profile
from store import members, networks
from store.database import Database
from store.tables import Member, Outbox
from tests.builders import NOW, a_member, some_services, stored_item, stored_member, stored_network, stored_topic

MEMBER, OUTBOX = Member.__table__, Outbox.__table__  # type: ignore[attr-defined]
WEEK, HOUR = timedelta(days=7), timedelta(hours=1)
PROFILE = Profile(chosen=("lungs",), languages=("en",))


class Weeks:
    """A network whose edition runs each Monday, with something new to read each time."""

    def __init__(self, database: Database) -> None:
        self.database, self.week = database, 0
        with database.writing() as connection:
            self.network = stored_network(connection, threshold=1.0)
            stored_topic(connection, self.network, key="lungs", label="Breathing", synonyms=("pulmonary",))

    def join(self, name: str, **preferences: Any) -> int:
        member = a_member(address=f"{name}@example.org", profile=PROFILE, preferences=Preferences(**preferences))
        with self.database.writing() as connection:
            return stored_member(connection, self.network, member)

    def change(self, member: int, **preferences: Any) -> None:
        with self.database.writing() as connection:
            connection.execute(update(MEMBER).where(MEMBER.c.id == member).values(**preferences))

    def run(self, late: timedelta = timedelta(0)) -> None:
        self.run_at(NOW + self.week * WEEK + late)

    def run_at(self, now: datetime) -> None:
        self.week += 1
        with self.database.writing() as connection:
            title = f"Pulmonary rehabilitation, part {self.week}"
            stored_item(
                connection, self.network, title=title, topics=("lungs",), kind="resource", published_at=now - HOUR
            )
        with self.database.reading() as connection:
            network = networks.every(connection)[0]
        run_edition(some_services(self.database, now=now), network, at=now, send=False)

    def mails(self, member: int) -> list[datetime]:
        with self.database.reading() as connection:
            query = select(OUTBOX.c.not_before).where(OUTBOX.c.member_id == member).order_by(OUTBOX.c.not_before)
            return list(connection.execute(query).scalars())


@pytest.fixture
def weeks(sqlite_database: Database) -> Weeks:
    return Weeks(sqlite_database)


def test_members_get_one_digest_a_week_each_at_their_own_hour(database: Database) -> None:
    weeks = Weeks(database)
    any_day, thursday = weeks.join("ann"), weeks.join("ben", weekday=3, hour=9, time_zone="America/New_York")
    for _ in range(3):
        weeks.run()
    assert weeks.mails(any_day) == [NOW, NOW + WEEK, NOW + 2 * WEEK]
    first, *_ = times = weeks.mails(thursday)
    assert [b - a for a, b in pairwise(times)] == [WEEK, WEEK]
    assert first.replace(minute=0) == datetime(2026, 11, 19, 14, tzinfo=UTC)
    with database.reading() as connection:
        assert connection.execute(select(MEMBER.c.last_due_at).where(MEMBER.c.id == thursday)).scalar() == times[-1]


def test_members_of_one_hour_are_spread_over_its_minutes_and_stay_where_they_are(weeks: Weeks) -> None:
    joined = [weeks.join(f"m{n}", weekday=2, hour=8, time_zone="Europe/London") for n in range(40)]
    weeks.run()
    weeks.run()
    minutes = {}
    for member in joined:
        first, second = weeks.mails(member)
        assert (first.weekday(), first.hour, second - first) == (2, 8, WEEK)
        minutes[member] = first.minute
    assert len(set(minutes.values())) > 15


@pytest.mark.parametrize(
    ("before", "after"), [((6, 8), (0, 9)), ((1, 8), (0, 9)), ((0, 9), (6, 20)), ((None, None), (3, 12))]
)
def test_a_changed_day_neither_doubles_nor_skips_a_week(weeks: Weeks, before: Any, after: Any) -> None:
    member = weeks.join("ann", weekday=before[0], hour=before[1])
    for _ in range(3):
        weeks.run()
    weeks.change(member, weekday=after[0], hour=after[1])
    for _ in range(6):
        weeks.run()
    gaps = [b - a for a, b in pairwise(weeks.mails(member))]
    assert min(gaps) >= timedelta(days=5) - HOUR
    assert max(gaps) <= timedelta(days=9) + HOUR
    last = weeks.mails(member)[-1]
    assert (last.weekday(), last.hour) == after


def test_a_longer_cadence_counts_from_the_last_digest(weeks: Weeks) -> None:
    member = weeks.join("ann", cadence="fortnightly", weekday=1, hour=10)
    for _ in range(7):
        weeks.run()
    assert [b - a for a, b in pairwise(weeks.mails(member))] == [2 * WEEK] * 3


def test_an_edition_that_is_a_day_late_goes_out_at_once_and_the_next_is_on_time(weeks: Weeks) -> None:
    member = weeks.join("ann", weekday=0, hour=9)
    weeks.run()
    weeks.run(late=timedelta(days=1, hours=3))
    weeks.run()
    first, second, third = weeks.mails(member)
    assert second == NOW + WEEK + timedelta(days=1, hours=3)
    assert third - first == 2 * WEEK


def test_what_two_editions_saw_alike_is_claimed_by_one(database: Database) -> None:
    weeks = Weeks(database)
    ann, ben = weeks.join("ann"), weeks.join("ben")
    with database.writing() as connection:
        members.claim_due(connection, [(ann, None, NOW), (ben, None, NOW)])
    with pytest.raises(members.DueMoved), database.writing() as connection:
        members.claim_due(connection, [(ben, NOW, NOW + WEEK), (ann, None, NOW)])
    with database.writing() as connection:
        members.claim_due(connection, [(ben, NOW, NOW + WEEK), (ann, NOW, NOW + WEEK)])


def test_a_member_whom_another_edition_mails_meanwhile_is_left_to_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading who is due and writing the digests, a process that is at another week's edition gets in first."""
    weeks = Weeks(database)
    ann, ben = weeks.join("ann"), weeks.join("ben")
    settled, met = settling.settled, []

    def overtaken(*arguments: Any) -> Any:
        found = settled(*arguments)
        if not met:
            met.append(True)
            with database.writing() as connection:
                members.claim_due(connection, [(ann, None, NOW - HOUR)])
        return found

    monkeypatch.setattr(composing, "settled", overtaken)
    weeks.run()
    assert (weeks.mails(ann), weeks.mails(ben)) == ([], [NOW])
