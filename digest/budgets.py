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
YEAR_DAYS = 364
"""Days for which it is remembered how often somebody was asked."""
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
