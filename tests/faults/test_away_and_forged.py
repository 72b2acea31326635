"""A server that was away for weeks, and mails by people who say that they are somebody else."""

from datetime import timedelta

import pytest

from delivery.sink import running
from jobs.receive import obey, read_message
from jobs.run import run_edition
from jobs.schedule import Ticker
from jobs.send import send_due
from profiles.links import sign
from store import editions, members
from store.database import Database
from tests.builders import NOW, some_services, stored_item, stored_member, stored_network, stored_topic
from tests.faults.misbehaving import Misbehaving

KEY = b"k" * 40


@pytest.mark.fault("server off for three weeks", "and on again for a month of hourly ticks")
def test_f06_after_three_weeks_off_each_member_gets_one_digest_a_week_and_never_three(database: Database) -> None:
    with database.writing() as connection:
        key = stored_network(connection, threshold=1.0, weekday=0, hour=7, minute=30)
        stored_topic(connection, key)
        for _ in range(60):
            stored_item(connection, key, published_at=NOW - timedelta(days=1))
        stored_member(connection, key, address="ann@example.org")
    with running(Misbehaving()) as server:
        assert isinstance(server, Misbehaving)
        arrived = [
            _hour(database, server, hours) for hours in (0, 1, *range(21 * 24 + 5, 28 * 24 + 2, 12), 28 * 24 + 2)
        ]
    assert arrived[:2] == [1, 1]
    assert arrived[2] <= 2, "one that was missed may be made up for, and only one"
    assert arrived[-1] <= 3
    with database.reading() as connection:
        slots = [edition.slot for edition in editions.latest(connection, key)]
    assert len(slots) == len(set(slots))


def _hour(database: Database, server: Misbehaving, hours: int) -> int:
    """What `germane serve` does in that hour; how many messages had arrived by then."""
    smtp = {"host": server.host, "port": server.port}
    ticker = Ticker(some_services(database, now=NOW + timedelta(hours=hours), smtp=smtp), run_edition, send_due)
    ticker.editions()
    ticker.outbox()
    return len(server.accepted)


FORGED = (
    "From: {victim}",
    "From: {victim}\r\nSender: {victim}\r\nReturn-Path: <{victim}>",
    "From: {victim}\r\nFrom: evil@example.net",
    "From: {victim} <evil@example.net>",
    "From: evil@example.net <{victim}>",
    "From: friends: {victim}, evil@example.net;",
    'From: "{victim}" <evil@example.net>',
    "From: {victim}\x00@example.net",
    "From: =?utf-8?q?{victim}=0D=0ABcc=3A_evil=40example=2Enet?= <evil@example.net>",
    "From: {victim}\r\nAuthentication-Results: mail.example.org; dkim=pass header.d=example.org; dmarc=pass",
    "From: {victim}\r\nReceived-SPF: pass\r\nARC-Authentication-Results: i=1; dmarc=pass",
)


@pytest.mark.parametrize("headers", FORGED)
@pytest.mark.parametrize("token", ["", "of another member", "for another purpose", "with another key"])
def test_f21_whoever_a_mail_says_it_is_from_only_a_token_of_ours_does_anything(
    sqlite_database: Database, headers: str, token: str
) -> None:
    with sqlite_database.writing() as connection:
        network = stored_network(connection)
        victim = stored_member(connection, network, address="victim@example.org", role="coordinator")
        other = stored_member(connection, network, address="other@example.org")
        names = {m.key: m.public_id for m in members.stream(connection, network)}
    tokens = {
        "": "nothing",
        "of another member": sign(KEY, "leave", names[other]),
        "for another purpose": sign(KEY, "preferences", names[victim]),
        "with another key": sign(b"x" * 40, "leave", names[victim]),
    }
    text = headers.format(victim="victim@example.org")
    raw = f"{text}\r\nTo: leave+{tokens[token]}@news.example.org\r\nSubject: leave\r\n\r\nTake me out.\r\n".encode()
    obey(read_message(raw), "", sqlite_database, KEY, NOW)
    with sqlite_database.reading() as connection:
        found = members.find(connection, network, "victim@example.org")
    assert found
    assert found.member.status == "active"
