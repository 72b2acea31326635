from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from profiles.address import normalise
from profiles.joining import Entry
from profiles.member import STATUSES, Member, Preferences, Profile, Status
from store import members
from store.database import Database
from tests.builders import (
    NOW,
    a_member,
    stored_digest,
    stored_edition,
    stored_item,
    stored_network,
)

SECRET = b"a secret of thirty-two characters"
LATER = NOW + timedelta(days=1)

WHOLE = Member(
    "Jo@Example.org",
    "Jo Bloggs",
    "active",
    "coordinator",
    Profile("stroke\ncare", ("stroke", "copd"), "Nurse", "Ward", "Trust", "NHS trust", "Wales", "UK", ("cy", "en")),
    Preferences("monthly", 1, 7, "Europe/London", 4, ("job",), ("copd",), ("Spam",), date(2026, 12, 1), True, "cy"),
)


def entry(address: str = "jo@example.org", line: int = 2, **values: object) -> Entry:
    return Entry(line, normalise(address), values)


def status_of(connection: Connection, network: int, who: str = "jo@example.org") -> Status:
    found = members.find(connection, network, who)
    assert found is not None
    return found.member.status


def test_a_member_comes_back_as_added(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        added = members.add(connection, network, WHOLE, NOW, "by hand", "in these words")
    with database.reading() as connection:
        found = members.find(connection, network, "jo@EXAMPLE.org")
        assert found == added == members.find(connection, network, added.public_id)
        assert found == members.find_by_public_id(connection, added.public_id)
        assert added.member == replace(WHOLE, address="Jo@example.org")
        assert (added.address_key, added.joined_at, added.left_at) == ("jo@example.org", NOW, None)
        assert members.consents(connection, added.key) == [
            members.ConsentRecord("joined", "by hand", "in these words", NOW)
        ]


def test_the_same_address_can_be_in_two_networks_but_not_twice_in_one(database: Database):
    with database.writing() as connection:
        one, other = stored_network(connection), stored_network(connection)
        members.add(connection, one, a_member(address="jo@example.org"), NOW, "x")
        members.add(connection, other, a_member(address="jo@example.org"), NOW, "x")
        with pytest.raises(
            members.AlreadyMember, match=r"JO@example\.org is in this network already, with status active"
        ):
            members.add(connection, one, a_member(address="JO@example.org"), NOW, "x")


def test_an_import_adds_then_changes_then_finds_nothing_to_do(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        first = members.import_entries(
            connection, network, [entry(region="Wales", chosen=("stroke",))], NOW, "import a"
        )
        second = members.import_entries(
            connection, network, [entry(region="Kent"), entry("kim@example.org", 3, region="Kent")], LATER, "import b"
        )
        third = members.import_entries(connection, network, [entry(region="Kent")], LATER, "import c")
    assert [d.outcome for d in (*first, *second, *third)] == ["added", "changed", "added", "unchanged"]
    with database.reading() as connection:
        jo, kim = members.stream(connection, network)
        assert (jo.member.profile.region, jo.member.profile.chosen, jo.joined_at) == ("Kent", ("stroke",), NOW)
        assert kim.member.profile.region == "Kent"
        assert [c.basis for c in members.consents(connection, jo.key)] == ["import a"]
        assert [c.basis for c in members.consents(connection, kim.key)] == ["import b"]


def test_entries_that_change_different_fields_do_not_touch_each_other(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        before = [entry(name="Jo", hour=7), entry("kim@example.org", 3, name="Kim", hour=8)]
        members.import_entries(connection, network, before, NOW, "x")
        after = [entry(name="Josephine"), entry("kim@example.org", 3, hour=None)]
        members.import_entries(connection, network, after, LATER, "x")
        found = [(m.member.name, m.member.preferences.hour) for m in members.stream(connection, network)]
    assert found == [("Josephine", 7), ("Kim", None)]


def test_deciding_is_what_importing_does_and_writes_nothing(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        members.import_entries(connection, network, [entry(name="Jo")], NOW, "x")
    batch = [entry(name="Kim"), entry("new@example.org", 3)]
    with database.reading() as connection:
        decided = members.decide_entries(connection, network, batch)
    with database.writing() as connection:
        assert len(list(members.stream(connection, network))) == 1
        assert members.import_entries(connection, network, batch, LATER, "x") == decided


@pytest.mark.parametrize("status", ["left", "bounced"])
def test_an_import_leaves_who_is_gone_exactly_as_they_are(database: Database, status: Status):
    with database.writing() as connection:
        network = stored_network(connection)
        members.import_entries(connection, network, [entry(name="Jo", status=status)], NOW, "x")
        before = members.find(connection, network, "jo@example.org")
        (decision,) = members.import_entries(connection, network, [entry(name="K", status="active")], LATER, "y")
        assert decision.outcome == "protected"
        assert members.find(connection, network, "jo@example.org") == before
        assert before is not None
        assert before.left_at == NOW


def test_somebody_pending_is_imported_without_a_consent(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        members.import_entries(connection, network, [entry(status="pending")], NOW, "x")
        (pending,) = members.stream(connection, network)
        assert members.consents(connection, pending.key) == []


def test_an_import_that_says_left_lets_a_member_leave(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        members.import_entries(connection, network, [entry()], NOW, "x")
        members.import_entries(connection, network, [entry(status="left")], LATER, "import gone")
        found = members.find(connection, network, "jo@example.org")
        assert found is not None
        assert (found.member.status, found.left_at) == ("left", LATER)
        assert [c.action for c in members.consents(connection, found.key)] == ["joined", "left"]


def test_more_entries_than_one_question_can_hold_are_imported(database: Database):
    batch = [entry(f"m{n}@example.org", n, name=f"M {n}") for n in range(2000)]
    with database.writing() as connection:
        network = stored_network(connection)
        members.import_entries(connection, network, batch, NOW, "x", SECRET)
        again = members.import_entries(connection, network, batch, LATER, "x", SECRET)
        assert {d.outcome for d in again} == {"unchanged"}
        assert [m.member.name for m in members.stream(connection, network)] == [f"M {n}" for n in range(2000)]


def test_leaving_happens_once_and_is_recorded(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        key = members.add(connection, network, a_member(address="jo@example.org"), NOW, "x").key
        assert members.leave(connection, key, LATER, "one-click")
        assert not members.leave(connection, key, LATER, "one-click again")
        found = members.find(connection, network, "jo@example.org")
        assert found is not None
        assert (found.member.status, found.left_at) == ("left", LATER)
        assert [(c.action, c.basis) for c in members.consents(connection, key)] == [
            ("joined", "x"),
            ("left", "one-click"),
        ]


def test_coming_back_is_recorded_and_an_erased_member_cannot(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        key = members.add(connection, network, a_member(address="jo@example.org"), NOW, "x").key
        members.leave(connection, key, NOW, "x")
        assert members.rejoin(connection, key, LATER, "a page", "I want the digest")
        assert not members.rejoin(connection, key, LATER, "a page")
        found = members.find(connection, network, "jo@example.org")
        assert found is not None
        assert (found.member.status, found.left_at) == ("active", None)
        assert members.consents(connection, key)[-1].wording == "I want the digest"
        members.erase(connection, key, LATER, SECRET, "asked")
        assert not members.rejoin(connection, key, LATER, "a page")


def test_a_change_touches_what_is_given_only(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        key = members.add(connection, network, WHOLE, NOW, "x").key
        assert members.change(connection, key, LATER, name="Josephine", preferences=Preferences(hour=9))
        found = members.find(connection, network, "jo@example.org")
    assert found is not None
    assert found.member.name == "Josephine"
    assert found.member.preferences == Preferences(hour=9)
    assert found.member.profile == WHOLE.profile


def test_pausing_and_resuming_are_recorded(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        key = members.add(connection, network, a_member(address="jo@example.org"), NOW, "x").key
        members.change(connection, key, LATER, status="paused", basis="a page")
        members.change(connection, key, LATER, status="paused", basis="a page")
        members.change(connection, key, LATER, status="active", basis="a page")
        assert [c.action for c in members.consents(connection, key)] == ["joined", "paused", "resumed"]


@pytest.mark.parametrize("status", ["left", "erased"])
def test_a_change_does_not_bring_back_who_is_gone(database: Database, status: str):
    with database.writing() as connection:
        network = stored_network(connection)
        key = members.add(connection, network, a_member(address="jo@example.org"), NOW, "x").key
        members.leave(connection, key, NOW, "x")
        if status == "erased":
            members.erase(connection, key, NOW, SECRET, "x")
        assert not members.change(connection, key, LATER, name="Jo", status="active")
        (found,) = members.stream(connection, network)
        assert (found.member.status, found.member.name) == (status, "" if status == "erased" else "Ann Example")


def test_erasing_keeps_nothing_but_a_hash_by_which_an_import_is_refused(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        added = members.add(connection, network, WHOLE, NOW, "x", "signed with 192.0.2.7")
        assert not members.any_gone_for_good(connection, network)
        assert members.erase(connection, added.key, LATER, SECRET, "asked")
        assert not members.erase(connection, added.key, LATER, SECRET, "asked")
        assert members.any_gone_for_good(connection, network)
        assert members.find(connection, network, "jo@example.org") is None
        found = members.find_by_public_id(connection, added.public_id)
        assert found is not None
        assert found.member == Member("", status="erased")
        assert "jo" not in found.address_key.partition(":")[2]
        assert [(c.action, c.wording) for c in members.consents(connection, added.key)] == [
            ("joined", ""),
            ("left", ""),
        ]
        assert [d.outcome for d in members.import_entries(connection, network, [entry()], LATER, "y", SECRET)] == [
            "protected"
        ]
        with pytest.raises(members.AlreadyMember, match="with status erased"):
            members.add(connection, network, WHOLE, LATER, "y", secret=SECRET)


def test_nothing_of_an_erased_address_is_left_in_the_database_file(sqlite_database: Database):
    with sqlite_database.writing() as connection:
        network = stored_network(connection)
        added = members.add(connection, network, replace(WHOLE, name="Zebedee Quux"), NOW, "x", "from Zebedee Quux")
        members.import_entries(connection, network, [entry(f"m{n}@example.org", n) for n in range(500)], NOW, "x")
    with sqlite_database.writing() as connection:
        members.erase(connection, added.key, LATER, SECRET, "asked")
    members.scrub(sqlite_database)
    file = Path(str(sqlite_database.engine.url.database))
    for path in file.parent.glob(file.name + "*"):
        octets = path.read_bytes().lower()
        assert b"jo@example.org" not in octets
        assert b"zebedee" not in octets


def test_what_a_server_said_of_an_erased_member_goes_too(database: Database):
    from sqlalchemy import insert, select

    from store import tables

    delivery = tables.Delivery.__table__  # type: ignore[attr-defined]
    with database.writing() as connection:
        network = stored_network(connection)
        key = members.add(connection, network, WHOLE, NOW, "x").key
        outbox = stored_digest(
            connection, stored_edition(connection, network), key, (stored_item(connection, network),)
        )
        reply = {
            "outbox_id": outbox,
            "attempt": 1,
            "at": NOW,
            "outcome": "refused",
            "reply": "550 jo@example.org unknown",
        }
        connection.execute(insert(delivery).values(**reply, code=550, enhanced_status="", route="", elapsed_ms=1))
        members.erase(connection, key, LATER, SECRET, "asked")
        assert connection.execute(select(delivery.c.reply)).scalar_one() == ""


def test_past_digests_are_listed_newest_first(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        key = members.add(connection, network, WHOLE, NOW, "x").key
        for week, as_of in (("2026-W46", NOW - timedelta(days=7)), ("2026-W47", NOW)):
            edition = stored_edition(connection, network, slot=week, as_of=as_of)
            stored_digest(connection, edition, key, (stored_item(connection, network),))
        assert members.recent_digests(connection, key) == [
            members.PastDigest("2026-W47", NOW, "composed", "", 1, "planned"),
            members.PastDigest("2026-W46", NOW - timedelta(days=7), "composed", "", 1, "planned"),
        ]
        assert [d.slot for d in members.recent_digests(connection, key, limit=1)] == ["2026-W47"]


def test_members_are_found_by_status_topic_region_and_text(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        batch = [
            entry("jo@example.org", 2, name="Jo 100%", region="Wales", chosen=("stroke", "copd")),
            entry("kim@example.org", 3, name="Kim", region="wales", chosen=("stroke-rehabilitation",), status="paused"),
            entry("ana@trust.example", 4, name="Ana", organisation="Calderbeck Trust", chosen=("copd",)),
        ]
        members.import_entries(connection, network, batch, NOW, "x")
        members.import_entries(connection, stored_network(connection), batch, NOW, "x")

        def found(**filters: object) -> list[str]:
            return [m.member.name for m in members.stream(connection, network, **filters)]  # type: ignore[arg-type]

        assert found() == ["Jo 100%", "Kim", "Ana"]
        assert found(statuses=("paused", "left")) == ["Kim"]
        assert found(topic="stroke") == ["Jo 100%"]
        assert found(topic="copd") == ["Jo 100%", "Ana"]
        assert found(region="WALES") == ["Jo 100%", "Kim"]
        assert found(search="calderbeck") == found(search="TRUST.example") == ["Ana"]
        assert found(search="0%") == ["Jo 100%"]
        assert found(search="m_") == []
        assert found(limit=2) == ["Jo 100%", "Kim"]


@pytest.mark.parametrize("status", STATUSES)
def test_taking_a_member_apart_and_together_gives_the_same(status: Status):
    whole = replace(WHOLE, status=status)
    assert members.member_of(whole.address, members.flat(whole)) == whole
