import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.corpora import read_corpus
from bench.evaluation import calibration_error, evaluate, filtering_measures, ranking_measures
from bench.relevance import GermaneMatcher
from jobs.evaluate import evaluate as command
from tests.bench.corpora import write_corpus


def test_ranking_measures_are_those_of_the_textbook() -> None:
    scores, grades = np.array([[0.9, 0.8, 0.7, 0.6]]), np.array([[0.0, 2.0, 0.0, 1.0]])
    precision, ndcg, recall, average = ranking_measures(scores, grades, cap=3)[0]
    assert precision == pytest.approx(1 / 3)
    assert recall == 0.5
    assert average == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert ndcg == pytest.approx((2 / np.log2(3)) / (2 + 1 / np.log2(3)))


def test_a_round_without_anything_relevant_has_no_ranking_measures() -> None:
    assert np.isnan(ranking_measures(np.ones((1, 3)), np.zeros((1, 3)), cap=8)).all()


def test_a_right_silence_is_worth_one_and_a_wrong_one_nothing() -> None:
    nobody = np.zeros(0, dtype=np.int64)
    found = filtering_measures(nobody, nobody, nobody, np.array([[0.0, 0.0], [1.0, 0.0]]), cap=8)
    assert found.tolist() == [[0, 0, 0, 1], [0, 0, 1, 0]]


def test_calibration_error_is_the_mean_distance_from_what_happened() -> None:
    assert calibration_error(np.array([0.15, 0.15, 0.95, 0.95]), np.array([False, False, True, True])) == pytest.approx(
        0.1
    )


def test_a_plain_corpus_is_ranked_well_and_silence_never_beats_us(tmp_path: Path) -> None:
    report = evaluate(write_corpus(tmp_path), ks=(0, 5))
    for measures in report.measures:
        assert measures.ndcg > 0.9
        assert measures.utility >= 1 / 3
    assert len(report.run) == 2 * 4 * 24
    assert report.run[0].split()[1:2] == ["Q0"]


def test_later_rounds_change_nothing_about_earlier_ones(tmp_path: Path) -> None:
    before = evaluate(write_corpus(tmp_path / "a"), split="dev", ks=(0,))
    folder = write_corpus(tmp_path / "b")
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"test_rounds": [14, 15]}))
    assert evaluate(folder, split="dev", ks=(0,)).run == before.run


def test_the_yardsticks_matcher_scores_as_the_production_functions_do(tmp_path: Path) -> None:
    corpus = read_corpus(write_corpus(tmp_path))
    matcher = GermaneMatcher()
    matcher.fit(corpus.archive)
    report = evaluate(tmp_path, ks=(3,))
    items = [item for item in corpus.items if item["round"] == 13]
    for member in corpus.members(3):
        said = dict(zip((item["id"] for item in items), matcher.score(member, items), strict=True))
        run = {f[2]: float(f[4]) for line in report.run if (f := line.split())[0] == member["id"] and f[2] in said}
        assert run == pytest.approx(said, abs=1e-5)


def test_the_yardsticks_matcher_selects_at_most_the_cap_best_first(tmp_path: Path) -> None:
    corpus = read_corpus(write_corpus(tmp_path))
    matcher = GermaneMatcher()
    matcher.fit(corpus.archive)
    member, items = corpus.members(3)[0], corpus.items_of(corpus.calibration_rounds)
    scores = matcher.score(member, items)
    matcher.calibrate([(member, items, scores, corpus.grades(member["id"], items))])
    sent = matcher.select(member, items, scores, 2)
    assert len(sent) <= 2
    assert sent == sorted(sent, key=lambda item: -scores[item])


def test_the_command_prints_json_and_writes_a_run(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus")
    run = tmp_path / "run.txt"
    result = CliRunner().invoke(command, [str(tmp_path / "corpus"), "--k", "0", "--run", str(run), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["measures"][0]["likes"] == 0
    assert len(run.read_text().splitlines()) == 4 * 24


def test_the_command_prints_a_table(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(write_corpus(tmp_path)), "--k", "0,3"])
    assert result.exit_code == 0, result.output
    assert "nDCG@8" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"), [(["none"], "not a folder"), (["none", "--k", "a"], "whole numbers")]
)
def test_the_command_says_what_is_wrong(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / arguments[0]), *arguments[1:]])
    assert result.exit_code == 2
    assert message in result.stderr
