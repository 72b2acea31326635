"""Score to match: the same figure from 0 to 100 for every member, kind and week.

A score is first seen against the member's own background, the scores of past items: a narrow interest scores everything low, a
broad one everything high. One logistic regression, the same for all members, then turns it into the probability that the item is
worth sending; what a member's own judged items showed moves it for that member. Networks differ, and so do their members: the
weights are those of a hierarchical model (Gelman and Hill 2007, chapter 14), held to what is usual by as much as they usually
differ. So a network, or a member, that has said little is taken for a usual one, and one that has said much for what it is.
A higher score always has a higher match.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.earlier import Earlier
from digest.matching import Matcher, TfidfMatcher
from digest.mixed import Mixed, Pairs, probability

Rows = sp.csr_matrix
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

USUAL_MEAN = 0.01
USUAL_DEVIATION = 0.03
"""Of a member's scores over past items, as on the development corpora: a background of few past items leans on them."""
USUAL_WEIGHT = 20.0
"""Past items that the usual background weighs as much as."""
SAMPLE = 2000
"""Past items, the newest, that a background is measured on."""
CENTRE = 0.08
"""The score about which a member's own line turns: where sending usually begins."""
LEAST_TOLD = 0.5
"""Deviations above the mean from which a judged score teaches anything: what lies lower is never sent."""
NEWTON_STEPS = 20
MEMBER_SPREAD = (1.0, 6.0)
"""Standard deviations of members' intercept and slope within a network, chosen on the development corpora (docs/decisions)."""
NETWORK_SPREAD = (1.5, 12.0, 1.5)
"""Those of networks' weights."""
SENT_SPREAD = (1.0, 1.5, 0.2)
"""The same where only pairs that were sent are judged: they tell how many of them are good, and little of those below, so that a
line learnt from them alone would fall too slowly there and promise too much."""
ANCHOR = 0.5
"""What a pair that stands for those that were not sent weighs, beside one that was."""
EARLIER_SPREAD = 2.0
"""Standard deviation about 0 of what the logit is higher by for words on what no digest had brought: elsewhere, members may have
spoken of more of what is good, or of less."""
RISE = 0.5
"""Of the logit for each unit of score where nothing else makes it rise."""


def default_threshold(utility: float) -> float:
    """The match from which sending pays, where a good item is worth `utility` and any other costs 1: 100 / (1 + utility)."""
    return 100.0 / (1.0 + utility)


@dataclass(frozen=True, slots=True)
class Background:
    """What is usual for each member: mean and deviation of their scores over past items, of shape (n_members,)."""

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, matcher: Matcher, profiles: Rows, past: Rows) -> "Background":
        """Measured on rows of past items, oldest first, of which the last `SAMPLE` count."""
        n, past = profiles.shape[0], past[-SAMPLE:]
        total, square = _sums(matcher, profiles, past) if past.shape[0] else (np.zeros(n), np.zeros(n))
        items = past.shape[0] + USUAL_WEIGHT
        mean = (total + USUAL_WEIGHT * USUAL_MEAN) / items
        variance = (square + USUAL_WEIGHT * (USUAL_DEVIATION**2 + USUAL_MEAN**2)) / items - mean**2
        return cls(mean, np.sqrt(np.maximum(variance, 1e-6)))

    @classmethod
    def joined(cls, parts: Sequence["Background"]) -> "Background":
        """Of one batch of members after the other."""
        return cls(np.concatenate([part.mean for part in parts]), np.concatenate([part.deviation for part in parts]))


def _sums(matcher: Matcher, profiles: Rows, past: Rows) -> tuple[Floats, Floats]:
    """Of each member's scores the sum and the sum of squares."""
    if not isinstance(matcher, TfidfMatcher):
        scores = matcher.score(profiles, past)
        sums = (np.asarray(part.sum(axis=1), dtype=np.float64).ravel() for part in (scores, scores.multiply(scores)))
        return next(sums), next(sums)
    total, square, start = np.zeros(profiles.shape[0]), np.zeros(profiles.shape[0]), 0
    for block in matcher.blocks(profiles, past):
        rows = slice(start, start + len(block))
        total[rows], square[rows] = block.sum(axis=1), np.einsum("ij,ij->i", block, block)
        start = rows.stop
    return total, square


FEATURES = ("score", "log standardised")
"""What a logit is made of, beside an intercept. Both rise with the score."""


@dataclass(frozen=True, slots=True)
class Effects:
    """By how much each member differs from what is usual in the network: arrays of shape (n_members,).

    Their logit is higher by `intercept` at the score `CENTRE`, and by `slope` more for each unit of score above it.
    """

    intercept: Floats
    slope: Floats

    @classmethod
    def none(cls, n_members: int) -> "Effects":
        """Of members who have judged nothing."""
        return cls(np.zeros(n_members), np.zeros(n_members))


