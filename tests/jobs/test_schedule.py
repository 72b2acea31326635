import logging
import random
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import click
import pytest

from digest.slots import Wish, due, next_due
from jobs.schedule import SENT_AT_ONCE, Begun, Ticker, current, slot_due, start
from jobs.send import SendReport
from jobs.services import Services
from jobs.settings import SendingSettings, Settings
from store.database import DatabaseBusy
from tests.builders import a_network, stored_edition, stored_network

HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
GRACE = 72 * HOUR
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MONDAY = datetime(2026, 11, 16, 7, 30, tzinfo=UTC)
NETWORK = a_network(weekday=0, hour=7, minute=30)


def begun(states):
    """Editions by slot name, each opened on its Monday at 7:30."""
    return {name: Begun(state, monday_of(name)) for name, state in (states or {}).items()}


def monday_of(slot):
    year, week = slot.split("-W")
    return datetime.combine(date.fromisocalendar(int(year), int(week), 1), time(7, 30), tzinfo=UTC)


def slot_at(now, states=None, network=NETWORK, added_at=LONG_AGO):
    slot = slot_due(now, network, added_at, begun(states), GRACE)
    return slot.name if slot else None


def test_an_edition_is_due_from_its_moment_on():
    assert slot_at(MONDAY - HOUR, {"2026-W46": "finished"}) is None
    assert slot_at(MONDAY, {"2026-W46": "finished"}) == "2026-W47"


@pytest.mark.parametrize("state", ["released", "finished"])
def test_an_edition_that_is_composed_and_given_to_the_senders_is_not_run_again(state):
    assert slot_at(MONDAY + HOUR, {"2026-W47": state}) is None


@pytest.mark.parametrize("state", ["opened", "composed"])
def test_an_edition_that_was_begun_is_taken_up_again_however_late(state):
    assert slot_at(MONDAY + 2 * GRACE, {"2026-W47": state}) == "2026-W47"


def test_a_missed_edition_is_caught_up_within_the_grace_and_not_after_it():
    assert slot_at(MONDAY + GRACE) == "2026-W47"
    assert slot_at(MONDAY + GRACE + timedelta(seconds=1)) is None


def test_after_three_weeks_off_only_the_latest_week_is_due():
    assert slot_at(MONDAY + 3 * WEEK, {"2026-W46": "finished"}) == "2026-W50"


def test_a_network_added_after_this_weeks_moment_waits_for_the_next():
    added = MONDAY + timedelta(minutes=1)
    assert slot_at(MONDAY + HOUR, added_at=added) is None
    assert slot_at(MONDAY + WEEK, added_at=added) == "2026-W48"


def test_a_week_that_went_by_stays_shut_when_the_clock_is_set_back():
    assert slot_at(MONDAY - WEEK + HOUR, {"2026-W47": "finished"}) is None


def test_a_clock_that_was_once_far_ahead_does_not_stop_the_weeks_for_years():
    assert slot_at(MONDAY, {"2031-W01": "finished"}) == "2026-W47"


def walk(network, begin, end, step=HOUR):
    """Run whatever is due at each step of the clock; returns the slots that ran, in order."""
    states, ran, now = {}, [], begin
    while now < end:
        slot = slot_due(now, network, LONG_AGO, states, GRACE)
        if slot:
            states = {slot.name: Begun("finished", now), **dict(list(states.items())[:9])}
            ran.append((slot.name, now))
        now += step
    return ran


@pytest.mark.parametrize(
    ("zone", "weekday", "hour", "minute"),
    [
        ("Europe/London", 0, 7, 30),
        ("Europe/London", 6, 1, 30),
        ("Europe/Brussels", 6, 2, 30),
        ("America/New_York", 6, 1, 0),
        ("Australia/Lord_Howe", 6, 1, 45),
        ("Pacific/Kiritimati", 0, 0, 0),
    ],
)
def test_hour_by_hour_from_2024_to_2030_every_iso_week_runs_exactly_once(zone, weekday, hour, minute):
    network = a_network(time_zone=zone, weekday=weekday, hour=hour, minute=minute)
    begin, end = datetime(2024, 1, 8, tzinfo=UTC), datetime(2031, 1, 6, tzinfo=UTC)
    ran = walk(network, begin, end)
    names = [name for name, _ in ran]
    assert len(names) == len(set(names))
    expected, at = [], due(begin, zone, weekday, hour, minute)
    while at.instant < end - HOUR:
        expected.append(at.name)
        at = due(at.instant + WEEK + 2 * HOUR, zone, weekday, hour, minute)
    assert names[-365:] == expected[-365:]
    assert {"2026-W53", "2024-W09", "2028-W09"} <= set(names)


