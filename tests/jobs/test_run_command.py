from datetime import timedelta
from pathlib import Path

import pytest

from store import editions, networks
from store.database import Database
from tests.builders import NOW
from tests.faults.misbehaving import Fault
from tests.jobs.installation import Installation, germane, printed


def test_it_composes_and_sends_and_prints_the_balance(installation: Installation) -> None:
    result = germane("run")
    assert result.exit_code == 0
    assert installation.mailed == ["ann@example.org", "bob@example.org"]
    words = " ".join(result.stdout.split())
    assert "breathe-well, edition 2026-W47: finished" in words
    assert "members considered 4" in words
    assert "nothing fits well enough 1" in words
    assert "no stated interest and no chosen topic 1" in words


def test_a_second_run_says_that_there_is_nothing_to_do(installation: Installation) -> None:
    germane("run")
    rows = installation.fingerprint
    result = germane("run")
    assert (result.exit_code, result.stdout.strip()) == (0, "breathe-well 2026-W47: finished already; nothing to do")
    assert len(installation.mailed) == 2
    assert installation.fingerprint == rows


def test_the_json_holds_the_whole_report(installation: Installation) -> None:
    (report,) = printed("run")
    assert (report["network"], report["slot"], report["state"]) == ("breathe-well", "2026-W47", "finished")
    assert report["considered"] == report["digests"] + sum(report["skipped"].values()) == 4
    assert report["digests"] == report["delivered"] == 2
    assert report["sizes"] == {"1": 1, "2": 1}
    assert report["median_items"] == 1
    assert ["resource", "New opening hours", 0] in report["reach"]


def test_a_dry_run_writes_nothing_sends_nothing_and_tells_what_a_run_then_does(installation: Installation) -> None:
    rows = installation.fingerprint
    result = germane("run", "--dry-run")
    assert result.exit_code == 0
    assert "nothing was written and nothing was sent" in result.stdout
    (rehearsed,) = printed("run", "--dry-run")
    assert installation.fingerprint == rows
    assert installation.mailed == []
    (report,) = printed("run")
    for name in ("slot", "considered", "digests", "skipped", "sizes", "median_items", "reach"):
        assert rehearsed[name] == report[name], name


def test_without_sending_the_digests_wait_for_the_sender(installation: Installation) -> None:
    result = germane("run", "--no-send")
    assert (result.exit_code, installation.mailed) == (0, [])
    assert "waiting" in result.stdout
    assert germane("send").exit_code == 0
    assert installation.mailed == ["ann@example.org", "bob@example.org"]
    assert "nothing to do" in germane("run").stdout


@pytest.mark.parametrize(
    ("moment", "slot"),
    [
        ("2026-11-15T23:59", "2026-W46"),
        ("2026-11-15", "2026-W46"),
        ("2026-11-16T00:30+01:00", "2026-W46"),
        ("2026-11-16T00:30Z", "2026-W47"),
    ],
)
def test_another_moment_is_in_the_networks_time_zone_unless_it_names_one(
    installation: Installation, moment: str, slot: str
) -> None:
    (report,) = printed("run", "--dry-run", "--at", moment)
    assert report["slot"] == slot


def test_an_item_that_is_over_at_that_moment_is_not_chosen(installation: Installation) -> None:
    later = (NOW + timedelta(days=60)).isoformat()
    (report,) = printed("run", "--dry-run", "--at", later)
    assert report["reach"] == []


@pytest.mark.parametrize("moment", ["yesterday", "", "2026-13-01", "0001-01-01", "9999-12-31", "2026-11-16T25:00"])
def test_a_moment_that_is_none_is_refused_with_an_example(installation: Installation, moment: str) -> None:
    result = germane("run", "--at", moment)
    assert result.exit_code == 2
    assert repr(moment) in result.stderr
    assert "2026-11-16T07:30" in result.stderr


