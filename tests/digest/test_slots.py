from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.slots import EARLY, WEEK, Slot, Wish, due, next_due, release_time, week_of

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


def editions(begin, end, zone="Europe/London", weekday=0, hour=7, minute=30, late=lambda _: timedelta(0)):
    """(start, as_of) of each week's edition."""
    start = due(begin + WEEK, zone, weekday, hour, minute).instant
    while start < end:
        yield start, start + late(start)
        start = due(start + WEEK + 2 * HOUR, zone, weekday, hour, minute).instant


def digests(wishes, runs):
    """When a member whose wish at each edition is told by `wishes` gets digests."""
    last, found = None, []
    for start, as_of in runs:
        at = next_due(wishes(as_of), last, start, as_of)
        assert at >= as_of
        if at < as_of + WEEK:
            found.append(at)
            last = at
    return found


def gaps(found, days=7):
    return [(b - a - timedelta(days=days)) / timedelta(hours=1) for a, b in pairwise(found)]


minutes = st.integers(0, 59)
WISHES = st.builds(Wish, zones, st.none() | weekdays, hours, minutes) | st.builds(Wish, zones)
YEARS = utc(2024, 1, 1), utc(2031, 1, 1)


@settings(max_examples=60, deadline=None)
@given(WISHES, zones, weekdays, hours)
def test_from_2024_to_2030_every_member_has_one_digest_a_week_at_their_hour(wish, zone, weekday, hour):
    found = digests(lambda _: wish, editions(*YEARS, zone, weekday, hour))
    assert 364 <= len(found) <= 366
    a_day_may_be_another = wish.weekday is None and wish.hour is not None
    assert max(map(abs, gaps(found))) <= (25 if a_day_may_be_another else 2), (
        "clocks change by an hour, theirs and ours"
    )


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("wish", [(3, 9), (6, 2), (0, 0), (None, 18), (None, None)])
def test_a_digest_comes_on_the_day_and_at_the_hour_of_the_wish(zone, wish):
    weekday, hour = wish
    for at in digests(lambda _: Wish(zone, weekday, hour, 17), editions(*YEARS))[1:]:
        clock = ZoneInfo(zone)
        local = at.astimezone(clock)
        assert weekday is None or local.weekday() == weekday
        if hour is not None:
            wished = datetime.combine(local.date(), time(hour, 17), tzinfo=clock).astimezone(UTC)
            assert timedelta(0) <= at - wished <= EARLY
            assert at == wished or at == due(at, "Europe/London", 0, 7, 30).instant, "the release itself"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2000), WISHES), min_size=1, max_size=8), zones, weekdays, hours)
def test_a_changed_wish_neither_doubles_nor_skips_a_week(changes, zone, weekday, hour):
    changes = sorted(changes, key=lambda change: change[0])

    def wish(moment):
        past = [wish for days, wish in changes if moment >= YEARS[0] + timedelta(days=days)]
        return past[-1] if past else Wish("UTC")

    found = digests(wish, editions(*YEARS, zone, weekday, hour))
    assert min(gaps(found, 0)) >= 5 * 24 - 2
    assert max(gaps(found, 0)) <= 9 * 24 + 2


@given(WISHES, WISHES)
def test_a_changed_wish_is_followed_after_a_few_weeks(before, after):
    changed = YEARS[0] + timedelta(days=70)
    runs = list(editions(YEARS[0], YEARS[0] + timedelta(days=200)))
    found = digests(lambda moment: before if moment < changed else after, runs)
    settled = digests(lambda _: after, runs)
    assert found[-1] == settled[-1] or abs(found[-1] - settled[-1]) == WEEK or after.weekday is None


