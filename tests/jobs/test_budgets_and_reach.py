"""Budgets and reach in editions as they are run: what was decided, recorded and told."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select, update

from jobs import deciding
from jobs import edition as composing
from jobs.services import Services
from profiles.member import Profile
from store import budgets, decisions, editions, items
from store.database import Database
from tests.builders import NOW
from tests.jobs.composing import BELLS, Community

NO_BUDGET = {"most_mails_per_week": 50, "mails_per_week": 50, "asks_per_month": 200, "most_asks_per_month": 200}


@pytest.fixture
def community(sqlite_database: Database) -> Community:
    return Community(sqlite_database)


def test_a_request_goes_to_no_more_members_than_it_may(community: Community) -> None:
    for n in range(6):
        community.join(f"m{n}")
    community.post("ask", reach_most=2)
    community.compose()
    assert len(community.got()) == 2
    assert set(community.left(0).values()) == {"reach_full"}


def test_where_too_few_match_it_goes_deeper_to_the_floor_and_is_marked(sqlite_database: Database) -> None:
    community = Community(sqlite_database, threshold=100.0)
    for n in range(4):
        community.join(f"m{n}")
    community.join("ringer", BELLS)
    community.post("ask", reach_needed=3)
    community.post("news", kind="news", title="Stroke discharge at home", poster="Somebody")
    report = community.compose(matching={"floor": 5.0})
    got = community.got()
    assert len(got) == 3
    assert set(map(tuple, got.values())) == {("ask:deep",)}
    assert report.short == []


def test_it_stops_at_the_floor_and_the_coordinator_is_told_in_members_words(sqlite_database: Database) -> None:
    community = Community(sqlite_database, threshold=100.0)
    for n in range(4):
        community.join(f"ringer{n}", BELLS)
    community.post(
        "ask", reach_needed=3, title="How are church towers kept dry?", body="In country parishes.", topics=()
    )
    report = community.compose(matching={"floor": 99.0})
    assert community.got() == {}
    (short,) = report.short
    assert (short["needed"], short["got"], short["cause"]) == (3, 0, "below_floor")
    assert "bell" in short["words"]
    assert "church" not in short["words"]
    with community.database.reading() as connection:
        (stored,) = decisions.shortfalls(connection, 1)
    assert stored.words == short["words"]


def test_words_of_those_who_are_near_come_before_words_of_the_many(sqlite_database: Database) -> None:
    community = Community(sqlite_database, threshold=100.0)
    for n in range(9):
        community.join(f"many{n}", Profile(stated="hospital wards, gardens and kitchens", languages=("en",)))
    for n in range(2):
        community.join(f"near{n}", Profile(stated="dysphagia and swallow screening", languages=("en",)))
    community.post("ask", reach_needed=5, title="Who does swallow screening on wards?", body="At weekends.", topics=())
    (short,) = community.compose(matching={"floor": 99.0}).short
    assert short["words"][0] == "dysphagia"
    assert {"gardens", "kitchens"} <= set(short["words"])


@pytest.mark.parametrize(
    ("member", "cause"),
    [
        ({"muted_kinds": ("request",)}, "all_muted"),
        ({"asks_per_month": 0}, "all_muted"),
        ({"profile": Profile(stated="stroke discharge", languages=("fr",))}, "nobody_eligible"),
    ],
)
def test_a_reach_that_cannot_be_had_is_told_with_its_cause(
    community: Community, member: dict[str, Any], cause: str
) -> None:
    for n in range(3):
        community.join(f"m{n}", **member)
    community.post("ask", language="en")
    (short,) = community.compose().short
    assert (short["needed"], short["got"], short["cause"]) == (5, 0, cause)
    assert short["help"]


ONE_A_MONTH = {"asks_per_month": 1}


def test_who_fits_is_counted_with_and_without_room(community: Community) -> None:
    for n in range(3):
        community.join(f"full{n}")
    community.post("first")
    community.compose(budget=ONE_A_MONTH)
    community.join("free")
    community.join("mute", muted_kinds=("request",))
    community.join("none", asks_per_month=0)
    community.join("ringer", profile=Profile(stated="bell ringing in country churches", languages=("en",)))
    community.post("ask", title="Who runs early supported discharge at home?", reach_needed=5)
    report = community.compose(matching={"floor": 0.5}, budget=ONE_A_MONTH)
    (short,) = [one for one in report.short if one["needed"] == 5]
    found = {name: short["counts"][name] for name in ("eligible", "muted", "over_budget", "in_reach", "fitting")}
    assert found == {"eligible": 7, "muted": 2, "over_budget": 3, "in_reach": 1, "fitting": 4}
    assert short["cause"] == "all_over_budget"


def test_a_request_that_fits_nobody_does_not_wait_for_budgets(community: Community) -> None:
    for n in range(3):
        community.join(f"m{n}")
    community.post("first")
    community.compose(budget=ONE_A_MONTH)
    community.post("bees", title="Who keeps bees?", body="Hives, honey and swarms.", topics=(), reach_needed=3)
    short = {one["title"]: one["cause"] for one in community.compose(budget=ONE_A_MONTH).short}
    assert short["Who keeps bees?"] == "below_floor"


def test_an_event_is_not_kept_from_those_who_were_asked_enough(community: Community) -> None:
    for n in range(3):
        community.join(f"m{n}")
    community.post("first")
    community.compose(budget=ONE_A_MONTH)
    community.post("day", kind="event", title="A day on discharge at home", reach_needed=5)
    report = community.compose(budget=ONE_A_MONTH)
    (short,) = [one for one in report.short if one["title"] == "A day on discharge at home"]
    assert (short["got"], short["cause"], short["counts"]["over_budget"]) == (3, "too_few", 0)


def test_who_takes_no_requests_is_told_so_and_not_that_one_is_carried_over(community: Community) -> None:
    community.join("ann", asks_per_month=0)
    community.post("ask")
    for week in range(3):
        community.compose()
        assert community.left(week) == {("Ann", "ask"): "no_requests"}


def test_a_reach_larger_than_everybody_eligible_takes_them_all_and_says_so(community: Community) -> None:
    for n in range(3):
        community.join(f"m{n}")
    community.post("ask", reach_needed=50)
    (short,) = community.compose().short
    assert (short["needed"], short["got"], short["cause"]) == (50, 3, "too_few")


def test_nobody_is_asked_more_often_in_a_month_than_they_may_be(community: Community) -> None:
    community.join("ann", asks_per_month=2)
    community.join("bob")
    for week in range(4):
        for n in range(2):
            community.post(f"ask{week}{n}", title=f"Request {week}{n} on discharge after stroke")
        community.compose(budget={"asks_per_month": 5})
    asked = {name: len(found) for name, found in community.got().items()}
    assert asked == {"Ann": 2, "Bob": 5}
    assert community.left(3)["Ann", "ask30"] == "carried_over"


@pytest.mark.parametrize(("cost", "asked"), [(0.05, {"Ann", "Bob"}), (0, {"Ann"})])
def test_of_two_whom_a_request_fits_alike_the_one_who_was_asked_less_is_asked(
    community: Community, cost: float, asked: set[str]
) -> None:
    for name in ("ann", "bob"):
        community.join(name)
    for week in range(2):
        community.post(f"ask{week}", title=f"Request {week} on discharge after stroke", reach_needed=1, reach_most=1)
        community.compose(budget={"ask_cost": cost})
    assert set(community.got()) == asked


def test_who_was_asked_much_gets_a_request_only_where_it_would_lack_readers(community: Community) -> None:
    community.join("ann")
    community.post("first")
    budget = {"asks_per_month": 1, "ask_cost": 1.0}
    community.compose(budget=budget)
    community.week = 5  # a month later she may be asked again
    community.post("second", title="Another request on discharge after stroke", published_at=NOW + timedelta(weeks=4))
    for week in range(2):
        community.post(
            f"day{week}",
            kind="event",
            title=f"A day on discharge at home {week}",
            published_at=NOW + timedelta(weeks=4),
        )
        community.compose(budget=budget, reach={"needed_request": 0})
    assert [community.left(week)["Ann", "second"] for week in (5, 6)] == ["carried_over", "asked_enough"]
    community.compose(budget=budget, reach={"needed_request": 1})
    assert community.got()["Ann"] == ["first", "day0", "day1", "second"]


def test_what_is_given_up_to_ask_evenly_is_a_share_of_the_match(community: Community) -> None:
    community.join("ann")
    community.post("first")
    budget = {"asks_per_month": 1}
    community.compose(budget=budget)
    community.week = 5
    community.post("second", title="Another request on discharge after stroke", published_at=NOW + timedelta(weeks=4))
    community.compose(budget=budget, reach={"needed_request": 0})
    assert community.got()["Ann"] == ["first", "second"], "all that fits would be given up, not one twentieth of it"


def test_what_found_no_room_is_carried_over_once_and_then_over_budget(community: Community) -> None:
    community.join("ann", items_per_digest=1)
    for n in range(3):
        community.post(f"i{n}", kind="resource", title=f"Discharge after stroke, part {n}")
    for _ in range(3):
        community.compose()
    got = community.got()["Ann"]
    assert len(got) == 2
    last = ({"i0", "i1", "i2"} - set(got)).pop()
    assert community.left(0) == {("Ann", got[1]): "carried_over", ("Ann", last): "carried_over"}
    assert community.left(1)["Ann", last] == "over_budget"
    assert ("Ann", last) not in community.left(2)


def test_an_item_that_was_carried_over_and_is_over_since_is_not_sent(community: Community) -> None:
    community.join("ann", items_per_digest=1)
    for n in range(2):
        community.post(f"i{n}", kind="resource", title=f"Discharge {n}", expires_at=NOW + timedelta(days=3))
    community.compose()
    community.compose()
    assert len(community.got()["Ann"]) == 1


def test_a_duplicate_says_of_which_item_it_is_one(community: Community) -> None:
    community.join("ann")
    for n in range(2):
        community.post(f"i{n}", kind="news", url="https://example.org/page", title="Discharge after stroke")
    community.compose()
    (sent,) = community.got()["Ann"]
    with community.database.reading() as connection:
        because = connection.execute(select(editions.LEFT_OUT.c.because_of)).scalar_one()
        assert items.load(connection, community.key, [because])[0].external_id == sent


def test_a_mail_draws_on_the_account_once(community: Community) -> None:
    community.join("ann")
    community.post("ask")
    community.post("news", kind="news", title="Stroke news on discharge")
    community.compose()
    with community.database.reading() as connection:
        row = connection.execute(select(budgets.DRAW)).one()
    assert (row.what, row.mails, row.asks, row.items, row.day) == ("digest", 1, 1, 2, NOW.toordinal())


def test_a_request_with_enough_offers_of_help_is_closed_and_not_sent_again(community: Community) -> None:
    members = [community.join(f"m{n}") for n in range(4)]
    ask = community.post("ask", answers_wanted=2, reach_most=2)
    community.compose()
    for member in members[:2]:
        community.said(member, ask)
    community.compose()
    assert len(community.got()) == 2
    with community.database.reading() as connection:
        assert items.load(connection, community.key, [ask])[0].state == "closed"
        assert items.state_reason(connection, ask) == items.ANSWERED


def test_a_request_close_to_its_deadline_goes_to_others_and_to_nobody_twice(community: Community) -> None:
    for n in range(7):
        community.join(f"m{n}")
    community.post("ask", reach_needed=2, reach_most=4, deadline=NOW + timedelta(days=10))
    first = set(community.got()) if community.compose(reach={"needed_request": 2}) else set()
    community.compose()
    assert len(community.got()) == 4
    with community.database.reading() as connection:
        sent = connection.execute(select(editions.DIGEST_ITEM.c.member_id)).scalars().all()
    assert len(sent) == len(set(sent))
    assert first <= set(community.got())


def test_greedy_gives_each_member_their_best_and_everybody_the_same_request(community: Community) -> None:
    for n in range(6):
        community.join(f"m{n}", asks_per_month=0)
    community.post("ask", reach_most=2)
    community.compose(digest={"policy": "greedy"})
    assert len(community.got()) == 6


def test_a_process_that_takes_over_writes_the_rest_of_the_same_decision(
    community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        community.join(f"m{n}")
    for n in range(3):
        community.post(f"ask{n}", reach_most=2)
    one_by_one = {"shard": 2}
    written, write = [], composing._write

    def dies(*arguments: Any) -> None:
        write(*arguments)
        written.append(1)
        if len(written) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(composing, "_write", dies)
        with pytest.raises(KeyboardInterrupt):
            community.compose(digest=one_by_one)
    half = community.got()
    community.join("late")  # who comes now is in the next edition
    monkeypatch.setattr(deciding, "gather_edition", lambda *_: pytest.fail("it was decided already"))
    community.compose(digest=one_by_one)
    whole = community.got()
    assert all(whole[name] == found for name, found in half.items())
    assert sum(len(found) for found in whole.values()) == 6
    with community.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(editions.DECISION)).scalar_one() == 0


def test_what_another_process_drew_meanwhile_is_over_budget(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    community = Community(database)
    community.join("ann", asks_per_month=2)
    bob = community.join("bob", mails_per_week=1)
    for n in range(3):
        community.post(f"ask{n}", title=f"Request {n} on discharge after stroke")
    decide = deciding.decide_once

    def while_another_draws(*arguments: Any) -> Any:
        found = decide(*arguments)
        with database.writing() as connection:
            of = budgets.accounts(connection, community.key, 0, 10**9, NOW.toordinal())
            rows = [
                (account.key, community.key, None, "urgent", NOW, NOW.toordinal(), 1, 1, 1) for account in of.values()
            ]
            budgets.draw(connection, rows)
        return found

    monkeypatch.setattr(composing, "decide_once", while_another_draws)
    community.compose(budget={"hours_between_mails": 0})
    assert [len(found) for found in community.got().values()] == [1]
    assert list(community.left(0).values()).count("over_budget") == 4
    with database.reading() as connection:
        states = editions.DIGEST.c.member_id == bob
        assert connection.execute(select(editions.DIGEST.c.reason).where(states)).scalar_one() == "over_budget"
        assert editions.counts(connection, 1).balanced


def test_a_member_who_muted_every_kind_gets_nothing_and_the_record_says_so(community: Community) -> None:
    community.join("ann", muted_kinds=("request", "event", "opportunity", "job", "resource", "news", "survey"))
    community.post("ask")
    report = community.compose()
    assert report.skipped == {"nothing_allowed": 1}
    assert community.left(0) == {("Ann", "ask"): "muted_kind"}


def test_the_same_in_gives_the_same_out(sqlite_database: Database) -> None:
    community = Community(sqlite_database)
    for n in range(12):
        community.join(f"m{n}")
    for n in range(8):
        community.post(f"ask{n}", reach_most=3, title=f"Request {n} on stroke and discharge")
    from jobs.rehearsal import rehearsed

    services = community.services()
    one, two = (rehearsed(services, community.network, NOW) for _ in range(2))
    assert one.decided == two.decided
    community.compose()
    rows = sorted(row[3] for decided in one.decided for row in decided.chosen)
    with sqlite_database.reading() as connection:
        assert sorted(connection.execute(select(editions.DIGEST_ITEM.c.item_id)).scalars()) == rows


def test_two_editions_decided_at_the_same_moment_stay_within_one_budget(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have decided before either writes: each alone would be within the budget over all networks."""
    communities = [Community(database, slug) for slug in ("breathe-well", "heart-help")]
    for community in communities:
        for name in ("ann", "bob", "cai"):
            community.join(name, combine=False)
        for n in range(3):
            community.post(f"ask{n}", title=f"Request {n} on discharge after stroke")
    both = Barrier(2, timeout=60)
    decide = deciding.decide_once

    def together(*arguments: Any) -> Any:
        found = decide(*arguments)
        both.wait()
        return found

    monkeypatch.setattr(composing, "decide_once", together)
    limits = {"overall_asks_per_month": 4, "most_asks_per_month": 4, "asks_per_month": 3}
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(community.compose, budget=limits) for community in communities]
        reports = [run.result() for run in runs]
    with database.reading() as connection:
        query = select(budgets.DRAW.c.account_id, func.sum(budgets.DRAW.c.asks)).group_by(budgets.DRAW.c.account_id)
        asked = sorted(row[1] for row in connection.execute(query))
    assert asked == [4, 4, 4]
    assert sum(report.digests for report in reports) == 6
    assert sum(len(found) for community in communities for found in community.got().values()) == 12


