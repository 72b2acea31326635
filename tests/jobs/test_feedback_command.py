"""`germane feedback`: into the store from a file, and out again."""

import json
from pathlib import Path

import pytest

from store import feedback, members
from tests.builders import NOW
from tests.jobs.installation import Installation, germane, printed

HEADER = "member,item,verdict,at"


def write(*rows: str, header: str = HEADER) -> Path:
    file = Path("feedback.csv")
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def listed(*arguments: str) -> list[tuple[str, str, str]]:
    return [(word["address"], word["verdict"], word["ended"]) for word in printed("feedback", "list", *arguments)]


def test_feedback_goes_in_by_address_or_id_and_is_listed_newest_first(installation: Installation) -> None:
    with installation.database.reading() as connection:
        bob = members.find(connection, installation.network_key, "bob@example.org")
    assert bob
    file = write("ANN@Example.org,esd,more,2026-11-14", f"{bob.public_id},rehab,Not for me,2026-11-15T09:30Z")
    report = printed("feedback", "import", file)
    assert report["outcomes"] == {"recorded": 2, "known": 0, "outdated": 0, "rejected": 0}
    assert listed() == [("bob@example.org", "less", ""), ("ann@example.org", "more", "")]
    first = printed("feedback", "list")[1]
    assert (first["at"], first["source"]) == ("2026-11-14T00:00:00+00:00", "import feedback.csv")


def test_importing_again_changes_nothing(installation: Installation) -> None:
    file = write("ann@example.org,esd,more,2026-11-14", "ann@example.org,esd,less,2026-11-15")
    assert printed("feedback", "import", file)["outcomes"]["recorded"] == 2
    before = installation.fingerprint
    assert printed("feedback", "import", file)["outcomes"]["known"] == 2
    assert installation.fingerprint == before


def test_of_words_that_contradict_each_other_the_latest_stands_in_whatever_order(installation: Installation) -> None:
    printed("feedback", "import", write("ann@example.org,esd,less,2026-11-15", "ann@example.org,esd,more,2026-11-14"))
    assert listed() == [("ann@example.org", "less", ""), ("ann@example.org", "more", "replaced")]


def test_a_dry_run_writes_nothing_and_says_the_same(installation: Installation) -> None:
    file = write("ann@example.org,esd,more,2026-11-14", "nobody@example.org,esd,more,2026-11-14")
    before = installation.fingerprint
    rehearsed = printed("feedback", "import", file, "--dry-run")
    assert installation.fingerprint == before
    assert not Path("feedback.csv.rejected.csv").exists()
    assert printed("feedback", "import", file)["outcomes"] == rehearsed["outcomes"]


BAD = {
    "x@example.org,esd,more,2026-11-14": "member: 'x@example.org' is no member of breathe-well",
    "carol@example.org,esd,more,2026-11-14": "member: 'carol@example.org' has left breathe-well",
    "ann@example.org,nothing,more,2026-11-14": "item: 'nothing' is no item of breathe-well",
    "ann@example.org,esd,mroe,2026-11-14": "did you mean 'more'?",
    "ann@example.org,esd,more,yesterday": "at: 'yesterday' is not a date",
    "ann@example.org,esd,more,2026-11-17": "at: 2026-11-17 has not come yet",
    "ann@example.org,,more,2026-11-14": "item: is empty",
    "ann@example.org,e\0sd,more,2026-11-14": "holds a NUL octet",
    "ann@example.org,esd": "the row has 2 cells where the header has 4",
}


def test_each_bad_row_is_named_with_its_line_and_reason_and_the_others_go_in(installation: Installation) -> None:
    with installation.database.writing() as connection:
        carol = members.find(connection, installation.network_key, "carol@example.org")
        assert carol
        members.leave(connection, carol.key, NOW, "a test")
    file = write(*BAD, "ann@example.org,esd,more,2026-11-14")
    result = germane("feedback", "import", file, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 4
    assert report["outcomes"] == {"recorded": 1, "known": 0, "outdated": 0, "rejected": len(BAD)}
    for (line, reason), found in zip(enumerate(BAD.values(), 2), report["rejected"], strict=True):
        assert found["line"] == line
        assert reason in found["reason"]
    assert len(Path(report["rejects_file"]).read_text(encoding="utf-8-sig").splitlines()) == 1 + len(BAD)


def test_rejected_rows_that_were_mended_go_in(installation: Installation) -> None:
    germane("feedback", "import", write("ann@example.org,esd,mroe,2026-11-14"))
    mended = Path("feedback.csv.rejected.csv")
    mended.write_text(mended.read_text(encoding="utf-8-sig").replace("mroe", "more", 1), encoding="utf-8")
    assert printed("feedback", "import", mended)["outcomes"]["recorded"] == 1


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("member,item,verdict", "at is missing"),
        ("member,address,item,verdict,at", "member and address give the same thing"),
    ],
)
def test_a_header_that_cannot_be_used_says_what_is_wrong(installation: Installation, header: str, words: str) -> None:
    result = germane("feedback", "import", write(header=header))
    assert result.exit_code == 4
    assert words in result.stderr


def test_a_file_that_is_not_there_says_so(installation: Installation) -> None:
    result = germane("feedback", "import", "nowhere.csv")
    assert result.exit_code == 4
    assert "nowhere.csv" in result.stderr


def test_columns_may_have_other_names_and_another_order(installation: Installation) -> None:
    file = write(
        "2026-11-14;more like this;esd;ann@example.org;x",
        header="Date;Verdict;Item;E-mail;note".replace("E-mail", "email"),
    )
    assert printed("feedback", "import", file)["outcomes"]["recorded"] == 1


def test_the_list_is_filtered_by_member_item_and_verdict(installation: Installation) -> None:
    rows = (
        "ann@example.org,esd,more,2026-11-14",
        "ann@example.org,rehab,less,2026-11-14",
        "bob@example.org,esd,opened,2026-11-15",
    )
    printed("feedback", "import", write(*rows))
    assert len(listed("--member", "ann@example.org")) == 2
    assert listed("--item", "rehab") == [("ann@example.org", "less", "")]
    assert listed("--verdict", "opened") == [("bob@example.org", "opened", "")]
    assert len(listed("--limit", "1")) == 1
    assert "no member of breathe-well" in germane("feedback", "list", "--member", "x@example.org").stderr
    assert "no item of breathe-well" in germane("feedback", "list", "--item", "x").stderr


def test_in_words_both_commands_say_what_happened(installation: Installation) -> None:
    result = germane(
        "feedback", "import", write("ann@example.org,esd,more,2026-11-14", "ann@example.org,esd,hm,2026-11-14")
    )
    assert "recorded" in result.stdout
    assert "line 3: rejected: verdict: 'hm'" in result.stderr
    shown = germane("feedback", "list").stdout
    assert "ann@example.org" in shown
    assert "stands" in shown


def test_members_show_tells_what_was_learned_and_what_is_forgotten(installation: Installation) -> None:
    with installation.database.writing() as connection:
        ann = members.find(connection, installation.network_key, "ann@example.org")
        assert ann
        feedback.write_learned(connection, [ann.key], [(ann.key, 1, "bell ringing", -0.25, [])])
        feedback.forget(connection, ann.key, "towers", NOW)
    told = printed("members", "show", "ann@example.org")
    assert told["learned"] == [{"label": "bell ringing", "weight": -0.25, "items": []}]
    assert told["forgotten"] == ["towers"]
    words = germane("members", "show", "ann@example.org").stdout
    assert "bell ringing" in words
    assert "-0.25" in words
    assert "towers" in words
