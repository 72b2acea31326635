"""Which week's edition is due, and when a member wants theirs. Pure: the clock is an argument.

A slot is a local ISO week: an hour that the clock shows twice cannot make a second one, and an hour that it skips still
has an instant (PEP 495, fold 0: 02:30 in a gap of one hour is the moment the clock shows 03:30).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEK = timedelta(days=7)


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


def preferred_instant(released_at: datetime, zone: str, weekday: int | None, hour: int | None) -> datetime:
    """The first moment at or after the release that is the member's weekday and hour in `zone`, in UTC.

    None stands for "any day", or for the time of day at which the edition was released. The answer depends on the
    arguments alone: ask once for each distinct (zone, weekday, hour), not once a member.
    """
    clock = ZoneInfo(zone)
    local = released_at.astimezone(clock)
    wanted = local.time() if hour is None else time(hour)
    if weekday is None and hour is None:
        return released_at.astimezone(UTC)
    days = 0 if weekday is None else (weekday - local.weekday()) % 7
    step = timedelta(days=1) if weekday is None else WEEK
    day = local.date() + timedelta(days=days)
    instant = _instant(day, wanted, clock)
    return instant if instant >= released_at else _instant(day + step, wanted, clock)


def _instant(day: date, at: time, clock: ZoneInfo) -> datetime:
    return datetime.combine(day, at, tzinfo=clock).astimezone(UTC)


def _name(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year:04d}-W{week:02d}"
