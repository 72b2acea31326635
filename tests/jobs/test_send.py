"""`germane send` over a real SMTP server: what is due goes out, once; everything else stays and is told."""

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from sqlalchemy import select, update

from delivery.sink import running
from jobs.send import SendReport, send_due
from profiles.verp import read_return_path
from store import editions, outbox
from store.database import Database
from store.tables import Delivery, Edition, Item, Member, Outbox
from tests.builders import NOW, some_services, stored_digest, stored_edition_to_send, stored_member
from tests.faults.misbehaving import Fault, Misbehaving

OUTBOX, DELIVERY = Outbox.__table__, Delivery.__table__  # type: ignore[attr-defined]
MEMBER, ITEM, EDITION = Member.__table__, Item.__table__, Edition.__table__  # type: ignore[attr-defined]


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    """A mail server that behaves until a test gives it faults."""
    with running(Misbehaving()) as sink:
        assert isinstance(sink, Misbehaving)
        yield sink


def _filled(database: Database, messages: int = 5, **changes: Any) -> tuple[int, list[str]]:
    with database.writing() as connection:
        return stored_edition_to_send(connection, messages, **changes)


def _send(
    database: Database, server: Misbehaving, *, now: datetime = NOW, smtp: Any = None, **options: Any
) -> SendReport:
    settings = {"host": server.host, "port": server.port, "connections": 3} | (smtp or {})
    return send_due(some_services(database, now=now, smtp=settings), **options)


def _counts(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        return outbox.counts(connection)


def _change(database: Database, table: Any, key: int, **values: Any) -> None:
    with database.writing() as connection:
        connection.execute(update(table).where(table.c.id == key).values(**values))


def _first(database: Database, column: Any) -> Any:
    with database.reading() as connection:
        return connection.execute(select(column).order_by(column.table.c.id).limit(1)).scalar_one()


def test_everything_due_is_handed_over_once_and_the_edition_is_finished(
    database: Database, server: Misbehaving
) -> None:
    edition, addresses = _filled(database, 12)
    report = _send(database, server)
    assert sorted(server.recipients()) == addresses
    assert (report.of("handed_over"), report.waiting, report.complete) == (12, 0, True)
    assert _first(database, EDITION.c.state) == "finished"
    again = _send(database, server)
    assert (again.done, len(server.accepted)) == (0, 12)
    with database.reading() as connection:
        assert editions.counts(connection, edition).balanced


def test_what_arrives_is_the_members_own_digest_with_the_message_id_of_the_outbox(
    sqlite_database: Database, server: Misbehaving
) -> None:
    _, (address,) = _filled(sqlite_database, 1)
    _send(sqlite_database, server)
    (accepted,) = server.accepted
    message = message_from_bytes(accepted.content, policy=policy.default)
    assert accepted.recipients == (address,)
    assert message["To"].addresses[0].addr_spec == address
    assert message["Message-ID"] == _first(sqlite_database, OUTBOX.c.message_id)
    title = _first(sqlite_database, ITEM.c.title)
    assert title in message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert message["Date"].datetime == NOW


def test_each_mail_comes_from_an_address_that_names_its_member_and_edition_to_us_alone(
    sqlite_database: Database, server: Misbehaving
) -> None:
    _filled(sqlite_database, 3)
    _send(sqlite_database, server)
    key = some_services(sqlite_database).secret_key
    edition = _first(sqlite_database, EDITION.c.public_id)
    with sqlite_database.reading() as connection:
        ids = {row.address: row.public_id for row in connection.execute(select(MEMBER))}
    assert {one.sender.partition("@")[2] for one in server.accepted} == {"news.example.org"}
    found = {one.recipients[0]: read_return_path(key, one.sender) for one in server.accepted}
    assert found == {address: (ids[address], edition) for address in found}
    assert len(found) == 3


def test_each_attempt_is_recorded_with_the_servers_reply(database: Database, server: Misbehaving) -> None:
    _filled(database, 1)
    _send(database, server)
    with database.reading() as connection:
        (row,) = connection.execute(select(DELIVERY)).mappings()
    assert (row["attempt"], row["outcome"], row["code"], row["enhanced_status"]) == (1, "handed_over", 250, "2.0.0")
    assert row["reply"] == "250 2.0.0 taken as 1"
    assert row["route"] == f"{server.host}:{server.port}"


def test_one_refused_recipient_does_not_stop_the_others(database: Database, server: Misbehaving) -> None:
    _, addresses = _filled(database)
    server.faults = [Fault("RCPT", addresses[1], reply=b"550 5.1.1 no such user")]
    report = _send(database, server)
    assert sorted(server.recipients()) == addresses[:1] + addresses[2:]
    assert report.reasons["refused"] == {"550 5.1.1": 1}
    assert not report.complete
    assert _first(database, EDITION.c.state) == "finished"


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "message"])
def test_what_is_refused_for_now_is_sent_later_with_the_same_message_id(
    sqlite_database: Database, server: Misbehaving, step: str
) -> None:
    _filled(sqlite_database, 1)
    message_id = _first(sqlite_database, OUTBOX.c.message_id)
    server.faults = [Fault(step, reply=b"451 4.3.0 try later", times=1)]
    assert _send(sqlite_database, server).reasons == {"deferred": {"451 4.3.0": 1}}
    assert _send(sqlite_database, server, now=NOW + timedelta(minutes=20)).done == 0
    assert _send(sqlite_database, server, now=NOW + timedelta(minutes=40)).of("handed_over") == 1
    assert message_from_bytes(server.accepted[0].content)["Message-ID"] == message_id
    assert _first(sqlite_database, OUTBOX.c.attempts) == 2


