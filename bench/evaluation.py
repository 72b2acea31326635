"""Matching and selection measured on a labelled corpus, by the production functions, all members at once.

The space is fitted once, on the archive before the first calibration round, as a network would that refits rarely: later rounds
are never looked at before they are due. On the test rounds the match is calibrated on the calibration rounds, for the network
and for each member; on those themselves (`dev`) it is the shipped prior. Measures are those of TREC's
filtering and real-time summarisation tracks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from bench.corpora import Corpus, Record, read_corpus
from bench.relevance import item_of
from digest.calibration import DEFAULT, Background, Calibration, Effects, Judged, calibrate, default_threshold, pooled
from digest.fitting import fit
from digest.learning import Feedback, effective_profiles
from digest.learning import Settings as LearningSettings
from digest.matching import TfidfMatcher
from digest.selection import select
from digest.vectors import Rows, VectorSpace
from digest.vectors import Settings as SpaceSettings
from profiles.member import Profile

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
    """A corpus with its fitted space: what the weekly job holds for a network."""

    def __init__(self, corpus: Corpus, settings: SpaceSettings | None = None) -> None:
        self.corpus = corpus
        archive = corpus.archive
        self.learning = LearningSettings()
        self.calibrated: Literal["not", "network", "members"] = "members"
        self.space: VectorSpace = fit([item_of(record) for record in archive], [], settings)
        self.past = self._rows(archive)
        self.position = {record["id"]: number for number, record in enumerate(archive)}
        self.matcher = TfidfMatcher(self.space.n_terms, most=0)
        self.interests = self.space.interests([Profile(stated=m["interest"]) for m in corpus.member_records])

    def _rows(self, records: Sequence[Record]) -> Rows:
        return self.space.item_vectors([item_of(record) for record in records])

    def measure(self, k: int, split: Split) -> tuple[Measures, list[str]]:
        """Measures with k likes, and the run's lines."""
        tally, error, run = self.tally(k, split)
        return tally.measures(k, error), run

    def tally(self, k: int, split: Split) -> tuple["Tally", float, list[str]]:
        """All rounds of the split with k likes, the calibration error, and the run's lines."""
        corpus = self.corpus
        profiles, background = self._profiles(k)
        calibration, effects = self._calibration(profiles, background, split)
        items = corpus.items_of(corpus.test_rounds if split == "test" else corpus.calibration_rounds)
        scores, grades = self._scores(profiles, items), self._grades(items)
        match = calibration.match(sp.csr_matrix(scores), background, effects).toarray()
        rounds = columns_of(items)
        tally = Tally(corpus.cap, corpus.utility)
        for columns in rounds:
            tally.add(scores[:, columns], match[:, columns], grades[:, columns])
        error = calibration_error(match.ravel() / 100.0, grades.ravel() > 0)
        return tally, error, list(self._run(k, scores, items, rounds))

    def _calibration(self, profiles: Rows, background: Background, split: Split) -> tuple[Calibration, Effects | None]:
        if split == "dev" or self.calibrated == "not":
            return DEFAULT, None
        judged = self._judged(profiles, background)
        if self.calibrated == "network":
            return pooled(judged), None
        calibration = calibrate(judged)
        return calibration, calibration.effects(judged)

    def judged(self, k: int) -> Judged:
        """The calibration rounds' judged pairs, with k likes."""
        return self._judged(*self._profiles(k))

    def _profiles(self, k: int) -> tuple[Rows, Background]:
        feedback = Feedback(self._weights("liked", k), self._weights("disliked", k))
        profiles = effective_profiles(self.space, self.interests, self.past, feedback, self.learning)
        return profiles, Background.of(self.matcher, profiles, self.past)

    def _judged(self, profiles: Rows, background: Background) -> Judged:
        items = self.corpus.items_of(self.corpus.calibration_rounds)
        scores, grades = sp.csr_matrix(self._scores(profiles, items)), self._grades(items)
        row = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
        return Judged.of(scores, grades[row, scores.indices] > 0, background)

    def _scores(self, profiles: Rows, items: Sequence[Record]) -> Floats:
        return np.vstack(list(self.matcher.blocks(profiles, self._rows(items))))

    def _grades(self, items: Sequence[Record]) -> Floats:
        return np.stack([self.corpus.grades(m["id"], items) for m in self.corpus.member_records])

    def _weights(self, kind: str, k: int) -> Rows:
        chosen = [[self.position[item] for item in m[kind][-k:]] if k else [] for m in self.corpus.member_records]
        row = np.repeat(np.arange(len(chosen)), [len(columns) for columns in chosen])
        column = np.array([column for columns in chosen for column in columns], dtype=np.int64)
        return sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(len(chosen), len(self.position)))

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
        some = possible > 0
        worth = (self.utility * good - other)[some] / (self.utility * possible[some])
        return np.asarray((np.maximum(worth, LEAST_UTILITY) - LEAST_UTILITY) / (1 - LEAST_UTILITY))

    def measures(self, k: int, calibration_error: float) -> Measures:
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
            f05=float((1.25 * good / np.maximum(0.25 * possible + good + other, 1e-9))[some].mean()),
            ndcg_or_silence=float(every[:, :, 3].mean(axis=0).mean()),
            silent_ok=float((every[:, :, :2].sum(axis=2) == 0)[silent].mean()) if silent.any() else 1.0,
            sent_precision=float(good.sum() / max(1.0, sent)),
            calibration_error=calibration_error,
        )


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
