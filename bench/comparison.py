"""Our matcher beside the ones that one would write first, on every labelled corpus at hand, in ranking and in filtering.

`python -m bench.comparison [FOLDER]`: FOLDER, or the environment variable CORPORA, holds a folder for each corpus. There
are none with the project, whose licence they could not share; without any a made-up one is taken, and its figures say little.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.baselines import BASELINES, Setting
from bench.corpora import Corpus, read_corpus
from bench.evaluation import UTILITY, Stage, Tally, columns_of
from bench.imagined import write_corpus
from jobs.terminal import print_table

Floats = npt.NDArray[np.float64]

LIKES = (0, 3, 10, 30)
RESAMPLES = 2000
VARIABLE = "CORPORA"
"""Of the environment. (What begins with GERMANE_ is a setting, and one that there is not is refused.)"""
OURS = "Germane"
UNLEARNT = f"{OURS}, unlearnt"
"""The same where profiles learn nothing from the calibration rounds, as the others do not: only the match does."""


@dataclass(frozen=True, slots=True)
class Line:
    """One matcher on one corpus with k likes: mean over members and its 95 % bootstrap interval, of nDCG@8 and of T11SU."""

    corpus: str
    likes: int
    matcher: str
    ndcg: tuple[float, float, float]
    utility: tuple[float, float, float]


def folders(given: str | None) -> list[Path]:
    """The corpora in a folder; none where none is given. Raises FileNotFoundError where the folder holds none."""
    if not given:
        return []
    found = sorted(path.parent for path in Path(given).glob("*/meta.json"))
    if not found:
        raise FileNotFoundError(f"{given}: no corpus in it; each is a folder with a meta.json (see docs/evaluation.md)")
    return found


def compared(corpus: Corpus, ks: Sequence[int] = LIKES) -> Iterator[Line]:
    """Every matcher with every number of likes on one corpus."""
    stage = Stage(corpus)
    for k in ks:
        for name, learns in ((OURS, True), (UNLEARNT, False)):
            stage.learns = learns
            yield _line(corpus, k, name, stage.tally(k, "test")[0])
        calibration, test = (corpus.items_of(rounds) for rounds in (corpus.calibration_rounds, corpus.test_rounds))
        setting = Setting(corpus, k, [*calibration, *test])
        for name, score in BASELINES.items():
            scores = score(setting)
            threshold = _best_threshold(corpus, scores[:, : len(calibration)], calibration)
            yield _line(corpus, k, name, _tally(corpus, scores[:, len(calibration) :], test, threshold))


def _tally(corpus: Corpus, scores: Floats, items: Sequence[dict[str, object]], threshold: float) -> Tally:
    """Rounds filtered at one threshold for all members: of scores, at which the match passes the default one."""
    grades = np.stack([corpus.grades(member["id"], items) for member in corpus.member_records])
    match = np.where(scores >= threshold, 100.0 * _place(scores), 0.0)
    tally = Tally(corpus.cap, corpus.utility)
    for columns in columns_of(items):
        tally.add(scores[:, columns], match[:, columns], grades[:, columns])
    return tally


def _place(scores: Floats) -> Floats:
    """Scores in their order, as figures from 0.5 to 1."""
    low, high = scores.min(), scores.max()
    return np.asarray(0.5 + 0.5 * (scores - low) / max(high - low, 1e-12))


def _best_threshold(corpus: Corpus, scores: Floats, items: Sequence[dict[str, object]]) -> float:
    """The one threshold for all members that would have been best on the calibration rounds."""
    values = np.unique(np.quantile(scores, 1 - np.geomspace(1e-4, 0.3, 40)))
    candidates = [*values.tolist(), float(scores.max()) + 1.0]
    utility = [_tally(corpus, scores, items, value).utility_of_members().mean() for value in candidates]
    return float(candidates[int(np.argmax(utility))])


def _line(corpus: Corpus, k: int, name: str, tally: Tally) -> Line:
    return Line(corpus.name, k, name, interval(tally.ranking_of_members()[:, 1]), interval(tally.utility_of_members()))


def interval(values: Floats, seed: int = 0) -> tuple[float, float, float]:
    """(mean, low, high): the mean and its 95 % interval by the bootstrap (Efron 1979) over members."""
    drawn = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


@contextmanager
def at_hand(given: str | None) -> Iterator[Iterator[Corpus]]:
    """The corpora in the given folder, one read after the other, or a made-up one where none is given."""
    with tempfile.TemporaryDirectory() as made_up:
        yield (read_corpus(folder) for folder in folders(given) or [write_corpus(Path(made_up))])


def lines(given: str | None, ks: Sequence[int] = LIKES) -> Iterator[Line]:
    """Of the corpora at hand, of a made-up one with no more likes than its members have."""
    with at_hand(given) as corpora:
        for corpus in corpora:
            yield from compared(corpus, ks if given else [k for k in ks if k <= 10])


def main(given: str | None = None) -> None:
    """Prints the table."""
    from rich.console import Console

    given = given or os.environ.get(VARIABLE)
    console = Console()
    if not given:
        console.print(
            "NO LABELLED CORPORA: the matchers are compared on a made-up corpus, whose figures say little. "
            f"Name a folder of corpora in {VARIABLE} (docs/evaluation.md describes them).", style="bold red",
        )  # fmt: skip
    rows = []
    with console.status("Comparing matchers ..."):
        for line in lines(given):
            cells = [cell for mean, *ends in (line.ndcg, line.utility) for cell in (f"{mean:.3f}", _ends(ends))]
            rows.append((line.corpus, line.likes, line.matcher, *cells))
    print_table(
        f"Matchers compared, test rounds; ours at the default threshold (a good item is worth {UTILITY:g} others), "
        "the others at the best one of the calibration rounds",
        ("corpus", "likes", "matcher", "nDCG@8", "95 %", "T11SU", "95 %"), rows, (1, 3, 5),
    )  # fmt: skip


def _ends(ends: Sequence[float]) -> str:
    return "-".join(f"{end:.3f}" for end in ends)


if __name__ == "__main__":
    main(*sys.argv[1:2])
