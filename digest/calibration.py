"""Score to match: the same figure from 0 to 100 for every member, kind and week.

A score is first seen against the member's own background, the scores of past items: a narrow interest scores everything low, a
broad one everything high. Then one logistic regression, the same for all members, turns it into the probability that the item is
worth sending. It is monotone in the score; a member's own liking rate moves the whole scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.learning import Feedback
from digest.matching import Matcher, TfidfMatcher

Rows = sp.csr_matrix
Floats = npt.NDArray[np.float64]

USUAL_MEAN = 0.01
USUAL_DEVIATION = 0.03
"""Of a member's scores over past items, as on the development corpora: a background of few past items leans on them."""
USUAL_WEIGHT = 20.0
"""Past items that the usual background weighs as much as."""
SAMPLE = 2000
"""Past items, the newest, that a background is measured on."""
STEP_PAIRS = 100
"""Judged pairs in the topmost group of the isotonic correction; the next ones are twice as large each."""
SLOPE = 0.01
LEAST_LIKENESS = 0.05
"""How far the liked items' mean score stands above the background's at the least."""


def default_threshold(utility: float) -> float:
    """The match from which sending pays, where a good item is worth `utility` and any other costs 1: 100 / (1 + utility)."""
    return 100.0 / (1.0 + utility)


@dataclass(frozen=True, slots=True)
class Background:
    """What is usual for each member: arrays of length n_members."""

    mean: Floats
    deviation: Floats
    liked: Floats
    """Mean score of the items that the member liked; NaN without likes."""
    rate: Floats
    """Share of the items offered to the member that they liked, greater than 0; NaN without likes."""

    likes: Floats
    """Weight of all that the member liked."""

    @classmethod
    def of(
        cls, matcher: Matcher, profiles: Rows, past: Rows, feedback: Feedback | None = None, offered: Any = None
    ) -> "Background":
        """Measured on rows of past items, oldest first, of which `feedback` tells those that were liked.

        `offered` is how many items a member could have liked, one figure or one for each; where it is left out, all past
        items from the first liked one on.
        """
        mean, deviation = _moments(matcher, profiles, past[-SAMPLE:])
        n = profiles.shape[0]
        if feedback is None or not past.shape[0]:
            return cls(mean, deviation, np.full(n, np.nan), np.full(n, np.nan), np.zeros(n))
        likes = np.asarray(feedback.liked.sum(axis=1), dtype=np.float64).ravel()
        offered = past.shape[0] - _first_columns(feedback.liked) if offered is None else np.broadcast_to(offered, n)
        least = np.maximum(likes, 1e-9)
        liked = np.where(likes > 0, _paired_sum(feedback.liked, profiles, past) / least, np.nan)
        rate = np.where(likes > 0, np.minimum(likes / np.maximum(offered, 1.0), 0.5), np.nan)
        return cls(mean, deviation, liked, rate, likes)


def _first_columns(rows: Rows) -> npt.NDArray[np.int64]:
    """Of each row the first column that has an entry; 0 for an empty row."""
    rows = rows.sorted_indices()
    filled = np.diff(rows.indptr) > 0
    first = np.zeros(rows.shape[0], dtype=np.int64)
    first[filled] = rows.indices[rows.indptr[:-1][filled]]
    return first


def _moments(matcher: Matcher, profiles: Rows, past: Rows) -> tuple[Floats, Floats]:
    n = profiles.shape[0]
    total, square = _sums(matcher, profiles, past) if past.shape[0] else (np.zeros(n), np.zeros(n))
    items = past.shape[0] + USUAL_WEIGHT
    mean = (total + USUAL_WEIGHT * USUAL_MEAN) / items
    variance = (square + USUAL_WEIGHT * (USUAL_DEVIATION**2 + USUAL_MEAN**2)) / items - mean**2
    return mean, np.sqrt(np.maximum(variance, 1e-6))


