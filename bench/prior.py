"""Learns the shipped prior of the match from labelled corpora: `python -m bench.prior DIR...` prints it."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.corpora import read_corpus
from bench.evaluation import LIKES, Stage
from digest.calibration import CAUTION, DEFAULT, Judged, pooled
from digest.learning import Settings as LearningSettings
from digest.vectors import Settings


def main(folders: list[str]) -> None:
    """Prints the weights learnt from the calibration rounds of all folders at every number of likes, less `CAUTION`.

    Every folder weighs the same, whatever its size.
    """
    parts: list[Judged] = []
    for folder in folders:
        stage = Stage(read_corpus(Path(folder)), Settings(crowd=0, learn_field=False))  # as where nothing was said
        stage.learns, stage.learning = False, LearningSettings(earlier=0.0)
        judged = Judged.joined([stage.learnt(k).judged for k in LIKES]).telling()
        parts.append(replace(judged, weight=np.full(len(judged.member), 100_000 / len(judged.member))))
    first, *others = pooled(Judged.joined(parts), DEFAULT).weights
    sys.stdout.write(f"weights=({first:.4f} - CAUTION, {', '.join(f'{w:.4f}' for w in others)}), CAUTION = {CAUTION}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