def test_a_schedule_moved_to_a_later_day_of_a_week_that_is_done_makes_nobody_wait_for_two_weeks():
    on_sundays = a_network(weekday=6, hour=7, minute=30)
    sunday = MONDAY + timedelta(days=6)
    assert slot_at(sunday - HOUR, {"2026-W47": "finished"}, on_sundays) is None
    assert slot_at(sunday, {"2026-W47": "finished"}, on_sundays) == "2026-W48"
    done = {"2026-W47": Begun("finished", MONDAY), "2026-W48": Begun("finished", sunday)}
    assert slot_due(sunday + HOUR, on_sundays, LONG_AGO, done, GRACE) is None
    assert slot_due(sunday + WEEK, on_sundays, LONG_AGO, done, GRACE).name == "2026-W49"
    half_done = done | {"2026-W48": Begun("opened", sunday)}
    assert slot_due(sunday + HOUR, on_sundays, LONG_AGO, half_done, GRACE).name == "2026-W48"
    back_on_mondays = slot_due(MONDAY + WEEK, NETWORK, LONG_AGO, done, GRACE)
    assert back_on_mondays is None, "W48 is done"
    assert slot_due(MONDAY + 2 * WEEK, NETWORK, LONG_AGO, done, GRACE).name == "2026-W49"


SCHEDULES = [("Europe/London", 0, 7, 30), ("Europe/Brussels", 6, 2, 30), ("Australia/Lord_Howe", 6, 1, 45)]
WISHES = [
    Wish(zone, weekday, hour, 23 if hour is not None else 0)
    for zone in ("Europe/London", "America/New_York", "Africa/Cairo", "Pacific/Apia", "Australia/Lord_Howe")
    for weekday, hour in ((None, None), (0, 7), (0, 6), (6, 2), (2, 18), (None, 23), (4, 13))
]


@pytest.mark.parametrize(("zone", "weekday", "hour", "minute"), SCHEDULES)
def test_f5_hour_by_hour_from_2024_to_2030_every_member_gets_one_digest_a_week(zone, weekday, hour, minute):
    """Clocks that change twice a year, leap days, weeks 53; members in many zones beside the network's edition."""
    network = a_network(time_zone=zone, weekday=weekday, hour=hour, minute=minute)
    runs = walk(network, datetime(2024, 1, 8, tzinfo=UTC), datetime(2031, 1, 6, tzinfo=UTC))
    for wish in WISHES:
        got = digests(wish, network, runs)[1:]  # the first edition of all may be a late one
        assert len(got) in {363, 364, 365}, wish
        gaps = [b - a for a, b in pairwise(got)]
        assert min(gaps) >= timedelta(days=6) - 2 * HOUR
        assert max(gaps) <= timedelta(days=8) + 2 * HOUR


def digests(wish, network, runs, last=None):
    """When a member with this wish gets one, over the editions that ran."""
    got = []
    for _, as_of in runs:
        at = next_due(wish, last, current(as_of, network).instant, as_of)
        if at < as_of + WEEK:
            got.append(at)
            last = at
    return got


