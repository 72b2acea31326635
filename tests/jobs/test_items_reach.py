"""Reach as a coordinator sees it on the command line."""

from datetime import timedelta
from email import message_from_bytes, policy

from tests.jobs.installation import MEMBERS, Installation, germane, printed


def test_whoever_posts_a_request_that_reaches_too_few_is_told_at_once_and_later(installation: Installation) -> None:
    options = ("--kind", "request", "--body", "How do teams set up early supported discharge at home after stroke?")
    posted = germane("items", "post", "--title", "Discharge teams", *options, "--reach-needed", 9)
    assert posted.exit_code == 0
    assert "“Discharge teams” would reach about" in posted.stderr
    assert "of the 9 members it needs" in posted.stderr
    assert "What helps:" in posted.stderr
    germane("run", "--no-send")
    shown = printed("items", "show", posted.stdout.strip())
    assert "of the 9 members it still needed" in shown["shortfall"]
    assert "Of the 3 who may receive it 1 could get it, 2 had other interests." in shown["shortfall"]
    assert shown["reach_needed"] == 9


def test_a_reach_that_contradicts_itself_is_refused(installation: Installation) -> None:
    result = germane("items", "post", "--title", "Teams", "--reach-needed", 9, "--reach-most", 5)
    assert result.exit_code == 2
    assert "reach_needed: 9 members are more than reach_most allows (5)" in result.stderr


def test_a_closed_item_is_in_no_mail_and_cannot_be_closed_twice(installation: Installation) -> None:
    germane("run", "--no-send")
    assert germane("items", "close", "esd", "--reason", "answered").exit_code == 0
    again = germane("items", "close", "esd")
    assert (again.exit_code, "is closed; only a published item can be closed" in again.stderr) == (2, True)
    germane("send")
    assert "bob@example.org" in installation.mailed
    mails = [message_from_bytes(message.content, policy=policy.default) for message in installation.server.accepted]
    assert not any("discharge teams" in mail.get_body(("plain",)).get_content() for mail in mails)


ASK = ("--kind", "request", "--body", "How do teams set up early supported discharge at home after stroke?")


def test_whoever_publishes_a_draft_that_reaches_too_few_is_told_as_well(installation: Installation) -> None:
    draft = germane("items", "post", "--title", "Discharge teams", *ASK, "--reach-needed", 9, "--draft")
    assert draft.stderr == ""
    published = germane("items", "publish", draft.stdout.strip())
    assert (published.exit_code, "of the 9 members it needs" in published.stderr) == (0, True)


def test_a_lack_of_readers_is_told_while_it_lasts(installation: Installation) -> None:
    posted = germane("items", "post", "--title", "Discharge teams", *ASK, "--reach-needed", 2).stdout.strip()
    germane("run")
    assert "of the 2 members it still needed" in printed("items", "show", posted)["shortfall"]
    installation.now += timedelta(days=7)
    germane("run")
    assert "reached 0 of the 1 members it still needed" in printed("items", "show", posted)["shortfall"]
    installation.join("una@example.org", MEMBERS["ann@example.org"], name="Una")
    installation.now += timedelta(days=7)
    germane("run")
    shown = printed("items", "show", posted)
    assert (shown["digests"], shown.get("shortfall")) == (2, None)


def test_of_an_item_that_is_closed_no_lack_of_readers_is_told(installation: Installation) -> None:
    posted = germane("items", "post", "--title", "Discharge teams", *ASK, "--reach-needed", 9).stdout.strip()
    germane("run")
    germane("items", "close", posted)
    assert "shortfall" not in printed("items", "show", posted)


def test_a_rehearsal_tells_what_would_help_as_nothing_of_it_is_kept(installation: Installation) -> None:
    germane("items", "post", "--title", "Who keeps bees?", "--kind", "request", "--body", "Hives and swarms.")
    shown = germane("run", "--dry-run").stdout
    assert "What helps “Who keeps bees?”: say in the title and text what it is about" in shown
    assert "items show" not in shown
    assert "still needs" in shown


def test_a_mail_without_the_item_is_not_counted_to_its_reach(installation: Installation) -> None:
    posted = germane("items", "post", "--title", "Discharge teams", *ASK, "--reach-needed", 1).stdout.strip()
    germane("run", "--no-send")
    assert printed("items", "show", posted)["digests"] == 1
    germane("items", "close", posted)
    germane("send")
    assert installation.mailed == ["ann@example.org", "bob@example.org"]
    shown = printed("items", "show", posted)
    assert (shown["digests"], shown["handed_over"]) == (0, 0)
