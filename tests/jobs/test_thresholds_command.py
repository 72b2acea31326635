import pytest

from digest.items import KINDS
from tests.jobs.installation import Installation, germane, printed


def shown(*arguments: str) -> dict[str, tuple[float, str]]:
    return {row["kind"]: (row["threshold"], row["from"]) for row in printed("thresholds", "show", *arguments)}


def test_each_kind_shows_the_match_in_force_and_where_it_comes_from(installation: Installation) -> None:
    assert shown() == dict.fromkeys(KINDS, (1.0, "the network"))
    assert germane("thresholds", "set", "default").exit_code == 0
    installation.set("MATCHING__THRESHOLD", 44)
    assert shown() == dict.fromkeys(KINDS, (44.0, "config.toml"))
    germane("thresholds", "set", "60", "--kind", "job")
    assert shown() == dict.fromkeys(KINDS, (44.0, "config.toml")) | {"job": (60.0, "this kind")}
    germane("thresholds", "set", "default", "--kind", "job")
    assert shown()["job"] == (44.0, "config.toml")
    assert "request" in germane("thresholds", "show").stdout


def test_none_is_set_under_the_floor(installation: Installation) -> None:
    rows = installation.fingerprint
    result = germane("thresholds", "set", "14.9")
    assert result.exit_code == 2
    assert "14.9 is under matching.floor = 15" in " ".join(result.stderr.split())
    assert installation.fingerprint == rows
    assert germane("thresholds", "set", "15", "--kind", "job").exit_code == 0


@pytest.mark.parametrize("value", ["0", "100", "33.5"])
def test_both_ends_of_the_range_are_in(installation: Installation, value: str) -> None:
    installation.set("MATCHING__FLOOR", 0)
    assert germane("thresholds", "set", value).exit_code == 0
    assert shown()["event"] == (float(value), "the network")


@pytest.mark.parametrize("value", ["-1", "101", "nan", "inf", "forty", "", "1e3", "40%"])
def test_what_is_no_match_is_refused_and_changes_nothing(installation: Installation, value: str) -> None:
    rows = installation.fingerprint
    result = germane("thresholds", "set", "--", value)
    assert result.exit_code == 2
    assert f"{value!r} is not a match; write a number from 0 to 100, or default" in result.stderr
    assert installation.fingerprint == rows


def test_a_kind_that_does_not_exist_is_refused_and_the_kinds_are_named(installation: Installation) -> None:
    result = germane("thresholds", "set", "40", "--kind", "advert")
    assert result.exit_code == 2
    assert all(kind in result.stderr for kind in KINDS)


def test_setting_and_undoing_tell_programs_what_they_changed(installation: Installation) -> None:
    told = printed("thresholds", "set", "40", "--kind", "job")
    assert (told["kind"], told["before"], told["after"], told["undoes"]) == ("job", None, 40.0, None)
    undone = printed("thresholds", "undo")
    assert (undone["kind"], undone["before"], undone["after"], undone["undoes"]) == ("job", 40.0, None, told["key"])
    assert printed("thresholds", "history") == [undone, told]


def test_a_threshold_holds_in_the_next_edition(installation: Installation) -> None:
    germane("thresholds", "set", "100")
    (report,) = printed("run", "--dry-run")
    assert (report["digests"], report["skipped"]["nothing_fits"]) == (0, 3)
    germane("thresholds", "set", "15")
    germane("thresholds", "set", "100", "--kind", "event")
    (report,) = printed("run", "--dry-run")
    assert report["digests"] == 2
    germane("thresholds", "set", "100", "--kind", "resource")
    (report,) = printed("run", "--dry-run")
    assert report["digests"] == 0


def test_with_two_networks_one_must_be_named(installation: Installation) -> None:
    installation.add_network("heart-help")
    result = germane("thresholds", "set", "40")
    assert result.exit_code == 2
    assert "say which network with --network; there are: breathe-well, heart-help" in result.stderr
    germane("thresholds", "set", "40", "--network", "heart-help")
    assert shown("--network", "heart-help")["job"] == (40.0, "the network")
    assert shown("--network", "breathe-well")["job"] == (1.0, "the network")