@dataclass(frozen=True, slots=True)
class Judged:
    """Judged pairs of a batch of members, as parallel arrays: the member's row, the score that the item had, whether it was good
    (1, 0, or how probable that is), and how much the word weighs (1 for a plain one). `background` is that of the members;
    `earlier` tells which pairs are of items that no digest had brought (`digest.earlier`), None that none is.
    """

    member: Ints
    score: Floats
    good: Floats
    weight: Floats
    background: Background
    earlier: npt.NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, scores: Rows, good: npt.NDArray[np.bool_], background: Background) -> "Judged":
        """Of a matrix of scores with a judgement for each entry, in the order of `scores.data`."""
        member = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
        return cls(member, scores.data.astype(np.float64), np.asarray(good, np.float64), np.ones(len(good)), background)

    @classmethod
    def joined(cls, parts: Sequence["Judged"]) -> "Judged":
        """One batch of members after the other; there must be one."""
        starts = np.cumsum([0, *(len(part.background.mean) for part in parts)])[:-1]
        return cls(
            member=np.concatenate([part.member + start for part, start in zip(parts, starts, strict=True)]),
            score=np.concatenate([part.score for part in parts]),
            good=np.concatenate([part.good for part in parts]),
            weight=np.concatenate([part.weight for part in parts]),
            background=Background.joined([part.background for part in parts]),
            earlier=np.concatenate([part.is_earlier for part in parts]),
        )

    def anchored(self, prior: "Calibration") -> "Judged":
        """With a pair beside each that was sent, a deviation above the member's mean, that is good as often as in any network.

        Only what scores high is sent, and so judged: it tells nothing of what lies below. A line learnt from it alone would fall
        too slowly there, and a member who likes what they get would seem to like everything.
        """
        score = (self.background.mean + self.background.deviation)[self.member]
        usual = probability(_design(score, self.member, self.background) @ np.asarray(prior.weights))
        return Judged(
            member=np.concatenate([self.member, self.member]),
            score=np.concatenate([self.score, score]),
            good=np.concatenate([self.good, usual]),
            weight=np.concatenate([self.weight, np.full(len(score), ANCHOR)]),
            background=self.background,
        )

    def beside(self, earlier: Earlier) -> "Judged":
        """With what was said of items that no digest had brought. It is judged without regard to the score, so nothing need be
        anchored."""
        return Judged(
            member=np.concatenate([self.member, earlier.member]),
            score=np.concatenate([self.score, earlier.score]),
            good=np.concatenate([self.good, earlier.good]),
            weight=np.concatenate([self.weight, earlier.weight]),
            background=self.background,
            earlier=np.concatenate([self.is_earlier, np.ones(len(earlier.member), np.bool_)]),
        )

    @property
    def is_earlier(self) -> npt.NDArray[np.bool_]:
        """Of each pair."""
        return np.zeros(len(self.member), np.bool_) if self.earlier is None else self.earlier

    @property
    def n_members(self) -> int:
        """Members of the batch, whether they judged anything or not."""
        return len(self.background.mean)

    def telling(self) -> "Judged":
        """Without the pairs that lie so low that they would never be sent."""
        above = self.score - self.background.mean[self.member]
        kept = above >= LEAST_TOLD * self.background.deviation[self.member]
        return Judged(
            self.member[kept],
            self.score[kept],
            self.good[kept],
            self.weight[kept],
            self.background,
            self.is_earlier[kept],
        )

    @property
    def design(self) -> Floats:
        """An intercept and the FEATURES of each pair: shape (n_pairs, 3)."""
        return _design(self.score, self.member, self.background)


