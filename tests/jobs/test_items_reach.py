"""Reach as a coordinator sees it on the command line."""

from email import message_from_bytes, policy

from tests.jobs.installation import Installation, germane, printed


def test_whoever_posts_a_request_that_reaches_too_few_is_told_at_once_and_later(installation: Installation) -> None:
    options = ("--kind", "request", "--body", "How do teams set up early supported discharge at home after stroke?")
    posted = germane("items", "post", "--title", "Discharge teams", *options, "--reach-needed", 9)
    assert posted.exit_code == 0
    assert "“Discharge teams” would reach about" in posted.stderr
    assert "of the 9 members it needs" in posted.stderr
    assert "What helps:" in posted.stderr
    germane("run", "--no-send")
    shown = printed("items", "show", posted.stdout.strip())
    assert "of the 9 members it needs" in shown["shortfall"]
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
