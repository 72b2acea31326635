from typing import Any

import pytest

from tests.jobs.installation import Installation, germane, printed

GIVEN = ("--name", "Heart Help", "--sender-address", "digest@heart.example.org")


def listed(slug: str) -> dict[str, Any]:
    (found,) = [network for network in printed("networks", "list") if network["slug"] == slug]
    return dict(found)


def test_name_and_sender_are_enough_for_a_network(installation: Installation) -> None:
    result = germane("networks", "add", "heart-help", *GIVEN)
    assert result.exit_code == 0
    assert "next: germane topics import" in result.stdout
    network = listed("heart-help")
    assert (network["sender_name"], network["reply_to"]) == ("Heart Help", "digest@heart.example.org")
    assert network["list_id"] == "heart-help.heart.example.org"
    assert "key" not in network


def test_every_option_is_kept_and_can_be_changed_alone(installation: Installation) -> None:
    germane(
        "networks", "add", "heart-help", *GIVEN, "--language", "cy", "--time-zone", "Europe/Dublin", "--weekday", "tuesday",
        "--at", "06:05", "--sender-name", "HH", "--reply-to", "office@heart.example.org", "--postal-address", "1 Street",
        "--list-id", "news.heart.example.org", "--items-per-digest", 4, "--description", "Hearts",
    )  # fmt: skip
    before = listed("heart-help")
    assert (before["weekday"], before["hour"], before["minute"], before["items_per_digest"]) == (1, 6, 5, 4)
    assert germane("networks", "set", "heart-help", "--at", "22:30").exit_code == 0
    assert listed("heart-help") == before | {"hour": 22, "minute": 30}
    assert "Tuesday 22:30 Europe/Dublin" in germane("networks", "list").stdout


@pytest.mark.parametrize(
    "slug", ["", "Heart", "heart help", "heart_help", "-heart", "../etc", "heart\n", "h" * 64, "hèart"]
)
def test_a_slug_that_is_no_short_name_is_refused(installation: Installation, slug: str) -> None:
    result = germane("networks", "add", *GIVEN, "--", slug)
    assert result.exit_code == 2
    assert f"{slug!r} is no short name" in result.stderr
    assert len(printed("networks", "list")) == 1


def test_a_slug_that_is_taken_is_a_wrong_call(installation: Installation) -> None:
    result = germane("networks", "add", "breathe-well", *GIVEN)
    assert result.exit_code == 2
    assert result.stderr == "germane: there is a network 'breathe-well' already; choose another slug\n"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--name", "", "it must not be empty"),
        ("--name", " \n ", "it must not be empty"),
        ("--sender-address", "", "it must not be empty"),
        ("--sender-address", "nonsense", "@-sign"),
        ("--sender-address", "a@example.org\nBcc: b@example.org", "Invalid value for '--sender-address'"),
        ("--reply-to", "a b@example.org", "Invalid value for '--reply-to'"),
        ("--time-zone", "Mars/Olympus", "'Mars/Olympus' is not a time zone; write it like Europe/London"),
        ("--time-zone", "../../etc/passwd", "is not a time zone"),
        ("--time-zone", "", "is not a time zone"),
        ("--at", "7", "'7' is not a time of day; write it like 07:30"),
        ("--at", "24:00", "is not a time of day"),
        ("--at", "٧:٣٠x", "is not a time of day"),
        ("--weekday", "mon", "'mon' is not one of"),
        ("--language", "klingon", "'klingon' is not a language code; write it like en"),
        ("--list-id", "a b <c>", "is not a domain name"),
        ("--list-id", "localhost", "is not a domain name"),
        ("--items-per-digest", "0", "0 is not in the range 1<=x<=50"),
    ],
)
def test_a_value_that_cannot_be_is_refused_and_changes_nothing(
    installation: Installation, option: str, value: str, message: str
) -> None:
    rows = installation.fingerprint
    for command in (("set", "breathe-well", option, value), ("add", "new", *GIVEN, option, value)):
        result = germane("networks", *command)
        assert result.exit_code == 2
        assert message in result.stderr
    assert installation.fingerprint == rows


@pytest.mark.parametrize("missing", ["name", "sender-address"])
def test_what_a_network_cannot_be_without_is_asked_for(installation: Installation, missing: str) -> None:
    given = {"--name": "X", "--sender-address": "a@example.org"}
    del given["--" + missing]
    result = germane("networks", "add", "new", *(word for pair in given.items() for word in pair))
    assert result.exit_code == 2
    assert f"a network needs --{missing}" in result.stderr


def test_line_breaks_and_control_characters_do_not_get_into_a_name(installation: Installation) -> None:
    germane(
        "networks",
        "set",
        "breathe-well",
        "--name",
        "Breathe\r\nBcc: x@example.org\x1b[31m",
        "--sender-name",
        "A\u2028B",
    )
    network = listed("breathe-well")
    assert network["name"] == "Breathe Bcc: x@example.org [31m"
    assert network["sender_name"] == "A B"


def test_a_network_that_is_not_there_cannot_be_changed(installation: Installation) -> None:
    result = germane("networks", "set", "nope", "--name", "X")
    assert result.exit_code == 2
    assert "there is no network 'nope'; there are: breathe-well" in result.stderr
