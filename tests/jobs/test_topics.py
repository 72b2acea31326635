import json
from collections.abc import Callable
from pathlib import Path

import pytest

from digest.items import Topic
from jobs.cli import main
from store import topics
from store.database import Database
from tests.builders import stored_network

Run = Callable[..., tuple[int, str, str]]
CSV = "key,label,description,parent,synonyms\nstroke,Stroke,,,AVC;strôc\nacute,Acute stroke,x,Stroke,\n"


@pytest.fixture
def network(sqlite_database: Database) -> int:
    with sqlite_database.writing() as connection:
        return stored_network(connection, slug="demo")


@pytest.fixture
def run(network: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    (tmp_path / "config.toml").write_text(f'[database]\nurl = "sqlite:///{tmp_path}/germane.db"\n')
    monkeypatch.chdir(tmp_path)

    def germane(*arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            main(["topics", *arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return germane


def test_topics_go_in_once(run: Run, network: int, sqlite_database: Database, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CSV)
    assert run("import", "t.csv")[:2] == (0, "2 added, 0 changed, 0 as they were, 0 rejected\n")
    assert run("import", "t.csv")[:2] == (0, "0 added, 0 changed, 2 as they were, 0 rejected\n")
    with sqlite_database.reading() as connection:
        assert topics.load(connection, network) == [
            Topic("stroke", "Stroke", synonyms=("AVC", "strôc")),
            Topic("acute", "Acute stroke", "x", "stroke"),
        ]


def test_a_dry_run_shows_the_difference_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CSV)
    run("import", "t.csv")
    (tmp_path / "t.csv").write_text(CSV.replace("Acute stroke", "Acute") + "new,New,,,\nbad,Bad,,nothing,\n")
    code, out, err = run("import", "t.csv", "--dry-run")
    assert code == 4
    assert "+ new: New\n~ acute: label\n1 would be added, 1 would be changed, 1 as they were, 1 rejected" in out
    assert "line 5: parent: 'nothing' is no topic" in err
    assert not list(tmp_path.glob("*rejected*"))
    assert "[new]" not in run("list")[1]


def test_rejected_rows_are_kept_mended_and_imported_again(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CSV + "a,A,,b,\nb,B,,a,\nBig Key,C,,,\n")
    code, _, err = run("import", "t.csv")
    assert code == 4
    assert "line 4: parent: goes round in a circle: a > b > a" in err
    assert "line 6: key: 'Big Key' must be lower-case" in err
    rejects = tmp_path / "t.csv.rejected.csv"
    text = rejects.read_text("utf-8-sig")
    rejects.write_text(text.replace("b,B,,a,", "b,B,,,").replace("Big Key", "big-key"))
    assert run("import", rejects.name)[:2] == (0, "3 added, 0 changed, 0 as they were, 0 rejected\n")


def test_the_list_is_a_tree(run: Run, tmp_path: Path) -> None:
    assert "has no topics yet" in run("list")[2]
    (tmp_path / "t.csv").write_text(CSV)
    run("import", "t.csv")
    assert run("list")[1] == "Stroke  [stroke]  (AVC, strôc)\n  Acute stroke  [acute]\n"
    (top,) = json.loads(run("list", "--json")[1])
    assert (top["key"], [below["key"] for below in top["below"]]) == ("stroke", ["acute"])


@pytest.mark.parametrize(("content", "reason"), [("", "is empty"), ("lable\nx\n", "'lable' is not a known column")])
def test_a_file_that_is_no_list_of_topics_says_so(run: Run, tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    code, out, err = run("import", "t.csv")
    assert (code, out) == (4, "")
    assert reason in err
    assert "cannot be read" in run("import", "none.csv")[2]
