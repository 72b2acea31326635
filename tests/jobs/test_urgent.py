"""Urgent items: approved, within a quota, with consent and within the same budgets."""

from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from jobs import edition as edition_job
from jobs.services import open_services
from profiles.member import Preferences, Profile
from store import editions, items, networks
from tests.jobs.installation import Installation, germane, printed

STROKE = Profile(stated="early supported discharge after stroke, rehabilitation at home", languages=("en",))
TEXT = ("--body", "Which stroke teams run early supported discharge at home? We need an answer this week.")


@pytest.fixture
def network(installation: Installation) -> Installation:
    """Helen and Rhodri coordinate; Una takes urgent mail, Ann does not."""
    for name in ("helen", "rhodri"):
        installation.join(f"{name}@example.org", Profile(languages=("en",)), name=name.title(), role="coordinator")
    installation.join("una@example.org", STROKE, name="Una", preferences=Preferences(urgent=True))
    return installation


def post(title: str = "Discharge teams needed", by: str = "helen@example.org") -> str:
    result = germane("items", "post", "--urgent", "--kind", "request", "--title", title, *TEXT, "--by", by)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def approve(item: str, by: str = "rhodri@example.org") -> str:
    result = germane("items", "approve", item, "--by", by)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_once_approved_it_goes_at_once_to_those_it_fits_who_take_urgent_mail(network: Installation) -> None:
    item = post()
    assert printed("items", "show", item)["state"] == "held"
    approve(item)
    assert network.mailed == ["una@example.org"]
    mail = message_from_bytes(network.server.accepted[0].content, policy=default)
    assert mail["Subject"] == "Urgent: Discharge teams needed"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "because it is urgent" in " ".join(body.get_content().split())
    told = printed("explain", "una@example.org", "--edition", f"urgent-{item}")
    assert (told["state"], told["delivery"]) == ("composed", "handed_over")


def test_before_it_is_approved_it_is_previewed_as_what_it_is(network: Installation) -> None:
    item = post()
    (found,) = printed("items", "preview", item)
    assert (found["urgent"], found["considered"], found["reached"]) == (True, 1, 1)
    shown = germane("items", "preview", item).stdout
    assert "if it were approved now" in shown
    assert "take urgent mail" in shown
    approve(item)
    assert printed("items", "show", item)["digests"] == 1


def test_the_coordinator_who_posts_it_is_its_poster_and_does_not_get_it(network: Installation) -> None:
    network.join("hedda@example.org", STROKE, name="Hedda", role="coordinator", preferences=Preferences(urgent=True))
    item = post(by="hedda@example.org")
    assert printed("items", "show", item)["poster"] == "Hedda"
    approve(item)
    assert network.mailed == ["una@example.org"]


def test_that_nobody_takes_urgent_mail_is_told_as_the_cause(installation: Installation) -> None:
    for name in ("helen", "rhodri"):
        installation.join(f"{name}@example.org", Profile(languages=("en",)), role="coordinator")
    item = post()
    result = germane("items", "preview", item)
    assert (result.exit_code, "no member who takes urgent mail" in result.stderr) == (2, True)
    assert "take urgent mail" in approve(item)
    assert "take urgent mail" in printed("items", "show", item)["shortfall"]


def test_it_comes_once_and_the_digest_does_not_repeat_it(network: Installation) -> None:
    approve(post())
    network.now += timedelta(hours=8)
    germane("run")
    digest = [mail for mail in network.server.accepted if "una@example.org" in mail.recipients]
    assert len(digest) == 2
    told = printed("explain", "una@example.org", "--edition", "2026-W47")
    assert "Discharge teams needed" not in [row["title"] for row in told["sent"]]
    told = printed("explain", "ann@example.org", "--edition", "2026-W47")
    assert "Discharge teams needed" in [row["title"] for row in told["sent"]]


def test_it_draws_on_the_same_account(network: Installation) -> None:
    approve(post())
    draws = printed("members", "budget", "una@example.org")["draws"]
    assert [(draw["what"], draw["mails"], draw["asks"]) for draw in draws] == [("urgent", 1, 1)]


@pytest.mark.parametrize("limit", [("--asks-per-month", 0), ("--hours-between-mails", 48)])
def test_it_goes_to_nobody_beyond_their_budget(network: Installation, limit: tuple[str, int]) -> None:
    germane("members", "budget", "una@example.org", *limit)
    germane("run")
    before = len(network.mailed)
    network.now += timedelta(hours=24)
    item = post()
    approve(item)
    assert len(network.mailed) == before
    assert printed("explain", "una@example.org", "--edition", f"urgent-{item}")["reason"] == "over_budget"


def test_its_poster_cannot_approve_it_and_a_member_can_do_neither(network: Installation) -> None:
    item = post()
    own = germane("items", "approve", item, "--by", "helen@example.org")
    assert (own.exit_code, "its own poster cannot approve it" in own.stderr) == (2, True)
    member = germane("items", "approve", item, "--by", "una@example.org")
    assert "no active coordinator or admin" in member.stderr
    poster = germane("items", "post", "--urgent", "--title", "Help", "--by", "una@example.org")
    assert "no active coordinator or admin" in poster.stderr
    published = germane("items", "publish", item)
    assert "an urgent item needs `germane items approve`" in published.stderr
    assert network.mailed == []