def _sums(matcher: Matcher, profiles: Rows, past: Rows) -> tuple[Floats, Floats]:
    """Of each member's scores the sum and the sum of squares."""
    if not isinstance(matcher, TfidfMatcher):
        scores = matcher.score(profiles, past)
        sums = (np.asarray(part.sum(axis=1), dtype=np.float64).ravel() for part in (scores, scores.multiply(scores)))
        return next(sums), next(sums)
    total, square, start = np.zeros(profiles.shape[0]), np.zeros(profiles.shape[0]), 0
    for block in matcher.blocks(profiles, past):
        rows = slice(start, start + len(block))
        total[rows], square[rows] = block.sum(axis=1), (block**2).sum(axis=1)
        start = rows.stop
    return total, square


def _paired_sum(weights: Rows, profiles: Rows, past: Rows) -> Floats:
    """For each member the weighted sum of their scores with the items that have a weight."""
    liked_sum = weights @ past
    return np.asarray(liked_sum.multiply(profiles).sum(axis=1), dtype=np.float64).ravel()


FEATURES = ("root score", "log standardised", "liking", "log rate", "log likes")
MONOTONE = (True, True, True, False, False)
"""Features that rise with the score: their weights are never below 0."""


def _features(scores: Rows, background: Background) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Of every score: shape (n_scores, len(FEATURES)), and whether its member has feedback. What needs likes is 0 without."""
    row = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
    score = np.maximum(scores.data.astype(np.float64), 0.0)
    mean, deviation = background.mean[row], background.deviation[row]
    above = np.maximum(score - mean, 0.0)
    warm = ~np.isnan(background.liked[row])
    reach = np.maximum(np.nan_to_num(background.liked[row]) - mean, LEAST_LIKENESS)
    columns = [
        np.sqrt(score),
        np.log1p(above / deviation),
        np.where(warm, above / reach, 0.0),
        np.where(warm, np.log(np.nan_to_num(background.rate[row], nan=1.0)), 0.0),
        np.where(warm, np.log1p(background.likes[row]), 0.0),
    ]
    return np.stack(columns, axis=1), warm


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the regression, an intercept before those of `FEATURES`: without feedback, and with it."""

    cold: tuple[float, ...]
    warm: tuple[float, ...]

    cold_steps: tuple[tuple[float, float], ...] = ()
    """What the regression's logit turned out to mean where there was much feedback: pairs of logits, both rising."""
    warm_steps: tuple[tuple[float, float], ...] = ()

    def match(self, scores: Rows, background: Background) -> Rows:
        """Matches, 0 to 100, in the places of the scores: float32 of shape (n_members, n_items)."""
        scores = scores.tocsr()
        features, warm = _features(scores, background)
        cold_logit = _corrected(_logit(self.cold, features), self.cold_steps)
        warm_logit = _corrected(_logit(self.warm, features), self.warm_steps)
        match = (100.0 / (1.0 + np.exp(-np.where(warm, warm_logit, cold_logit)))).astype(np.float32)
        return sp.csr_matrix((match, scores.indices, scores.indptr), shape=scores.shape)

    def least_scores(self, match: npt.NDArray[np.floating] | float, background: Background) -> Floats:
        """For each member a score below which no match reaches `match`, one figure or one for each member: shape (n_members,).

        Found by halving, since the match rises with the score; within 2 ** -16 of the exact one, on the safe side.
        """
        n = len(background.mean)
        low, high = np.zeros(n), np.ones(n)
        for _ in range(16):
            middle = (low + high) / 2
            column = sp.csr_matrix((middle, np.zeros(n, dtype=np.int64), np.arange(n + 1)), shape=(n, 1))
            reached = self.match(column, background).data >= match
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        return low


def _logit(weights: Sequence[float], features: Floats) -> Floats:
    return np.asarray(np.clip(weights[0] + features @ np.asarray(weights[1:]), -30.0, 30.0))


def _corrected(logit: Floats, steps: Sequence[tuple[float, float]]) -> Floats:
    """The logit through the steps. A slight slope of its own keeps a higher score's match higher."""
    if not steps:
        return logit
    x, y = np.array(steps).T
    return np.asarray(np.interp(logit, x, y) + SLOPE * (logit - np.clip(logit, x[0], x[-1])) + SLOPE * logit)


