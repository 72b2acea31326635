"""A real mail server takes the digests, delivers them, and returns what it cannot deliver to the member's own return path."""

import asyncio
import email
import re
from email import policy
from pathlib import Path
from typing import Any

from sqlalchemy import select

from delivery.pool import SmtpPool
from delivery.smtp import Envelope, Parcel, Receipt, SmtpRoute
from jobs import keyring
from jobs.send import send_due
from jobs.services import Services
from profiles.verp import read_return_path
from store.database import Database
from store.tables import Edition, Member, Outbox
from tests.builders import (
    some_services,
    stored_digest,
    stored_edition,
    stored_item,
    stored_member,
    stored_network,
)
from tests.digest.keys import verified
from tests.postfix_lab import OWN_DOMAIN, PostfixLab

TRACE = re.compile(
    rb"\AReturn-Path: <[^\n]*>\nX-Original-To: [^\n]*\nDelivered-To: [^\n]*\nReceived: [^\n]*\n(?:[ \t][^\n]*\n)+"
)

HARD = (
    b"Subject: every kind of line\r\nFrom: digest@news.example.org\r\nTo: ann@example.org\r\n"
    b"Date: Mon, 16 Nov 2026 07:30:00 +0000\r\nMessage-ID: <hard@news.example.org>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b".\r\n..\r\n.one dot\r\nFrom the start\r\n"
    + b"x" * 997
    + b"\r\n"
    + "Tŷ Gwyn, naïve – ok\r\n".encode()
    + b"\r\n.\r\n"
)


def _taken_off(mail: bytes) -> bytes:
    """The mail as it was handed over: without what Postfix put before it, and with CRLF as on the wire."""
    assert TRACE.match(mail), mail[:500]
    return TRACE.sub(b"", mail).replace(b"\n", b"\r\n")


def _route(postfix: PostfixLab) -> SmtpRoute:
    return SmtpRoute("127.0.0.1", postfix.port, local_hostname="client.example.org", connections=1)


async def _hand_over(route: SmtpRoute, envelope: Envelope, content: bytes) -> Receipt | None:
    async def yes() -> bool:
        return True

    async with SmtpPool(route) as pool:
        return await pool.send(Parcel(envelope, content), yes)


def _services(database: Database, postfix: PostfixLab, **sections: Any) -> Services:
    return some_services(database, smtp={"host": "127.0.0.1", "port": postfix.port, "connections": 3}, **sections)


def _edition(database: Database, *addresses: str) -> None:
    """A released edition with a digest for each address."""
    with database.writing() as connection:
        network = stored_network(connection)
        edition = stored_edition(connection, network, state="released")
        body = ".A line that begins with a dot, and Welsh: Tŷ, ŵyn.\n\nFrom here on\n.\n" + "long " * 400
        items = tuple(stored_item(connection, network, body=body, kind=kind) for kind in ("request", "news"))
        for address in addresses:
            stored_digest(connection, edition, stored_member(connection, network, address=address), items)


def test_octets_arrive_as_they_were_handed_over(postfix: PostfixLab) -> None:
    receipt = asyncio.run(_hand_over(_route(postfix), Envelope("b+x@news.example.org", "ann@example.org"), HARD))
    assert receipt is not None
    assert (receipt.outcome, receipt.code) == ("handed_over", 250)
    (mail,) = postfix.wait_for("members", 1)
    assert _taken_off(mail) == HARD


def test_digests_are_delivered_by_a_real_mail_server(sqlite_database: Database, postfix: PostfixLab) -> None:
    addresses = [f"m{n}@example.org" for n in range(5)]
    _edition(sqlite_database, *addresses)
    report = send_due(_services(sqlite_database, postfix))
    assert (report.of("handed_over"), report.waiting) == (5, 0)
    mails = [email.message_from_bytes(mail, policy=policy.default) for mail in postfix.wait_for("members", 5)]
    assert sorted(str(mail["Delivered-To"]) for mail in mails) == addresses
    assert all(str(mail["To"]).endswith(f"<{mail['Delivered-To']}>") for mail in mails)
    with sqlite_database.reading() as connection:
        expected = connection.execute(select(Outbox.message_id)).scalars()  # type: ignore[call-overload]
        assert {str(mail["Message-ID"]) for mail in mails} == set(expected)


def test_signatures_verify_on_what_was_delivered(
    sqlite_database: Database, postfix: PostfixLab, tmp_path: Path
) -> None:
    _edition(sqlite_database, "ann@example.org", "ben@example.org")
    services = _services(sqlite_database, postfix, dkim={"sign": True, "keys": str(tmp_path / "dkim")})
    keys = keyring.make(services.settings, OWN_DOMAIN, services.settings.dkim.selector)
    assert send_due(services).of("handed_over") == 2
    for mail in postfix.wait_for("members", 2):
        assert verified(_taken_off(mail), *keys) == [True, True]
        assert verified(mail.replace(b"\n", b"\r\n"), *keys) == [True, True]


def test_a_bounce_comes_back_to_the_member_and_edition_it_was_sent_for(
    sqlite_database: Database, postfix: PostfixLab
) -> None:
    _edition(sqlite_database, "ann@example.org", "nobody@example.org")
    services = _services(sqlite_database, postfix)
    assert send_due(services).of("handed_over") == 2
    (bounce,) = postfix.wait_for("returned", 1)
    report = email.message_from_bytes(bounce, policy=policy.default)
    assert report.get_content_type() == "multipart/report"
    assert report["Return-Path"] == "<>"
    with sqlite_database.reading() as connection:
        member = connection.execute(
            select(Member.public_id).where(Member.address == "nobody@example.org")  # type: ignore[call-overload]
        ).scalar_one()
        edition = connection.execute(select(Edition.public_id)).scalar_one()  # type: ignore[call-overload]
    assert read_return_path(services.secret_key, str(report["Delivered-To"])) == (member, edition)
