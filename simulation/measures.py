"""What a year came to, in figures by which policies are compared."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from profiles.feedback import VERDICTS
from simulation.auditor import Breaches

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Year:
    """Everything that was sent in a life: parallel arrays of pairs, then what is known of weeks, members and requests.

    `needed` and `could` are of shape (n_items,): the reach that an item needs, 0 for none, and how many members could have been
    given it: due, eligible, not muted, who had not had it, with a match at or above the floor, whatever their budgets.
    """

    week: Ints
    person: Ints
    item: Ints
    match: Floats
    utility: Floats
    greedy_match: float
    """Total match, and true utility, of what unlimited greedy would have sent in the same weeks of the same life."""
    greedy_utility: float
    considered: Ints
    """Of shape (n_weeks,): members of the edition's audience."""
    silent: Ints
    """Of shape (n_weeks,): those of them who were due and got nothing, as nothing fitted or was allowed."""
    is_request: Bools
    needed: Ints
    could: Ints
    people: int
    """Everybody who ever was a member."""
    said: Ints
    left: int
    printed: int
    """Mails that were composed in full."""
    breaches: Breaches
    repeats: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What `germane simulate` prints for a policy. Shares are from 0 to 1."""

    budget_breaches: int
    """Mails over a budget, as the auditor counts them in the ledger."""
    breaches: dict[str, int]
    repeats: int
    """Items that a member got twice, in themselves or as the same thing posted again, and second mails of an edition."""
    requests: int
    requests_reachable: int
    """Requests of which so many members as they need could have been reached, whatever their budgets."""
    requests_heard_share: float
    """Of those, the share that reached so many."""
    requests_heard_of_all_share: float
    reach_needed: dict[str, float]
    reach_got: dict[str, float]
    asks: int
    asks_per_member_month: float
    most_asked: int
    """Requests that the most-asked member got in all."""
    top1pct_asks: float
    """Share of all asks that fall on the most-asked 1 % of members."""
    gini_asks: float
    mails: int
    mails_per_member_week: float
    mails_per_week_most: int
    """Most mails of an edition."""
    silent_share: float
    """Of the members who were due a digest, week by week, those who got none."""
    items_per_digest: dict[str, float]
    match_total: float
    match_mean: float
    match_lost_share: float
    """What this policy's total match is less than that of unlimited greedy in the same weeks of the same life, as a share of it;
    below 0 where it is more. Unlimited greedy sends each member their best-matching items above their thresholds that they may
    have and have not had, under the same limit of items a digest, with no limit of asks, reach, posters or topics. It is worked
    out from the ledger's records of what was sent and left out; an item that it would have sent in two weeks counts once."""
    utility_total: float
    utility_mean: float
    """How probable it is, in the mean, that a sent item is good for the member who got it: the hidden truth."""
    utility_lost_share: float
    said: dict[str, int]
    left: int
    mails_printed: int
    """Mails that were composed in full, headers and both bodies; of the others only the content was decided and stored."""


def gini(counts: Ints) -> float:
    """Gini coefficient of counts that are 0 or more: 0 where all are equal, near 1 where one has everything.

    By the mean of absolute differences over twice the mean (Gini 1912), from ordered values.
    """
    total = counts.sum()
    if not total:
        return 0.0
    n, ordered = len(counts), np.sort(counts)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def top_share(counts: Ints, share: float = 0.01) -> float:
    """Share of everything that falls on the greatest `share` of the counts, of which there is at least one."""
    top = max(1, round(share * len(counts)))
    return float(np.sort(counts)[-top:].sum() / max(counts.sum(), 1))


def asks_of(year: Year) -> Ints:
    """Requests that each person got: of shape (people,)."""
    return np.bincount(year.person[year.is_request[year.item]], minlength=year.people).astype(np.int64)


def reach_of(year: Year) -> Ints:
    """Members whom each item reached, over all editions: of shape (n_items,)."""
    return np.bincount(year.item, minlength=len(year.needed)).astype(np.int64)


def digest_sizes(year: Year) -> Ints:
    """Items of every digest of the life."""
    return np.asarray(np.unique(_mails(year), return_counts=True)[1], dtype=np.int64)


def mails_by_week(year: Year) -> Ints:
    """Mails of each edition: of shape (n_weeks,)."""
    week = np.unique(_mails(year)) // year.people
    return np.bincount(week, minlength=len(year.considered)).astype(np.int64)


def _mails(year: Year) -> Ints:
    """For each pair the number of its mail; divided by the people it is the week."""
    return np.asarray(year.week * np.int64(year.people) + year.person, dtype=np.int64)


WEEKS_A_MONTH = 365.25 / 12 / 7


def figures(year: Year) -> Figures:
    """The year in figures."""
    asks, reach, sizes = asks_of(year), reach_of(year), digest_sizes(year)
    requests = year.is_request & (year.needed > 0)
    reachable, heard = requests & (year.could >= year.needed), requests & (reach >= year.needed)
    mails, weeks = len(sizes), int(year.considered.sum())
    due = int(year.silent.sum()) + mails
    return Figures(
        budget_breaches=year.breaches.total,
        breaches=asdict(year.breaches),
        repeats=year.repeats,
        requests=int(requests.sum()),
        requests_reachable=int(reachable.sum()),
        requests_heard_share=_share(int((heard & reachable).sum()), int(reachable.sum())),
        requests_heard_of_all_share=_share(int(heard.sum()), int(requests.sum())),
        reach_needed=spread(year.needed[requests]),
        reach_got=spread(reach[requests]),
        asks=int(asks.sum()),
        asks_per_member_month=_share(float(asks.sum()) * WEEKS_A_MONTH, weeks),
        most_asked=int(asks.max(initial=0)),
        top1pct_asks=_rounded(top_share(asks)),
        gini_asks=_rounded(gini(asks)),
        mails=mails,
        mails_per_member_week=_share(mails, weeks),
        mails_per_week_most=int(mails_by_week(year).max(initial=0)),
        silent_share=_share(int(year.silent.sum()), due),
        items_per_digest=spread(sizes),
        match_total=_rounded(float(year.match.sum())),
        match_mean=_share(float(year.match.sum()), len(year.match)),
        match_lost_share=_lost(year.match, year.greedy_match),
        utility_total=_rounded(float(year.utility.sum())),
        utility_mean=_share(float(year.utility.sum()), len(year.utility)),
        utility_lost_share=_lost(year.utility, year.greedy_utility),
        said={verdict: int(n) for verdict, n in zip(VERDICTS, year.said, strict=True)},
        left=year.left,
        mails_printed=year.printed,
    )


def spread(values: Ints) -> dict[str, float]:
    """Median, and the values that one in ten is at or below, and at or above (the nearest one that there is)."""
    if not len(values):
        return {"p10": 0.0, "median": 0.0, "p90": 0.0}
    found = np.percentile(values, (10, 50, 90), method="inverted_cdf")
    return dict(zip(("p10", "median", "p90"), map(float, found), strict=True))


def _lost(mine: Floats, greedy: float) -> float:
    return _rounded(1.0 - float(mine.sum()) / greedy) if greedy else 0.0


def _share(part: float, whole: float) -> float:
    return _rounded(part / whole) if whole else 0.0


def _rounded(value: float) -> float:
    return round(value, 6)
