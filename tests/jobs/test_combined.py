"""Somebody in several networks gets one mail with what both have for them, under one budget."""

from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from jobs import edition
from jobs.services import Services
from profiles.member import Profile
from store import budgets, editions, items, members
from store.networks import Network
from tests.builders import NOW, a_member, stored_item, stored_member
from tests.jobs.installation import Installation, germane, printed

STROKE = Profile(stated="early supported discharge after stroke, rehabilitation at home", languages=("en",))
LUNGS = Profile(stated="pulmonary rehabilitation for breathless people", languages=("cy", "en"))


class Two:
    """Jo joined breathe-well and then heart-help, where they read Welsh as well and the clock shows another time."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.home = installation.network_key
        self.other = installation.add_network("heart-help", filled=False)
        installation.join("jo@example.org", STROKE, name="Jo")
        self.jo_there = self.join_other()
        with installation.database.writing() as connection:
            network = editions.NETWORK
            away = {"time_zone": "Australia/Sydney", "language": "cy"}
            connection.execute(update(network).where(network.c.id == self.other).values(**away))

    def join_other(self, **changes: Any) -> int:
        with self.installation.database.writing() as connection:
            member = a_member(address="jo@example.org", profile=LUNGS, **changes)
            return stored_member(connection, self.other, member)

    def post(self, name: str, network: int, **changes: Any) -> int:
        texts = {self.home: "Early supported discharge at home", self.other: "Pulmonary rehabilitation by telephone"}
        values = {"title": f"{texts[network]} {name}", "external_id": name, "kind": "resource", "topics": ()} | changes
        with self.installation.database.writing() as connection:
            return stored_item(connection, network, **values)

    def mails(self) -> list[Any]:
        to_jo = [one for one in self.installation.server.accepted if "jo@example.org" in one.recipients]
        return [message_from_bytes(one.content, policy=default) for one in to_jo]

    def text(self) -> str:
        (mail,) = self.mails()
        return " ".join(mail.get_body(("plain",)).get_content().split())


@pytest.fixture
def two(installation: Installation) -> Two:
    return Two(installation)


def test_one_mail_holds_items_of_both_networks_and_says_which(two: Two) -> None:
    two.post("here", two.home)
    two.post("there", two.other)
    home, other = printed("run")
    assert (home["network"], other["network"]) == ("breathe-well", "heart-help")
    text = two.text()
    assert "Early supported discharge at home here" in text
    assert "Pulmonary rehabilitation by telephone there" in text
    assert "you are in Heart-Help; you said" in text
    assert other["skipped"]["combined"] == 1


def test_the_mail_leads_out_of_either_network(two: Two) -> None:
    two.post("here", two.home)
    two.post("there", two.other)
    germane("run")
    text = two.text()
    assert "This mail holds items of Heart-Help too" in text
    assert "Leave Heart-Help" in text
    assert text.count("/leave/") == 2
    assert text.count("/preferences/") == 2


def test_whichever_network_runs_first_it_is_the_one_they_joined_first(two: Two) -> None:
    two.post("there", two.other)
    germane("run", "--network", "heart-help")
    assert two.mails() == []
    germane("run", "--network", "breathe-well")
    assert "Pulmonary rehabilitation by telephone there" in two.text()
    assert printed("explain", "jo@example.org", "--network", "heart-help")["reason"] == "combined"


def test_nothing_comes_twice_and_what_comes_draws_on_one_account(two: Two) -> None:
    two.post("here", two.home)
    two.post("there", two.other, kind="request")
    germane("run")
    with two.installation.database.reading() as connection:
        rows = connection.execute(select(budgets.DRAW).order_by(budgets.DRAW.c.network_id)).all()
        jo = members.find(connection, two.home, "jo@example.org")
        assert jo
        mine = [row for row in rows if row.digest_id in _digests(connection, jo.key)]
    assert [(row.network_id, row.mails, row.asks) for row in mine] == [(two.home, 1, 0), (two.other, 0, 1)]
    two.installation.now += timedelta(weeks=1)
    germane("run")
    assert "telephone there" in two.text()
    assert printed("members", "budget", "jo@example.org", "--network", "breathe-well")["left"]["asks"] == 4


def _digests(connection: Any, member: int) -> list[int]:
    query = select(editions.DIGEST.c.id).where(editions.DIGEST.c.member_id == member)
    return list(connection.execute(query).scalars())


def test_who_wants_two_mails_gets_two(two: Two) -> None:
    with two.installation.database.writing() as connection:
        member = editions.MEMBER
        connection.execute(update(member).where(member.c.id == two.jo_there).values(combine=False))
    two.post("here", two.home)
    two.post("there", two.other)
    germane("run")
    assert len(two.mails()) == 2


def test_the_same_event_posted_in_both_networks_comes_once(two: Two) -> None:
    link = "https://example.org/webinar"
    two.post("here", two.home, url=link)
    two.post("there", two.other, url=link)
    germane("run")
    told = printed("explain", "jo@example.org", "--network", "breathe-well")
    assert [row["reason"] for row in told["left"] if row["reason"] == "duplicate"] == ["duplicate"]
    assert len(told["sent"]) + len(told["left"]) >= 2


def test_feedback_on_an_item_of_the_other_network_counts_there(two: Two) -> None:
    from profiles.links import verify_feedback

    two.post("there", two.other)
    germane("run")
    (mail,) = two.mails()
    text = mail.get_body(("plain",)).get_content()
    tokens = {line.split("/feedback/")[1].split("?")[0] for line in text.split() if "/feedback/" in line}
    from tests.jobs.installation import SECRET

    about = {verify_feedback(SECRET.encode(), token) for token in tokens}
    with two.installation.database.reading() as connection:
        there = members.find(connection, two.other, "jo@example.org")
        item = items.find(connection, two.other, "there")
    assert there
    assert item
    assert (there.public_id, item.public_id) in about


@pytest.mark.parametrize("speaks", [True, False])
def test_a_word_on_an_item_of_the_other_network_is_a_sign_of_life(two: Two, tmp_path: Path, speaks: bool) -> None:
    two.installation.set("DIGEST__QUIET_AFTER", 2)
    for week in range(4):
        two.installation.now = NOW + timedelta(weeks=week)
        posted = {"published_at": two.installation.now - timedelta(hours=1)}
        two.post(f"here{week}", two.home, **posted)
        two.post(f"there{week}", two.other, **posted)
        germane("run")
        if speaks:
            said = tmp_path / f"{week}.csv"
            two.installation.now += timedelta(hours=1)
            at = two.installation.now.isoformat()
            said.write_text(f"member,item,verdict,at\njo@example.org,there{week},more,{at}\n")
            assert germane("feedback", "import", said, "--network", "heart-help").exit_code == 0
    mails = [mail.get_body(("plain",)).get_content() for mail in two.mails()]
    assert len(mails) == (4 if speaks else 3)
    assert any("/keep/" in mail for mail in mails) is not speaks


def test_who_left_one_network_between_composing_and_sending_gets_no_item_of_it(two: Two) -> None:
    two.post("here", two.home)
    two.post("there", two.other)
    germane("run", "--no-send")
    germane("members", "remove", "jo@example.org", "--network", "heart-help")
    germane("send")
    text = two.text()
    assert "telephone there" not in text
    assert "Heart-Help" not in text


def test_somebody_paused_at_home_gets_the_mail_of_the_other_network(two: Two) -> None:
    two.post("there", two.other)
    with two.installation.database.writing() as connection:
        jo = members.find(connection, two.home, "jo@example.org")
        assert jo
        members.change(connection, jo.key, two.installation.now, status="paused")
    germane("run")
    (mail,) = two.mails()
    assert "Heart-Help" in mail["From"] or "example.org" in mail["From"]
    assert "telephone there" in " ".join(mail.get_body(("plain",)).get_content().split())


def test_a_budget_over_all_networks_holds_for_both(two: Two) -> None:
    for n in range(3):
        two.post(f"here{n}", two.home, kind="request")
        two.post(f"there{n}", two.other, kind="request")
    germane("members", "budget", "jo@example.org", "--network", "breathe-well", "--overall", "--asks-per-month", 2)
    germane("run")
    told = printed("explain", "jo@example.org", "--network", "breathe-well")
    assert sum(row["kind"] == "request" for row in told["sent"]) == 2


@pytest.mark.parametrize(("taker", "other"), [("home", "away"), ("away", "home")])
def test_who_takes_requests_in_one_network_only_gets_those_of_it(two: Two, taker: str, other: str) -> None:
    of = {"home": "breathe-well", "away": "heart-help"}
    for n in range(2):
        two.post(f"home{n}", two.home, kind="request")
        two.post(f"away{n}", two.other, kind="request")
    germane("members", "budget", "jo@example.org", "--network", of[other], "--asks-per-month", 0)
    germane("members", "budget", "jo@example.org", "--network", of[taker], "--asks-per-month", 1)
    germane("run")
    told = printed("explain", "jo@example.org", "--network", "breathe-well")
    sent = [row["title"].split()[-1][:-1] for row in told["sent"] if row["kind"] == "request"]
    assert sent == [taker]
    assert {row["title"].split()[-1][:-1] for row in told["left"] if row["reason"] == "no_requests"} == {other}


def test_who_was_asked_enough_at_home_still_gets_requests_of_the_other_network(two: Two) -> None:
    two.post("first", two.home, kind="request")
    for network in ("breathe-well", "heart-help"):
        germane("members", "budget", "jo@example.org", "--network", network, "--asks-per-month", 1)
    germane("run")
    two.installation.now += timedelta(weeks=1)
    two.post("second", two.home, kind="request")
    two.post("there", two.other, kind="request")
    germane("run")
    told = printed("explain", "jo@example.org", "--network", "breathe-well")
    assert [row["title"].split()[-1] for row in told["sent"] if row["kind"] == "request"] == ["there"]
    left = {row["title"].split()[-1]: row["reason"] for row in told["left"]}
    assert left["second"] == "carried_over"


def test_a_request_that_was_withdrawn_is_given_back_to_its_own_network_alone(two: Two) -> None:
    two.post("here", two.home, kind="request")
    two.post("there", two.other, kind="request")
    germane("run", "--no-send")
    germane("items", "withdraw", "there", "--network", "heart-help")
    germane("send")
    with two.installation.database.reading() as connection:
        jo = members.find(connection, two.home, "jo@example.org")
        assert jo
        rows = connection.execute(select(budgets.DRAW)).all()
        mine = {row.network_id: row.asks for row in rows if row.digest_id in _digests(connection, jo.key)}
    assert mine == {two.home: 1, two.other: 0}


def test_a_preview_counts_who_gets_it_in_the_mail_of_another_network(two: Two) -> None:
    two.post("there", two.other, kind="request", reach_needed=1)
    (found,) = printed("items", "preview", "there", "--network", "heart-help")
    assert (found["reached"], found["elsewhere"], found["lacking"]) == (3, 1, 0)
    shown = germane("items", "preview", "there", "--network", "heart-help").stdout
    assert "in the mail of another network of theirs" in shown
    germane("run")
    shown = printed("items", "show", "there", "--network", "heart-help")
    assert shown["digests"] == 3


def test_a_request_is_not_told_to_lack_readers_who_get_it_in_another_mail(two: Two) -> None:
    only_jo = ("--audience-languages", "cy", "--reach-needed", 1)
    title = "Pulmonary rehabilitation by telephone"
    posted = germane("items", "post", "--network", "heart-help", "--kind", "request", "--title", title, *only_jo)
    assert (posted.exit_code, posted.stderr) == (0, "")
    (short,) = printed("run", "--network", "heart-help")[0]["short"]
    assert (short["got"], short["cause"]) == (0, "elsewhere")
    assert "the mail of another network" in short["why"]


def test_the_record_counts_the_items_of_networks_that_somebody_is_in(two: Two) -> None:
    two.post("here", two.home)
    two.post("there", two.other)
    germane("run")
    of = ("--network", "breathe-well")
    assert printed("explain", "jo@example.org", *of)["to_choose_from"] == 5
    two.installation.join("kim@example.org", STROKE, name="Kim")
    two.installation.now += timedelta(weeks=1)
    germane("run")
    assert printed("explain", "kim@example.org", *of)["to_choose_from"] == 4


def test_a_network_that_nobody_joined_later_is_not_looked_into(two: Two) -> None:
    from store.considered import guest_networks

    with two.installation.database.reading() as connection:
        assert guest_networks(connection, two.home) == [two.other]
        assert guest_networks(connection, two.other) == []


def test_one_that_takes_over_after_a_crash_combines_as_it_was_decided(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs import deciding
    from jobs import edition as composing

    two.post("here", two.home)
    two.post("there", two.other)

    def dies(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(composing, "_write", dies)
        with pytest.raises(RuntimeError):
            germane("run", "--network", "breathe-well")
    monkeypatch.setattr(deciding, "gather_edition", lambda *_: pytest.fail("it was decided already"))
    germane("run", "--network", "breathe-well")
    assert "telephone there" in two.text()


def test_the_other_networks_own_limit_of_requests_holds_when_the_mail_is_written(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An urgent request of that network is sent between the decision and the writing."""
    two.post("here", two.home)
    two.post("there", two.other, kind="request")
    with two.installation.database.writing() as connection:
        mine = editions.MEMBER.c.id == two.jo_there
        connection.execute(update(editions.MEMBER).where(mine).values(asks_per_month=1))
    found = edition.decide_once

    def decided_then_asked_elsewhere(services: Services, network: Network, *given: Any) -> Any:
        decision = found(services, network, *given)
        at = services.now()
        with services.database.writing() as connection:
            key = connection.execute(select(budgets.ACCOUNT.c.id).join(*_of(two.jo_there))).scalar_one()
            if network.key == two.home:
                budgets.draw(connection, [(key, two.other, None, "urgent", at, at.toordinal(), 1, 1, 1)])
        return decision

    monkeypatch.setattr(edition, "decide_once", decided_then_asked_elsewhere)
    germane("run")
    text = two.text()
    assert "Early supported discharge at home here" in text
    assert "Pulmonary rehabilitation by telephone there" not in text


def _of(member: int) -> tuple[Any, Any]:
    table = editions.MEMBER
    return table, (table.c.address_key == budgets.ACCOUNT.c.address_key) & (table.c.id == member)