def test_a_quota_that_is_used_up_is_told_and_comes_back(network: Installation) -> None:
    for n in range(2):
        post(f"Discharge teams {n}")
    third = germane("items", "post", "--urgent", "--title", "Discharge teams 3", *TEXT, "--by", "helen@example.org")
    assert third.exit_code == 2
    assert "has posted 2 urgent items in the last 28 days, which is as many as there may be" in third.stderr
    post("Discharge teams 4", by="rhodri@example.org")
    network.now += timedelta(days=29)
    post("Discharge teams 5")


def test_approved_twice_it_is_sent_once(network: Installation) -> None:
    item = post()
    approve(item)
    again = germane("items", "approve", item, "--by", "rhodri@example.org")
    assert (again.exit_code, "only an urgent item that is held can be approved" in again.stderr) == (2, True)
    assert network.mailed == ["una@example.org"]


def test_one_that_was_approved_before_a_crash_is_sent_by_the_next_run(network: Installation) -> None:
    item = post()
    with network.database.writing() as connection:
        found = items.find(connection, network.network_key, item)
        assert found
        assert items.approve(connection, found.key, 1, network.now)
    first, *_ = printed("run")
    assert (first["slot"], first["delivered"]) == (f"urgent-{item}", 1)
    assert [report["slot"] for report in printed("run")] == ["2026-W47"]


def test_the_schedule_composes_what_was_approved_and_left(network: Installation) -> None:
    from jobs.schedule import Ticker
    from jobs.send import send_due

    item = post()
    with network.database.writing() as connection:
        found = items.find(connection, network.network_key, item)
        assert found
        items.approve(connection, found.key, 1, network.now)
    ticker = Ticker(open_services(), lambda *_, **__: None, send_due)
    ticker.editions()
    ticker.outbox()
    assert network.mailed == ["una@example.org"]


def test_without_a_poster_or_a_title_nothing_is_posted(network: Installation) -> None:
    for options in (("--title", "Help"), ("--by", "helen@example.org")):
        result = germane("items", "post", "--urgent", *options)
        assert (result.exit_code, "needs --title, and --by" in result.stderr) == (2, True)


def test_one_whose_time_is_over_cannot_be_approved_any_more(network: Installation) -> None:
    options = ("--kind", "request", "--title", "Discharge teams", "--deadline", "2026-11-20", *TEXT)
    item = germane("items", "post", "--urgent", *options, "--by", "helen@example.org").stdout.strip()
    network.now += timedelta(days=30)
    late = germane("items", "approve", item, "--by", "rhodri@example.org")
    assert (late.exit_code, "it is over; post it anew with a later deadline" in late.stderr) == (2, True)
    assert printed("items", "show", item)["state"] == "held"


def test_whoever_approves_is_told_that_the_mail_server_cannot_be_reached(network: Installation) -> None:
    item = post()
    network.set("SMTP__PORT", 1)
    result = germane("items", "approve", item, "--by", "rhodri@example.org")
    assert (result.exit_code, "cannot be reached" in result.stderr) == (6, True), result.output
    assert "approved" in result.stdout


def test_approving_what_another_process_composes_says_that_it_is_approved(
    network: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = post()

    def somebody_else(services: Any, of: Any, *_: Any, **__: Any) -> None:
        with network.database.writing() as connection:
            edition = editions.find(connection, network.network_key, f"urgent-{item}")
            assert edition
            assert editions.claim(connection, edition, "elsewhere:1", network.now, 120, dead=False)

    opened = edition_job.open_edition
    monkeypatch.setattr(
        "jobs.edition.open_edition", lambda *given, **more: (opened(*given, **more), somebody_else(*given))
    )
    result = germane("items", "approve", item, "--by", "rhodri@example.org")
    assert result.exit_code == 1, result.output
    assert f"{item}: approved" in result.stdout
    assert "is being composed by elsewhere:1" in result.stderr


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--urgent", "--by", "helen@example.org", "--draft"), "an urgent item is held until it is approved"),
        (("--by", "helen@example.org"), "--by is for --urgent; --poster names who posts it"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    network: Installation, options: tuple[str, ...], why: str
) -> None:
    result = germane("items", "post", "--title", "Help", *options)
    assert (result.exit_code, why in result.stderr) == (2, True)
    assert not [item for item in printed("items", "list") if item["title"] == "Help"]


def test_one_that_is_withdrawn_after_a_crash_leaves_no_edition_open(network: Installation) -> None:
    item = post()
    with network.database.writing() as connection:
        found = items.find(connection, network.network_key, item)
        assert found
        items.approve(connection, found.key, 1, network.now)
    services = open_services()
    with network.database.reading() as connection:
        known = networks.by_key(connection, network.network_key)
    edition_job.open_edition(services, known, f"urgent-{item}", network.now, found)
    germane("items", "withdraw", item)
    first, *_ = printed("run")
    assert (first["slot"], first["state"], first["delivered"]) == (f"urgent-{item}", "finished", 0)
    assert not any(b"Discharge teams needed" in message.content for message in network.server.accepted)
    assert germane("status").exit_code == 0
    assert "cancelled" in germane("explain", "una@example.org", "--edition", f"urgent-{item}").stdout
