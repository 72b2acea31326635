from typing import Any

import pytest
from sqlalchemy import select

from store import comparisons, editions, feedback
from store.feedback import Word
from tests.builders import NOW
from tests.jobs.installation import MEMBERS, Installation, germane, printed


def rows(installation: Installation, table: Any) -> list[Any]:
    with installation.database.reading() as connection:
        return list(connection.execute(select(table)).all())


@pytest.fixture
def compared(installation: Installation) -> Installation:
    for n in range(6):
        installation.post(title=f"Stroke rehabilitation at home, talk {n}", body=f"Speaker {n} on supported discharge.")
    for n in range(12):
        installation.join(f"m{n}@example.org", MEMBERS["ann@example.org"])
    installation.set("MATCHING__COMPARE_SHARE", 1)
    return installation


def test_without_the_setting_nothing_is_compared(installation: Installation) -> None:
    germane("run")
    assert rows(installation, comparisons.PICKED) == []
    assert "nothing was compared; matching.compare_share" in germane("compare").stdout


def test_both_matchers_pick_the_digests_of_those_compared(compared: Installation) -> None:
    (rehearsed,) = printed("run", "--dry-run")
    (report,) = printed("run")
    assert report["reach"] == rehearsed["reach"], "a rehearsal tosses the same"
    picked = {(row.digest_id, row.item_id): row.team for row in rows(compared, comparisons.PICKED)}
    assert set(picked) == {(row.digest_id, row.item_id) for row in rows(compared, editions.DIGEST_ITEM)}
    assert set(picked.values()) == {0, 1}
    found = printed("compare")
    assert found["digests"] == report["digests"]
    assert found["items"]["ours"] + found["items"]["other"] == len(picked)
    assert abs(found["items"]["ours"] - found["items"]["other"]) <= report["digests"]
    assert (found["ties"], found["p"]) == (report["digests"], 1.0)
    assert all(row.score > 0 and row.match > 0 for row in rows(compared, editions.DIGEST_ITEM))


def test_nobody_gets_more_or_something_where_there_was_nothing(compared: Installation) -> None:
    (with_it,) = printed("run", "--dry-run")
    compared.set("MATCHING__COMPARE_SHARE", 0)
    (without,) = printed("run", "--dry-run")
    assert (with_it["sizes"], with_it["skipped"]) == (without["sizes"], without["skipped"])


def test_a_share_of_the_members_is_compared(compared: Installation) -> None:
    compared.set("MATCHING__COMPARE_SHARE", 0.5)
    (report,) = printed("run")
    assert 0 < printed("compare")["digests"] < report["digests"]


def test_before_anybody_said_anything_nobody_has_won(compared: Installation) -> None:
    germane("run")
    shown = germane("compare").stdout
    assert "no digest has a winner yet" in shown
    assert "%" not in shown


def test_the_report_tells_who_won(compared: Installation) -> None:
    germane("run")
    digests = {row.id: row.member_id for row in rows(compared, editions.DIGEST)}
    ours = [(digests[row.digest_id], row.item_id) for row in rows(compared, comparisons.PICKED) if row.team == 0]
    with compared.database.writing() as connection:
        feedback.record(connection, [Word(*pair, "more", NOW, "a test") for pair in ours])
    found = printed("compare", "--edition", "2026-W47")
    assert found["wins"]["other"] == 0
    assert found["wins"]["ours"] == len({member for member, _ in ours})
    assert found["good"] == {"ours": len(ours), "other": 0}
    assert found["p"] < 0.01
    assert found["share_of_ours"][0] > 0.5
    assert "sign test p = " in germane("compare").stdout
    assert printed("compare", "--edition", "2026-W40")["digests"] == 0
    assert "nothing was compared in edition 2026-W40" in germane("compare", "--edition", "2026-W40").stdout


def test_neither_matcher_picks_again_what_was_sent_and_feedback_is_of_its_own_member(compared: Installation) -> None:
    germane("run")
    digests = {row.id: row.member_id for row in rows(compared, editions.DIGEST)}
    before = {(digests[row.digest_id], row.item_id) for row in rows(compared, editions.DIGEST_ITEM)}
    with compared.database.writing() as connection:
        feedback.record(connection, [Word(*pair, "more", NOW, "a test") for pair in sorted(before)])
    for n in range(4):
        compared.post(title=f"Stroke rehabilitation at home, poster {n}", body=f"Author {n} on early discharge.")
    compared.set("MATCHING__COMPARE_SHARE", 0.5)
    (report,) = printed("run", "--at", "2026-11-24T09:00")
    assert report["digests"] > 0
    digests = {row.id: row.member_id for row in rows(compared, editions.DIGEST)}
    after = [(digests[row.digest_id], row.item_id) for row in rows(compared, editions.DIGEST_ITEM)]
    assert len(after) == len(set(after)) > len(before)
    assert {row.team for row in rows(compared, comparisons.PICKED)} == {0, 1}
