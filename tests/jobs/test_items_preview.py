"""`germane items preview`, beside what an edition composed at the same moment comes to."""

import json
from pathlib import Path
from typing import Any

import pytest

from profiles.member import Preferences, Profile
from tests.builders import some_preferences, stored_network
from tests.jobs.installation import ITEMS, Installation, germane, printed

STROKE = Profile(
    stated="early supported discharge after stroke", languages=("en",), profession="Nurse", region="Wales",
    organisation_type="hospital",
)  # fmt: skip


def preview(*arguments: object) -> dict[str, Any]:
    (found,) = printed("items", "preview", *arguments)
    assert isinstance(found, dict)
    return found


def a_file(folder: Path, *items: dict[str, object]) -> Path:
    file = folder / "new.jsonl"
    file.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return file


A_REQUEST = {
    "id": "new-1",
    "kind": "request",
    "title": "Who has a pathway for early supported discharge?",
    "body": "We plan early supported discharge after stroke and look for rotas of teams that do it at home.",
}


def test_a_posted_item_reaches_in_the_preview_whom_it_reaches_in_the_edition(installation: Installation) -> None:
    before = {name: preview(name)["reached"] for name in ITEMS}
    (report,) = printed("run", "--dry-run")
    reach = {title: n for _, title, n in report["reach"]}
    assert before == {name: reach[title] for name, (title, _, _) in ITEMS.items()}
    assert before["esd"] == 1


def test_an_item_in_a_file_reaches_whom_it_reaches_once_it_is_posted(
    installation: Installation, tmp_path: Path
) -> None:
    for n in range(12):
        installation.join(f"m{n}@example.org", STROKE)
    file = a_file(tmp_path, A_REQUEST)
    expected = preview(file)
    assert germane("items", "import", file).exit_code == 0
    (report,) = printed("run", "--dry-run")
    (reached,) = [n for _, title, n in report["reach"] if title == A_REQUEST["title"]]
    assert expected["reached"] == reached == 13
    assert expected["needed"] == 5
    assert expected["who"]["profession"] == {"Nurse": 12, "": 1}


def test_nothing_is_written_or_sent(installation: Installation, tmp_path: Path) -> None:
    rows = installation.fingerprint
    germane("items", "preview", "esd")
    germane("items", "preview", a_file(tmp_path, A_REQUEST))
    assert (installation.fingerprint, installation.mailed) == (rows, [])


def test_it_tells_who_in_words_and_how_the_matches_lie(installation: Installation, tmp_path: Path) -> None:
    installation.join("eve@example.org", STROKE)
    shown = germane("items", "preview", a_file(tmp_path, A_REQUEST)).stdout
    for words in (
        "would get it",
        "By profession",
        "Nurse",
        "Wales",
        "by match",
        "Border cases",
        "At other thresholds",
        "█",
    ):
        assert words in shown
    assert "Nothing was written and nothing was sent." in shown


def test_border_cases_have_their_reason_and_no_name(installation: Installation, tmp_path: Path) -> None:
    found = preview(a_file(tmp_path, A_REQUEST))
    first = next(case for case in found["border"] if case["reached"])
    assert {"discharge", "stroke"} & {word for label in first["reason"] for word in label.casefold().split()}
    assert all(case["member"]["name"] == "" for case in found["border"])
    assert found["members"] == []


def test_a_coordinator_is_told_names(installation: Installation) -> None:
    installation.join("cora@example.org", STROKE, name="Cora Ordinator", role="coordinator")
    found = preview("esd", "--as", "cora@example.org")
    assert {one["member"]["name"] for one in found["members"]} == {"Ann Example", "Cora Ordinator"}
    assert len(found["members"]) == found["reached"]
    assert "Cora Ordinator" in germane("items", "preview", "esd", "--as", "cora@example.org").stdout


@pytest.mark.parametrize("address", ["ann@example.org", "nobody@example.org"])
def test_nobody_else_is_told_names(installation: Installation, address: str) -> None:
    result = germane("items", "preview", "esd", "--as", address)
    assert result.exit_code == 2
    assert f"{address} is no active coordinator or admin of breathe-well" in result.stderr


def test_it_tells_what_it_takes_the_place_of(installation: Installation, tmp_path: Path) -> None:
    installation.join("eve@example.org", STROKE, preferences=some_preferences(items_per_digest=1))
    better = {**A_REQUEST, "body": "Early supported discharge after stroke, early supported discharge."}
    found = preview(a_file(tmp_path, better))
    assert (found["reached"], found["full"]) == (2, 0)
    assert found["pushed_out"] == [["Early supported discharge teams", 1]]


def test_an_item_that_fits_worse_takes_nobodys_place(installation: Installation, tmp_path: Path) -> None:
    installation.join("eve@example.org", STROKE, preferences=some_preferences(items_per_digest=1))
    found = preview(a_file(tmp_path, {"id": "new-3", "title": "Balance after a stroke", "body": "A gym for balance."}))
    assert (found["fits"], found["full"], found["pushed_out"]) == (2, 1, [])


def test_several_items_of_a_file_are_previewed_one_by_one(installation: Installation, tmp_path: Path) -> None:
    other = {"id": "new-2", "title": "Handbells for beginners in country churches", "body": "Bell ringing."}
    found = printed("items", "preview", a_file(tmp_path, A_REQUEST, other))
    assert [one["title"] for one in found] == [A_REQUEST["title"], other["title"]]
    assert [one["reached"] for one in found] == [1, 1]


