"""A small life through the whole command. The full size is in docs/simulation.md."""

import gzip
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from store.database import Database
from tests.jobs.installation import Installation, germane
from tests.jobs.test_charts import pixels
from tests.jobs.test_tune_command import Page

SMALL = ("simulate", "--weeks", 5, "--members", 240, "--items-per-week", 40, "--requests-per-week", 12, "--seed", 11)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder and the figures of one small life under both policies."""
    folder = tmp_path_factory.mktemp("simulated")
    result = germane(*SMALL, "--out", folder / "out", "--json")
    assert result.exit_code == 0, result.output
    return folder / "out", json.loads(result.stdout)


def test_the_allocation_breaks_no_budget_and_repeats_nothing(lived: tuple[Path, dict[str, Any]]) -> None:
    policies = lived[1]["policies"]
    assert list(policies) == ["greedy", "allocation"]
    ours, greedy = policies["allocation"], policies["greedy"]
    assert (ours["budget_breaches"], ours["repeats"], greedy["repeats"]) == (0, 0, 0)
    assert greedy["budget_breaches"] == greedy["breaches"]["asks"] > 0, (
        "greedy knows no limit of asks, and the audit sees it"
    )
    assert ours["requests_heard_share"] > 0.9, "in so small a network a flood leaves no room for some"
    assert ours["requests_heard_share"] > greedy["requests_heard_share"]
    assert ours["requests_heard_of_all_share"] > greedy["requests_heard_of_all_share"]
    assert ours["top1pct_asks"] < greedy["top1pct_asks"]
    assert ours["gini_asks"] < greedy["gini_asks"]
    assert abs(greedy["match_lost_share"]) < 1e-6, "worked out from the ledger, unlimited greedy is what greedy sent"
    assert abs(greedy["utility_lost_share"]) < 1e-6
    assert ours["match_lost_share"] < 0.03
    assert ours["mails_printed"] > 20


def test_the_figures_have_the_names_that_others_read(lived: tuple[Path, dict[str, Any]]) -> None:
    for figures in lived[1]["policies"].values():
        assert {
            "budget_breaches",
            "repeats",
            "requests_heard_share",
            "top1pct_asks",
            "match_lost_share",
            "silent_share",
        } <= set(figures)
        assert set(figures["items_per_digest"]) >= {"median", "p90"}
        weeks = figures["weeks"]
        assert [sum(weeks["mails"]), sum(weeks["asks"])] == [figures["mails"], figures["asks"]]
        assert weeks["items"][4] < weeks["items"][3], "the week without posts comes after the flood"


@pytest.mark.postgres
def test_the_same_seed_gives_the_same_bytes_on_either_kind_of_database(
    lived: tuple[Path, dict[str, Any]], postgres_database: Database
) -> None:
    again = germane(*SMALL, "--policy", "allocation", "--json")
    url = postgres_database.engine.url.render_as_string(hide_password=False)
    on_postgres = germane(*SMALL, "--policy", "allocation", "--database", url, "--json")
    assert again.stdout == on_postgres.stdout
    figures = json.loads(again.stdout)["policies"]["allocation"]
    assert figures == lived[1]["policies"]["allocation"]


def test_the_page_stands_alone_and_its_pictures_can_be_read(lived: tuple[Path, dict[str, Any]]) -> None:
    folder = lived[0]
    text = (folder / "simulation.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert page.loaded == []
    assert page.tags.count("svg") == 4
    assert '<html lang="en">' in text
    ids = [part.partition('"')[0] for part in text.split(' id="')[1:]]
    assert len(ids) == len(set(ids))
    for part in text.split("<svg")[1:]:
        ET.fromstring("<svg" + part.partition("</svg>")[0] + "</svg>")
    for name in ("load", "reach", "silence", "sizes"):
        assert pixels((folder / f"{name}.png").read_bytes()).min() < 100
    assert json.loads((folder / "simulation.json").read_text(encoding="utf-8")) == lived[1]


def test_the_table_names_both_policies_and_plots_follow() -> None:
    result = germane("simulate", "--weeks", 1, "--members", 60, "--items-per-week", 12, "--requests-per-week", 4)
    assert result.exit_code == 0
    assert "1 week of 60 members, 12 items a week with 4 requests, seed 1" in result.stdout
    for words in ("greedy", "allocation", "Budget breaches", "Match lost against unlimited greedy", "█", "by week"):
        assert words in result.stdout, words


TINY = ("simulate", "--weeks", 1, "--members", 20, "--items-per-week", 4, "--requests-per-week", 1)


def test_a_database_that_is_in_use_is_refused_and_its_outbox_left_alone(installation: Installation) -> None:
    germane("run", "--no-send")
    rows = installation.fingerprint
    url = installation.database.engine.url.render_as_string(hide_password=False)
    result = germane(*TINY, "--database", url)
    assert (result.exit_code, "holds the network breathe-well" in result.stderr) == (2, True)
    assert installation.fingerprint == rows


def test_mails_that_nobody_gets_are_not_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GERMANE_DKIM__SIGN", "true")
    monkeypatch.setenv("GERMANE_DKIM__KEYS", str(tmp_path))  # where there are no keys
    assert germane(*TINY).exit_code == 0


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_lived(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = germane(*TINY, "--out", tmp_path / "file" / "out")
    assert (result.exit_code, "name another" in result.stderr) == (2, True)
    assert "Living" not in result.stderr


def test_texts_and_truth_may_come_from_a_labelled_corpus(tmp_path: Path) -> None:
    corpus = tmp_path / "bells"
    corpus.mkdir()
    words = ("bells", "boats", "bread", "birds")
    items = [
        {"id": f"i{n}", "title": f"About {words[n % 4]} {n}", "text": f"{words[n % 4]} in week {n}.", "round": n // 10}
        for n in range(60)
    ]
    members = [{"id": word, "interest": word, "liked": [], "disliked": []} for word in words]
    for name, rows in (("items", items), ("members", members)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (corpus / f"{name}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    judged = "".join(f"{words[n % 4]}\ti{n}\t1\n" for n in range(60))
    (corpus / "qrels.tsv.gz").write_bytes(gzip.compress(judged.encode()))
    (corpus / "meta.json").write_text('{"calib_rounds": [2, 3], "test_rounds": [4, 5]}', encoding="utf-8")
    result = germane("simulate", "--weeks", 2, "--members", 30, "--data", corpus, "--policy", "greedy", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["plan"]["corpus"] == "bells"
    assert told["plan"]["items"] < 60
    assert told["policies"]["greedy"]["utility_mean"] > 0.9


def test_wrong_options_are_named(tmp_path: Path) -> None:
    result = germane("simulate", "--items-per-week", 5, "--requests-per-week", 6)
    assert result.exit_code == 2
    assert "--requests-per-week is more than --items-per-week" in result.stderr
    result = germane("simulate", "--data", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "not a folder" in result.stderr