def test_what_is_refused_for_now_for_days_is_given_up_with_the_last_reply(
    sqlite_database: Database, server: Misbehaving
) -> None:
    _filled(sqlite_database, 1)
    server.faults = [Fault("RCPT", reply=b"450 4.2.2 mailbox full")]
    now, attempts = NOW, 0
    while _counts(sqlite_database) != {"refused": 1}:
        attempts += 1
        assert attempts < 20
        assert _send(sqlite_database, server, now=now).done == 1
        now = _first(sqlite_database, OUTBOX.c.not_before)
    assert now - NOW == timedelta(hours=96)
    assert attempts == 9
    assert _first(sqlite_database, OUTBOX.c.reason) == "given up after 96 h: 450 4.2.2 mailbox full"


@pytest.mark.parametrize("take", [True, False])
def test_a_message_in_doubt_is_shown_and_never_sent_again(database: Database, server: Misbehaving, take: bool) -> None:
    _, addresses = _filled(database)
    server.faults = [Fault("message", addresses[2], drop=True, take=take)]
    report = _send(database, server)
    assert (report.of("uncertain"), report.of("handed_over")) == (1, 4)
    _send(database, server, now=NOW + timedelta(days=30))
    assert server.recipients().count(addresses[2]) == take
    assert _counts(database) == {"handed_over": 4, "uncertain": 1}


@pytest.mark.parametrize("status", ["left", "paused", "bounced", "erased"])
def test_whoever_is_not_active_any_more_gets_nothing_from_the_outbox(
    database: Database, server: Misbehaving, status: str
) -> None:
    _, addresses = _filled(database)
    _change(database, MEMBER, _first(database, MEMBER.c.id), status=status)
    report = _send(database, server)
    assert sorted(server.recipients()) == addresses[1:]
    assert report.reasons["cancelled"] == {status: 1}
    assert report.complete


def test_whoever_leaves_in_the_middle_of_sending_gets_nothing(database: Database, server: Misbehaving) -> None:
    """The batch is claimed and read by then: the record before the dot is what stops the mail."""
    _, addresses = _filled(database)

    def leave(number: int) -> None:
        if number == 1:
            with database.writing() as connection:
                connection.execute(update(MEMBER).where(MEMBER.c.address == addresses[-1]).values(status="left"))

    server.when_taken = leave
    report = _send(database, server, smtp={"connections": 1})
    assert sorted(server.recipients()) == addresses[:-1]
    assert report.reasons["cancelled"] == {"left": 1}
    assert _counts(database) == {"cancelled": 1, "handed_over": 4}