def test_f5_a_network_whose_schedule_is_changed_again_and_again_doubles_and_skips_no_members_week():
    """Changed on a random day to a random day and hour, 40 times: the members' own due moments keep the distance."""
    chance = random.Random(5)
    for _ in range(10):
        now, network, states, last = MONDAY, NETWORK, {}, dict.fromkeys(range(3))
        got = {n: [] for n in last}
        wishes = [Wish("Europe/London"), Wish("America/New_York", 3, 9, 5), Wish("Europe/London", 0, 6, 40)]
        for _ in range(40):
            for _ in range(chance.randint(24 * 10, 24 * 40)):
                now += HOUR
                slot = slot_due(now, network, LONG_AGO, states, GRACE)
                if slot is None:
                    continue
                states[slot.name] = Begun("finished", now)
                for n, wish in enumerate(wishes):
                    at = next_due(wish, last[n], slot.instant, now)
                    if at < now + WEEK:
                        got[n].append(at)
                        last[n] = at
            network = a_network(weekday=chance.randint(0, 6), hour=chance.randint(0, 23), minute=0)
        for n in got:
            gaps = [b - a for a, b in pairwise(got[n])]
            assert min(gaps) >= timedelta(days=5) - 2 * HOUR
            assert max(gaps) <= timedelta(days=12) + 2 * HOUR


def test_f6_after_three_weeks_off_a_network_runs_one_edition_and_a_member_gets_one_digest():
    before = walk(NETWORK, MONDAY - 8 * WEEK, MONDAY - 2 * WEEK)
    now, states = MONDAY + WEEK + timedelta(days=1), {name: Begun("finished", at) for name, at in before}
    ran = []
    while now < MONDAY + 4 * WEEK:
        slot = slot_due(now, NETWORK, LONG_AGO, states, GRACE)
        if slot:
            states[slot.name] = Begun("finished", now)
            ran.append((slot.name, now))
        now += HOUR
    assert [name for name, _ in ran] == ["2026-W48", "2026-W49", "2026-W50"]
    for wish in WISHES:
        last = digests(wish, NETWORK, before)[-1]
        got = digests(wish, NETWORK, ran, last)
        assert len(got) in {2, 3}
        assert min(b - a for a, b in pairwise(got)) >= timedelta(days=5) - 2 * HOUR


