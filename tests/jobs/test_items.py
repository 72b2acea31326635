import json
from collections.abc import Callable
from pathlib import Path

import pytest

from digest.items import Topic
from jobs.cli import main
from store import items, topics
from store.database import Database
from tests.builders import NOW, stored_item, stored_network

Run = Callable[..., tuple[int, str, str]]
CSV = "id,title,kind,topics,deadline,published_at\na,One,request,Stroke,2099-01-01,2026-11-16\nb,Two,,,,2026-11-17\n"


@pytest.fixture
def network(sqlite_database: Database) -> int:
    with sqlite_database.writing() as connection:
        key = stored_network(connection, slug="demo", name="Demo")
        topics.merge(connection, key, [Topic("stroke", "Stroke"), Topic("acute", "Acute", parent="stroke")])
        return key


@pytest.fixture
def run(
    sqlite_database: Database,
    network: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run `germane items ...` in an empty folder; gives exit code, standard output and standard error."""
    (tmp_path / "config.toml").write_text(f'[database]\nurl = "sqlite:///{tmp_path}/germane.db"\n')
    monkeypatch.chdir(tmp_path)

    def germane(*arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            main(["items", *arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return germane


def state_of(database: Database, network: int) -> list[tuple[str, str]]:
    with database.reading() as connection:
        return [(item.external_id, item.title) for item in items.load(connection, network)]


def test_an_import_goes_in_once(run: Run, network: int, sqlite_database: Database, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(CSV)
    assert run("import", "items.csv")[:2] == (0, "2 added, 0 changed, 0 as they were, 0 rejected (csv)\n")
    assert run("import", "items.csv")[:2] == (0, "0 added, 0 changed, 2 as they were, 0 rejected (csv)\n")
    (tmp_path / "items.csv").write_text(CSV.replace("One", "New"))
    assert run("import", "items.csv")[:2] == (0, "0 added, 1 changed, 1 as they were, 0 rejected (csv)\n")
    assert state_of(sqlite_database, network) == [("a", "New"), ("b", "Two")]


def test_a_dry_run_shows_the_difference_and_writes_nothing(
    run: Run, network: int, sqlite_database: Database, tmp_path: Path
) -> None:
    (tmp_path / "items.csv").write_text(CSV)
    run("import", "items.csv")
    (tmp_path / "items.csv").write_text(CSV.replace("One", "New") + "c,Three,,,,\nd,Four,nokind,,,\n")
    code, out, _ = run("import", "items.csv", "--dry-run")
    assert code == 4
    assert "~ request: New (a)\n    title: One -> New\n" in out
    assert "+ news: Three (c)" in out
    assert "line 5: rejected: kind: 'nokind'" in out
    assert "1 would be added, 1 would be changed, 1 as they were, 1 rejected" in out
    assert state_of(sqlite_database, network) == [("a", "One"), ("b", "Two")]
    assert not list(tmp_path.glob("*rejected*"))
    rows = json.loads(run("import", "items.csv", "--dry-run", "--json")[1])["rows"]
    assert rows[0] == {"id": "c", "title": "Three", "outcome": "added", "changes": {}}
    assert rows[1] == {"id": "a", "title": "New", "outcome": "changed", "changes": {"title": ["One", "New"]}}
    assert (rows[2]["line"], rows[2]["outcome"]) == (5, "rejected")


def test_the_difference_of_an_audience_names_its_facets(run: Run, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("id,title,audience region\na,One,\n")
    run("import", "items.csv")
    (tmp_path / "items.csv").write_text("id,title,audience region\na,One,Wales;Kent\n")
    assert "    audience:  -> region: Wales, Kent\n" in run("import", "items.csv", "--dry-run")[1]


def test_rejected_rows_are_named_as_they_are_met(run: Run, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("title,kind\nx,bad\n")
    assert "line 2: rejected: kind: 'bad' is none of" in run("import", "items.csv")[2]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_rejected_ones_are_kept_mended_and_imported_again(
    run: Run, network: int, sqlite_database: Database, tmp_path: Path, form: str
) -> None:
    rows = [
        {"id": "a", "title": "One", "kind": "event"},
        {"id": "b", "title": "Two", "kind": "evnet"},
        {"id": "a", "title": "x", "kind": ""},
    ]
    csv = "id,title,kind\n" + "".join(",".join(row.values()) + "\n" for row in rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / f"items.{form}").write_text(csv if form == "csv" else lines)
    code, out, err = run("import", f"items.{form}")
    assert (code, out) == (4, f"1 added, 0 changed, 0 as they were, 2 rejected ({form})\n")
    rejects = tmp_path / f"items.{form}.rejected.{form}"
    assert str(rejects.name) in err
    text = rejects.read_text("utf-8-sig")
    assert "id: 'a' is on line" in text
    rejects.write_text(text.replace("evnet", "event", 1))
    assert run("import", rejects.name)[1] == f"1 added, 1 changed, 0 as they were, 0 rejected ({form})\n"
    assert state_of(sqlite_database, network) == [("a", "x"), ("b", "Two")]


def test_a_feed_gets_the_kind_that_was_said_and_repeats_are_no_fault(run: Run, network: int, tmp_path: Path) -> None:
    entry = "<item><guid>1</guid><title>A</title><category>Stroke</category></item>"
    (tmp_path / "f.xml").write_text(f"<rss version='2.0'><channel>{entry * 2}</channel></rss>")
    code, out, _ = run("import", "f.xml", "--kind", "resource", "--json")
    report = json.loads(out)
    assert (code, report["added"], report["repeated"], report["format"]) == (0, 1, 1, "feed")
    (found,) = json.loads(run("list", "--json")[1])
    assert (found["kind"], found["topics"]) == ("resource", ["stroke"])


def test_an_item_that_was_withdrawn_stays_so_after_an_import(run: Run, network: int, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(CSV)
    run("import", "items.csv")
    assert "withdrawn: One" in run("withdraw", "a", "--reason", "posted\ntwice")[1]
    assert "was withdrawn already" in run("withdraw", "a")[1]
    (tmp_path / "items.csv").write_text(
        CSV.replace("id,", "state,id,").replace("\na", "\npublished,a").replace("\nb", "\n,b")
    )
    run("import", "items.csv")
    shown = json.loads(run("show", "a", "--json")[1])
    assert (shown["state"], shown["state_reason"]) == ("withdrawn", "posted twice")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("none.csv", "none.csv: cannot be read"),
        ("http://127.0.0.1:1/feed", "only public addresses are read"),
        ("http://localhost/feed", "only public addresses are read"),
        ("file:///etc/passwd", "only http and https"),
        ("https://ann:secret@example.org/", "take the user name and password out"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_clear_message(run: Run, source: str, reason: str) -> None:
    code, out, err = run("import", source)
    assert (code, out) == (4, "")
    assert reason in err
    assert "secret" not in err


def test_what_a_web_page_says_cannot_drive_the_terminal(run: Run, tmp_path: Path) -> None:
    link = "<link rel='alternate' type='application/rss+xml' href='/\x1b[31mred'>"
    (tmp_path / "page.html").write_text(f"<html><head>{link}</head></html>")
    err = run("import", "page.html")[2]
    assert "no RSS or Atom feed" in err
    assert "\x1b[31m" not in err


def test_a_post_with_flags_prints_the_public_id(run: Run, network: int, tmp_path: Path) -> None:
    (tmp_path / "body.md").write_text("Strôc **x**", encoding="utf-8")
    code, out, _ = run(
        "post", "--title", "Who has a pathway?", "--kind", "request", "--topic", "Stroke", "--topic", "acute",
        "--deadline", "2099-01-01", "--body-file", "body.md", "--audience-profession", "Nurse", "--audience-region", "Wales",
    )  # fmt: skip
    shown = json.loads(run("show", out.strip(), "--json")[1])
    assert code == 0
    assert shown["public_id"] == out.strip()
    assert (shown["kind"], shown["topics"], shown["body"]) == ("request", ["stroke", "acute"], "Strôc **x**")
    assert (shown["deadline"], shown["state"]) == ("2099-01-01T23:59:59+00:00", "published")
    assert shown["audience"] == {"profession": ["Nurse"], "region": ["Wales"]}
    assert shown["published_at"]


def test_a_draft_has_no_date_of_publication_to_be_sent_by(run: Run) -> None:
    out = run("post", "--title", "Later", "--draft")[1]
    assert json.loads(run("show", out.strip(), "--json")[1])["state"] == "draft"
    assert json.loads(run("list", "--open", "--json")[1]) == []
    assert "published: Later" in run("publish", out.strip())[1]
    assert [item["title"] for item in json.loads(run("list", "--open", "--json")[1])] == ["Later"]
    code, _, err = run("publish", out.strip())
    assert code == 2
    assert "only a draft or a held item" in err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--topic", "strok"), "did you mean 'stroke'?"),
        (("--deadline", "2020-01-01"), "deadline: is over already"),
        (("--event-at", "tomorrow"), "event_at: 'tomorrow' is not a date"),
        (("--url", "javascript:x"), "is not a web address"),
        (("--body", "x" * 200_001), "the most is 200,000"),
    ],
)
def test_a_post_that_cannot_be_stored_says_why(run: Run, options: tuple[str, str], reason: str) -> None:
    code, out, err = run("post", "--title", "x", *options)
    assert (code, out) == (2, "")
    assert reason in " ".join(err.split())


def test_the_list_filters(run: Run, network: int, sqlite_database: Database) -> None:
    with sqlite_database.writing() as connection:
        stored_item(connection, network, external_id="old", topics=("acute",), kind="job", deadline=NOW)
        stored_item(connection, network, external_id="new", topics=("stroke",), kind="event", title="\x1b[31mred")

    def ids(*options: str) -> list[str]:
        return sorted(item["external_id"] for item in json.loads(run("list", "--json", *options)[1]))

    assert ids() == ["new", "old"]
    assert ids("--topic", "Stroke") == ["new", "old"]
    assert ids("--topic", "acute") == ["old"]
    assert ids("--kind", "event") == ["new"]
    assert ids("--state", "held") == []
    assert len(ids("--limit", "1")) == 1
    assert run("list", "--topic", "nothing")[0] == 2
    assert "\x1b[31m" not in run("list")[1]


def test_show_gives_the_text_and_the_reach(run: Run, network: int, sqlite_database: Database) -> None:
    with sqlite_database.writing() as connection:
        stored_item(connection, network, external_id="x", title="Help", body="See [this](https://example.org) **now**")
    out = run("show", "x")[1]
    assert out.startswith("Help\n")
    assert "digests: 0" in out
    assert out.endswith("\nSee this (https://example.org) now\n")
    assert run("show", "nothing")[0] == 2


def test_an_import_of_nothing_changes_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    assert run("import", "empty.jsonl")[:2] == (0, "0 added, 0 changed, 0 as they were, 0 rejected (jsonl)\n")
    (tmp_path / "empty.csv").write_text("")
    assert "the file is empty" in run("import", "empty.csv")[2]
