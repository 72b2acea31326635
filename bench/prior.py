"""Learns the shipped prior of the match from labelled corpora: `python -m bench.prior DIR...` prints it."""

import sys
from pathlib import Path

from bench.corpora import read_corpus
from bench.evaluation import LIKES, Stage
from digest.calibration import Calibration, calibrate

START = Calibration(cold=(-7.0, 8.0, 1.0, 0.0, 0.0, 0.0), warm=(-6.0, 5.0, 0.8, 1.2, 0.4, 0.0))


def main(folders: list[str]) -> None:
    """Prints the calibration learnt from the calibration rounds of all folders, at every number of likes."""
    stages = [Stage(read_corpus(Path(folder))) for folder in folders]
    examples = [example for stage in stages for k in LIKES for example in stage.examples(k)]
    learnt = calibrate(examples, prior=START, strength=0.1)
    sys.stdout.write(f"cold={learnt.cold}\nwarm={learnt.warm}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
