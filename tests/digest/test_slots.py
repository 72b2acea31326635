from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.slots import WEEK, Slot, due, preferred_instant, week_of

HOUR = timedelta(hours=1)
ZONES = (
    "Europe/London",
    "Europe/Brussels",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Pacific/Apia",
    "UTC",
)

moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
zones, weekdays, hours = st.sampled_from(ZONES), st.integers(0, 6), st.integers(0, 23)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_the_slot_is_due_at_its_instant_and_not_a_second_before():
    monday = utc(2026, 11, 16, 7, 30)
    assert due(monday, "Europe/London", 0, 7, 30) == Slot("2026-W47", monday)
    assert due(monday - timedelta(seconds=1), "Europe/London", 0, 7, 30) == Slot("2026-W46", monday - WEEK)


def test_the_slot_is_the_local_week_not_that_of_utc():
    assert due(utc(2026, 11, 15, 22), "Asia/Tokyo", 0, 7, 0).name == "2026-W47"


def test_the_week_of_a_moment_is_that_of_the_local_clock():
    sunday_night = utc(2026, 11, 15, 23, 30)
    assert week_of(sunday_night, "Europe/London") == "2026-W46"
    assert week_of(sunday_night, "Europe/Brussels") == "2026-W47"


def test_the_hour_is_kept_when_the_clocks_change():
    winter = due(utc(2026, 3, 24), "Europe/London", 0, 7, 30).instant
    summer = due(utc(2026, 3, 31), "Europe/London", 0, 7, 30).instant
    assert (winter.hour, summer.hour) == (7, 6)


def test_a_time_that_the_clock_skips_still_comes_once():
    assert due(utc(2026, 3, 29, 12), "Europe/Brussels", 6, 2, 30).instant == utc(2026, 3, 29, 1, 30)


def test_a_time_that_the_clock_shows_twice_comes_the_first_time_only():
    first = due(utc(2026, 10, 25, 0, 30), "Europe/Brussels", 6, 2, 30)
    assert first == Slot("2026-W43", utc(2026, 10, 25, 0, 30))
    assert due(utc(2026, 10, 25, 1, 30), "Europe/Brussels", 6, 2, 30) == first


def test_a_leap_day_is_a_day_like_any_other():
    assert due(utc(2028, 2, 29, 8), "UTC", 1, 8, 0) == Slot("2028-W09", utc(2028, 2, 29, 8))


def test_a_year_may_have_a_week_53():
    last = due(utc(2026, 12, 31), "UTC", 0, 7, 0)
    assert (last.name, last.following()) == ("2026-W53", "2027-W01")
    assert due(utc(2027, 1, 3), "UTC", 6, 0, 0).name == "2026-W53"


def test_a_zone_that_does_not_exist_is_named():
    with pytest.raises(ZoneInfoNotFoundError, match="Mars/Phobos"):
        due(utc(2026, 1, 1), "Mars/Phobos", 0, 7, 0)


@given(moments, zones, weekdays, hours, st.integers(0, 59))
def test_the_due_slot_lies_within_the_last_eight_days_and_stays_due(now, zone, weekday, hour, minute):
    slot = due(now, zone, weekday, hour, minute)
    assert timedelta(0) <= now - slot.instant < WEEK + HOUR
    assert due(slot.instant, zone, weekday, hour, minute) == slot


@pytest.mark.parametrize("zone", ZONES)
def test_hour_by_hour_for_seven_years_each_week_comes_exactly_once(zone):
    now, end, seen = utc(2024, 1, 1), utc(2031, 1, 1), []
    while now < end:
        slot = due(now, zone, 6, 2, 30)
        if not seen or seen[-1].name != slot.name:
            seen.append(slot)
        now += HOUR
    names = [slot.name for slot in seen]
    assert len(set(names)) == len(names) == 366
    assert [slot.following() for slot in seen[:-1]] == names[1:]
    gaps = {b.instant - a.instant for a, b in pairwise(seen)}
    assert max(gaps) <= WEEK + HOUR
    assert min(gaps) >= WEEK - HOUR


@given(moments, zones, st.none() | weekdays, st.none() | hours)
def test_the_preferred_instant_is_the_first_such_hour_from_the_release_on(released, zone, weekday, hour):
    instant = preferred_instant(released, zone, weekday, hour)
    assert timedelta(0) <= instant - released <= WEEK + HOUR
    local, now = instant.astimezone(ZoneInfo(zone)), released.astimezone(ZoneInfo(zone))
    assert weekday is None or local.weekday() == weekday
    in_a_gap = local.replace(fold=0).utcoffset() != (local - HOUR).replace(fold=0).utcoffset()
    assert hour is None or local.hour == hour or in_a_gap
    assert weekday is None or hour is None or (local.date() - now.date()).days <= 7


def test_without_a_preference_a_member_gets_the_digest_when_it_is_released():
    released = utc(2026, 11, 16, 7, 30, 1)
    assert preferred_instant(released, "America/New_York", None, None) == released


def test_a_member_in_new_york_gets_thursday_at_nine_there():
    assert preferred_instant(utc(2026, 11, 16, 7, 30), "America/New_York", 3, 9) == utc(2026, 11, 19, 14)


def test_an_hour_already_gone_on_the_chosen_day_waits_a_week_and_without_a_day_until_tomorrow():
    released = utc(2026, 11, 16, 7, 30)
    assert preferred_instant(released, "UTC", 0, 7) == utc(2026, 11, 23, 7)
    assert preferred_instant(released, "UTC", None, 7) == utc(2026, 11, 17, 7)


def test_a_chosen_day_alone_keeps_the_time_of_release():
    assert preferred_instant(utc(2026, 11, 16, 7, 30), "UTC", 0, None) == utc(2026, 11, 16, 7, 30)
    assert preferred_instant(utc(2026, 11, 16, 7, 30), "UTC", 2, None) == utc(2026, 11, 18, 7, 30)