def test_every_network_has_its_own_edition_and_one_can_be_chosen(installation: Installation) -> None:
    installation.add_network("heart-help")
    (report,) = printed("run", "--network", "heart-help")
    assert report["network"] == "heart-help"
    first, second = printed("run")
    assert (first["network"], first["nothing_to_do"], first["delivered"]) == ("breathe-well", False, 2)
    assert (second["network"], second["nothing_to_do"]) == ("heart-help", True)
    assert len(installation.mailed) == 4


def test_a_network_that_another_process_composes_does_not_hold_up_the_next(installation: Installation) -> None:
    installation.add_network("heart-help")
    germane("run", "--network", "breathe-well", "--no-send")
    _held_by(installation, "breathe-well", "elsewhere:1")
    result = germane("run")
    assert result.exit_code == 1
    assert "edition 2026-W47 is being composed by elsewhere:1; wait for it" in result.stderr
    assert "heart-help, edition 2026-W47: finished" in result.stdout
    assert len(installation.mailed) == 2


def test_a_network_that_cannot_sign_does_not_hold_up_the_next(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.add_network("heart-help", sender_address="digest@heart.example.org")
    monkeypatch.setenv("GERMANE_DKIM__SIGN", "true")
    monkeypatch.setenv("GERMANE_DKIM__KEYS", str(tmp_path))
    assert germane("dkim", "keygen", "-n", "heart-help").exit_code == 0
    result = germane("run")
    assert result.exit_code == 3
    assert result.stderr.count("there is no such key, and dkim.sign is true") == 1
    assert "heart-help, edition 2026-W47: finished" in result.stdout
    assert len(installation.mailed) == 2


def _held_by(installation: Installation, slug: str, owner: str) -> None:
    with installation.database.writing() as connection:
        edition = editions.find(connection, networks.find(connection, slug).key, "2026-W47")
        assert edition
        assert editions.claim(connection, edition, owner, NOW, 120, dead=False)


def test_a_network_that_does_not_exist_is_a_wrong_call_and_the_others_are_named(installation: Installation) -> None:
    result = germane("run", "--network", "nope")
    assert result.exit_code == 2
    assert result.stderr == "germane: there is no network 'nope'; there are: breathe-well\n"


def test_an_installation_without_networks_says_how_to_make_one(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GERMANE_DATABASE__URL", str(sqlite_database.engine.url))
    result = germane("run")
    assert result.exit_code == 2
    assert "germane networks add" in result.stderr


def test_a_network_without_items_has_an_edition_of_nothing(installation: Installation) -> None:
    installation.add_network("young", filled=False)
    (report,) = printed("run", "--network", "young")
    assert (report["state"], report["considered"], report["digests"]) == ("finished", 4, 0)
    assert report["skipped"] == {"nothing_fits": 3, "empty_profile": 1}


def test_without_a_secret_key_nothing_is_composed(installation: Installation) -> None:
    installation.unset("SECRET_KEY")
    rows = installation.fingerprint
    result = germane("run")
    assert result.exit_code == 3
    assert "GERMANE_SECRET_KEY must be set" in result.stderr
    assert installation.fingerprint == rows


def test_a_refused_recipient_is_a_run_done_in_part_and_is_done_with(installation: Installation) -> None:
    installation.server.faults = [Fault("RCPT", "ann@example.org", reply=b"550 5.1.1 no such person")]
    result = germane("run")
    assert result.exit_code == 1
    assert "failed" in result.stdout
    assert installation.mailed == ["bob@example.org"]
    assert germane("run").exit_code == 0


def test_who_asked_for_a_later_hour_waits_and_the_run_says_so(installation: Installation) -> None:
    with installation.database.writing() as connection:
        member = editions.MEMBER
        connection.execute(member.update().where(member.c.address == "ann@example.org").values(weekday=4, hour=9))
    result = germane("run")
    assert (result.exit_code, installation.mailed) == (1, ["bob@example.org"])
    assert "waiting" in result.stdout
    installation.now += timedelta(days=5)
    assert germane("send").exit_code == 0
    assert installation.mailed == ["ann@example.org", "bob@example.org"]
