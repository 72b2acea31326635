"""Which week's edition is due, and when a member wants theirs. Pure: the clock is an argument.

A slot is a local ISO week: an hour that the clock shows twice cannot make a second one, and an hour that it skips still
has an instant (PEP 495, fold 0: 02:30 in a gap of one hour is the moment the clock shows 03:30).
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

ZERO = timedelta(0)
WEEK = timedelta(days=7)
SLACK = timedelta(days=2)
"""How far a changed setting may move a digest from the day that is a whole period after the last one, both ends in."""
LATE = timedelta(days=3)
"""How late a digest still goes out at once; after that it waits for the next moment that its member wants."""
EARLY = timedelta(hours=1)
"""A moment so little before the release counts as the release: as much as one clock may change against another."""
ASTRAY = timedelta(days=28)
"""A last digest that lies further ahead was written by a clock that was wrong, and is forgotten."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One week of a network: its ISO name ("2026-W47") and the moment it falls due, in UTC."""

    name: str
    instant: datetime

    def following(self) -> str:
        """The name of the slot after this one."""
        year, week = self.name.split("-W")
        return _name(date.fromisocalendar(int(year), int(week), 1) + WEEK)


def due(now: datetime, zone: str, weekday: int, hour: int, minute: int) -> Slot:
    """The latest slot whose instant is at or before `now`; weekday 0 is Monday, hour and minute are local to `zone`.

    Raises zoneinfo.ZoneInfoNotFoundError for a zone that does not exist.
    """
    clock = ZoneInfo(zone)
    today = now.astimezone(clock).date()
    chosen = today - timedelta(days=today.weekday()) + timedelta(days=weekday)
    for day in (chosen + WEEK, chosen, chosen - WEEK):
        instant = _instant(day, time(hour, minute), clock)
        if instant <= now:
            return Slot(_name(day), instant)
    raise AssertionError("one of three weeks' instants always lies in the past")


def week_of(moment: datetime, zone: str) -> str:
    """The name of the slot whose ISO week `moment` lies in, by the clock of `zone`: what a run by hand composes."""
    return _name(moment.astimezone(ZoneInfo(zone)).date())


@dataclass(frozen=True, slots=True)
class Wish:
    """When a member wants a digest, by the clock of `zone`; weekday 0 is Monday. None stands for any day, or for the moment at
    which editions are released; with a weekday there is an hour, if need be that of `release_time`. `minute` is their place
    within the hour."""

    zone: str
    weekday: int | None = None
    hour: int | None = None
    minute: int = 0
    days: int = 7
    """From one digest to the next: 7, 14 or 28."""

    def __post_init__(self) -> None:
        if self.weekday is not None and self.hour is None:
            raise ValueError("a wish of a weekday needs an hour; `release_time` has that of the release")


@lru_cache(1024)
def release_time(zone: str, year: int, released_in: str, hour: int, minute: int) -> time:
    """The clock of `zone` at which what is released daily at an hour in another zone is out, on whatever day of the year.

    It is the latest of the year: the two clocks may change on different days, and a time that moved with them about midnight
    would be on one weekday in summer and on another in winter.
    """
    theirs, ours = ZoneInfo(released_in), ZoneInfo(zone)
    first = [datetime(year, month, 1, hour, minute, tzinfo=theirs) for month in range(1, 13)]
    ahead = max((moment.astimezone(ours).utcoffset() or ZERO) - (moment.utcoffset() or ZERO) for moment in first)
    return (datetime(year, 1, 2, hour, minute) + ahead).time()


@lru_cache(65_536)
def next_due(wish: Wish, last: datetime | None, start: datetime, as_of: datetime) -> datetime:
    """When the next digest is due, in UTC and not before `as_of`; `last` is when the last one was.

    `start` is when the schedule wanted the edition that runs at `as_of`. Members whose digest is due less than a week after
    `as_of` are this edition's. With editions a week apart two digests are a period apart, and after a changed setting at
    most SLACK more or less: a longer way to another weekday is gone in steps.
    """
    begin, period = start - EARLY, timedelta(days=wish.days)
    if last is None or last > as_of + ASTRAY or as_of > last + period + SLACK + LATE:
        due = _first(wish, begin)
    else:
        due = _after(wish, last + period, start, as_of)
    if due >= as_of or as_of - due <= LATE:
        return max(due, as_of)
    return _first(wish, as_of)


def _after(wish: Wish, usual: datetime, start: datetime, as_of: datetime) -> datetime:
    """As wished, or as near to it as SLACK about the `usual` moment allows, on whichever side the wish is nearer."""
    earliest, latest = max(start - EARLY, usual - SLACK), usual + SLACK
    if wish.weekday is None and earliest > as_of and as_of + WEEK <= latest:
        earliest = as_of + WEEK  # the next edition is near enough
    due = _first(wish, earliest)
    if due <= latest:
        return due
    before = due - WEEK
    if before >= start - EARLY and usual - before < due - usual:
        return _first(replace(wish, weekday=None), earliest)
    return max(earliest, _latest_day(wish, latest))


def _first(wish: Wish, moment: datetime) -> datetime:
    """The first moment at or after `moment` that is as wished."""
    if wish.hour is None:
        return moment.astimezone(UTC)
    clock, at = ZoneInfo(wish.zone), time(wish.hour, wish.minute)
    today = moment.astimezone(clock).date()
    days = 0 if wish.weekday is None else (wish.weekday - today.weekday()) % 7
    step = timedelta(days=1) if wish.weekday is None else WEEK
    day = today + timedelta(days=days)
    instant = _instant(day, at, clock)
    return instant if instant >= moment else _instant(day + step, at, clock)


def _latest_day(wish: Wish, moment: datetime) -> datetime:
    """The last moment at or before `moment` at the hour wished, on whichever day."""
    if wish.hour is None:
        return moment.astimezone(UTC)
    clock, at = ZoneInfo(wish.zone), time(wish.hour, wish.minute)
    today = moment.astimezone(clock).date()
    instant = _instant(today, at, clock)
    return instant if instant <= moment else _instant(today - timedelta(days=1), at, clock)


def _instant(day: date, at: time, clock: ZoneInfo) -> datetime:
    return datetime.combine(day, at, tzinfo=clock).astimezone(UTC)


def _name(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year:04d}-W{week:02d}"
