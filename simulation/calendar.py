"""When things are posted: in bursts, with one week in which everybody posts and one in which nobody does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digest.items import KINDS, Kind

Ints = npt.NDArray[np.int64]

FLOOD = 4.0
"""Items of the flood week, in those of a usual one."""
BURSTS = 0.25
"""Standard deviation of the logarithm of a usual week's items."""
REPEATED = 0.02
"""Share of items that are an earlier one of the same week, posted again by somebody else."""
OTHERS: dict[Kind, float] = {"event": 28, "opportunity": 14, "job": 12, "resource": 28, "news": 22, "survey": 6}
"""How often kinds other than requests are posted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated: `items` and `requests` (among them) are those of a usual week."""

    weeks: int
    members: int
    items: int
    requests: int
    seed: int

    @property
    def flood_week(self) -> int:
        """The week, from 0, in which four times as much is posted; -1 in a life too short for one."""
        return self.weeks * 3 // 5 if self.weeks >= 5 else -1

    @property
    def empty_week(self) -> int:
        """The week in which nothing is posted; -1 in a life too short for one."""
        return self.weeks * 4 // 5 if self.weeks >= 5 else -1


@dataclass(frozen=True, slots=True)
class Calendar:
    """Of every item, in the order of posting: parallel arrays. `again` is the number of the item that it repeats, or -1."""

    week: Ints
    kind: Ints
    """Index in KINDS."""
    hour: npt.NDArray[np.float64]
    """Hours before the week's edition at which it is posted, 1 to 167."""
    poster: Ints
    again: Ints

    def __len__(self) -> int:
        return len(self.week)

    def of_week(self, week: int) -> Ints:
        """Numbers of the week's items, in the order of posting."""
        return np.flatnonzero(self.week == week)


def volumes(plan: Plan) -> Ints:
    """Items of each week: those of usual weeks are `plan.items` in the mean."""
    rng = np.random.default_rng([plan.seed, 1])
    bursts = np.exp(rng.normal(0.0, BURSTS, plan.weeks))
    usual = np.ones(plan.weeks, dtype=bool)
    usual[[week for week in (plan.flood_week, plan.empty_week) if week >= 0]] = False
    bursts /= bursts[usual].mean() if usual.any() else 1.0
    counts = np.round(plan.items * bursts).astype(np.int64)
    for week, times in ((plan.flood_week, FLOOD), (plan.empty_week, 0.0)):
        if week >= 0:
            counts[week] = round(plan.items * times)
    return counts


def calendar(plan: Plan, posters: Sequence[float]) -> Calendar:
    """Everything that is posted; `posters` are the shares of what each of them posts, summing to 1."""
    rng = np.random.default_rng([plan.seed, 2])
    parts = [_week(plan, week, int(n), np.asarray(posters), rng) for week, n in enumerate(volumes(plan))]
    starts = np.cumsum([0, *(len(part) for part in parts)])
    again = [np.where(part.again >= 0, part.again + start, -1) for part, start in zip(parts, starts, strict=False)]
    week, kind, poster = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("week", "kind", "poster")
    )
    return Calendar(week, kind, np.concatenate([part.hour for part in parts]), poster, np.concatenate(again))


def _week(plan: Plan, week: int, n: int, posters: npt.NDArray[np.float64], rng: np.random.Generator) -> Calendar:
    """One week's postings: `requests` among `items` as the plan has them, and bursts of one poster within an hour."""
    requests = round(n * plan.requests / max(plan.items, 1))
    weights = np.array([OTHERS.get(kind, 0.0) for kind in KINDS])
    others = rng.choice(len(KINDS), n - requests, p=weights / weights.sum())
    kind = rng.permutation(np.concatenate([np.full(requests, KINDS.index("request")), others])).astype(np.int64)
    bursts = max(1, n // 3)
    burst = rng.integers(bursts, size=n)
    hour = rng.uniform(2, 166, bursts)[burst] + rng.uniform(-1, 1, n)
    poster = rng.choice(len(posters), bursts, p=posters)[burst].astype(np.int64)
    order = np.argsort(-hour, kind="stable")
    return Calendar(np.full(n, week), kind[order], hour[order], poster[order], _repeats(kind[order], rng))


def _repeats(kind: Ints, rng: np.random.Generator) -> Ints:
    """Which earlier item each one repeats; requests are not repeated, so that a request's reach is that of one item."""
    again = np.full(len(kind), -1)
    request = KINDS.index("request")
    for place in np.flatnonzero((rng.random(len(kind)) < REPEATED) & (kind != request)):
        earlier = np.flatnonzero((kind[:place] != request) & (again[:place] < 0))
        if len(earlier):
            again[place] = rng.choice(earlier)
    return again
