from pathlib import Path

import numpy as np
import pytest

from bench import reasons
from bench.corpora import read_corpus
from bench.network import Network
from tests.bench.corpora import write_corpus


def test_weights_of_random_pairs_sum_to_their_scores(tmp_path: Path) -> None:
    distances = reasons.distances(read_corpus(write_corpus(tmp_path)), pairs=50)
    assert distances.shape == (50,)
    assert distances.max() <= 1e-9


def test_exact_scores_are_those_that_production_uses(tmp_path: Path) -> None:
    corpus = read_corpus(write_corpus(tmp_path))
    network = Network.fitted(corpus.archive)
    profiles, rows = network.profiles(corpus.members(5)), network.rows(corpus.items_of(corpus.test_rounds)[:4])
    exact = reasons.exact_scores(network.space, profiles, rows)
    assert exact.max() > 0.1
    assert exact == pytest.approx(np.diag(network.scores(profiles, rows)), abs=1e-5)


def test_weights_that_are_not_the_score_are_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_corpus(tmp_path / "one")
    monkeypatch.setattr(reasons, "explain", lambda *_: [("word", 0.5)])
    reasons.main(str(tmp_path))
    assert "NO" in capsys.readouterr().out
