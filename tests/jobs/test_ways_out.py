"""Several ways out, each destination at its own pace, and the failures F2, F4, F9, F10, F11 and F12 by their numbers."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from bench.tls import make_certificate
from delivery.sink import running
from jobs.send import send_due
from jobs.services import Services, route_of
from jobs.settings import SettingsError, SmtpSettings
from store import outbox, pacing, suppression
from store.database import Database
from store.tables import Delivery, Member, Outbox
from tests.builders import NOW, some_services, stored_edition_to_send
from tests.faults.misbehaving import Fault, Misbehaving
from tests.faults.processes import Germane

OUTBOX, DELIVERY, MEMBER = Outbox.__table__, Delivery.__table__, Member.__table__  # type: ignore[attr-defined]
NO_ALARM = {"alarm_share": 1.0, "alarm_domain_share": 1.0}


@pytest.fixture
def servers() -> Iterator[list[Misbehaving]]:
    with ExitStack() as stack:
        found = [stack.enter_context(running(Misbehaving())) for _ in range(2)]
        yield found  # type: ignore[misc]


@pytest.fixture
def server(servers: list[Misbehaving]) -> Misbehaving:
    return servers[0]


def _filled(database: Database, messages: int, *domains: str) -> list[str]:
    """Messages to members of these domains in turn; their addresses."""
    with database.writing() as connection:
        _, addresses = stored_edition_to_send(connection, messages)
        for n, address in enumerate(addresses if domains else ()):
            new = f"m{n:03d}@{domains[n % len(domains)]}"
            connection.execute(update(MEMBER).where(MEMBER.c.address == address).values(address=new, address_key=new))
        return list(connection.execute(select(MEMBER.c.address).order_by(MEMBER.c.id)).scalars())


def _services(
    database: Database, server: Misbehaving, *others: tuple[Misbehaving, float], smtp: Any = None, **sending: Any
) -> Services:
    own = {"host": server.host, "port": server.port, "connections": 3} | (smtp or {})
    services = some_services(database, smtp=own, sending=sending)
    routes = {
        f"way{n}": services.settings.smtp.model_copy(update={"port": other.port, "weight": weight})
        for n, (other, weight) in enumerate(others)
    }
    return replace(services, settings=services.settings.model_copy(update={"routes": routes}))


def _later(services: Services, hours: float) -> Services:
    return replace(services, now=lambda: NOW + timedelta(hours=hours))


def _states(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        return outbox.counts(connection)


def _paused(database: Database) -> list[str]:
    with database.reading() as connection:
        return [row[1] for row in pacing.paused(connection)]


def test_routes_share_the_messages_by_their_weights(sqlite_database: Database, servers: list[Misbehaving]) -> None:
    addresses = _filled(sqlite_database, 120)
    report = send_due(_services(sqlite_database, servers[0], (servers[1], 0.25)))
    first, second = (len(server.accepted) for server in servers)
    assert report.of("handed_over") == first + second == 120
    assert 12 <= second <= 45
    assert sorted(servers[0].recipients() + servers[1].recipients()) == sorted(addresses)
    with sqlite_database.reading() as connection:
        used = set(connection.execute(select(DELIVERY.c.route)).scalars())
    assert used == {f"127.0.0.1:{server.port}" for server in servers}


def test_what_a_route_cannot_take_another_does(sqlite_database: Database, server: Misbehaving) -> None:
    with running(Misbehaving()) as gone:
        assert isinstance(gone, Misbehaving)
    _filled(sqlite_database, 20)
    report = send_due(_services(sqlite_database, gone, (server, 1.0)))
    assert (report.complete, len(server.accepted)) == (True, 20)


def test_a_route_of_weight_0_is_used_only_when_no_other_can_be(
    sqlite_database: Database, servers: list[Misbehaving]
) -> None:
    _filled(sqlite_database, 20)
    send_due(_services(sqlite_database, servers[0], (servers[1], 0.0)))
    assert (len(servers[0].accepted), len(servers[1].accepted)) == (20, 0)
    with sqlite_database.writing() as connection:
        pacing.save(connection, [pacing.Pace("route", "smtp", paused="a reason")], NOW)
        connection.execute(update(OUTBOX).values(state="refused"))
        outbox.retry(connection, list(connection.execute(select(OUTBOX.c.id)).scalars()), NOW)
    send_due(_services(sqlite_database, servers[0], (servers[1], 0.0)))
    assert (len(servers[0].accepted), len(servers[1].accepted)) == (20, 20)


def test_a_window_lets_so_many_go_and_the_rest_in_the_next(database: Database, server: Misbehaving) -> None:
    _filled(database, 12, "gmail.com", "googlemail.com", "example.net")
    services = _services(database, server)
    google = services.settings.destinations["google"].model_copy(update={"rate_per_window": 5})
    settings = services.settings.model_copy(update={"destinations": {"google": google}})
    services = replace(services, settings=settings)
    report = send_due(services)
    assert Counter("google" if "g" in r.partition("@")[2][:1] else "other" for r in server.recipients()) == {
        "google": 5, "other": 4
    }  # fmt: skip
    assert report.waiting == 3
    assert send_due(_later(services, 0.9)).done == 0
    assert send_due(_later(services, 1)).of("handed_over") == 3


def test_a_routes_window_holds_over_runs(sqlite_database: Database, server: Misbehaving) -> None:
    _filled(sqlite_database, 10)
    services = _services(sqlite_database, server, smtp={"rate_per_window": 4})
    assert [send_due(services).of("handed_over") for _ in range(2)] == [4, 0]
    assert send_due(_later(services, 1)).of("handed_over") == 4


def test_a_domain_that_asks_for_less_is_left_alone_and_no_other(database: Database, server: Misbehaving) -> None:
    addresses = _filled(database, 40, "busy.example", "free.example")
    server.faults = [Fault("RCPT", address, reply=b"421 4.7.0 slow down") for address in addresses[::2]]
    services = _services(database, server)
    report = send_due(services)
    assert sorted(server.recipients()) == sorted(addresses[1::2])
    assert report.postponed >= 14
    server.faults = []
    assert send_due(services).done == 0
    send_due(_later(services, 2))
    assert sorted(server.recipients()) == sorted(addresses)


def test_too_many_refusals_of_one_kind_pause_the_route_and_hurt_no_member(
    database: Database, server: Misbehaving
) -> None:
    _filled(database, 120, *(f"d{n}.example" for n in range(30)))
    server.faults = [Fault("RCPT", reply=b"550 5.7.1 blocked")]
    report = send_due(_services(database, server, alarm_least=20))
    assert _paused(database) == ["smtp"]
    assert 20 <= report.of("refused") <= 40
    assert "germane outbox resume smtp" in report.mail_server_problem
    assert send_due(_services(database, server)).done == 0
    with database.reading() as connection:
        assert set(connection.execute(select(MEMBER.c.status)).scalars()) == {"active"}
    with database.writing() as connection:
        pacing.resume(connection, "smtp", NOW)
    server.faults = []
    assert send_due(_services(database, server)).complete


def test_too_many_refusals_by_one_domain_pause_that_domain(sqlite_database: Database, server: Misbehaving) -> None:
    addresses = _filled(sqlite_database, 80, "angry.example", "b.example", "c.example", "d.example")
    server.faults = [Fault("RCPT", address, reply=b"550 5.2.1 closed") for address in addresses[::4]]
    report = send_due(_services(sqlite_database, server, alarm_least=10))
    assert _paused(sqlite_database) == ["angry.example"]
    assert report.of("handed_over") == 60
    assert report.of("refused") < 20
    assert not report.complete


def test_an_address_that_only_its_hash_knows_to_be_suppressed_gets_nothing(
    database: Database, server: Misbehaving
) -> None:
    """As after a backup was put back: the member is active again, the suppression holds."""
    addresses = _filled(database, 4)
    with database.writing() as connection:
        suppression.add(connection, addresses[0], b"k" * 40, "complaint", NOW, "a complaint")
        connection.execute(update(MEMBER).values(status="active"))
    report = send_due(_services(database, server))
    assert sorted(server.recipients()) == addresses[1:]
    assert report.reasons["cancelled"] == {"suppressed": 1}


@pytest.mark.parametrize("take", [True, False])
def test_f2_what_is_in_doubt_is_sent_again_with_the_same_octets_where_policy_says_so(
    database: Database, server: Misbehaving, take: bool
) -> None:
    addresses = _filled(database, 3)
    server.faults = [Fault("message", addresses[0], drop=True, take=take, times=1)]
    services = _services(database, server, in_doubt="resend")
    assert send_due(services).of("uncertain") == 1
    assert send_due(services).done == 0, "a bounce or the log may settle it first"
    assert send_due(_later(services, 2)).of("handed_over") == 1
    copies = [message.content for message in server.accepted if message.recipients == (addresses[0],)]
    assert len(copies) == 1 + take
    assert len(set(copies)) == 1
    assert _states(database) == {"handed_over": 3}


def test_f2_what_is_lost_again_is_not_sent_for_ever(sqlite_database: Database, server: Misbehaving) -> None:
    _filled(sqlite_database, 1)
    server.faults = [Fault("message", drop=True, take=True)]
    for hours in (0, 2, 4, 6, 8):
        send_due(_later(_services(sqlite_database, server, in_doubt="resend"), hours))
    assert len(server.accepted) == 2
    assert _states(sqlite_database) == {"uncertain": 1}


def test_f4_a_sender_that_was_stopped_past_its_lease_sends_nothing_any_more(
    database: Database, server: Misbehaving, tmp_path: Path
) -> None:
    addresses = _filled(database, 6)
    with database.writing() as connection:  # real processes run by the real clock
        connection.execute(update(OUTBOX).values(created_at=NOW, not_before=NOW))
    variables = {
        "GERMANE_DATABASE__URL": database.engine.url.render_as_string(hide_password=False),
        "GERMANE_SECRET_KEY": "k" * 40, "GERMANE_SMTP__HOST": server.host, "GERMANE_SMTP__PORT": str(server.port),
        "GERMANE_SMTP__CONNECTIONS": "2",
    }  # fmt: skip
    short = variables | {
        "GERMANE_SENDING__LEASE_S": "1"
    }  # the other one's is not: a busy machine may take as long for a dot
    slow = Germane("send", folder=tmp_path, variables=short, failpoint="send.content_sent:1:stop")
    try:
        slow.wait_until_stopped()
        time.sleep(1.2)
        assert Germane("send", folder=tmp_path, variables=variables).ended() == (0, "")
        assert sorted(server.recipients()) == addresses
        slow.resume()
        slow.ended()
    finally:
        slow.kill()
    assert Counter(server.recipients()) == Counter(addresses)
    assert _states(database) == {"handed_over": 6}


def test_f9_one_bad_address_stops_no_other_and_each_good_one_gets_its_mail(
    database: Database, server: Misbehaving
) -> None:
    addresses = _filled(database, 200)
    kinds = {
        0: b"550 5.1.1 no such user", 1: b"450 4.2.0 greylisted", 2: b"552 5.2.2 full", 3: b"554 5.7.1 policy",
        4: b"421 4.3.2 too busy",
    }  # fmt: skip
    bad = {address: kinds[n % 10] for n, address in enumerate(addresses) if n % 10 in kinds and n % 10 != 4}
    server.faults = [Fault("RCPT", address, reply=reply) for address, reply in bad.items()]
    report = send_due(_services(database, server, **NO_ALARM))
    assert sorted(server.recipients()) == sorted(set(addresses) - set(bad))
    assert (report.of("refused"), report.of("deferred")) == (60, 20)
    with database.reading() as connection:
        told = Counter(connection.execute(select(DELIVERY.c.verdict).where(DELIVERY.c.verdict != "")).scalars())
    assert told == {"address": 20, "mailbox": 40, "policy": 20}
    server.faults = []
    send_due(_later(_services(database, server, **NO_ALARM), 3))
    assert _states(database) == {"handed_over": 140, "refused": 60}


def test_f10_domains_that_do_not_answer_do_not_hold_the_others(sqlite_database: Database, server: Misbehaving) -> None:
    """Two of ten domains answer only when everybody else has their mail; how much time that takes is in `test_pacing`."""
    addresses = _filled(sqlite_database, 60, *(f"d{n}.example" for n in range(10)))
    slow = {address for n, address in enumerate(addresses) if n % 10 in {3, 7}}
    server.faults = [Fault("RCPT", address, held=True) for address in slow]
    server.when_taken = lambda number: server.let_go() if number == 48 else None
    services = _services(sqlite_database, server, smtp={"slow_connections": 4, "timeout_s": 60}, slow_after_s=3.0)
    assert send_due(services).of("handed_over") == 60
    assert not slow & set(server.recipients()[:48])


def test_f11_a_relay_that_is_closed_is_no_members_fault(database: Database) -> None:
    with running(Misbehaving()) as gone:
        assert isinstance(gone, Misbehaving)
    _filled(database, 5)
    report = send_due(_services(database, gone))
    assert (report.done, report.waiting) == (0, 5)
    assert "cannot be reached" in report.mail_server_problem
    with database.reading() as connection:
        assert set(connection.execute(select(MEMBER.c.status)).scalars()) == {"active"}
        assert not suppression.any_in_force(connection)
        assert connection.execute(select(DELIVERY.c.id)).all() == []


def test_f12_without_starttls_nothing_is_sent_and_it_is_told(database: Database, server: Misbehaving) -> None:
    _filled(database, 5)
    report = send_due(_services(database, server, smtp={"security": "starttls"}))
    assert "does not offer STARTTLS" in report.mail_server_problem
    assert (report.done, server.accepted) == (0, [])
    assert _states(database) == {"planned": 5}


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Misbehaving]:
    """A server with TLS whose certificate, in the folder of the test, is for itself and vouches for itself."""
    with running(Misbehaving(certificate=make_certificate(tmp_path))) as sink:
        yield sink  # type: ignore[misc]


def test_a_server_whose_certificate_comes_from_the_named_ones_gets_its_mail(
    sqlite_database: Database, secured: Misbehaving, tmp_path: Path
) -> None:
    addresses = _filled(sqlite_database, 3)
    smtp = {"security": "tls", "ca_file": str(tmp_path / "127.0.0.1.pem")}
    assert send_due(_services(sqlite_database, secured, smtp=smtp)).complete
    assert sorted(secured.recipients()) == addresses


@pytest.mark.parametrize("trusted", ["the system's alone", "one of another server"])
def test_f12_a_server_with_a_certificate_of_somebody_else_gets_nothing(
    database: Database, secured: Misbehaving, tmp_path: Path, trusted: str
) -> None:
    _filled(database, 5)
    other = str(make_certificate(tmp_path, "127.0.0.2")) if trusted == "one of another server" else ""
    report = send_due(_services(database, secured, smtp={"security": "tls", "ca_file": other}))
    assert "cannot be reached securely" in report.mail_server_problem
    assert (report.done, secured.accepted, secured.commands) == (0, [], [])
    assert _states(database) == {"planned": 5}


def test_f12_a_certificate_for_another_name_is_not_taken(sqlite_database: Database, tmp_path: Path) -> None:
    _filled(sqlite_database, 5)
    certificate = make_certificate(tmp_path, "127.0.0.2")
    with running(Misbehaving(certificate=certificate)) as server:
        assert isinstance(server, Misbehaving)
        smtp = {"security": "tls", "ca_file": str(certificate)}
        report = send_due(_services(sqlite_database, server, smtp=smtp))
    assert "cannot be reached securely" in report.mail_server_problem
    assert (report.done, server.accepted) == (0, [])


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_without_certificates_is_told_by_its_name(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"ca\.pem: .*; see smtp\.ca_file"):
        route_of(SmtpSettings(ca_file=str(file)))