def _design(score: Floats, member: Ints, background: Background) -> Floats:
    score = np.maximum(score.astype(np.float64), 0.0)
    above = np.maximum(score - background.mean[member], 0.0)
    return np.stack([np.ones(len(score)), score, np.log1p(above / background.deviation[member])], axis=1)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the regression: an intercept, then those of `FEATURES`. By `earlier` the logit is higher where no digest had
    brought the item, which is learnt beside them and left out of the match."""

    weights: tuple[float, float, float]
    earlier: float = 0.0

    def match(self, scores: Rows, background: Background, effects: Effects | None = None) -> Rows:
        """Matches, 0 to 100, in the places of the scores: float32 of shape (n_members, n_items)."""
        scores = scores.tocsr()
        member = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
        effects = Effects.none(len(background.mean)) if effects is None else effects
        low, high = (bound[member] for bound in self._rising(background, effects))
        rising = np.clip(scores.data, low, high)
        design = _design(rising, member, background)
        logit = design @ np.asarray(self.weights) + effects.intercept[member]
        logit += effects.slope[member] * (design[:, 1] - CENTRE) + RISE * (scores.data - rising)
        match = (100.0 * probability(logit)).astype(np.float32)
        return sp.csr_matrix((match, scores.indices, scores.indptr), shape=scores.shape)

    def _rising(self, background: Background, effects: Effects) -> tuple[Floats, Floats]:
        """The scores between which each member's logit rises; outside, it only keeps the order of the scores."""
        fall = -(self.weights[1] + effects.slope)
        mean = np.maximum(background.mean, 0.0)
        turn = background.mean - background.deviation + self.weights[2] / np.maximum(fall, 1e-9)
        return np.where(fall > 0, mean, 0.0), np.where(fall > 0, np.maximum(turn, mean), np.inf)

    def least_scores(
        self, match: npt.NDArray[np.floating] | float, background: Background, effects: Effects | None = None
    ) -> Floats:
        """For each member a score below which no match reaches `match`, one figure or one for each member: shape (n_members,).

        Found by halving, since the match rises with the score; within 2 ** -16 of the exact one, on the safe side.
        """
        n = len(background.mean)
        low, high = np.zeros(n), np.ones(n)
        for _ in range(16):
            middle = (low + high) / 2
            column = sp.csr_matrix((middle, np.zeros(n, dtype=np.int64), np.arange(n + 1)), shape=(n, 1))
            reached = self.match(column, background, effects).data >= match
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        return low

    def effects(self, judged: Judged) -> Effects:
        """What the members' own judged pairs say of them beside these weights: the most probable values (Newton's method)."""
        judged = judged.telling()
        turn, usual = judged.score - CENTRE, judged.design @ np.asarray(self.weights) + self.earlier * judged.is_earlier
        intercept, slope = np.zeros(judged.n_members), np.zeros(judged.n_members)
        for _ in range(NEWTON_STEPS):
            step = _newton(judged, usual, turn, intercept, slope)
            intercept = np.clip(intercept - np.clip(step[0], -2.0, 2.0), -8.0, 8.0)
            slope = slope - np.clip(step[1], -20.0, 20.0)
        return Effects(intercept, slope)


def _newton(judged: Judged, usual: Floats, turn: Floats, intercept: Floats, slope: Floats) -> tuple[Floats, Floats]:
    """The step of Newton's method for every member's intercept and slope at once."""
    member, n = judged.member, judged.n_members
    chance = probability(usual + intercept[member] + slope[member] * turn)
    away = judged.weight * (chance - judged.good)
    curve = judged.weight * chance * (1.0 - chance)
    least = 1.0 / np.square(MEMBER_SPREAD)
    first = np.bincount(member, away, n) + least[0] * intercept
    second = np.bincount(member, away * turn, n) + least[1] * slope
    a = np.bincount(member, curve, n) + least[0]
    b = np.bincount(member, curve * turn, n)
    c = np.bincount(member, curve * turn**2, n) + least[1]
    determinant = a * c - b * b
    return (c * first - b * second) / determinant, (a * second - b * first) / determinant


# Learnt on the calibration rounds of the three development corpora (medical topics, news, mailing lists), each of the same
# weight, by `python -m bench.prior DIR...`, less CAUTION, when n likes weighed 0.3 n^0.8 (0.25 now, which hardly moves them).
CAUTION = 1.0
"""By how much the intercept is lower than that while a network has no feedback: one where relevance is hard to tell, such as the
mailing lists, loses more by what is sent in vain than another gains by what is sent besides."""
DEFAULT = Calibration(weights=(-4.74 - CAUTION, 17.3, 1.23))


def calibrate(
    judged: Judged, prior: Calibration = DEFAULT, held: tuple[float, float, float] = NETWORK_SPREAD
) -> Calibration:
    """The network's weights, learnt from what its members judged: the most probable ones together with their members' effects.

    Held to the prior by `held`, standard deviations of the weights; without judged pairs it stays.
    """
    return _learnt(judged.telling(), prior, held, MEMBER_SPREAD)


def pooled(judged: Judged, prior: Calibration = DEFAULT) -> Calibration:
    """The weights where members are taken to be alike, as if they were one: what to expect of those who have judged nothing."""
    return _learnt(judged.telling(), prior, NETWORK_SPREAD, (1e-6, 1e-6))


def _learnt(
    judged: Judged, prior: Calibration, held: tuple[float, float, float], held_own: tuple[float, float]
) -> Calibration:
    if not len(judged.member):
        return prior
    own = np.stack([np.ones(len(judged.member)), judged.score - CENTRE], axis=1)
    design = np.column_stack([judged.design, judged.is_earlier])
    pairs = Pairs(judged.member, design, own, judged.good, judged.weight)
    usual, spread = np.array([*prior.weights, prior.earlier]), np.array([*held, EARLIER_SPREAD])
    fit, free = Mixed(pairs, usual, spread, np.asarray(held_own)), np.array([True, True, True, judged.is_earlier.any()])
    weights = fit.found(free)
    if weights[2] < 0:  # a higher score must not have a lower match: the best of those that hold to this
        free[2] = False
        weights = fit.found(free)
    first, second, third, earlier = (round(float(weight), 6) for weight in weights)
    return Calibration((first, second, third), earlier)
