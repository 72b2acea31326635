from pathlib import Path

from click.testing import CliRunner

from bench.ablation import OF_LEARNING, OF_SPACE, ablation
from jobs.evaluate import evaluate as command
from tests.bench.corpora import write_corpus


def test_every_ingredient_has_its_row_beside_everything_together(tmp_path: Path) -> None:
    rows = list(ablation(write_corpus(tmp_path), ks=(0,)))
    assert rows[0].without == ""
    of_feedback = {
        "profiles that learn on", "calibration for each member", "feedback on digests"
    }  # fmt: skip
    wanted = {*OF_SPACE, *OF_LEARNING, *of_feedback}
    assert {row.without for row in rows[1:]} == wanted
    assert all(0 <= row.ndcg[0] <= 1 and 0 <= row.utility[0] <= 1 for row in rows)


def test_one_command_prints_the_table(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(write_corpus(tmp_path)), "--ablation", "--k", "0,5"])
    assert result.exit_code == 0
    assert "word pairs" in result.stdout
    assert "SU k=5" in result.stdout
