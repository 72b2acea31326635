"""Counting what must not happen, from what was sent: the auditor has no part in deciding, and asks nobody who has."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

WEEK_DAYS, MONTH_DAYS = 7, 31
TOLERANCE_H = 1 / 60
"""Two mails of which one left a minute early are not called too close."""


@dataclass(frozen=True, slots=True)
class Mails:
    """Mails that members got, as parallel arrays in any order."""

    member: Ints
    day: Ints
    """The day by the network's calendar, as an ordinal."""
    at_h: Floats
    """The moment, in hours since some moment."""
    items: Ints
    asks: Ints
    """Requests for help among the items."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for the member of each mail: arrays of shape (n_mails,)."""

    items: Ints
    mails: Ints
    """In any 7 days."""
    hours: Ints
    """Between two mails."""
    asks: Ints
    """In any 31 days."""


@dataclass(frozen=True, slots=True)
class Breaches:
    """Mails by which a limit was exceeded, by limit."""

    items: int
    mails: int
    hours: int
    asks: int

    @property
    def total(self) -> int:
        return self.items + self.mails + self.hours + self.asks


def breaches(mails: Mails, limits: Limits) -> Breaches:
    """Mails over a limit. A mail is over one for 7 or 31 days when the member's mails of as many days, of which its own is the
    last, come to more; one that asks for nothing is never over the limit of requests."""
    order = np.lexsort((mails.at_h, mails.member))
    member, day, at_h, items, asks = (getattr(mails, name)[order] for name in Mails.__slots__)
    most_items, most_mails, least_hours, most_asks = (getattr(limits, name)[order] for name in Limits.__slots__)
    same = np.diff(member, prepend=-1) == 0
    gap = np.where(same, np.diff(at_h, prepend=0.0), np.inf)
    return Breaches(
        items=int((items > most_items).sum()),
        mails=int((_within(member, day, np.ones_like(items), WEEK_DAYS) > most_mails).sum()),
        hours=int((gap < least_hours - TOLERANCE_H).sum()),
        asks=int(((_within(member, day, asks, MONTH_DAYS) > most_asks) & (asks > 0)).sum()),
    )


def _within(member: Ints, day: Ints, amount: Ints, days: int) -> Ints:
    """For each mail how much its member got, up to and with it, in the days of which its own is the last. Mails are ordered by
    member and time."""
    if not len(member):
        return np.zeros(0, dtype=np.int64)
    key = member * (int(day.max() - day.min()) + days + 1) + (day - day.min())
    first = np.searchsorted(key, key - days, side="right")
    total = np.concatenate([[0], np.cumsum(amount)])
    return np.asarray(total[1:] - total[first], dtype=np.int64)


def repeats(rows: Sequence[tuple[int, int]]) -> int:
    """How often a pair, of a member and what they got, stands there again."""
    return len(rows) - len(set(rows))
