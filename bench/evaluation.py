"""Matching and selection measured on a labelled corpus, by the production functions, all members at once.

Rankings are of the archive before the first calibration round and k likes of each member. What is sent on the test rounds was
also learnt from the calibration rounds, gone through in their order (see `network.learnt`): later rounds are never looked at
before they are due. On the calibration rounds themselves (`dev`) the match is that of a network's first edition, when nothing is
known but the k likes (`network.begun`). Measures are those of TREC's filtering and real-time summarisation tracks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from bench.corpora import Corpus, Record, read_corpus
from bench.network import Learnt, Network, Week, begun, learnt, unlearnt
from digest.calibration import default_threshold, pooled
from digest.learning import Settings as LearningSettings
from digest.selection import select
from digest.vectors import Settings as SpaceSettings

Split = Literal["dev", "test"]
Floats = npt.NDArray[np.float64]

LIKES = (0, 1, 3, 10, 30)
UTILITY = 2.0
"""The threshold is the network's default for this worth of a good item, whatever the corpus scores with."""
LEAST_UTILITY = -0.5


@dataclass(frozen=True, slots=True)
class Measures:
    """Means over members: of ranking over rounds with something relevant, of filtering over all rounds."""

    likes: int
    ndcg: float
    precision: float
    recall: float
    average_precision: float
    utility: float
    """T11SU: 0.333 for sending nothing, 1 for an oracle."""
    utility_unlearnt: float
    """The same where profiles learn nothing from the calibration rounds, and only the match does."""
    f05: float
    ndcg_or_silence: float
    silent_ok: float
    """Share of the rounds without anything relevant in which nothing was sent."""
    sent_precision: float
    calibration_error: float
    """Expected calibration error of the match as a probability, in ten bins of equal width."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `evaluate` found. `run` are lines of TREC's run format: member Q0 item rank score tag."""

    corpus: str
    split: Split
    measures: list[Measures]
    run: list[str]

    def as_dict(self) -> dict[str, object]:
        """Plain values, without the run."""
        return {"corpus": self.corpus, "split": self.split, "measures": [asdict(m) for m in self.measures]}


def evaluate(
    folder: Path, split: Split = "test", ks: Sequence[int] = LIKES, progress: Callable[[str], None] = lambda _: None
) -> Report:
    """Ranks and selects every round of the split for every member who gave k likes. Raises CorpusError."""
    corpus = read_corpus(folder)
    progress(f"{corpus.name}: fitting {len(corpus.archive)} items")
    stage = Stage(corpus)
    measures, run = [], []
    for k in ks:
        progress(f"{corpus.name}: {len(corpus.member_records)} members with {k} likes")
        found, lines = stage.measure(k, split)
        measures.append(found)
        run.extend(lines)
    return Report(corpus.name, split, measures, run)


