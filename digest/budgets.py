"""Budgets: what a person can be asked to take in, in one network and over all, and what is left of it at a moment.

All mails draw on one account: digests and urgent requests. A week is any 7 days and a month any 31, counted in days of
the network's calendar, so that an edition an hour early after a change of clocks costs nobody a digest, and no calendar month
holds more than it may.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

WEEK_DAYS = 7
MONTH_DAYS = 31
BURDEN_DAYS = 364
"""Days for which it is remembered how often somebody was asked."""
QUARTER_DAYS = 91
"""Days whose usual number of requests somebody may get at once, however short a time ago they were first asked."""
STEEPNESS = 8
"""Of the cost of asking: so steep that it falls on those who are asked most, and hardly on anybody else."""
ONLY_IF_NEEDED = 180.0
"""Points of match that asking somebody costs at most: more than any match is worth."""
Ints = npt.NDArray[np.int64]


class Allowance(NamedTuple):
    """Most mails in a week, fewest hours between two of them, and most requests for help in a month."""

    mails_per_week: int
    hours_between_mails: int
    asks_per_month: int


class Wished(NamedTuple):
    """The same as somebody set it; None where they did not."""

    mails_per_week: int | None = None
    hours_between_mails: int | None = None
    asks_per_month: int | None = None


NOTHING_SET = Wished()


@dataclass(frozen=True, slots=True)
class Bounds:
    """What holds where nothing is set, and how far a member may go: no more mails and asks than `most`, no fewer hours."""

    usual: Allowance
    most: Allowance

    def allowance(self, network: Wished, member: Wished) -> Allowance:
        """What holds for a member: their own wish within what is allowed, else what their network says, else the usual.

        What a network's admin set is allowed in any case.
        """
        usual = Allowance(*(own if own is not None else value for own, value in zip(network, self.usual, strict=True)))
        most = Allowance(
            max(self.most.mails_per_week, usual.mails_per_week),
            min(self.most.hours_between_mails, usual.hours_between_mails),
            max(self.most.asks_per_month, usual.asks_per_month),
        )
        mails, hours, asks = (own if own is not None else value for own, value in zip(member, usual, strict=True))
        return Allowance(
            min(mails, most.mails_per_week), max(hours, most.hours_between_mails), min(asks, most.asks_per_month)
        )


class Drawn(NamedTuple):
    """What one mail took; `day` is the ordinal of its day by the calendar of the network that sent it."""

    network_key: int
    at: datetime
    day: int
    mails: int
    asks: int


class Room(NamedTuple):
    """What is left: mails, requests for help, and the first moment at which a mail may come."""

    mails: int
    asks: int
    not_before: datetime


def room(drawn: Iterable[Drawn], network_key: int, own: Allowance, overall: Allowance, at: datetime, day: int) -> Room:
    """What is left for a mail due `at` (on `day`), given all that the person's account has been drawn for, later mails too.

    Never below 0. A mail planned for later counts in the week and month before it as well.
    """
    mails, asks = [own.mails_per_week, overall.mails_per_week], [own.asks_per_month, overall.asks_per_month]
    gaps: list[tuple[datetime, timedelta]] = []
    for draw in drawn:
        apart = abs(draw.day - day)
        here = draw.network_key == network_key
        if apart < WEEK_DAYS:
            mails = [mails[0] - draw.mails * here, mails[1] - draw.mails]
        if apart < MONTH_DAYS:
            asks = [asks[0] - draw.asks * here, asks[1] - draw.asks]
        if draw.mails:
            hours = max(own.hours_between_mails if here else 0, overall.hours_between_mails)
            gaps.append((draw.at, timedelta(hours=hours)))
    return Room(max(0, min(mails)), max(0, min(asks)), _after(at, gaps))


def _after(at: datetime, gaps: list[tuple[datetime, timedelta]]) -> datetime:
    for other, gap in sorted(gaps):
        if other - gap < at < other + gap:
            at = other + gap
    return at


class Asked(NamedTuple):
    """Of some members how many requests they got in the last BURDEN_DAYS, how many days ago the first of these came, how many are
    allowed in a month, and what share of all that are allowed is to be usual; 0 for any number."""

    lately: Ints
    days: Ints
    allowed: Ints
    share: float

    @property
    def usual(self) -> Ints:
        """Requests since the first one from which on only those are to come that would otherwise lack readers.

        It grows with the days, so that whoever gets them for long may still be asked for what fits best; whole ones, from 0.
        """
        days = np.clip(self.days, QUARTER_DAYS, BURDEN_DAYS)
        return np.floor(self.share * self.allowed * days / MONTH_DAYS).astype(np.int64)

    @property
    def burden(self) -> npt.NDArray[np.float64]:
        """What asking once more costs, in points of match, so that the load is spread over those who could all help.

        It rises with the power STEEPNESS of what they got, and comes to a whole match at what is usual.
        """
        if not self.share:
            return np.zeros(len(self.lately))
        heavy = 100.0 * np.minimum(self.lately / np.maximum(self.usual, 1e-9), 2.0) ** STEEPNESS
        return np.minimum(heavy, ONLY_IF_NEEDED)

    def at_once(self, left: Ints) -> Ints:
        """Of the requests that are `left` those that one digest may hold: up to what is usual, and one at least."""
        room = np.maximum(self.usual - self.lately, 1)
        return np.minimum(left, room) if self.share else left
