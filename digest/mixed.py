"""Logistic regression of members who differ: a hierarchical model (Gelman and Hill 2007, chapter 14).

Every member has an intercept and a slope of their own beside the weights of all.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LARGEST_LOGIT = 30.0
FIT_STEPS, LEAST_GAIN = 50, 1e-9
"""Most steps of Newton's method, usually eight; they end where one more gains less than this."""


def probability(logit: Floats) -> Floats:
    """Of logits; those beyond `LARGEST_LOGIT` count as that."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -LARGEST_LOGIT, LARGEST_LOGIT))))


@dataclass(frozen=True, slots=True)
class Pairs:
    """What became of pairs of a member and an item, as parallel arrays: the member's row, what the weights of all are for, of
    shape (n_pairs, n_weights), what the member's own two figures are for, of shape (n_pairs, 2), whether it was good, and how
    much that weighs.
    """

    member: Ints
    design: Floats
    own: Floats
    good: Floats
    weight: Floats


class Mixed:
    """The most probable weights of a network, together with two figures of each of its members, by Newton's method.

    In the matrix of second derivatives each member's own two figures meet only the network's weights, so they are eliminated
    first (Boyd and Vandenberghe 2004, appendix C.4), and a step takes time linear in the pairs.
    """

    def __init__(self, pairs: "Pairs", prior: Floats, held: Floats, held_own: Floats) -> None:
        """`held` and `held_own` are standard deviations of the network's weights, about the prior, and of a member's two figures,
        about 0."""
        order = np.argsort(pairs.member, kind="stable")
        _, self.start, self.member = np.unique(pairs.member[order], return_index=True, return_inverse=True)
        self.n_members, self.prior = len(self.start), prior
        self.held, self.held_own = 1.0 / np.square(held), 1.0 / np.square(held_own)
        self.good, self.weight = pairs.good[order].astype(np.float64), pairs.weight[order]
        self.design, self.own = pairs.design[order], pairs.own[order]
        own, crossing = self.own, (self.design[:, :, None] * self.own[:, None, :]).reshape(len(order), -1)
        self.products = np.concatenate([own[:, [0, 0, 1]] * own[:, [0, 1, 1]], crossing], axis=1)

    def found(self, free: npt.NDArray[np.bool_] | None = None) -> Floats:
        """The weights, as many as columns of the design; those that are not `free` are 0."""
        free = np.ones(len(self.prior), dtype=np.bool_) if free is None else free
        weights, own = np.where(free, self.prior, 0.0), np.zeros((self.n_members, 2))
        lost = self._loss(weights, own)
        for _ in range(FIT_STEPS):
            step, own_step, gain = self._step(weights, own, free)
            if gain < LEAST_GAIN:
                break
            length = 1.0
            while (shorter := self._loss(weights - length * step, own - length * own_step)) > lost and length > 1e-6:
                length /= 2
            weights, own, lost = weights - length * step, own - length * own_step, shorter
        return weights

    def _logit(self, weights: Floats, own: Floats) -> Floats:
        return np.asarray(self.design @ weights + (own[self.member] * self.own).sum(axis=1))

    def _loss(self, weights: Floats, own: Floats) -> float:
        """Minus the log of the posterior density, up to a constant."""
        logit = self._logit(weights, own)
        told = self.weight @ (np.logaddexp(0.0, logit) - self.good * logit)
        return float(told + self.held @ (weights - self.prior) ** 2 / 2 + (own**2 @ self.held_own).sum() / 2)

    def _step(self, weights: Floats, own: Floats, free: npt.NDArray[np.bool_]) -> tuple[Floats, Floats, float]:
        """Newton's step for the weights and the members, to be taken away, and how much less the loss should be for it."""
        chance = probability(self._logit(weights, own))
        away = self.weight * (chance - self.good)
        curve = self.weight * chance * (1.0 - chance)
        first = self.design.T @ away + self.held * (weights - self.prior)
        first_own = self._summed(away[:, None] * self.own) + own * self.held_own
        shared = (self.design * curve[:, None]).T @ self.design + np.diag(self.held)
        summed = self._summed(curve[:, None] * self.products)
        a, b, c = summed[:, 0] + self.held_own[0], summed[:, 1], summed[:, 2] + self.held_own[1]
        inverse = np.stack([c, -b, -b, a], axis=1).reshape(-1, 2, 2) / (a * c - b * b)[:, None, None]
        crossed = summed[:, 3:].reshape(self.n_members, len(weights), 2)
        eliminated = crossed @ inverse  # of shape (n_members, n_weights, 2)
        left = shared - np.einsum("mik,mjk->ij", eliminated, crossed)
        right = first - np.einsum("mik,mk->i", eliminated, first_own)
        step = np.zeros(len(weights))
        step[free] = np.linalg.solve(left[np.ix_(free, free)], right[free])
        own_step = np.einsum("mkl,ml->mk", inverse, first_own - np.einsum("mik,i->mk", crossed, step))
        return step, own_step, float(first[free] @ step[free] + (first_own * own_step).sum()) / 2

    def _summed(self, values: Floats) -> Floats:
        """Of each column of values over pairs the sum for each member: of shape (n_members, n_columns)."""
        return np.asarray(np.add.reduceat(values, self.start, axis=0))