def test_a_crash_after_the_last_digest_was_written_leaves_what_fell_short_as_it_was(
    community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    community.join("ann")
    community.post("ask", reach_needed=3)

    def dies(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("store.editions.move", dies)
        with pytest.raises(RuntimeError):
            community.compose()
    (short,) = community.compose().short
    assert (short["needed"], short["got"], short["cause"]) == (3, 1, "too_few")


def test_readers_who_are_lost_to_another_process_are_told_as_lacking(
    community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob is asked by somebody else, and Cai leaves, between the decision and the writing."""
    _, bob, cai = (community.join(name) for name in ("ann", "bob", "cai"))
    community.post("ask", reach_needed=3)
    decide = composing.decide_once

    def then_they_are_gone(services: Services, *given: Any) -> Any:
        found, at = decide(services, *given), services.now()
        with services.database.writing() as connection:
            of_bob = (budgets.ACCOUNT.c.address_key == editions.MEMBER.c.address_key) & (editions.MEMBER.c.id == bob)
            key = connection.execute(select(budgets.ACCOUNT.c.id).join(editions.MEMBER, of_bob)).scalar_one()
            budgets.draw(connection, [(key, community.key, None, "urgent", at, at.toordinal(), 1, 4, 4)])
            connection.execute(update(editions.MEMBER).where(editions.MEMBER.c.id == cai).values(status="left"))
        return found

    monkeypatch.setattr(composing, "decide_once", then_they_are_gone)
    report = community.compose()
    assert list(community.got()) == ["Ann"]
    (short,) = report.short
    assert (short["needed"], short["got"], short["cause"]) == (3, 1, "lost_meanwhile")
    assert "meanwhile" in short["why"]
