from tests.jobs.installation import Installation, germane, printed


def test_it_shows_what_is_allowed_drawn_and_left(installation: Installation) -> None:
    germane("run", "--no-send")
    told = printed("members", "budget", "ann@example.org")
    assert told["allowed"] == {
        "items_per_digest": 6,
        "mails_per_week": 3,
        "hours_between_mails": 6,
        "asks_per_month": 4,
    }
    assert told["left"]["mails"] == 2
    (draw,) = told["draws"]
    assert (draw["network"], draw["what"], draw["mails"], draw["asks"]) == ("breathe-well", "digest", 1, 0)
    shown = germane("members", "budget", "ann@example.org").stdout
    assert "Drawn in the last 31 days" in shown
    assert "the next mail from 2026-11-16 13:30+00:00\n" in shown


def test_a_member_sets_less_and_no_more_than_is_allowed(installation: Installation) -> None:
    told = printed("members", "budget", "ann@example.org", "--asks-per-month", 0, "--mails-per-week", 50)
    assert told["allowed"] == {
        "items_per_digest": 6,
        "mails_per_week": 7,
        "hours_between_mails": 6,
        "asks_per_month": 0,
    }
    told = printed("members", "budget", "ann@example.org", "--overall", "--mails-per-week", 1)
    assert told["allowed_overall"]["mails_per_week"] == 1
    assert told["left"]["mails"] == 1


def test_that_a_member_may_not_have_as_much_as_was_set_is_said(installation: Installation) -> None:
    result = germane("members", "budget", "ann@example.org", "--mails-per-week", 50, "--hours-between-mails", 0)
    assert "mails in any 7 days: 50 is more than may be set here; 7 holds" in result.stderr
    assert "hours between two mails: 0 is less than may be set here; 1 holds" in result.stderr
    result = germane("members", "budget", "ann@example.org", "--overall", "--asks-per-month", 100)
    assert "requests in any 31 days: 100 is more than may be set over all networks; 20 holds" in result.stderr
    assert germane("members", "budget", "ann@example.org", "--asks-per-month", 3).stderr == ""


def test_a_network_has_limits_of_its_own(installation: Installation) -> None:
    assert germane("networks", "set", "breathe-well", "--asks-per-month", 2, "--hours-between-mails", 48).exit_code == 0
    told = printed("members", "budget", "ann@example.org")
    assert told["allowed"] == {
        "items_per_digest": 6,
        "mails_per_week": 3,
        "hours_between_mails": 48,
        "asks_per_month": 2,
    }


def test_no_member_of_the_name_is_a_wrong_call(installation: Installation) -> None:
    result = germane("members", "budget", "nobody@example.org")
    assert (result.exit_code, "is no member" in result.stderr) == (2, True)
