"""Lives of members: when they join, how they want mail, when they go quiet, pause or leave, and what they say of items."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiles.feedback import VERDICTS, Verdict
from profiles.member import Cadence, Preferences
from simulation.draws import uniform

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

JOINING = 0.003
"""Members who join in a week, as a share of those at the start."""
QUIET, QUIET_WEEKS, QUIET_FOR_GOOD = 0.005, 12.0, 0.3
"""Who goes quiet in a week; for how many weeks in the mean; and the share of them that is not heard of again."""
PAUSING, PAUSE_WEEKS = 0.002, (2, 7)
LEAVING, LEAVING_ANNOYED, LEAVING_ASKED = 0.0005, 0.004, 0.002
"""Who leaves in a week: whatever comes, more where all that came was useless, more for each ask over four in a week."""
UNPROMPTED = 0.5
"""Of those who would tell that an item is good, the share that also tells of one that is not."""
NEVER = np.iinfo(np.int64).max

CADENCES: tuple[Cadence, ...] = ("weekly", "fortnightly", "monthly", "none")
CADENCE_SHARES = (0.88, 0.07, 0.04, 0.01)
ITEMS = (None, 3, 10)
ITEM_SHARES = (0.83, 0.12, 0.05)
ASKS = (None, 2)
ASK_SHARES = (0.92, 0.08)
"""Requests a month that members set themselves."""
MUTED = {"job": 0.06, "survey": 0.04, "request": 0.02}


@dataclass(frozen=True, slots=True)
class Said:
    """Words that members say of items: parallel arrays; `verdict` is the index in VERDICTS."""

    person: Ints
    item: Ints
    verdict: Ints


class Lives:
    """Everybody's life but for what the digests do to it. Weeks count from 0; people are numbered in the order of joining."""

    def __init__(self, seed: int, members: int, weeks: int) -> None:
        self._seed = seed
        rng = np.random.default_rng([seed, 6])
        later = rng.poisson(JOINING * members, max(weeks - 1, 0))
        self.joins = np.concatenate([np.zeros(members, np.int64), np.repeat(np.arange(1, max(weeks, 1)), later)])
        n = len(self.joins)
        rng = np.random.default_rng([seed, 7])
        self.preferences = [self._preferences(rng) for _ in range(n)]
        self.activity = np.where(rng.random(n) < 0.5, rng.beta(1.0, 12.0, n), rng.beta(2.0, 6.0, n))
        """How probable it is that they say a word about an item that they find good."""
        self.helps = rng.beta(2.0, 3.0, n)
        """How probable it is that they help with a request they find good, where they say a word at all."""
        self._quiet_from = self.joins + rng.geometric(QUIET, n)
        length = rng.geometric(1.0 / QUIET_WEEKS, n)
        self._quiet_until = np.where(rng.random(n) < QUIET_FOR_GOOD, NEVER, self._quiet_from + length)

    def __len__(self) -> int:
        return len(self.joins)

    @staticmethod
    def _preferences(rng: np.random.Generator) -> Preferences:
        items = ITEMS[rng.choice(len(ITEMS), p=ITEM_SHARES)]
        return Preferences(
            cadence=CADENCES[rng.choice(len(CADENCES), p=CADENCE_SHARES)],
            items_per_digest=items,
            asks_per_month=ASKS[rng.choice(len(ASKS), p=ASK_SHARES)],
            muted_kinds=tuple(kind for kind, share in MUTED.items() if rng.random() < share),
        )

    def joining(self, week: int) -> Ints:
        """Who joins before the edition of this week."""
        return np.flatnonzero(self.joins == week)

    def quiet(self, week: int) -> Bools:
        """Who says nothing about anything this week: shape (n_people,)."""
        return (self._quiet_from <= week) & (week < self._quiet_until)

    def pausing(self, week: int) -> tuple[Ints, Ints]:
        """Who pauses after the edition of this week, and for how many weeks."""
        people = np.flatnonzero(self.joins <= week)
        people = people[uniform(self._seed, "pause", people, week) < PAUSING]
        low, high = PAUSE_WEEKS
        return people, low + np.floor(uniform(self._seed, "pause weeks", people, week) * (high - low)).astype(np.int64)

    def leaving(self, week: int, people: Ints, useless: Floats, asks: Floats) -> Ints:
        """Who of these people leaves after the edition of this week, in which the share `useless` of what they got was not for
        them, and in which they were asked so often."""
        hazard = LEAVING + LEAVING_ANNOYED * useless + LEAVING_ASKED * np.maximum(asks - 4.0, 0.0)
        return people[uniform(self._seed, "leave", people, week) < hazard]

    def said(self, week: int, people: Ints, items: Ints, utility: Floats, is_request: Bools) -> Said:
        """What comes back for items that were handed over: a function of person and item, and of who is quiet this week."""
        speaks = uniform(self._seed, "speaks", people, items) < self.activity[people]
        speaks &= ~self.quiet(week)[people]
        good = uniform(self._seed, "good", people, items) < utility
        helps = is_request & good & (uniform(self._seed, "helps", people, items) < self.helps[people])
        complains = ~good & (uniform(self._seed, "complains", people, items) < UNPROMPTED)
        verdict = np.full(len(people), _code("more"))
        verdict[helps], verdict[~good] = _code("can_help"), _code("less")
        heard = speaks & (good | complains)
        return Said(people[heard], items[heard], verdict[heard])


def _code(verdict: Verdict) -> int:
    return VERDICTS.index(verdict)


def answers_wanted(seed: int, items: Sequence[int]) -> Ints:
    """How many answers each request needs before its poster closes it: 4 to 9."""
    return 4 + np.floor(uniform(seed, "answers", np.asarray(items)) * 6).astype(np.int64)