class Stage:
    """A corpus as a network: fitted to its archive, and once more when the calibration rounds have been posted."""

    def __init__(self, corpus: Corpus, settings: SpaceSettings | None = None) -> None:
        self.corpus, self.settings = corpus, settings
        self.network = Network.fitted(corpus.archive, settings)
        self.learning = LearningSettings()
        self.learns = True
        """Whether profiles learn from the calibration rounds."""
        self.weekly = True
        """Whether anything was said of the calibration rounds."""
        self.each = True
        """Whether each member's own words calibrate their match, beside those of all."""

    def measure(self, k: int, split: Split) -> tuple[Measures, list[str]]:
        """Measures with k likes, and the run's lines."""
        tally, error, run = self.tally(k, split)
        self.learns = False
        unlearnt_utility = float(self.tally(k, split)[0].utility_of_members().mean())
        self.learns = True
        return tally.measures(k, error, unlearnt_utility), run

    def tally(self, k: int, split: Split) -> tuple["Tally", float, list[str]]:
        """All rounds of the split with k likes, the calibration error, and the run's lines: ranked by the k likes alone,
        filtered by what the calibration rounds taught as well."""
        corpus, network, members = self.corpus, self._now(self.network), self.corpus.members(k)
        items = corpus.items_of(corpus.test_rounds if split == "test" else corpus.calibration_rounds)
        scores, grades = network.scores(network.profiles(members), network.rows(items)), self._grades(items)
        match = self.learnt(k, split).match(items).toarray()
        rounds = columns_of(items)
        tally = Tally(corpus.cap, corpus.utility)
        for columns in rounds:
            tally.add(scores[:, columns], match[:, columns], grades[:, columns])
        error = calibration_error(match.ravel() / 100.0, grades.ravel() > 0)
        return tally, error, list(self._run(k, scores, items, rounds))

    def learnt(self, k: int, split: Split = "test") -> Learnt:
        """What the network knows when the test rounds begin; on the calibration rounds themselves, nothing but the k likes."""
        network, members = self._now(self.network), self.corpus.members(k)
        if split == "dev" or not self.weekly:
            return begun(network, members)
        if self.learns:
            found = learnt(network, self._now(self._later), members, self.weeks)
        else:
            found = unlearnt(network, members, self.weeks)
        return found if self.each else replace(found, calibration=pooled(found.judged), effects=None)

    @cached_property
    def weeks(self) -> list[Week]:
        """The calibration rounds and what became of their items."""
        items = self.corpus.items_of(self.corpus.calibration_rounds)
        of_rounds = [[items[place] for place in columns] for columns in columns_of(items)]
        return [Week(of_round, self._grades(of_round)) for of_round in of_rounds]

    @cached_property
    def _later(self) -> Network:
        posted = [*self.network.posted, *(item for week in self.weeks for item in week.items)]
        return Network.fitted(posted, self.settings)

    def _now(self, network: Network) -> Network:
        return replace(network, learning=self.learning)

    def _grades(self, items: Sequence[Record]) -> Floats:
        return np.stack([self.corpus.grades(m["id"], items) for m in self.corpus.member_records])

    def _run(self, k: int, scores: Floats, items: list[Record], rounds: list[npt.NDArray[np.int64]]) -> Iterator[str]:
        for member, row in zip(self.corpus.member_records, scores, strict=True):
            for columns in rounds:
                best = columns[np.argsort(-row[columns], kind="stable")]
                for rank, column in enumerate(best, 1):
                    yield f"{member['id']} Q0 {items[column]['id']} {rank} {row[column]:.6f} germane-k{k}"


def columns_of(items: Sequence[Record]) -> list[npt.NDArray[np.int64]]:
    """The places of the items of each round, in the order of the rounds."""
    rounds = np.array([item["round"] for item in items])
    return [np.flatnonzero(rounds == number) for number in np.unique(rounds)]


class Tally:
    """Adds up rounds. Arrays are of shape (n_members, n_items of the round)."""

    def __init__(self, cap: int, utility: float) -> None:
        self.cap, self.utility = cap, utility
        self.ranking: list[Floats] = []
        self.filtering: list[Floats] = []

    def add(self, scores: Floats, match: Floats, grades: Floats) -> None:
        """One round: ranking by score, filtering by match and the default threshold."""
        self.ranking.append(ranking_measures(scores, grades, self.cap))
        sent = select(sp.csr_matrix(match), None, default_threshold(UTILITY), self.cap)
        self.filtering.append(filtering_measures(sent.member, sent.item, sent.rank, grades, self.cap))

    def ranking_of_members(self) -> Floats:
        """Means over the rounds with something relevant, of members who have such a round: shape (n, 4)."""
        with np.errstate(invalid="ignore"):
            ranking = np.stack(self.ranking)
            rounds = (~np.isnan(ranking[:, :, 0])).sum(axis=0)
            return np.asarray(np.nansum(ranking, axis=0)[rounds > 0] / rounds[rounds > 0, None])

    def utility_of_members(self) -> Floats:
        """T11SU of members for whom something was relevant: shape (n,)."""
        good, other, possible = np.stack(self.filtering)[:, :, :3].sum(axis=0).T
        return scaled_utility(good, other, possible, self.utility)

    def measures(self, k: int, calibration_error: float, utility_unlearnt: float) -> Measures:
        """Means over rounds, then over members."""
        precision, ndcg, recall, average = self.ranking_of_members().mean(axis=0)
        every = np.stack(self.filtering)
        good, other, possible = every[:, :, :3].sum(axis=0).T
        some = possible > 0
        silent = every[:, :, 2] == 0
        sent = good.sum() + other.sum()
        return Measures(
            likes=k,
            ndcg=float(ndcg),
            precision=float(precision),
            recall=float(recall),
            average_precision=float(average),
            utility=float(self.utility_of_members().mean()),
            utility_unlearnt=utility_unlearnt,
            f05=float((1.25 * good / np.maximum(0.25 * possible + good + other, 1e-9))[some].mean()),
            ndcg_or_silence=float(every[:, :, 3].mean(axis=0).mean()),
            silent_ok=float((every[:, :, :2].sum(axis=2) == 0)[silent].mean()) if silent.any() else 1.0,
            sent_precision=float(good.sum() / max(1.0, sent)),
            calibration_error=calibration_error,
        )