def test_a_withdrawn_item_is_left_out_and_a_digest_with_none_left_is_cancelled(
    database: Database, server: Misbehaving
) -> None:
    edition, (address,) = _filled(database, 1)
    withdrawn = _first(database, ITEM.c.id)
    with database.writing() as connection:
        network = connection.execute(select(EDITION.c.network_id)).scalar_one()
        stored_digest(connection, edition, stored_member(connection, network), (withdrawn,))
        connection.execute(update(ITEM).where(ITEM.c.id == withdrawn).values(state="withdrawn", title="Gone for good"))
    report = _send(database, server)
    assert server.recipients() == [address]
    assert b"Gone for good" not in server.accepted[0].content
    assert report.reasons["cancelled"] == {"withdrawn": 1}


def test_an_item_whose_deadline_passed_since_composing_is_left_out(
    sqlite_database: Database, server: Misbehaving
) -> None:
    _filled(sqlite_database, 1, items=1)
    _change(sqlite_database, ITEM, _first(sqlite_database, ITEM.c.id), deadline=NOW + timedelta(hours=1))
    report = _send(sqlite_database, server, now=NOW + timedelta(hours=2))
    assert report.reasons == {"cancelled": {"withdrawn": 1}}


def test_an_edition_run_for_another_moment_is_judged_by_that_moment(
    sqlite_database: Database, server: Misbehaving
) -> None:
    """`germane run --at` a date of last year: its deadlines are over by the wall clock, not by the edition's."""
    edition, _ = _filled(sqlite_database, 1, items=1)
    year = timedelta(days=365)
    _change(sqlite_database, EDITION, edition, as_of=NOW - year)
    _change(
        sqlite_database,
        ITEM,
        _first(sqlite_database, ITEM.c.id),
        deadline=NOW - year + timedelta(hours=1),
        published_at=NOW - year,
    )
    assert _send(sqlite_database, server).of("handed_over") == 1


def test_a_member_whose_mail_cannot_be_composed_does_not_stop_the_others(
    sqlite_database: Database, server: Misbehaving
) -> None:
    _, addresses = _filled(sqlite_database)
    _change(
        sqlite_database, MEMBER, _first(sqlite_database, MEMBER.c.id), address="no address\r\nBcc: evil@example.org"
    )
    report = _send(sqlite_database, server)
    assert sorted(server.recipients()) == addresses[1:]
    assert report.of("refused") == 1


def test_an_edition_that_is_not_released_yet_is_not_sent(sqlite_database: Database, server: Misbehaving) -> None:
    edition, _ = _filled(sqlite_database)
    _change(sqlite_database, EDITION, edition, state="composed")
    assert _send(sqlite_database, server).done == 0
    assert server.accepted == []


def test_a_limit_and_a_network_bound_what_is_sent(database: Database, server: Misbehaving) -> None:
    _, first = _filled(database, slug="first")
    _, second = _filled(database, slug="second")
    with database.reading() as connection:
        network = connection.execute(select(EDITION.c.network_id).order_by(EDITION.c.id.desc())).scalars().first()
    report = _send(database, server, network=network, limit=2)
    assert report.waiting == 3
    assert len(server.recipients()) == 2
    assert set(server.recipients()) <= set(second)
    _send(database, server)
    assert sorted(server.recipients()) == sorted(first + second)


def test_a_server_that_is_down_leaves_everything_in_the_outbox(database: Database) -> None:
    with running(Misbehaving()) as gone:
        pass
    _filled(database)
    report = _send(database, gone)  # type: ignore[arg-type]
    assert f"{gone.host}:{gone.port}" in report.mail_server_problem
    assert (report.done, report.waiting) == (0, 5)
    assert _counts(database) == {"planned": 5}


