import html.parser
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import select

from store import feedback, members, thresholds
from store.feedback import Word
from tests.builders import NOW
from tests.jobs.installation import MEMBERS, Installation, germane, printed
from tests.jobs.test_charts import pixels

TUNE = ("thresholds", "tune")


def point(report: dict[str, Any], threshold: float) -> dict[str, Any]:
    return next(point for point in report["points"] if point["threshold"] == threshold)


def judged(installation: Installation) -> list[bool]:
    with installation.database.reading() as connection:
        return [one.good for one in thresholds.judgements(connection, installation.network_key)]


def key_of(installation: Installation, address: str) -> int:
    with installation.database.reading() as connection:
        found = members.find(connection, installation.network_key, address)
    assert found
    return found.key


def test_each_threshold_tells_what_a_run_with_it_then_sends(installation: Installation) -> None:
    installation.set("MATCHING__FLOOR", 0)
    report = printed(*TUNE)
    assert report["edition"] == ""
    assert (report["members"], report["items"], report["requests"], report["in_force"]) == (3, 3, 0, 1.0)
    assert [p["threshold"] for p in report["points"]] == [1.0, *range(5, 81, 5)]
    for threshold in (1, 5, 30, 80):
        germane("thresholds", "set", threshold)
        (run,) = printed("run", "--dry-run")
        told = point(report, threshold)
        assert told["digests"] == run["digests"], threshold
        assert told["items"] == sum(int(size) * n for size, n in run["sizes"].items()), threshold
        assert told["silent"] == 3 - run["digests"], threshold


def test_a_recorded_edition_is_replayed_as_it_was_sent(installation: Installation) -> None:
    germane("run")
    (run,) = printed("run")
    installation.now += timedelta(days=7)
    installation.post(title="Another team for stroke", topics=("stroke",), published_at=installation.now)
    installation.join("late@example.org", MEMBERS["ann@example.org"])
    report = printed(*TUNE, "--edition", "2026-W47")
    told = point(report, 1.0)
    assert (report["edition"], report["items"], report["members"]) == ("2026-W47", 3, 3)
    assert told["digests"] == run["digests"] == 2
    assert told["items"] == sum(n for *_, n in run["reach"])
    assert point(printed(*TUNE), 1.0)["digests"] == 2, "what was sent already is not sent again: the new item alone"


def test_it_changes_nothing(installation: Installation) -> None:
    rows = installation.fingerprint
    assert germane(*TUNE).exit_code == 0
    assert germane(*TUNE, "--names", "--kind", "resource", "--step", "2.5").exit_code == 0
    assert installation.fingerprint == rows


def test_for_one_kind_the_other_kinds_keep_their_thresholds(installation: Installation) -> None:
    installation.post(title="Early supported discharge visits", body="Stroke teams.", kind="event")
    events = printed(*TUNE, "--kind", "event")
    assert (events["kind"], events["in_force"]) == ("event", 1.0)
    assert point(events, 80.0)["digests"] == 2, "the resources go out all the same"
    assert {pair["kind"] for pair in events["border"]} == {"event"}
    germane("thresholds", "set", "100", "--kind", "resource")
    network = printed(*TUNE)
    assert point(network, 15.0)["items"] == point(network, 1.0)["items"] == 1, (
        "a kind with its own threshold is left alone"
    )


def test_requests_tell_how_far_they_reach(installation: Installation) -> None:
    installation.post(title="Who runs early supported discharge?", body="Stroke teams, tell us.", kind="request")
    installation.post(title="Zither wanted", body="For a concert.", topics=(), kind="request")
    report = printed(*TUNE)
    low = point(report, 1.0)
    assert report["requests"] == 2
    assert (low["median_reach"], low["requests_unheard"]) == (0.5, 1)


def test_border_pairs_are_shown_with_facts_and_reasons_but_without_names(installation: Installation) -> None:
    installation.join("dai@example.org", MEMBERS["ann@example.org"], name="Dai Surname")
    (pair,) = [pair for pair in printed(*TUNE)["border"] if pair["item"] and pair["member"]][:1]
    assert pair["reason"]
    assert pair["stated"] or pair["chosen"]
    assert not {"member_key", "item_key"} & set(pair)
    assert "Surname" not in germane(*TUNE).stdout
    assert "Surname" in germane(*TUNE, "--names").stdout


def test_judgements_are_kept_change_the_estimate_and_are_not_asked_again(installation: Installation) -> None:
    before = printed(*TUNE)
    assert point(before, 1.0)["interval"] is None
    assert "only 0 labels" in before["why"]
    result = germane(*TUNE, "--judge", input="n\n  Y \n")
    assert result.exit_code == 0
    assert "2 judgements kept" in result.stdout
    assert judged(installation) == [False, True]
    after = printed(*TUNE)
    assert after["labels"] == 2
    assert point(after, 1.0)["interval"] is not None
    assert point(after, 1.0)["su"] is not None
    assert point(after, 1.0)["precision"] != point(before, 1.0)["precision"]
    pairs = [{(pair["member"], pair["item"]) for pair in report["border"]} for report in (before, after)]
    assert len(pairs[0] - pairs[1]) >= 2


@pytest.mark.parametrize(
    ("typed", "kept"), [("", []), ("q\n", []), ("s\ny\nq\ny\n", [True]), ("what?\n\nn\n", [False]), ("y", [True])]
)
def test_pairs_may_be_skipped_and_the_end_of_the_input_is_the_end(
    installation: Installation, typed: str, kept: list[bool]
) -> None:
    result = germane(*TUNE, "--judge", input=typed)
    assert result.exit_code == 0
    assert f"{len(kept)} judgement{'s' * (len(kept) != 1)} kept" in result.stdout
    assert judged(installation) == kept