def test_a_clock_that_jumps_back_and_forth_makes_no_week_twice():
    states, ran = {}, []
    for minutes in range(0, 6 * 7 * 24 * 60, 45):
        jump = timedelta(days=(minutes // 45 * 7919) % 5 - 2)
        slot = slot_due(MONDAY + timedelta(minutes=minutes) + jump, NETWORK, LONG_AGO, states, GRACE)
        if slot:
            states[slot.name] = Begun("finished", MONDAY + timedelta(minutes=minutes) + jump)
            ran.append(slot.name)
    assert ran == sorted(set(ran))
    assert len(ran) >= 6


@pytest.fixture
def services(sqlite_database):
    return Services(Settings(), sqlite_database, lambda: MONDAY)


class Runs:
    """Stands in for the run and the sending: writes down what it was asked for."""

    def __init__(self, error=None):
        self.asked, self.limits, self.sent, self.error = [], [], 0, error

    def run_edition(self, services, network, *, at, slot, send):
        self.asked.append((network.slug, slot, at, send))
        if self.error and len(self.asked) == 1:
            raise self.error

    def send_due(self, services, *, limit, stopping):
        """A thousand and one messages wait at first."""
        self.limits.append(limit)
        done = min(limit, 1001 - self.sent)
        self.sent += done
        return SendReport({"handed_over": {"": done}} if done else {}, waiting=1001 - self.sent)


def added(database, *slugs):
    with database.writing() as connection:
        return [stored_network(connection, slug=slug) for slug in slugs]


def test_a_tick_composes_what_is_due_and_leaves_the_sending_to_the_outbox(services):
    added(services.database, "one", "two")
    runs = Runs()
    Ticker(services, runs.run_edition, runs.send_due).editions()
    assert runs.asked == [("one", "2026-W47", MONDAY, False), ("two", "2026-W47", MONDAY, False)]
    assert runs.sent == 0


def test_a_tick_leaves_a_finished_edition_alone(services):
    (key,) = added(services.database, "one")
    with services.database.writing() as connection:
        stored_edition(connection, key, slot="2026-W47", state="finished")
    runs = Runs()
    Ticker(services, runs.run_edition, runs.send_due).editions()
    assert runs.asked == []


@pytest.mark.parametrize("error", [DatabaseBusy("locked"), click.ClickException("busy"), RuntimeError("surprise")])
def test_one_networks_failure_does_not_stop_the_next(services, error, caplog):
    added(services.database, "one", "two")
    runs = Runs(error)
    Ticker(services, runs.run_edition, runs.send_due).editions()
    assert [slug for slug, *_ in runs.asked] == ["one", "two"]
    assert "cannot run the edition of one now" in caplog.text


def test_a_database_that_does_not_answer_is_logged_and_tried_again(services, tmp_path, caplog):
    from store.database import Database

    broken = Services(services.settings, Database(f"sqlite:///{tmp_path}/none/germane.db"), services.now)
    runs = Runs()
    Ticker(broken, runs.run_edition, runs.send_due).editions()
    assert "cannot list the networks now" in caplog.text
    assert "Traceback" not in caplog.text


def test_an_edition_missed_for_good_is_reported_once(services, caplog):
    added(services.database, "one")
    with services.database.writing() as connection:
        from store import networks

        networks.change(connection, "one", created_at=LONG_AGO)
    late = Services(services.settings, services.database, lambda: MONDAY + 4 * timedelta(days=1))
    runs = Runs()
    ticker = Ticker(late, runs.run_edition, runs.send_due)
    with caplog.at_level(logging.WARNING):
        ticker.editions()
        ticker.editions()
    assert runs.asked == []
    assert caplog.text.count("one: edition 2026-W47 was missed") == 1


def test_a_tick_of_the_outbox_sends_in_rounds_until_nothing_is_due(services):
    runs = Runs()
    Ticker(services, runs.run_edition, runs.send_due).outbox()
    assert runs.sent == 1001
    assert runs.sent > 2 * SENT_AT_ONCE


def test_a_round_is_worth_starting_several_processes(services):
    runs = Runs()
    settings = services.settings.model_copy(update={"sending": SendingSettings(processes=2, batch=100)})
    Ticker(replace(services, settings=settings), runs.run_edition, runs.send_due).outbox()
    assert runs.limits[0] == 800


def test_a_round_that_is_under_way_is_told_to_stop(services):
    told = []

    def send_due(_services, *, limit, stopping):
        ticker.stopping.set()
        told.append(stopping.is_set())
        return SendReport({"handed_over": {"": limit}})

    ticker = Ticker(services, Runs().run_edition, send_due)
    ticker.outbox()
    assert told == [True]


def test_a_mail_server_that_is_down_is_logged_and_waited_for(services, caplog):
    asked = []

    def send_due(_services, *, limit, stopping):
        asked.append(limit)
        return SendReport(waiting=7, mail_server_problem="no mail server answers at localhost:25")

    Ticker(services, Runs().run_edition, send_due).outbox()
    assert len(asked) == 1
    assert "no mail server answers at localhost:25; 7 messages wait" in caplog.text


def test_a_ticker_that_was_told_to_stop_starts_nothing(services):
    added(services.database, "one")
    runs = Runs()
    ticker = Ticker(services, runs.run_edition, runs.send_due)
    ticker.stopping.set()
    ticker.editions()
    ticker.outbox()
    assert (runs.asked, runs.sent) == ([], 0)
    assert ticker.idle(0.1)


def test_stopping_waits_for_what_is_under_way(services):
    added(services.database, "one")
    begun, finish = threading.Event(), threading.Event()

    def send_due(_services, *, limit, stopping):
        begun.set()
        finish.wait(10)
        return SendReport()

    ticker = Ticker(services, Runs().run_edition, send_due)
    thread = threading.Thread(target=ticker.outbox)
    thread.start()
    assert begun.wait(10)
    assert not ticker.idle(0.05)
    finish.set()
    thread.join(10)


def test_the_scheduler_ticks_at_once_and_again(services):
    added(services.database, "one")
    runs, twice = Runs(), threading.Event()

    def send_due(_services, *, limit, stopping):
        if runs.sent:
            twice.set()
        runs.sent += 1
        return SendReport()

    scheduler = start(Ticker(services, runs.run_edition, send_due), 0.05)
    try:
        assert twice.wait(10)
    finally:
        scheduler.shutdown()
    assert runs.asked[0][1] == "2026-W47"
