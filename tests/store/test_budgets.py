from datetime import timedelta

import pytest
from sqlalchemy import select, update

from digest.budgets import Drawn, Wished
from store import budgets, editions, members
from store.database import Database
from tests.builders import NOW, stored_digest, stored_edition, stored_item, stored_member, stored_network

TODAY = NOW.toordinal()


class Person:
    """Somebody in two networks, with a digest on its way in the first."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.writing() as connection:
            self.networks = [stored_network(connection) for _ in range(2)]
            self.members = [stored_member(connection, n, address="jo@example.org") for n in self.networks]
            edition = stored_edition(connection, self.networks[0], state="released")
            item = stored_item(connection, self.networks[0])
            self.outbox = stored_digest(connection, edition, self.members[0], (item,))
            self.digest = connection.execute(budgets.OUTBOX.select()).one().digest_id
            for network in self.networks:
                budgets.open_accounts(connection, network)

    def account(self, place: int, day: int = TODAY) -> budgets.Account:
        member = self.members[place]
        with self.database.writing() as connection:
            found = budgets.accounts(connection, self.networks[place], member, member, day, lock=True)
        return found[member]

    def draw(self, *, days_ago: int = 0, digest: int | None = None) -> None:
        at = NOW - timedelta(days=days_ago)
        row = (self.account(0).key, self.networks[0], digest, "digest", at, at.toordinal(), 1, 2, 3)
        with self.database.writing() as connection:
            budgets.draw(connection, [row])


@pytest.fixture
def person(database: Database) -> Person:
    return Person(database)


def test_a_person_has_one_account_over_all_networks(person: Person) -> None:
    assert person.account(0).key == person.account(1).key
    person.draw()
    assert person.account(0).drawn == person.account(1).drawn == (Drawn(person.networks[0], NOW, TODAY, 1, 2),)


def test_opening_accounts_again_changes_nothing(person: Person) -> None:
    before = person.account(0)
    with person.database.writing() as connection:
        budgets.open_accounts(connection, person.networks[0])
    assert person.account(0) == before


def test_draws_of_more_than_a_month_ago_are_not_read(person: Person) -> None:
    person.draw(days_ago=31)
    person.draw(days_ago=30)
    assert [draw.day for draw in person.account(0).drawn] == [TODAY - 30]


def test_what_somebody_was_asked_is_remembered_for_a_year_whatever_network_asked(person: Person) -> None:
    for days_ago in (364, 363, 40, 0):
        person.draw(days_ago=days_ago)
    for network in (0, 1):
        assert person.account(network).asked == 6


@pytest.mark.parametrize("state", ["refused", "cancelled", "bounced"])
def test_a_mail_that_never_arrived_gives_back_what_it_drew(person: Person, state: str) -> None:
    person.draw(digest=person.digest)
    assert (len(person.account(1).drawn), person.account(1).asked) == (1, 2)
    with person.database.writing() as connection:
        connection.execute(update(editions.OUTBOX).where(editions.OUTBOX.c.id == person.outbox).values(state=state))
    assert (person.account(1).drawn, person.account(1).asked) == ((), 0)


def test_what_somebody_wants_over_all_networks_is_kept(person: Person) -> None:
    assert person.account(0).wished == Wished()
    with person.database.writing() as connection:
        budgets.wish(connection, "jo@example.org", Wished(asks_per_month=2))
    assert person.account(1).wished == Wished(None, None, 2)


def test_the_account_of_somebody_who_was_erased_everywhere_names_nobody(person: Person) -> None:
    person.draw()
    for place, left in enumerate(["jo@example.org", "erased:1"]):
        with person.database.writing() as connection:
            members.erase(connection, person.members[place], NOW, b"k" * 40, "test")
            assert connection.execute(select(budgets.ACCOUNT.c.address_key)).scalars().all() == [left]
