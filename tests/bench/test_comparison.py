from pathlib import Path

import numpy as np
import pytest

from bench import comparison
from bench.baselines import BASELINES, Setting
from bench.corpora import read_corpus
from jobs.settings import load_settings, render_config
from tests.bench.corpora import write_corpus


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("likes", [0, 5])
def test_every_baseline_puts_what_was_asked_for_first(name: str, likes: int, tmp_path: Path) -> None:
    corpus = read_corpus(write_corpus(tmp_path))
    items = corpus.items_of(corpus.test_rounds)
    scores = BASELINES[name](Setting(corpus, likes, items))
    assert scores.shape == (4, len(items))
    for row, member in zip(scores, corpus.member_records, strict=True):
        good = corpus.grades(member["id"], items) > 0
        assert row[good].mean() > row[~good].mean()


def test_every_matcher_is_compared_on_every_corpus_of_a_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_corpus(tmp_path / name)
    lines = list(comparison.lines(str(tmp_path), ks=(0,)))
    assert [line.matcher for line in lines] == [comparison.OURS, comparison.UNLEARNT, *BASELINES] * 2
    assert all(line.ndcg[1] <= line.ndcg[0] <= line.ndcg[2] for line in lines)


def test_a_folder_without_any_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no corpus in it"):
        comparison.folders(str(tmp_path))


def test_without_corpora_it_says_so_loudly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(comparison.VARIABLE, raising=False)
    monkeypatch.setattr(comparison, "lines", lambda _: iter(()))
    comparison.main()
    assert "NO LABELLED CORPORA" in capsys.readouterr().out


def test_naming_the_corpora_stops_no_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(comparison.VARIABLE, str(tmp_path))
    file = tmp_path / "config.toml"
    file.write_text(render_config(), encoding="utf-8")
    assert load_settings(file)


def test_an_interval_holds_the_mean_and_is_the_same_each_time() -> None:
    values = np.random.default_rng(2).random(50)
    mean, low, high = comparison.interval(values)
    assert mean == pytest.approx(values.mean())
    assert low < mean < high
    assert comparison.interval(values) == (mean, low, high)