def test_a_server_that_goes_away_in_the_middle_loses_nothing_and_doubles_nothing(database: Database) -> None:
    _, addresses = _filled(database, 30)
    with running(Misbehaving()) as first:
        assert isinstance(first, Misbehaving)
        first.when_taken = lambda number: _vanish(first) if number == 10 else None
        report = _send(database, first)
    assert report.mail_server_problem
    assert report.done < 30
    assert _counts(database).get("claimed", 0) == 0
    with running(Misbehaving()) as second:
        assert isinstance(second, Misbehaving)
        _send(database, second, now=NOW + timedelta(hours=1))
        taken = first.recipients() + second.recipients()
    assert len(set(taken)) == len(taken)
    uncertain = _counts(database).get("uncertain", 0)
    assert 30 - uncertain <= len(taken) <= 30
    assert uncertain <= 3
    assert set(taken) <= set(addresses)


def _vanish(server: Misbehaving) -> None:
    server._server.close()
    for session in list(server._sessions):
        session.transport.abort()


def test_a_database_that_another_process_locks_for_a_while_is_waited_for(
    sqlite_database: Database, server: Misbehaving
) -> None:
    _, addresses = _filled(sqlite_database, 20)
    other = Database(sqlite_database.engine.url.render_as_string())
    locked, freed = threading.Event(), threading.Event()

    def hold() -> None:
        with other.writing():
            locked.set()
            freed.wait(0.7)

    holder = threading.Thread(target=hold)

    def lock(number: int) -> None:
        if number == 5:
            holder.start()
            assert locked.wait(5)

    server.when_taken = lock
    report = _send(sqlite_database, server)
    holder.join()
    other.close()
    assert report.of("handed_over") == 20
    assert sorted(server.recipients()) == addresses


def test_the_command_prints_what_it_did_and_its_exit_code_tells_more(
    sqlite_database: Database,
    server: Misbehaving,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Any,
) -> None:
    from jobs.cli import main

    _, addresses = _filled(sqlite_database)
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DATABASE__URL": sqlite_database.engine.url.render_as_string(), "SECRET_KEY": "k" * 40,
        "SMTP__HOST": server.host, "SMTP__PORT": str(server.port),
    }.items():  # fmt: skip
        monkeypatch.setenv(f"GERMANE_{name}", value)
    server.faults = [Fault("RCPT", addresses[0], reply=b"550 5.1.1 <%s> unknown" % addresses[0].encode())]
    with pytest.raises(SystemExit) as stop:
        main(["send", "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert stop.value.code == 1
    assert (printed["handed_over"], printed["refused"], printed["waiting"]) == (4, 1, 0)
    assert addresses[0] not in json.dumps(printed)
    main(["send"])
    assert "Nothing was handed over" in capsys.readouterr().out
    monkeypatch.setenv("GERMANE_SMTP__PORT", "1")
    _filled(sqlite_database, slug="another")
    with pytest.raises(SystemExit) as stop:
        main(["send"])
    assert stop.value.code == 6
    assert "127.0.0.1:1" in capsys.readouterr().err


def test_a_commit_is_shared_by_many_messages(sqlite_database: Database, server: Misbehaving) -> None:
    _filled(sqlite_database, 200)
    report = _send(sqlite_database, server, smtp={"connections": 10})
    assert report.of("handed_over") == 200
    assert report.commits <= 200 / 2


def test_an_edition_whose_last_message_came_to_be_in_doubt_is_finished_though_nothing_is_due(
    database: Database, server: Misbehaving
) -> None:
    edition, _ = _filled(database, 1)
    with database.writing() as connection:
        (claim,) = outbox.claim(connection, "gone:1:1", [edition], now=NOW, lease_until=NOW, limit=1)
        outbox.mark_dots(connection, "gone:1:1", {claim.key: claim.number})
    assert _send(database, server, now=NOW + timedelta(hours=1)).done == 0
    assert _counts(database) == {"uncertain": 1}
    assert _first(database, EDITION.c.state) == "finished"
