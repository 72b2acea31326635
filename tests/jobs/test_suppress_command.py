from pathlib import Path

import pytest
from sqlalchemy import text

from profiles.member import Profile
from store import members, suppression
from tests.jobs.installation import SECRET, Installation, germane, printed

SPELLINGS = ["ann@example.org", "Ann@Example.ORG", " ANN@example.org "]


def test_a_suppressed_member_gets_nothing_though_the_digest_was_composed_before(installation: Installation) -> None:
    germane("run", "--no-send")
    result = germane("suppress", "add", "Ann@Example.ORG", "--reason", "request", "--note", "a letter")
    assert (result.exit_code, result.stdout) == (0, "1 suppressed\n")
    germane("send")
    assert installation.mailed == ["bob@example.org"]
    with installation.database.reading() as connection:
        ann = members.find(connection, installation.network_key, "ann@example.org")
        assert ann is not None
        assert ann.member.status == "left"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_f14_import_sign_up_and_the_next_edition_leave_a_suppressed_address_out(
    installation: Installation, tmp_path: Path, spelling: str
) -> None:
    germane("suppress", "add", "ann@example.org", "new@example.org")
    file = tmp_path / "members.csv"
    file.write_text(f'email\n"{spelling}"\n"{spelling.replace("nn", "NN")}"\nNEW@example.org\nother@example.org\n')
    report = printed("members", "import", file)
    assert (report["added"], report["protected"]) == (1, 2)
    assert germane("members", "add", "New@Example.org").exit_code == 2
    with installation.database.writing() as connection:  # as an old backup that is put back would
        connection.execute(text("UPDATE member SET status = 'active' WHERE address LIKE 'ann%'"))
    germane("run")
    assert installation.mailed == ["bob@example.org"]


def test_suppression_outlives_erasure(installation: Installation, tmp_path: Path) -> None:
    installation.join("gone@example.org", Profile(languages=("en",)))
    germane("suppress", "add", "gone@example.org", "--reason", "complaint")
    germane("members", "remove", "gone@example.org", "--erase", "--yes")
    installation.add_network("heart-help")
    result = germane("members", "add", "gone@example.org", "-n", "heart-help")
    assert (result.exit_code, "suppressed" in result.output) == (2, True)
    with installation.database.reading() as connection:
        assert suppression.find(connection, "gone@example.org", SECRET.encode())


def test_check_and_remove_say_what_holds(installation: Installation) -> None:
    germane("suppress", "add", "jo@example.org", "--reason", "complaint", "--note", "by telephone")
    (row,) = printed("suppress", "check", "JO@example.org")
    assert row == {"address": "JO@example.org", "suppressed": True, "erased": False, "reason": "complaint",
                   "basis": "germane suppress add: by telephone", "since": installation.now.isoformat()}  # fmt: skip
    assert "complaint" in germane("suppress", "check", "jo@example.org").stdout
    assert germane("suppress", "remove", "jo@example.org", "--reason", "a mistake").stdout == "1 lifted\n"
    assert germane("suppress", "check", "jo@example.org").stdout == "jo@example.org: free\n"
    again = germane("suppress", "remove", "jo@example.org")
    assert (again.exit_code, "was not suppressed" in again.stderr) == (1, True)


def test_check_tells_of_an_address_that_was_erased(installation: Installation) -> None:
    germane("members", "remove", "ann@example.org", "--erase", "--yes")
    said = germane("suppress", "check", "ANN@example.org", "bob@example.org").stdout
    assert said == "ANN@example.org: erased: no import brings it back\nbob@example.org: free\n"


def test_many_come_from_standard_input_and_what_is_no_address_is_named(installation: Installation) -> None:
    result = germane("suppress", "add", "-", input="a@example.org\n\nnot an address\nb@example.org\n")
    assert (result.exit_code, result.stdout) == (1, "2 suppressed\n")
    assert "not an address" in result.stderr
    assert germane("suppress", "add", "a@example.org").stdout == "0 suppressed\n"


def test_without_the_secret_key_nothing_can_be_suppressed(installation: Installation) -> None:
    installation.unset("SECRET_KEY")
    assert germane("suppress", "add", "a@example.org").exit_code == 3