def scaled_utility(good: Floats, other: Floats, possible: Floats, worth: float) -> Floats:
    """T11SU of members for whom something good was possible, where a good item is worth so many others: shape (n,)."""
    some = possible > 0
    utility = (worth * good - other)[some] / (worth * possible[some])
    return np.asarray((np.maximum(utility, LEAST_UTILITY) - LEAST_UTILITY) / (1 - LEAST_UTILITY))


def _discounts(n: int) -> Floats:
    return np.asarray(1.0 / np.log2(np.arange(2, n + 2)))


def ranking_measures(scores: Floats, grades: Floats, cap: int) -> Floats:
    """P@cap, nDCG@cap (gain = grade), recall@cap and average precision: shape (n_members, 4), NaN where nothing is relevant."""
    ranked = np.take_along_axis(grades, np.argsort(-scores, axis=1, kind="stable"), axis=1)
    good = ranked > 0
    total = good.sum(axis=1)
    top, discounts = ranked[:, :cap], _discounts(min(cap, grades.shape[1]))
    ideal = -np.sort(-grades, axis=1)[:, :cap]
    hits = good[:, :cap].sum(axis=1)
    precision_at = np.cumsum(good, axis=1) / np.arange(1, grades.shape[1] + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = [
            hits / cap,
            (top @ discounts) / (ideal @ discounts),
            hits / total,
            np.where(good, precision_at, 0.0).sum(axis=1) / total,
        ]
    found = np.stack(columns, axis=1).astype(np.float64)
    found[total == 0] = np.nan
    return found


def filtering_measures(
    member: npt.NDArray[np.int64], item: npt.NDArray[np.int64], rank: npt.NDArray[np.int64], grades: Floats, cap: int
) -> Floats:
    """Good sent, other sent, most that could be good, and nDCG@cap of what was sent (1 for a right silence): (n_members, 4)."""
    n, good = grades.shape[0], grades[member, item] > 0
    relevant = (grades > 0).sum(axis=1)
    hits = np.bincount(member[good], minlength=n)
    others = np.bincount(member[~good], minlength=n)
    ideal = (-np.sort(-grades, axis=1)[:, :cap]) @ _discounts(min(cap, grades.shape[1]))
    gain = np.bincount(member, weights=grades[member, item] * _discounts(cap)[rank - 1], minlength=n)
    ndcg = np.where(relevant > 0, gain / np.where(ideal > 0, ideal, 1.0), hits + others == 0)
    return np.stack([hits, others, np.minimum(relevant, cap), ndcg], axis=1).astype(np.float64)


def calibration_error(probability: Floats, good: npt.NDArray[np.bool_], bins: int = 10) -> float:
    """Mean distance of the probability from what happened, weighted by the pairs in each of the bins of equal width."""
    which = np.minimum((probability * bins).astype(int), bins - 1)
    size = np.maximum(np.bincount(which, minlength=bins), 1)
    said = np.bincount(which, weights=probability, minlength=bins) / size
    was = np.bincount(which, weights=good, minlength=bins) / size
    return float((np.abs(said - was) * np.bincount(which, minlength=bins)).sum() / max(1, len(which)))
