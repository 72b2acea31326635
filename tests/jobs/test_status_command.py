from datetime import timedelta

import pytest

from tests.faults.misbehaving import Fault
from tests.jobs.installation import Installation, germane, printed


def test_before_the_first_edition_it_says_how_to_see_one(installation: Installation) -> None:
    result = germane("status")
    assert (result.exit_code, printed("status")) == (0, [])
    assert "germane run --dry-run" in result.stdout


def test_a_finished_edition_shows_its_balance(installation: Installation) -> None:
    germane("run")
    (row,) = printed("status")
    assert (row["network"], row["slot"], row["state"]) == ("breathe-well", "2026-W47", "finished")
    assert (row["considered"], row["digests"], row["delivered"], row["queued"]) == (4, 2, 2, 0)
    assert row["skipped"] == {"nothing_fits": 1, "empty_profile": 1}
    assert row["outbox"] == {"handed_over": 2}
    assert row["balanced"] is True
    result = germane("status")
    assert result.exit_code == 0
    assert "breathe-well 2026-W47 finished 4 2 2 2 0 0 yes" in " ".join(result.stdout.replace("│", " ").split())


def test_an_edition_that_waits_is_told_by_the_exit_code(installation: Installation) -> None:
    germane("run", "--no-send")
    result = germane("status")
    assert result.exit_code == 1
    assert "breathe-well 2026-W47: 2 planned" in result.stdout
    (row,) = printed("status")
    assert (row["state"], row["queued"], row["balanced"]) == ("released", 2, True)


def test_what_failed_is_listed_by_its_state(installation: Installation) -> None:
    installation.server.faults = [Fault("RCPT", "ann@example.org", reply=b"550 5.1.1 no such person")]
    germane("run")
    result = germane("status")
    assert result.exit_code == 0
    assert "breathe-well 2026-W47: 1 refused" in result.stdout


def test_the_newest_editions_come_first_and_as_many_as_wanted(installation: Installation) -> None:
    germane("run")
    installation.now += timedelta(days=7)
    germane("run")
    assert [row["slot"] for row in printed("status")] == ["2026-W48", "2026-W47"]
    assert [row["slot"] for row in printed("status", "--editions", 1)] == ["2026-W48"]


@pytest.mark.parametrize("number", ["0", "-1", "501", "many"])
def test_a_number_of_editions_that_makes_no_sense_is_refused(installation: Installation, number: str) -> None:
    result = germane("status", "--editions", number)
    assert result.exit_code == 2
    assert "--editions" in result.stderr


def test_one_network_can_be_asked_for(installation: Installation) -> None:
    installation.add_network("heart-help")
    germane("run", "--network", "heart-help")
    assert printed("status", "--network", "breathe-well") == []
    assert len(printed("status", "--network", "heart-help")) == 1
    assert germane("status", "--network", "nope").exit_code == 2


def test_an_edition_that_does_not_balance_is_incomplete_and_the_difference_is_named(installation: Installation) -> None:
    germane("run")
    with installation.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM outbox WHERE id = (SELECT min(id) FROM outbox)")
    result = germane("status")
    assert result.exit_code == 1
    assert "incomplete" in result.output
    assert "does not balance: 1 composed digests have no message" in result.output
