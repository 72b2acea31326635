import unicodedata
from datetime import timedelta

import pytest
from sqlalchemy import select

from profiles.address import normalise
from profiles.joining import Entry
from profiles.suppression import hash_of, hash_of_key
from store import members, suppression
from store.database import Database
from tests.builders import NOW, a_member, stored_member, stored_network

SECRET = b"a secret of thirty-two characters"
OTHER = b"another secret of 32 characters, "
LATER = NOW + timedelta(days=400)
ADDRESS = "Zoë.Käfer+news@bücher.example"


def decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


SPELLINGS = [
    ADDRESS,
    ADDRESS.lower(),
    ADDRESS.upper(),
    ADDRESS.title(),
    f"  {ADDRESS}\t",
    decomposed(ADDRESS),
    decomposed(ADDRESS.upper()),
    "Zoë.Käfer+news@xn--bcher-kva.example",
    "Zoë.Käfer+news@XN--BCHER-KVA.EXAMPLE",
    "zoë.käfer+NEWS@BÜCHER.example",
    decomposed("zoë.KÄFER+news@xn--bcher-kva.example"),
    "Zoë.Käfer+news@bücher。example",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_suppressed_address_is_known_in_every_spelling(spelling):
    assert hash_of(spelling, SECRET) == hash_of(ADDRESS, SECRET)


def test_dots_and_tags_are_kept_and_another_key_gives_another_hash():
    others = {hash_of(other, SECRET) for other in ("zoëkäfer@bücher.example", "zoë.käfer@bücher.example", ADDRESS)}
    assert len(others) == 3
    assert hash_of(ADDRESS, SECRET) != hash_of(ADDRESS, OTHER)
    assert hash_of_key("a@b.example", SECRET) != SECRET.hex()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_f14_no_way_in_brings_a_suppressed_address_back(database: Database, spelling: str):
    """F14 at the store: import, a dry run of it, sign-up, and an edition that opens."""
    with database.writing() as connection:
        network = stored_network(connection)
        assert suppression.add(connection, ADDRESS, SECRET, "complaint", NOW, "a report")
        entry = Entry(2, normalise(spelling))
        assert [d.outcome for d in members.decide_entries(connection, network, [entry], SECRET)] == ["protected"]
        assert [d.outcome for d in members.import_entries(connection, network, [entry], NOW, "f", SECRET)] == [
            "protected"
        ]
        with pytest.raises(members.AlreadyMember, match="suppressed"):
            members.add(connection, network, a_member(address=spelling.strip()), NOW, "by hand", secret=SECRET)
        assert members.find(connection, network, spelling) is None
        sneaked = members.add(connection, network, a_member(address=spelling.strip()), NOW, "an edited database")
        assert suppression.among(connection, [normalise(spelling).key], SECRET) == {normalise(spelling).key}
        assert suppression.among_addresses(connection, [spelling, "free@example.org", "no address"], SECRET) == {
            spelling
        }
        assert suppression.stop_members(connection, network, SECRET, NOW) == 1
        found = members.find(connection, network, spelling)
        assert found is not None
        assert (found.key, found.member.status) == (sneaked.key, "left")


def test_suppressing_stops_the_members_of_every_network_at_once(database: Database):
    with database.writing() as connection:
        networks = [stored_network(connection, slug=slug) for slug in ("one", "two", "three")]
        for network, status in zip(networks, ("active", "paused", "left"), strict=True):
            stored_member(connection, network, a_member(address="jo@example.org", status=status))
        assert suppression.add(connection, "JO@example.org", SECRET, "bounce", LATER, "DSN")
        found = [members.find(connection, network, "jo@example.org") for network in networks]
        assert [one.member.status for one in found if one] == ["bounced", "bounced", "left"]
        assert not suppression.add(connection, "jo@example.org", SECRET, "complaint", LATER, "again")
        assert [one.left_at for one in found if one] == [LATER, LATER, None]
        assert suppression.counts(connection) == {"bounce": 1}


def test_a_dead_address_makes_its_members_bounced(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        stored_member(connection, network, a_member(address="jo@example.org"))
        suppression.add(connection, "jo@example.org", SECRET, "bounce", NOW, "DSN")
        found = members.find(connection, network, "jo@example.org")
        assert found is not None
        assert found.member.status == "bounced"


def test_a_suppression_outlives_erasure_and_import(database: Database):
    with database.writing() as connection:
        network = stored_network(connection)
        jo = stored_member(connection, network, a_member(address="jo@example.org"))
        suppression.add(connection, "jo@example.org", SECRET, "request", NOW, "a letter")
        members.erase(connection, jo, NOW, SECRET, "asked")
        other = stored_network(connection, slug="other")
        decisions = members.import_entries(
            connection,
            other,
            [Entry(2, normalise("Jo@Example.org")), Entry(3, normalise("al@x.org"))],
            NOW,
            "f",
            SECRET,
        )
        assert [d.outcome for d in decisions] == ["protected", "added"]
        rows = connection.execute(select(suppression.TABLE)).all()
        assert "jo@" not in repr(rows).lower()


def test_a_lifted_suppression_is_kept_for_the_record_and_can_come_again(database: Database):
    with database.writing() as connection:
        suppression.add(connection, "jo@example.org", SECRET, "request", NOW, "a letter")
        assert suppression.find(connection, "JO@EXAMPLE.ORG", SECRET) == suppression.Suppressed(
            "request", "a letter", NOW
        )
        assert suppression.find(connection, "jo@example.org", OTHER) is None
        assert suppression.lift(connection, "jo@EXAMPLE.org", SECRET, LATER, "an error")
        assert not suppression.lift(connection, "jo@example.org", SECRET, LATER, "an error")
        assert suppression.find(connection, "jo@example.org", SECRET) is None
        assert not suppression.any_in_force(connection)
        assert suppression.add(connection, "jo@example.org", SECRET, "bounce", LATER, "DSN")
        assert len(connection.execute(select(suppression.TABLE)).all()) == 2


@pytest.mark.parametrize(("reason", "back"), [("bounce", True), ("complaint", True), ("request", False)])
def test_only_their_own_act_lifts_a_suppression_and_not_one_on_request(database: Database, reason, back):
    with database.writing() as connection:
        network = stored_network(connection)
        jo = stored_member(connection, network, a_member(address="jo@example.org"))
        suppression.add(connection, "jo@example.org", SECRET, reason, NOW, "x")
        assert members.rejoin(connection, jo, LATER, "a page", secret=SECRET) is back
        found = members.find(connection, network, "jo@example.org")
        assert found is not None
        assert (found.member.status == "active") is back
        assert (suppression.find(connection, "jo@example.org", SECRET) is None) is back


def test_a_thousand_addresses_are_asked_in_bulk(database: Database):
    with database.writing() as connection:
        assert suppression.among(connection, ["a@example.org"], SECRET) == set()
        for n in range(0, 2000, 100):
            suppression.add(connection, f"m{n}@example.org", SECRET, "bounce", NOW, "x")
        asked = [f"m{n}@example.org" for n in range(2000)]
        assert suppression.among(connection, asked, SECRET) == {f"m{n}@example.org" for n in range(0, 2000, 100)}
