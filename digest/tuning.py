"""Tuning: what each threshold would send and how good that would be, all from one matching of members with items."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.eligibility import Block
from digest.selection import place_within, repeats
from digest.thresholds import moved

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STRATUM = 10.0
"""Width, in points of match, of the strata in which labels are counted."""
PRIOR_LABELS = 4.0
"""Labels that the match figure itself weighs as much as, in each stratum."""
NORMAL_95 = 1.96
LEAST_SU = -0.5
"""Normalised utility below which a member's digest counts no worse (MinNU of the TREC 2002 filtering track)."""
LEAST_GAIN = 0.02
"""Share by which another threshold must be worth more before it is proposed instead of the one in force."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Pairs of members and items that may be sent, as parallel arrays sorted by member and then best match first.

    `caps` and `shifts` are of length n_members, `group` of length n_items; see `selection.select` for what they mean.
    """

    member: Ints
    item: Ints
    match: Floats
    caps: Ints
    shifts: Floats
    bounds: tuple[float, float]
    group: Ints

    @classmethod
    def of(
        cls,
        matches: sp.csr_matrix,
        blocked: npt.NDArray[np.uint8],
        caps: Ints,
        shifts: Floats,
        bounds: tuple[float, float],
        group: Ints,
        least: float = 0.0,
    ) -> "Allowed":
        """From matches of shape (n_members, n_items); pairs under the match `least` are left out."""
        matches = matches.tocsr()
        row = np.repeat(np.arange(matches.shape[0]), np.diff(matches.indptr))
        at = np.flatnonzero(matches.data >= least)
        at = at[blocked[row[at], matches.indices[at]] == Block.NONE]
        member, item, match = row[at], matches.indices[at].astype(np.int64), matches.data[at].astype(np.float64)
        order = np.lexsort((item, -match, member))
        return cls(member[order], item[order], match[order], caps, shifts, bounds, group)

    @classmethod
    def joined(cls, parts: Sequence["Allowed"]) -> "Allowed":
        """The pairs of one shard of members after the other; there must be one."""
        starts = np.cumsum([0, *(len(part.caps) for part in parts)])[:-1]
        return replace(
            parts[0],
            member=np.concatenate([part.member + start for part, start in zip(parts, starts, strict=True)]),
            item=np.concatenate([part.item for part in parts]),
            match=np.concatenate([part.match for part in parts]),
            caps=np.concatenate([part.caps for part in parts]),
            shifts=np.concatenate([part.shifts for part in parts]),
        )

    def thresholds(self, of_items: Floats) -> Floats:
        """The threshold of each pair: its item's, moved by its member's feedback."""
        return moved(of_items[self.item], self.shifts[self.member], *self.bounds)

    def sent(self, of_items: Floats) -> Ints:
        """Places of the pairs that would be sent with these thresholds of shape (n_items,): the same as `selection.select`."""
        at = np.flatnonzero(self.match >= self.thresholds(of_items))
        at = np.delete(at, repeats(self.member[at], self.group[self.item[at]]))
        return at[place_within(self.member[at]) <= self.caps[self.member[at]]]


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known about single pairs, from feedback and from judgements: parallel arrays.

    `member` and `item` are places among the members and items that are tuned for, -1 where they are not among them or where the
    member may not get the item; `match` is the match when the pair was sent or judged.
    """

    member: Ints
    item: Ints
    match: Floats
    good: Bools


@dataclass(frozen=True, slots=True)
class Estimate:
    """How likely a pair of some match is good: the match figure, corrected by labels in strata of `STRATUM` points.

    In each stratum the probability is Beta-distributed: the match figure weighs as much as `PRIOR_LABELS` labels.
    """

    labels: Floats
    good: Floats

    @classmethod
    def of(cls, labels: Labels) -> "Estimate":
        stratum = _stratum(labels.match)
        counted = np.bincount(stratum, minlength=N_STRATA), np.bincount(stratum, labels.good, minlength=N_STRATA)
        return cls(*(counts.astype(np.float64) for counts in counted))

    def probability(self, match: Floats) -> Floats:
        """That a pair is good, in the order of `match`."""
        stratum = _stratum(match)
        return np.asarray(
            (PRIOR_LABELS * match / 100 + self.good[stratum]) / (PRIOR_LABELS + self.labels[stratum]), dtype=np.float64
        )

    def precision(self, match: Floats) -> tuple[float, tuple[float, float] | None]:
        """Share of good ones among pairs with these matches, and its 95 % interval, which is None while no label tells
        anything about them."""
        probability, stratum = self.probability(match), _stratum(match)
        mean = float(probability.mean())
        size = np.bincount(stratum, minlength=N_STRATA)
        if not self.labels[size > 0].any():
            return mean, None
        usual = np.bincount(stratum, probability, minlength=N_STRATA) / np.maximum(size, 1)
        variance = usual * (1 - usual) / (PRIOR_LABELS + self.labels + 1)
        half = NORMAL_95 * float(np.sqrt(((size / len(match)) ** 2 * variance).sum()))
        return mean, (max(0.0, mean - half), min(1.0, mean + half))


N_STRATA = int(100 / STRATUM)


def _stratum(match: Floats) -> Ints:
    return np.clip(match // STRATUM, 0, N_STRATA - 1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Point:
    """What one threshold would send.

    `silent` members are due a digest and get none. `requests_unheard` counts the requests that reach nobody. `utility` is the
    estimated worth of all that is sent: `w` for each good item, -1 for each other one. `su` is T11SU, the mean over the
    `known_good` members with a good item among their labels; `labels` counts the labels on pairs that would be sent.
    """

    threshold: float
    digests: int
    silent: int
    items: int
    median_items: float
    p90_items: float
    median_reach: float
    requests_unheard: int
    precision: float | None
    interval: tuple[float, float] | None
    utility: float
    labels: int
    known_good: int
    su: float | None


def curve(
    allowed: Allowed,
    grid: Sequence[float],
    of_items: Floats,
    varied: Bools,
    requests: Bools,
    labels: Labels,
    utility_w: float,
) -> list[Point]:
    """A point for each threshold of the grid. It holds for the `varied` items; the others keep theirs of `of_items`.

    `of_items`, `varied` and `requests` are of shape (n_items,).
    """
    estimate, known = Estimate.of(labels), _Known(allowed, labels)
    return [
        _point(
            allowed, float(value), allowed.sent(np.where(varied, value, of_items)), requests, estimate, known, utility_w
        )
        for value in grid
    ]


def _point(
    allowed: Allowed, threshold: float, sent: Ints, requests: Bools, estimate: Estimate, known: "_Known", w: float
) -> Point:
    sizes = np.bincount(allowed.member[sent], minlength=len(allowed.caps))
    digests = sizes[sizes > 0]
    reach = np.bincount(allowed.item[sent], minlength=len(requests))[requests]
    probability = estimate.probability(allowed.match[sent])
    labelled = known.sent(sent)
    precision, interval = estimate.precision(allowed.match[sent]) if len(sent) else (None, None)
    return Point(
        threshold=threshold,
        digests=len(digests),
        silent=len(sizes) - len(digests),
        items=len(sent),
        median_items=float(np.median(digests)) if len(digests) else 0.0,
        p90_items=float(np.percentile(digests, 90)) if len(digests) else 0.0,
        median_reach=float(np.median(reach)) if len(reach) else 0.0,
        requests_unheard=int((reach == 0).sum()),
        precision=precision,
        interval=interval,
        utility=float((w * probability - (1 - probability)).sum()),
        labels=int(labelled.sum()),
        known_good=known.n_good,
        su=known.su(labelled, w),
    )


class _Known:
    """The labels of the members and items that are tuned for."""

    def __init__(self, allowed: Allowed, labels: Labels) -> None:
        here = (labels.member >= 0) & (labels.item >= 0)
        self._member, self._good = labels.member[here], labels.good[here]
        self._place = _places(allowed, self._member, labels.item[here])
        self._n_pairs = len(allowed.member)
        liked = np.bincount(self._member, self._good, len(allowed.caps))
        self._best = np.minimum(liked, allowed.caps)
        self.n_good = int((self._best > 0).sum())

    def sent(self, places: Ints) -> Bools:
        """Which labels are on pairs that would be sent."""
        sent = np.zeros(self._n_pairs + 1, dtype=np.bool_)
        sent[places] = True
        return sent[self._place]

    def su(self, sent: Bools, w: float) -> float | None:
        """T11SU of the TREC 2002 filtering track (Robertson and Soboroff), over labelled pairs alone: what nobody judged counts
        nothing. None without a member who has a good item."""
        judged = self._best > 0
        if not self.n_good:
            return None
        utility = np.bincount(self._member, np.where(self._good, w, -1.0) * sent, len(self._best))
        normalised = np.maximum(utility[judged] / (w * self._best[judged]), LEAST_SU)
        return float(((normalised - LEAST_SU) / (1 - LEAST_SU)).mean())


def _places(allowed: Allowed, member: Ints, item: Ints) -> Ints:
    """Where each pair stands among the allowed ones; behind the last one where it is not among them."""
    width = max(len(allowed.group), 1)
    codes, wanted = allowed.member * width + allowed.item, member * width + item
    order = np.argsort(codes)
    at = np.searchsorted(codes, wanted, sorter=order)
    found = np.append(order, len(codes))[at]
    return np.where(np.append(codes, -1)[found] == wanted, found, len(codes))


def border(allowed: Allowed, of_items: Floats, kinds: Ints, judged: Bools, most: int = 20) -> Ints:
    """Places of the pairs to be judged by hand: those nearest to their threshold that were not judged yet, spread over members
    and kinds. `kinds` numbers the kind of each item; `judged` has an entry for each pair.

    Of each member only the nearest pair is taken, and of each kind as many as of any other while there are some.
    """
    distance = np.abs(allowed.match - allowed.thresholds(of_items))
    order = np.flatnonzero(~judged)
    order = order[np.argsort(distance[order], kind="stable")]
    order = order[np.sort(np.unique(allowed.member[order], return_index=True)[1])]
    kind = kinds[allowed.item[order]]
    by_kind = np.argsort(kind, kind="stable")
    turn = np.empty(len(order), dtype=np.int64)
    turn[by_kind] = place_within(kind[by_kind])
    chosen = order[np.argsort(turn, kind="stable")[:most]]
    return chosen[np.argsort(distance[chosen], kind="stable")]


def proposed(points: Sequence[Point], in_force: float) -> Point:
    """The point of the greatest estimated utility; the one in force where that gains less than `LEAST_GAIN`.

    Of equal ones the highest threshold. `points` must hold the one in force.
    """
    now = next(point for point in points if point.threshold == in_force)
    best = max(points, key=lambda point: (point.utility, point.threshold))
    return best if best.utility - now.utility > LEAST_GAIN * abs(now.utility) else now