# Learnt on the calibration rounds of the three development corpora (medical topics, news, mailing lists; 238,000 pairs) by
# `python -m bench.prior DIR...`: what a match is before a network has feedback of its own.
DEFAULT = Calibration(
    cold=(-7.120401, 18.1531, 0.290816, 0.0, 0.0, 0.0),
    warm=(-3.920342, 10.417536, 1.970624, 0.0, 0.848687, 0.038302),
)


@dataclass(frozen=True, slots=True)
class Example:
    """Judged pairs: `labels` has the scores' shape and entries, above 0 where an item was good."""

    scores: Rows
    labels: Floats
    """Of length scores.nnz, in the order of `scores.data`."""
    background: Background


def calibrate(examples: Sequence[Example], prior: Calibration = DEFAULT, strength: float = 5.0) -> Calibration:
    """Learns from judged pairs, held to the prior by as much as `strength` (of a ridge in standardised features).

    Weights for members without feedback are learnt from such members, the others from the others; without examples of a kind,
    the prior's stay.
    """
    if not examples:
        return prior
    seen = [_features(example.scores, example.background) for example in examples]
    features, warm = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    good = np.concatenate([example.labels for example in examples]) > 0
    cold_weights = _learn(features[~warm], good[~warm], prior.cold, strength)
    warm_weights = _learn(features[warm], good[warm], prior.warm, strength)
    return Calibration(
        cold=cold_weights,
        warm=warm_weights,
        cold_steps=_steps(_logit(cold_weights, features[~warm]), good[~warm]),
        warm_steps=_steps(_logit(warm_weights, features[warm]), good[warm]),
    )


def _steps(logit: Floats, good: npt.NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """Isotonic regression of what happened on the logit, in groups that grow from the top down, where decisions are made."""
    ends = [end for power in range(1, 24) if (end := STEP_PAIRS * (2**power - 1)) <= len(logit)]
    if len(ends) < 3:
        return ()
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(-logit, kind="stable")
    groups = [order[start:end] for start, end in zip([0, *ends], [*ends, len(logit)], strict=False) if end > start][
        ::-1
    ]
    x = np.array([logit[group].mean() for group in groups])
    size = np.array([len(group) for group in groups], dtype=np.float64)
    expected = np.array([(1.0 / (1.0 + np.exp(-logit[group]))).mean() for group in groups])
    # One pair's worth of what was expected keeps a group without any good item above 0.
    share = (np.array([good[group].sum() for group in groups]) + expected) / (size + 1.0)
    y = isotonic_regression(share, sample_weight=size)
    kept = np.concatenate([[True], np.diff(x) > 1e-6])
    return tuple(
        (round(float(a), 6), round(float(np.log(b / (1 - b))), 6)) for a, b in zip(x[kept], y[kept], strict=True)
    )


def _learn(
    features: Floats, good: npt.NDArray[np.bool_], prior: tuple[float, ...], strength: float
) -> tuple[float, ...]:
    """Logistic regression with a normal prior around `prior`, weights of monotone features at least 0 (L-BFGS-B)."""
    if not good.any() or good.all():
        return prior
    from scipy.optimize import minimize

    scale = np.concatenate([[1.0], features.std(axis=0)])
    scale[scale < 1e-9] = 1.0
    design = np.concatenate([np.ones((len(features), 1)), features], axis=1) / scale
    centre, label = np.asarray(prior) * scale, good.astype(np.float64)

    def loss(weights: Floats) -> tuple[float, Floats]:
        logit = design @ weights
        away = weights - centre
        gradient = design.T @ (1.0 / (1.0 + np.exp(-np.clip(logit, -30, 30))) - label) + strength * away
        return float(np.logaddexp(0.0, logit).sum() - label @ logit + strength * away @ away / 2), gradient

    bounds = [(None, None), *((0.0, None) if monotone else (None, None) for monotone in MONOTONE)]
    found = minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return tuple(round(float(weight), 6) for weight in found.x / scale)
