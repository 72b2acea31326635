"""What `germane run --dry-run` tells of other thresholds, beside what an edition at that threshold comes to."""

from typing import Any

import pytest

from profiles.member import Profile
from tests.jobs.composing import ASK
from tests.jobs.installation import Installation, germane, printed
from tests.jobs.test_combined import Two

WORDS = "stroke rehabilitation home discharge teams lungs breathing video course carers sleep falls memory".split()


@pytest.fixture
def varied(installation: Installation) -> Installation:
    """Members whose matches with the items lie all over the scale, and a request that few of them fit."""
    germane("thresholds", "set", "33")
    for n, word in enumerate(WORDS):
        stated = " ".join([word, *WORDS[n % 5 : n % 5 + 1 + n % 4]])
        installation.join(f"m{n}@example.org", Profile(stated=stated, languages=("en",)))
    for n in range(len(WORDS)):
        text = " ".join(WORDS[place % len(WORDS)] for place in range(n, n + 3 + n % 4))
        installation.post(title=f"On {text}", body=f"All about {text}.", topics=(), kind="event", external_id=f"e{n}")
    installation.post(kind="request", external_id="ask", reach_needed=8, **ASK)
    return installation


def told() -> dict[str, Any]:
    (report,) = printed("run", "--dry-run")
    found: dict[str, Any] = report["preview"]
    return found


def test_other_thresholds_tell_what_an_edition_at_each_of_them_comes_to(varied: Installation) -> None:
    others = {one["threshold"]: one for one in told()["others"]}
    assert len({one["sent"] for one in others.values()}) > 3
    assert {20, 25, 30, 33, 35, 60} <= set(others)
    for threshold in (20, 30, 60):
        germane("thresholds", "set", threshold)
        (report,) = printed("run", "--dry-run")
        now = next(one for one in report["preview"]["others"] if one["threshold"] == threshold)
        assert now == others[threshold]
        assert (now["digests"], now["sent"]) == (report["digests"], sum(n for *_, n in report["reach"]))
        assert report["preview"]["needing"] - now["heard"] == len(report["short"])


def test_lower_thresholds_do_not_change_what_is_decided_at_the_one_in_force(
    varied: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    (wide,) = printed("run", "--dry-run")
    monkeypatch.setattr("jobs.previewing.GRID", ())
    (alone,) = printed("run", "--dry-run")
    assert [one["threshold"] for one in alone["preview"]["others"]] == [33]
    assert {**wide, "preview": None} == {**alone, "preview": None}
    assert wide["preview"]["others"][3] == alone["preview"]["others"][0]


def test_nothing_under_the_floor_is_looked_at(varied: Installation) -> None:
    varied.set("MATCHING__FLOOR", 25)
    found = told()
    assert (found["floor"], min(one["threshold"] for one in found["others"])) == (25, 25)
    assert all(one["match"] >= 25 for one in found["border"])


def test_border_cases_lie_on_both_sides(varied: Installation) -> None:
    cases = told()["border"]
    assert any(case["match"] < case["threshold"] and not case["sent"] for case in cases)
    assert any(case["match"] >= case["threshold"] and case["sent"] for case in cases)


def test_the_table_marks_the_threshold_in_force_and_names_its_columns(varied: Installation) -> None:
    shown = germane("run", "--dry-run").stdout
    assert "At other thresholds" in shown
    assert "= 33" in shown
    assert "items with all readers needed" in shown


def test_a_rehearsal_of_mails_with_items_of_two_networks(installation: Installation) -> None:
    two = Two(installation)
    two.post("here", two.home)
    two.post("there", two.other)
    home, _ = printed("run", "--dry-run")
    germane("thresholds", "set", "100", "--network", "heart-help")
    strict, _ = printed("run", "--dry-run")
    in_force = next(one for one in home["preview"]["others"] if one["threshold"] == home["preview"]["threshold"])
    assert in_force["digests"] == home["digests"]
    assert in_force["sent"] == sum(size * n for size, n in ((int(s), n) for s, n in home["sizes"].items()))
    assert in_force["sent"] - 1 == next(one["sent"] for one in strict["preview"]["others"] if one["threshold"] == 1)
    assert "Fits, but" not in germane("run", "--dry-run").stdout


def test_names_are_told_to_coordinators_only(varied: Installation) -> None:
    varied.join("cora@example.org", Profile(stated="sleep", languages=("en",)), role="coordinator")
    assert {case["member"]["name"] for case in told()["border"]} == {""}
    (report,) = printed("run", "--dry-run", "--as", "cora@example.org")
    assert {case["member"]["name"] for case in report["preview"]["border"]} == {"Ann Example"}
    refused = germane("run", "--dry-run", "--as", "m1@example.org")
    assert (refused.exit_code, "no active coordinator or admin of breathe-well" in refused.stderr) == (2, True)
    assert germane("run", "--as", "cora@example.org").exit_code == 2
    assert varied.mailed == []


def test_that_the_edition_of_the_week_was_composed_already_is_said(installation: Installation) -> None:
    assert "already" not in germane("run", "--dry-run").stdout
    germane("run")
    (report,) = printed("run", "--dry-run")
    assert (report["state"], report["stored"]) == ("rehearsed", "finished")
    shown = germane("run", "--dry-run").stdout
    assert "The edition of 2026-W47 is finished already, and a run changes nothing of it" in " ".join(shown.split())
