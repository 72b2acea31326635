"""The record of an edition that a member can be shown: `germane explain MEMBER`."""

from datetime import timedelta

from profiles.member import Profile
from tests.builders import NOW
from tests.jobs.installation import Installation, germane, printed

STROKE = Profile(stated="early supported discharge after stroke, rehabilitation at home", languages=("en",))


def test_it_says_what_was_sent_and_why_and_what_was_not_and_why(installation: Installation) -> None:
    installation.post(
        title="Early supported discharge teams", kind="resource", url="https://example.org/a", external_id="a"
    )
    installation.post(title="Discharge after stroke at home", kind="job", url="https://example.org/a", external_id="b")
    germane("run")
    told = printed("explain", "ann@example.org")
    assert (told["slot"], told["state"], told["delivery"]) == ("2026-W47", "composed", "handed_over")
    assert told["to_choose_from"] == 5
    first = told["sent"][0]
    assert first["rank"] == 1
    assert first["terms"][0]["source"] == "stated"
    (copy,) = [row for row in told["left"] if row["reason"] == "duplicate"]
    assert copy["because_of"] in {row["title"] for row in told["sent"]}
    assert copy["why"].startswith("the same thing as “")
    shown = germane("explain", "ann@example.org", "--edition", "2026-W47").stdout
    assert "Sent, and why" in shown
    assert "the same thing as" in " ".join(shown.split())


def test_who_got_nothing_is_told_why(installation: Installation) -> None:
    germane("run")
    assert "no digest: nothing fits well enough" in germane("explain", "carol@example.org").stdout
    assert printed("explain", "dora@example.org")["reason"] == "empty_profile"


def test_an_item_withdrawn_between_composing_and_sending_is_recorded_as_such(installation: Installation) -> None:
    germane("run", "--no-send")
    before = printed("explain", "ann@example.org")
    assert "Chosen, and why" in germane("explain", "ann@example.org").stdout
    gone = before["sent"][0]["public_id"]
    germane("items", "withdraw", gone)
    germane("send")
    after = printed("explain", "ann@example.org")
    assert {row["public_id"]: row["dropped"] for row in after["sent"]}[gone] == "withdrawn"
    assert "withdrawn before it was sent" in " ".join(germane("explain", "ann@example.org").stdout.split())


def test_what_was_taken_out_before_sending_is_not_counted_to_the_digest(installation: Installation) -> None:
    installation.post(title="Discharge after stroke, a checklist", kind="resource", external_id="checklist")
    germane("run", "--no-send")
    germane("items", "withdraw", "checklist")
    assert "a digest of 3 items, planned" in germane("explain", "ann@example.org").stdout
    germane("send")
    assert "a digest of 2 items, handed over" in germane("explain", "ann@example.org").stdout


def test_a_request_that_was_closed_takes_nothing_from_the_budget(installation: Installation) -> None:
    installation.post(title="Early supported discharge?", kind="request", external_id="ask")
    germane("run", "--no-send")
    assert printed("members", "budget", "ann@example.org")["draws"][0]["asks"] == 1
    germane("items", "close", "ask")
    germane("send")
    assert printed("members", "budget", "ann@example.org")["draws"][0]["asks"] == 0


def test_somebody_who_joined_later_was_not_in_its_audience(installation: Installation) -> None:
    germane("run")
    installation.join("new@example.org", STROKE)
    result = germane("explain", "new@example.org")
    assert (result.exit_code, "not in the audience of any edition" in result.stderr) == (2, True)
    installation.now += timedelta(weeks=1)
    assert installation.now > NOW
    germane("run", "--no-send")
    assert printed("explain", "new@example.org")["slot"] == "2026-W48"