@pytest.mark.parametrize("days", [14, 28])
def test_a_longer_cadence_keeps_its_distance(days):
    for wish in (
        Wish("UTC", days=days),
        Wish("Europe/London", 3, 9, 30, days),
        Wish("America/New_York", 0, 6, 5, days),
    ):
        found = digests(lambda _: wish, editions(*YEARS))  # noqa: B023
        assert max(map(abs, gaps(found, days))) <= 2
        assert len(found) in range(2557 // days - 2, 2557 // days + 2)


@settings(max_examples=60, deadline=None)
@given(zones, weekdays, zones, weekdays, hours, minutes)
@example("Europe/London", 1, "America/New_York", 0, 19, 30)
@example("Pacific/Apia", 0, "Europe/London", 6, 11, 30)
def test_a_weekday_without_an_hour_loses_no_week_as_two_clocks_change(theirs, wanted, zone, weekday, hour, minute):
    def wish(as_of):
        out = release_time(theirs, as_of.year, zone, hour, minute)
        return Wish(theirs, wanted, out.hour, out.minute)

    found = digests(wish, editions(*YEARS, zone, weekday, hour, minute))
    assert 364 <= len(found) <= 366
    assert {at.astimezone(ZoneInfo(theirs)).weekday() for at in found[2:]} == {wanted}


def test_the_time_of_the_release_in_another_zone_is_never_before_it():
    assert release_time("Australia/Sydney", 2026, "Europe/London", 7, 30) == time(18, 30)
    assert release_time("Europe/London", 2026, "Europe/London", 7, 30) == time(7, 30)


def test_a_weekday_needs_an_hour():
    with pytest.raises(ValueError, match="needs an hour"):
        Wish("UTC", 0)


@settings(max_examples=60, deadline=None)
@given(WISHES, st.lists(st.integers(0, 72), min_size=8, max_size=8))
def test_editions_that_are_late_double_nothing(wish, hours_late):
    late = iter(hours_late * 60)
    found = digests(lambda _: wish, editions(*YEARS, late=lambda _: next(late) * HOUR))
    assert min(gaps(found, 0)) >= 5 * 24 - 2
    assert 340 <= len(found) <= 366


def test_after_three_weeks_off_a_member_gets_one_digest_and_then_one_a_week():
    runs = [run for run in editions(*YEARS) if not utc(2026, 3, 1) < run[0] < utc(2026, 3, 22)]
    for wish in (Wish("UTC"), Wish("UTC", 2, 9, 10), Wish("UTC", 0, 6, 10)):
        found = [at for at in digests(lambda _: wish, runs) if utc(2026, 2, 20) < at < utc(2026, 4, 20)]  # noqa: B023
        long, *others = sorted(gaps(found, 0), reverse=True)
        assert long >= 20 * 24
        assert all(6 * 24 <= gap <= 8 * 24 for gap in others)


def test_a_member_without_wishes_gets_the_digest_when_it_is_released():
    start = utc(2026, 11, 16, 7, 30)
    assert next_due(Wish("America/New_York"), None, start, start + timedelta(seconds=1)) == start + timedelta(seconds=1)


def test_a_member_in_new_york_gets_thursday_at_nine_there():
    start = utc(2026, 11, 16, 7, 30)
    assert next_due(Wish("America/New_York", 3, 9), None, start, start) == utc(2026, 11, 19, 14)
    assert next_due(Wish("America/New_York", 3, 9, 41), None, start, start) == utc(2026, 11, 19, 14, 41)


def test_a_moment_just_before_the_release_counts_as_the_release_and_an_earlier_one_waits():
    start = utc(2026, 11, 16, 7, 30)
    assert next_due(Wish("UTC", 0, 7), None, start, start) == start
    assert next_due(Wish("UTC", 0, 6), None, start, start) == utc(2026, 11, 23, 6)
    assert next_due(Wish("UTC", None, 6), None, start, start) == utc(2026, 11, 17, 6)


def test_a_clock_that_steps_back_an_hour_makes_no_second_digest():
    start = utc(2026, 11, 16, 7, 30)
    last = next_due(Wish("UTC"), None, start, start)
    assert next_due(Wish("UTC"), last, start, start - HOUR) > start + timedelta(days=4)


def test_a_clock_that_was_once_years_ahead_stops_nobody():
    start = utc(2026, 11, 16, 7, 30)
    assert next_due(Wish("UTC"), utc(2031, 1, 1), start, start) == start


def test_a_rule_of_a_zone_that_changes_moves_the_next_digest_with_the_clock():
    """A due moment is worked out anew from the wish each time, so that no stored instant can be an hour off for ever."""
    start = utc(2026, 11, 16, 7, 30)
    last = utc(2026, 11, 12, 14)  # nine in New York, by the rules of then
    assert next_due(Wish("America/New_York", 3, 9), last, start, start) == utc(2026, 11, 19, 14)
    assert next_due(Wish("America/Caracas", 3, 9), last, start, start) == utc(2026, 11, 19, 13)