def test_the_same_thing_posted_before_is_pointed_out(installation: Installation, tmp_path: Path) -> None:
    title, body, _ = ITEMS["esd"]
    found = preview(a_file(tmp_path, {"id": "again", "title": title, "body": body}))
    assert found["same_as"] == [title]


def test_a_draft_is_previewed_as_if_it_were_published(installation: Installation) -> None:
    title, body, topics = ITEMS["esd"]
    installation.post(
        title=title + " again", body=body, topics=topics, state="draft", external_id="draft", published_at=None
    )
    assert preview("draft")["reached"] == 1


def test_a_form_that_post_kept_is_read_as_well(installation: Installation, tmp_path: Path) -> None:
    from jobs.post_item import BODY

    file = tmp_path / "germane-post-x.md"
    file.write_text(f"title: Early supported discharge\nkind: request\n\n{BODY}\n\nafter stroke", encoding="utf-8")
    assert preview(file)["kind"] == "request"


def test_an_audience_that_admits_nobody_reaches_nobody_and_says_so(installation: Installation, tmp_path: Path) -> None:
    found = preview(a_file(tmp_path, A_REQUEST | {"audience": {"profession": ["astronaut"]}}))
    assert (found["reached"], found["lacking"]) == (0, 5)
    assert found["blocked"] == {"not_eligible": 1}


def test_what_it_lacks_is_told_with_the_cause_and_what_would_help(installation: Installation, tmp_path: Path) -> None:
    file = a_file(
        tmp_path, A_REQUEST | {"title": "Who keeps bees?", "body": "Hives, honey and swarms.", "reach_needed": 2}
    )
    found = preview(file)["shortfall"]
    assert (found["needed"], found["got"], found["cause"]) == (2, 0, "below_floor")
    assert "discharge" in found["words"]
    shown = " ".join(germane("items", "preview", file).stdout.split())
    assert "“Who keeps bees?” would reach about 0 of the 2 members it needs: it fits too few interests" in shown
    nobody = preview(a_file(tmp_path, A_REQUEST | {"audience": {"profession": ["astronaut"]}}))["shortfall"]
    assert nobody["cause"] == "nobody_eligible"
    assert preview("rehab")["shortfall"] is None


@pytest.mark.parametrize("members", [1, 3])
def test_it_lacks_in_the_preview_what_it_lacks_in_the_edition(installation: Installation, members: int) -> None:
    for n in range(members):
        installation.join(f"m{n}@example.org", STROKE, preferences=Preferences(muted_kinds=("request",)))
        installation.join(f"n{n}@example.org", STROKE, preferences=Preferences(asks_per_month=0))
    germane("items", "post", "--kind", "request", "--title", A_REQUEST["title"], "--body", A_REQUEST["body"])
    (item, *_) = printed("items", "list", "--kind", "request")
    expected = preview(item["public_id"])["shortfall"]
    (report,) = printed("run", "--dry-run")
    (found,) = [one for one in report["short"] if one["item"] == item["public_id"]]
    assert found == expected


def test_an_unknown_item_is_an_error_that_says_what_to_do(installation: Installation) -> None:
    result = germane("items", "preview", "nothing")
    assert result.exit_code == 2
    assert "'nothing' is neither a file nor an item of breathe-well; `germane items list`" in result.stderr


def test_a_withdrawn_item_is_not_previewed(installation: Installation) -> None:
    germane("items", "withdraw", "esd")
    result = germane("items", "preview", "esd")
    assert (result.exit_code, "is withdrawn: it will not be sent" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "no item"),
        ('{"title": ""}\n', "title"),
        ('{"title": "A", "kind": "wish"}\n', "line 1: kind"),
        ('{"title": "A", "deadline": "2020-01-01"}\n', "over already"),
        ("{not json\n", "line 1"),
    ],
)
def test_a_bad_file_is_refused_with_the_place_and_the_reason(
    installation: Installation, tmp_path: Path, content: str, problem: str
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(content, encoding="utf-8")
    result = germane("items", "preview", file)
    assert result.exit_code == 4
    assert problem in result.stderr
    assert "bad.jsonl" in result.stderr


def test_more_than_twenty_items_at_once_are_too_many(installation: Installation, tmp_path: Path) -> None:
    many = [{"id": str(n), "title": f"Item {n}"} for n in range(21)]
    result = germane("items", "preview", a_file(tmp_path, *many))
    assert (result.exit_code, "more than 20 items" in result.stderr) == (4, True)


def test_a_network_without_members_is_an_error_that_says_so(installation: Installation, tmp_path: Path) -> None:
    with installation.database.writing() as connection:
        stored_network(connection, slug="empty")
    result = germane("items", "preview", a_file(tmp_path, A_REQUEST), "--network", "empty")
    assert (result.exit_code, "no member who is due a digest" in result.stderr) == (2, True)


def test_a_rehearsal_tells_who_how_well_and_the_border(installation: Installation) -> None:
    installation.join("eve@example.org", STROKE)
    (report,) = printed("run", "--dry-run")
    told = report["preview"]
    assert told["who"]["profession"] == {"": 2, "Nurse": 1}
    assert sum(n for _, n in told["matches"]) == sum(n for *_, n in report["reach"])
    assert all(case["member"]["name"] == "" and case["sent"] for case in told["border"])
    (in_force,) = [one for one in told["others"] if one["threshold"] == told["threshold"]]
    assert in_force["digests"] == report["digests"]
    shown = germane("run", "--dry-run").stdout
    assert "Border cases" in shown
    assert "by profession" in shown
