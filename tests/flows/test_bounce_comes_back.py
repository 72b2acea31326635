"""A real mail server returns what it cannot deliver; that comes back to Germane, by every way in, and holds the address."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from jobs import incoming
from jobs.send import send_due
from jobs.services import Services
from store import suppression
from store.database import Database
from store.tables import Member, Outbox
from tests.builders import NOW, some_services, stored_digest, stored_edition, stored_item, stored_member, stored_network
from tests.postfix_lab import PostfixLab

DEAD, ALIVE = "nobody.there@example.org", "ann@example.org"


@pytest.fixture
def services(sqlite_database: Database, postfix: PostfixLab) -> Services:
    return some_services(sqlite_database, smtp={"host": "127.0.0.1", "port": postfix.port, "connections": 2})


def a_week(services: Services, network: int, members: dict[str, int]) -> None:
    with services.database.writing() as connection:
        edition = stored_edition(connection, network, state="released")
        item = stored_item(connection, network)
        for member in members.values():
            stored_digest(connection, edition, member, (item,))
    send_due(services)


def standing(services: Services) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Each member's status, and the state of each message in order."""
    members, outbox = Member.__table__, Outbox.__table__  # type: ignore[attr-defined]
    with services.database.reading() as connection:
        statuses = {row.address: row.status for row in connection.execute(select(members))}
        states = connection.execute(
            select(members.c.address, outbox.c.state)
            .join(members, members.c.id == outbox.c.member_id)
            .order_by(outbox.c.id)
        )
        return statuses, [(row.address, row.state) for row in states]


def test_the_bounces_of_two_digests_to_an_unknown_user_hold_the_address(
    services: Services, postfix: PostfixLab
) -> None:
    with services.database.writing() as connection:
        network = stored_network(connection, sender_address="digest@news.example.org")
        members = {address: stored_member(connection, network, address=address) for address in (DEAD, ALIVE)}
    returned: Path = postfix.maildir("returned")
    for week in (1, 2):
        a_week(services, network, members)
        postfix.wait_for("returned", 1)
        assert incoming.from_maildir(services, returned) == (1, 0)
        assert sum(incoming.work_off(services).values()) == 1
        statuses, states = standing(services)
        assert states == [(DEAD, "bounced"), (ALIVE, "handed_over")] * week
        assert statuses == {DEAD: "active" if week == 1 else "bounced", ALIVE: "active"}
    a_week(services, network, members)
    assert standing(services)[1][-2:] == [(DEAD, "cancelled"), (ALIVE, "handed_over")]

    later = replace(services, now=lambda: NOW + timedelta(days=8))
    assert incoming.follow_up(later)["probes sent"] == 1
    postfix.wait_for("returned", 1)
    incoming.from_maildir(later, returned)
    assert list(incoming.work_off(later)) == ["bounce: hard: the probe found the address dead -> remove"]
    with services.database.reading() as connection:
        found = suppression.find(connection, DEAD, services.secret_key)
        assert found is not None
        assert found.reason == "bounce"
