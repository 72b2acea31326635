"""How fast messages go: over a route, and to a destination (a domain, or the domains of one provider)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FULL_SPEED_PER_S = 1000.0
"""A slow start is over when it allows so many messages a second."""


@dataclass(frozen=True, slots=True)
class Limits:
    """0 means no limit. `per_window` messages in each window of `window_s` seconds, which is counted by the database."""

    per_s: float = 0.0
    per_window: int = 0
    window_s: float = 3600.0
    connections: int = 0


@dataclass(frozen=True, slots=True)
class Easing:
    """How a new route starts, and how a destination that asks for less is left alone."""

    slow_start_per_s: float = 0.0
    doubles_after: int = 100
    back_off_s: float = 60.0
    back_off_most_s: float = 3600.0


@dataclass(slots=True)
class Learned:
    """What outlives a run. `level_per_s` 0 is full speed; `paused` says why nothing may go until somebody resumes it."""

    level_per_s: float = 0.0
    accepted: int = 0
    strikes: int = 0
    resting_until: datetime | None = None
    paused: str = ""


@dataclass(slots=True)
class Pacer:
    """Decides when the next message may go. Moments are of the wall clock, seconds of one that only goes forward."""

    name: str
    limits: Limits = Limits()
    easing: Easing = Easing()
    learned: Learned = field(default_factory=Learned)
    changed: bool = False
    is_urgent: bool = False
    """What changed should outlive the process whatever comes: a rest, a pause."""
    _next_s: float = 0.0

    def __post_init__(self) -> None:
        if not (self.learned.accepted or self.learned.level_per_s):
            self.learned.level_per_s = self.easing.slow_start_per_s

    @property
    def rate_per_s(self) -> float:
        """The lower of the limit and of what has been learned; 0 is no limit."""
        limit, level = self.limits.per_s, self.learned.level_per_s
        return min(limit, level) if limit and level else limit or level

    def is_resting(self, now: datetime) -> bool:
        return self.learned.resting_until is not None and now < self.learned.resting_until

    def wait_s(self, clock_s: float) -> float:
        """Seconds until the next message may go."""
        return max(0.0, self._next_s - clock_s) if self.rate_per_s else 0.0

    def take(self, clock_s: float) -> None:
        """One message goes now."""
        if self.rate_per_s:
            self._next_s = max(clock_s, self._next_s) + 1 / self.rate_per_s

    def accept(self) -> None:
        """A message was taken: what was held against it is forgotten, and a slow start gets faster."""
        learned = self.learned
        learned.accepted += 1
        self.changed = self.changed or bool(learned.level_per_s or learned.strikes)
        learned.strikes = 0
        if learned.level_per_s and learned.accepted % self.easing.doubles_after == 0:
            doubled = learned.level_per_s * 2
            learned.level_per_s = doubled if doubled < FULL_SPEED_PER_S else 0.0

    def push_back(self, now: datetime) -> datetime:
        """It was asked for less: rest, twice as long each time in a row. Replies during a rest belong to the same time."""
        learned = self.learned
        if learned.resting_until is None or now >= learned.resting_until:
            learned.strikes += 1
            wait_s = min(self.easing.back_off_s * 2 ** min(learned.strikes - 1, 20), self.easing.back_off_most_s)
            learned.resting_until = now + timedelta(seconds=wait_s)
            learned.level_per_s /= 2
            self.changed = self.is_urgent = True
        return learned.resting_until

    def pause(self, why: str) -> None:
        self.learned.paused = why
        self.changed = self.is_urgent = True


class Destinations:
    """Which domains belong together, and the limits of each group and of every other domain."""

    def __init__(self, groups: Mapping[str, tuple[Iterable[str], Limits]], others: Limits) -> None:
        self._limits = {name: limits for name, (_, limits) in groups.items()}
        self._group_of = {domain.lower(): name for name, (domains, _) in groups.items() for domain in domains}
        self._others = others

    def of(self, address: str) -> str:
        """The name of the group, or the domain in lower case."""
        domain = address.rpartition("@")[2].lower()
        return self._group_of.get(domain, domain)

    def limits(self, destination: str) -> Limits:
        return self._limits.get(destination, self._others)
