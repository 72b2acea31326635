"""Comparing two matchers on live members: team-draft interleaving (Radlinski, Kurup and Joachims 2008).

A digest keeps its size, but two teams pick its items in turn, each the best one left of its own ranking; who picks first is
tossed for in each round. What a member then says of an item counts for the team that picked it.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from digest.eligibility import Block
from digest.matching import Rows, TfidfMatcher
from digest.selection import Selection, place_within

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Draws = npt.NDArray[np.uint64]

OURS, OTHER, NO_TEAM = 0, 1, -1


@dataclass(frozen=True, slots=True)
class Comparison:
    """The share of members, 0 to 1, whose digests are picked by both teams, and the name of the other matcher."""

    share: float
    other: str = "tfidf"

    def chosen(self, draws: Draws) -> npt.NDArray[np.bool_]:
        """The members who take part, by the upper half of their draw."""
        return np.asarray((draws >> np.uint64(32)).astype(np.float64) / 2**32 < self.share)


def plain_cosine(stated: Rows, items: Rows) -> Rows:
    """The other matcher: TF-IDF cosine of what members stated and chose, nothing expanded, smoothed or learned.

    Both are lexical rows; the result is of shape (n_members, n_items).
    """
    from sklearn.preprocessing import normalize

    unit = normalize(stated) if all(stated.shape) else stated
    return TfidfMatcher(stated.shape[1], most=0).score(unit, items)


MATCHERS = {"tfidf": plain_cosine}


def drafted(ours: Floats, other: Floats, sizes: Ints, draws: Draws, group: Ints) -> tuple[Ints, Ints]:
    """(columns, teams), both of shape (n_members, most of `sizes`), in the order of picking; -1 where nothing is picked.

    `ours` and `other` are scores of shape (n_members, n_items), -inf for what a team may not pick. The first of equal scores is
    picked, of each `group` one item at most. A team with nothing left lets the other one pick. The lower half of a draw holds the
    tosses.
    """
    ours, other = ours.copy(), other.copy()
    members, rounds = np.arange(len(sizes)), int(sizes.max(initial=0))
    columns, teams = np.full((2, len(sizes), rounds), NO_TEAM, dtype=np.int64)
    picks = np.zeros((2, len(sizes)), dtype=np.int64)
    for turn in range(rounds if ours.shape[1] else 0):
        best = ours.argmax(axis=1), other.argmax(axis=1)
        able = ours[members, best[0]] > -np.inf, other[members, best[1]] > -np.inf
        tossed = (draws >> np.uint64(turn // 2)) & np.uint64(1) == 0
        first = np.where(picks[OURS] == picks[OTHER], tossed, picks[OURS] < picks[OTHER])
        team = np.where(able[0] & (first | ~able[1]), OURS, OTHER)
        column = np.where(team == OURS, *best)
        at = np.flatnonzero((able[0] | able[1]) & (turn < sizes))
        columns[at, turn], teams[at, turn] = column[at], team[at]
        picks[team[at], at] += 1
        gone = group[column[at]][:, None] == group[None, :]
        for scores in (ours, other):
            scores[at] = np.where(gone, -np.inf, scores[at])
    return columns, teams


def interleaved(
    selection: Selection,
    matches: Rows,
    other: Rows,
    blocked: npt.NDArray[np.uint8],
    chosen: Ints,
    draws: Draws,
    group: Ints,
) -> tuple[Selection, Ints]:
    """The selection with the digests of the `chosen` members (rows) picked by both teams, and a team for each of its pairs.

    Ours picks from what passed the threshold, the other one from all that is allowed and has a score; so nobody who would get
    nothing gets anything. Whatever ours would have sent and is not sent is left out as `compared`.
    """
    place = np.full(matches.shape[0], -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    mine, passed = place[selection.member] >= 0, place[selection.left_member] >= 0
    passed &= np.isin(selection.left_block, (Block.OVER_BUDGET, Block.DUPLICATE))
    scores = np.full((len(chosen), matches.shape[1]), -np.inf)
    row = np.r_[selection.member[mine], selection.left_member[passed]]
    column = np.r_[selection.item[mine], selection.left_item[passed]]
    if len(row):
        scores[place[row], column] = np.asarray(matches[row, column], dtype=np.float64).ravel()
    rival = other[chosen].toarray().astype(np.float64)
    rival[(rival <= 0) | (blocked[chosen] != Block.NONE)] = -np.inf
    sizes = np.bincount(place[selection.member[mine]], minlength=len(chosen))
    columns, teams = drafted(scores, rival, sizes, draws[chosen], group)
    row, turn = np.nonzero(columns >= 0)
    return _merged(selection, mine, chosen[row], columns[row, turn], teams[row, turn], matches.shape[1])


def _merged(
    selection: Selection, mine: npt.NDArray[np.bool_], member: Ints, item: Ints, team: Ints, width: int
) -> tuple[Selection, Ints]:
    members, items = np.r_[selection.member[~mine], member], np.r_[selection.item[~mine], item]
    teams = np.r_[np.full((~mine).sum(), NO_TEAM), team]
    order = np.argsort(members, kind="stable")
    picked = member * width + item
    lost = mine & ~np.isin(selection.member * width + selection.item, picked)
    kept = ~np.isin(selection.left_member * width + selection.left_item, picked)
    left_block = np.r_[selection.left_block[kept], np.full(lost.sum(), Block.COMPARED, dtype=np.uint8)]
    merged = replace(
        selection,
        member=members[order],
        item=items[order],
        rank=place_within(members[order]),
        left_member=np.r_[selection.left_member[kept], selection.member[lost]],
        left_item=np.r_[selection.left_item[kept], selection.item[lost]],
        left_block=left_block,
    )
    return merged, teams[order]


@dataclass(frozen=True, slots=True)
class Wins:
    """Digests that each team won, by what their members said, and those that nobody won."""

    ours: int
    other: int
    ties: int

    @property
    def p_value(self) -> float:
        """Of the two-sided sign test: how likely a difference as large as this is if both are equally good."""
        from scipy.stats import binomtest

        return float(binomtest(self.ours, self.ours + self.other).pvalue) if self.ours + self.other else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share of decided digests that ours wins (Wilson 1927)."""
        from scipy.stats import binomtest

        if not self.ours + self.other:
            return 0.0, 1.0
        low, high = binomtest(self.ours, self.ours + self.other).proportion_ci(method="wilson")
        return float(low), float(high)
