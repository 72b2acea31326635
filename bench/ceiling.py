"""How much any rule could gain that does not know what is to come, beside an oracle that does.

`python -m bench.ceiling [FOLDER]`: FOLDER, or the environment variable CORPORA, holds a folder for each corpus;
without one a made-up corpus is taken.

The oracle picks each member's best threshold with hindsight of the test rounds, so part of its gain is luck of the draw. How much
is told by labels that are drawn from the match: under them, to send what is above the threshold is as good as it gets. All of it
is of one ranking, that of k likes; the calibration rounds taught the match and no profile. The match is learnt from pairs that
stand out from a member's background (`LEAST_TOLD`); all others keep their labels, since hardly any of them is ever sent.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.comparison import VARIABLE, at_hand
from bench.corpora import Corpus
from bench.evaluation import UTILITY, Stage, columns_of, scaled_utility
from digest.calibration import LEAST_TOLD, default_threshold
from jobs.terminal import print_table

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LIKES = (0, 3, 10, 30)
DRAWS = 20
THRESHOLDS = 100


@dataclass(frozen=True, slots=True)
class Gains:
    """T11SU by the best threshold for all in hindsight, by the match, and by the best of each member in hindsight."""

    one_threshold: float
    match: float
    oracle: float

    @property
    def share(self) -> float:
        """Of the distance between the first and the last, what the match closes; NaN where there is none."""
        distance = self.oracle - self.one_threshold
        return (self.match - self.one_threshold) / distance if distance > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class Ceiling:
    """`measured` by what members found good, `drawn` the mean over labels drawn from the match."""

    corpus: str
    likes: int
    measured: Gains
    drawn: Gains


class Sendable:
    """What a member can be sent at any threshold: the best `cap` of each round. Everything is of shape (n_members, ...)."""

    def __init__(self, scores: Floats, rounds: Sequence[Ints], cap: int) -> None:
        self.rounds, self.cap = rounds, cap
        order = np.concatenate([c[np.argsort(-scores[:, c], axis=1, kind="stable")[:, :cap]] for c in rounds], axis=1)
        best = np.take_along_axis(scores, order, axis=1)
        by_score = np.argsort(-best, axis=1, kind="stable")
        self.place, self.score = (np.take_along_axis(array, by_score, axis=1) for array in (order, best))

    def above(self, values: Floats, threshold: float) -> Ints:
        """How many each member is sent of what has such a value; values, for each item, rise with the score."""
        return np.asarray((np.take_along_axis(values, self.place, axis=1) >= threshold).sum(axis=1))

    def gains(self, good: Bools, matched: Ints, worth: float) -> Gains:
        """Where a good item is worth so much, and the match sends so many to each member."""
        hits = np.cumsum(np.take_along_axis(good, self.place, axis=1), axis=1, dtype=np.float64)
        hits = np.pad(hits, ((0, 0), (1, 0)))  # so that places are numbers of items sent
        others = np.arange(hits.shape[1]) - hits
        possible = np.sum([np.minimum(good[:, c].sum(axis=1), self.cap) for c in self.rounds], axis=0)

        def utility(sent: Ints) -> float:
            good_sent, others_sent = (np.take_along_axis(n, sent[:, None], axis=1).ravel() for n in (hits, others))
            return float(scaled_utility(good_sent, others_sent, possible, worth).mean())

        thresholds = [*np.quantile(self.score, 1 - np.geomspace(1e-4, 1.0, THRESHOLDS)), np.inf]
        one = max(utility((self.score >= threshold).sum(axis=1)) for threshold in thresholds)
        return Gains(one, utility(matched), utility((worth * hits - others).argmax(axis=1)))


def ceilings(corpus: Corpus, ks: Sequence[int] = LIKES, draws: int = DRAWS) -> Iterator[Ceiling]:
    """Of the test rounds, for each number of likes."""
    stage, items = Stage(corpus), corpus.items_of(corpus.test_rounds)
    stage.learns = False
    good = np.stack([corpus.grades(member["id"], items) for member in corpus.member_records]) > 0
    for k in ks:
        known = stage.learnt(k)
        scores, match = known.scores(items), known.match(items).toarray()
        background = known.judged.background
        told = scores - background.mean[:, None] >= LEAST_TOLD * background.deviation[:, None]
        sendable = Sendable(scores, columns_of(items), corpus.cap)
        measured = sendable.gains(good, sendable.above(match, default_threshold(UTILITY)), corpus.utility)
        drawn = drawn_gains(sendable, match / 100.0, np.where(told, match / 100.0, good), corpus.utility, draws)
        yield Ceiling(corpus.name, k, measured, drawn)


def drawn_gains(
    sendable: Sendable, match: Floats, probability: Floats, worth: float, draws: int, seed: int = 0
) -> Gains:
    """Mean over labels that are drawn with these probabilities, where the match sends what then pays."""
    rng, sent = np.random.default_rng(seed), sendable.above(match, default_threshold(worth) / 100.0)
    found = [sendable.gains(rng.random(match.shape) < probability, sent, worth) for _ in range(draws)]
    one, by_match, oracle = np.mean([(g.one_threshold, g.match, g.oracle) for g in found], axis=0)
    return Gains(float(one), float(by_match), float(oracle))


def main(given: str | None = None) -> None:
    """Prints the table."""
    from rich.console import Console

    given = given or os.environ.get(VARIABLE)
    rows = []
    with Console().status("Drawing labels ..."), at_hand(given) as corpora:
        for line in (line for corpus in corpora for line in ceilings(corpus)):
            cells = [cell for gains in (line.measured, line.drawn) for cell in _cells(gains)]
            rows.append((line.corpus, line.likes, *cells))
    print_table(
        "T11SU of one ranking: measured, and on labels drawn from the match",
        ("corpus", "likes", "one", "match", "oracle", "closed", "one", "best", "oracle", "can be"), rows, range(1, 10),
    )  # fmt: skip


def _cells(gains: Gains) -> list[str]:
    figures = (gains.one_threshold, gains.match, gains.oracle)
    return [*(f"{figure:.3f}" for figure in figures), f"{gains.share:.0%}"]


if __name__ == "__main__":
    main(*sys.argv[1:2])
