from pathlib import Path

import numpy as np
import pytest

from bench import ceiling
from bench.ceiling import Gains, Sendable, ceilings, drawn_gains
from bench.corpora import read_corpus
from bench.evaluation import UTILITY
from tests.bench.corpora import write_corpus

ROUNDS = [np.array([0, 1, 2]), np.array([3, 4, 5])]
SCORES = np.array([[0.9, 0.8, 0.1, 0.7, 0.2, 0.3], [0.3, 0.2, 0.1, 0.4, 0.1, 0.2]])
GOOD = np.array([[1, 0, 1, 1, 0, 0], [1, 0, 0, 1, 0, 0]], dtype=bool)


def test_no_more_than_the_cap_of_a_round_can_be_sent() -> None:
    assert Sendable(SCORES, ROUNDS, cap=2).place[0].tolist() == [0, 1, 3, 5]


def test_gains_are_those_worked_out_by_hand() -> None:
    gains = Sendable(SCORES, ROUNDS, cap=2).gains(GOOD, np.array([1, 2]), worth=2.0)
    # Possible: three good items for the first member, two for the second. The match sends 1 good of 3, and 2 good of 2.
    assert gains.match == pytest.approx(np.mean([(1 / 3 + 0.5) / 1.5, 1.0]))
    # Best for the first: items 0, 1 and 3, worth 2 - 1 + 2 = 3 of 6; for the second: items 3 and 0, worth 4 of 4.
    assert gains.oracle == pytest.approx(np.mean([(3 / 6 + 0.5) / 1.5, 1.0]))
    # One threshold for both: from 0.3 on; the first member is then sent item 5 as well.
    assert gains.one_threshold == pytest.approx(np.mean([(2 / 6 + 0.5) / 1.5, 1.0]))


def test_the_share_is_of_the_distance_between_one_threshold_and_the_oracle() -> None:
    assert Gains(0.4, 0.45, 0.6).share == pytest.approx(0.25)
    assert np.isnan(Gains(0.4, 0.4, 0.4).share)


def test_where_the_match_is_certain_nothing_is_left_to_luck() -> None:
    certain = GOOD.astype(float)
    sendable = Sendable(certain, ROUNDS, cap=2)
    found = drawn_gains(sendable, certain, certain, UTILITY, draws=3)
    assert found.match == found.oracle


def test_an_oracle_gains_by_luck_where_nothing_tells_items_apart() -> None:
    rng = np.random.default_rng(1)
    scores, match = rng.random((200, 40)), np.full((200, 40), 1 / 3)
    sendable = Sendable(scores, [np.arange(40)], cap=40)
    found = drawn_gains(sendable, match, match, UTILITY, draws=5)
    assert found.match == pytest.approx(1 / 3, abs=0.01)  # as good as silence, whatever is sent
    assert found.oracle > found.match + 0.05


def test_on_drawn_labels_the_match_lies_between_one_threshold_and_the_oracle(tmp_path: Path) -> None:
    (found,) = ceilings(read_corpus(write_corpus(tmp_path)), ks=(3,), draws=4)
    assert found.likes == 3
    for gains in (found.measured, found.drawn):
        assert gains.one_threshold <= gains.oracle
        assert gains.match <= gains.oracle
    assert found == next(ceilings(read_corpus(tmp_path), ks=(3,), draws=4))


def test_the_table_has_a_line_for_each_number_of_likes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    write_corpus(tmp_path / "one")
    ceiling.main(str(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if "small" in line] == ["0", "3", "10", "30"]
