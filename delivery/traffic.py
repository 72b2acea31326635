"""Which message goes next: destinations take turns, none faster than it may, and slow ones do not hold the others."""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from delivery.pacing import Pacer

Letter = TypeVar("Letter")


@dataclass(slots=True)
class _Lane:
    """A destination: what waits for it, how many of its messages are on their way, and whether it answers in good time."""

    pacer: Pacer
    busy: int = 0
    slow: bool = False
    measured: bool = False


@dataclass(slots=True)
class Trip(Generic[Letter]):
    """A letter on its way."""

    letter: Letter
    destination: str
    started_s: float
    slow: bool
    trial: bool
    counted: bool = True
    """False once the next letter has taken over its place."""


class Traffic(Generic[Letter]):
    """At most `most` letters on their way at a time, and `most_slow` more to destinations that answer slowly.

    Until a destination has answered once, nothing is known of it: at most half of the ways are used for such.
    """

    def __init__(self, pacer_of: Callable[[str], Pacer], most: int, most_slow: int, slow_after_s: float) -> None:
        self._pacer_of = pacer_of
        self.most = most
        self.most_slow = most_slow
        self._slow_after_s = slow_after_s
        self._waiting: OrderedDict[str, deque[Letter]] = OrderedDict()
        self._lanes: dict[str, _Lane] = {}
        self._trips: dict[int, Trip[Letter]] = {}
        self._count = self._fast = self._slow = self._trials = 0

    def __len__(self) -> int:
        """How many letters wait."""
        return self._count

    @property
    def under_way(self) -> int:
        return len(self._trips)

    def put(self, letter: Letter, destination: str, *, first: bool = False) -> None:
        queue = self._waiting.get(destination)
        if queue is None:
            queue = self._waiting[destination] = deque()
        (queue.appendleft if first else queue.append)(letter)
        self._count += 1

    def take(self, now: datetime, clock_s: float, after: Trip[Letter] | None = None) -> Trip[Letter] | None:
        """The next letter that may go now, or None. The caller says when its trip ended.

        `after` is a trip that will soon be over, and whose place the letter takes.
        """
        if after and after.counted:
            self._count_trip(after, -1)
        for destination in self._waiting:
            lane = self._lane(destination)
            if self._may_go(lane) and not self._held(lane, now) and not lane.pacer.wait_s(clock_s):
                return self._start(destination, lane, clock_s)
        if after:
            self._count_trip(after, 1)
        return None

    def wait_s(self, now: datetime, clock_s: float) -> float | None:
        """Seconds until a rate lets one of the waiting letters go; None when none waits for that."""
        waits = [
            lane.pacer.wait_s(clock_s)
            for lane in map(self._lane, self._waiting)
            if self._may_go(lane) and not self._held(lane, now)
        ]
        return min(waits, default=None)

    def end(self, trip: Trip[Letter], clock_s: float, *, answered: bool = True) -> None:
        """`answered`: it took as long as the server needed, not as long as we did."""
        del self._trips[id(trip)]
        if trip.counted:
            self._count_trip(trip, -1)
        lane = self._lanes[trip.destination]
        if answered:
            lane.measured = True
            lane.slow = clock_s - trip.started_s > self._slow_after_s

    def give_back(self, trip: Trip[Letter], after: Trip[Letter]) -> None:
        """The letter that took over the place of `trip` waits again, at the front: `trip` takes longer than was thought."""
        self.end(after, 0.0, answered=False)
        if not trip.counted:
            self._count_trip(trip, 1)
        self.put(after.letter, after.destination, first=True)

    def look_round(self, clock_s: float) -> None:
        """Find what has been on its way for too long: from now on it counts as slow, so that its way is free for others."""
        for trip in self._trips.values():
            if not trip.slow and clock_s - trip.started_s > self._slow_after_s:
                counted = trip.counted
                if counted:
                    self._count_trip(trip, -1)
                trip.slow, trip.trial = True, False
                if counted:
                    self._count_trip(trip, 1)
                self._lanes[trip.destination].slow = True

    def held(self, now: datetime) -> dict[str, list[Letter]]:
        """Take out the letters to destinations that rest or are paused."""
        names = [name for name in self._waiting if self._held(self._lane(name), now)]
        return {name: self._take_out(name) for name in names}

    def surplus(self, horizon_s: float) -> dict[str, list[Letter]]:
        """Take out the letters whose turn a rate would bring only after `horizon_s`."""
        out: dict[str, list[Letter]] = {}
        for name, queue in self._waiting.items():
            rate = self._lane(name).pacer.rate_per_s
            room = int(rate * horizon_s) + 1
            if rate and len(queue) > room:
                out[name] = [queue.pop() for _ in range(len(queue) - room)][::-1]
                self._count -= len(out[name])
        return out

    def everything(self) -> list[Letter]:
        """Take out all that waits."""
        return [letter for name in list(self._waiting) for letter in self._take_out(name)]

    def pacer(self, destination: str) -> Pacer:
        return self._lane(destination).pacer

    def pacers(self) -> list[Pacer]:
        return [lane.pacer for lane in self._lanes.values()]

    def _lane(self, destination: str) -> _Lane:
        lane = self._lanes.get(destination)
        if lane is None:
            lane = self._lanes[destination] = _Lane(self._pacer_of(destination))
        return lane

    def _may_go(self, lane: _Lane) -> bool:
        most = lane.pacer.limits.connections
        if most and lane.busy >= most:
            return False
        if lane.slow:
            return self._slow < self.most_slow
        if not lane.measured and self._trials >= max(1, self.most // 2):
            return False
        return self._fast < self.most

    def _held(self, lane: _Lane, now: datetime) -> bool:
        return bool(lane.pacer.learned.paused) or lane.pacer.is_resting(now)

    def _start(self, destination: str, lane: _Lane, clock_s: float) -> Trip[Letter]:
        queue = self._waiting[destination]
        trip = Trip(queue.popleft(), destination, clock_s, lane.slow, not lane.measured and not lane.slow)
        self._count -= 1
        if queue:
            self._waiting.move_to_end(destination)
        else:
            del self._waiting[destination]
        lane.pacer.take(clock_s)
        self._trips[id(trip)] = trip
        self._count_trip(trip, 1)
        return trip

    def _count_trip(self, trip: Trip[Letter], by: int) -> None:
        trip.counted = by > 0
        self._lanes[trip.destination].busy += by
        self._slow += by * trip.slow
        self._fast += by * (not trip.slow)
        self._trials += by * trip.trial

    def _take_out(self, destination: str) -> list[Letter]:
        letters = list(self._waiting.pop(destination))
        self._count -= len(letters)
        return letters