def test_what_members_said_of_an_edition_counts_when_it_is_replayed(installation: Installation) -> None:
    germane("run")
    ann = key_of(installation, "ann@example.org")
    with installation.database.writing() as connection:
        items = list(
            connection.execute(
                select(thresholds.CHOSEN.c.item_id).where(thresholds.CHOSEN.c.member_id == ann)
            ).scalars()
        )
        first = Word(ann, items[0], "more", NOW + timedelta(days=1), "a test")
        feedback.record(connection, [first, *(replace(first, item_key=item, verdict="less") for item in items[1:])])
    report = printed(*TUNE, "--edition", "2026-W47")
    told = point(report, 1.0)
    assert (report["labels"], told["labels"]) == (len(items), len(items))
    assert told["su"] == pytest.approx(((2 - (len(items) - 1)) / 2 + 0.5) / 1.5)
    assert printed(*TUNE)["points"][0]["su"] is None, "an edition of now cannot send them again"


class Page(html.parser.HTMLParser):
    """The elements of a page, and what it loads from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attributes if name in {"src", "href"}]


def test_the_page_stands_alone_and_its_pictures_can_be_read(installation: Installation, tmp_path: Path) -> None:
    installation.post(title="<script>alert(1)</script> stroke", body="early supported discharge", kind="request")
    folder = tmp_path / "new" / "tuning"
    result = germane(*TUNE, "--output", folder, "--json")
    assert str(folder / "tuning.html") in result.stderr
    text = (folder / "tuning.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert page.loaded == []
    assert {"svg", "table", "main", "h1"} <= set(page.tags)
    assert page.tags.count("tr") == 1 + len(printed(*TUNE)["points"])
    assert '<html lang="en">' in text
    ET.fromstring((folder / "tuning.svg").read_text(encoding="utf-8"))
    assert pixels((folder / "tuning.png").read_bytes()).min() < 100


def test_a_folder_that_cannot_be_written_is_named(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = germane(*TUNE, "--output", tmp_path / "file" / "x")
    assert result.exit_code == 2
    assert f"{tmp_path / 'file' / 'x'}: Not a directory; name another" in result.stderr


def test_an_edition_that_is_not_there_or_not_composed_is_named(installation: Installation) -> None:
    result = germane(*TUNE, "--edition", "2026-W01")
    assert result.exit_code == 2
    assert "breathe-well has no edition '2026-W01'; there are: none yet" in result.stderr
    germane("run")
    assert "there are: 2026-W47" in germane(*TUNE, "--edition", "W1").stderr


def test_questions_and_json_do_not_go_together(installation: Installation) -> None:
    result = germane(*TUNE, "--judge", "--json")
    assert result.exit_code == 2
    assert "--judge asks questions" in result.stderr


def test_a_border_pair_shows_the_threshold_it_is_near(installation: Installation) -> None:
    pair = printed(*TUNE)["border"][0]
    lines = germane(*TUNE).stdout.partition("Border pairs, nearest to the member's own threshold first")[2].splitlines()
    assert any(
        pair["member"] in line and f" {pair['match']:g}   " in line and f" {pair['threshold']:g} " in line
        for line in lines
    )


def test_no_threshold_is_shown_that_could_not_be_set(installation: Installation) -> None:
    assert [p["threshold"] for p in printed(*TUNE)["points"]] == [1.0, *range(15, 81, 5)]
    installation.set("MATCHING__FLOOR", 22)
    assert [p["threshold"] for p in printed(*TUNE)["points"]] == [1.0, *range(25, 81, 5)]


def test_t11su_says_on_how_many_members_it_stands_and_nothing_where_they_are_few(
    installation: Installation, tmp_path: Path
) -> None:
    assert germane(*TUNE, "--judge", input="y\ny\n").exit_code == 0
    report = printed(*TUNE)
    assert (report["labels"], report["known_good"]) == (2, 2)
    assert point(report, 1.0)["su"] is not None
    shown = germane(*TUNE, "--output", tmp_path).stdout
    assert "T11SU is left out: only 2 members have an item that is known to be good, and it takes 5" in shown
    assert not any(f"{p['su']:.3f}" in shown for p in report["points"])
    page = (tmp_path / "tuning.html").read_text(encoding="utf-8")
    assert "only 2 members have" in page


def test_a_network_without_members_or_items_has_nothing_to_tune(installation: Installation) -> None:
    installation.add_network("empty", filled=False)
    report = printed(*TUNE, "--network", "empty")
    assert (report["items"], report["border"], report["proposed"]) == (0, [], report["in_force"])
    assert all(point["digests"] == 0 and point["precision"] is None for point in report["points"])
    assert germane(*TUNE, "--network", "empty").exit_code == 0


def test_every_change_is_in_the_history_and_can_be_undone(installation: Installation) -> None:
    assert "no threshold was changed yet" in germane("thresholds", "history").stdout
    assert "no change of a threshold left to undo" in germane("thresholds", "undo").stderr
    germane("thresholds", "set", "40")
    germane("thresholds", "set", "60", "--kind", "job")
    told = [(change["kind"], change["before"], change["after"]) for change in printed("thresholds", "history")]
    assert told == [("job", None, 60.0), ("", 1.0, 40.0)]
    assert "threshold for job is default again; it was 60" in germane("thresholds", "undo").stdout
    assert "threshold for every kind is 1 again; it was 40" in germane("thresholds", "undo").stdout
    assert {row["threshold"] for row in printed("thresholds", "show")} == {1.0}
    assert germane("thresholds", "undo").exit_code == 2
    shown = " ".join(germane("thresholds", "history").stdout.split())
    assert "job 60 default undoes 2" in shown
    assert printed("thresholds", "history")[0]["at"].startswith("2026-11-16T07:30")
