"""Several ways out: each message takes one by weight; what one cannot take, another does."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self

from delivery.pacing import Pacer
from delivery.pool import SmtpPool
from delivery.smtp import MailServerError

MOST_AHEAD = 8.0
"""A way that could not keep up, or was away, has to make up for no more than so many messages for each unit of weight."""
GOES_ON = 4.0
"""A connection goes on with the next message while its way is ahead by no more than so many for each unit of weight."""
REST_S = (5.0, 15.0, 60.0)
"""A mail server that failed is tried again after so many seconds while there is another way."""


@dataclass(eq=False, slots=True)
class Way:
    """One route of a run. `weight` 0 is a reserve: used only while no other can be."""

    name: str
    pool: SmtpPool
    pacer: Pacer
    weight: float = 1.0
    taken: float = 0.0
    busy: int = 0
    problem: str = ""
    tokens: int | None = None
    """What the database granted of this window's messages; None without a limit."""
    failures: int = field(default=0, repr=False)
    rests_until_s: float = field(default=0.0, repr=False)

    @property
    def share(self) -> float:
        return self.taken / (self.weight or 1.0)

    def is_usable(self, clock_s: float) -> bool:
        return not self.pacer.learned.paused and clock_s >= self.rests_until_s and self.tokens != 0

    def fail(self, error: MailServerError, clock_s: float) -> None:
        self.problem = str(error)
        self.rests_until_s = clock_s + REST_S[min(self.failures, len(REST_S) - 1)]
        self.failures += 1

    def succeed(self) -> None:
        self.problem, self.failures = "", 0

    def take(self, clock_s: float) -> None:
        self.taken += 1
        self.pacer.take(clock_s)
        if self.tokens is not None:
            self.tokens -= 1


class Ways:
    """All routes of a run. An async context manager that opens a first connection over each."""

    def __init__(self, ways: list[Way]) -> None:
        self._ways = ways
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for way in self._ways:
            try:
                await self._stack.enter_async_context(way.pool)
            except MailServerError as error:
                self._stack.push_async_exit(way.pool)  # it may be of use later
                way.fail(error, asyncio.get_running_loop().time())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def __iter__(self) -> Iterator[Way]:
        return iter(self._ways)

    @property
    def most(self) -> int:
        return sum(way.pool.most for way in self._ways)

    def pick(self, clock_s: float, going_on: Way | None = None) -> Way | None:
        """The way for the next message: the one furthest behind its share, or `going_on` while it is not far ahead."""
        usable = self._usable(clock_s)
        if len(usable) > 1:
            highest = max(way.share for way in usable)
            for way in usable:
                way.taken = max(way.taken, (highest - MOST_AHEAD) * (way.weight or 1.0))
        ready = [way for way in usable if not way.pacer.wait_s(clock_s)]
        if going_on is not None:
            least = min((way.share for way in usable), default=0.0)
            return going_on if going_on in ready and going_on.share - least <= GOES_ON else None
        return min((way for way in ready if way.busy < way.pool.most), key=lambda way: way.share, default=None)

    def wait_s(self, clock_s: float) -> float | None:
        """Seconds until a rate lets a message go over one of the ways; None when none waits for that."""
        waits = [way.pacer.wait_s(clock_s) for way in self._usable(clock_s) if way.busy < way.pool.most]
        return min(waits, default=None)

    def problem(self, clock_s: float) -> str:
        """Why no message can go over any way, or nothing."""
        return "" if self._usable(clock_s) else "; ".join(map(_trouble, self._ways))

    def _usable(self, clock_s: float) -> list[Way]:
        usable = [way for way in self._ways if way.is_usable(clock_s)]
        return [way for way in usable if way.weight] or usable


def _trouble(way: Way) -> str:
    if way.pacer.learned.paused:
        return (
            f"the route {way.name} is paused: {way.pacer.learned.paused}; find out why, then run "
            f"`germane outbox resume {way.name}`"
        )
    if way.tokens == 0:
        return f"the route {way.name} has sent as many messages as it may in this while"
    return way.problem
