"""`germane outbox`: looking at messages, and deciding about those that wait, failed or are in doubt."""

from pathlib import Path

import pytest
from sqlalchemy import select, update

from store import outbox, pacing
from store.tables import Outbox
from tests.builders import NOW, stored_edition_to_send
from tests.faults.misbehaving import Fault
from tests.jobs.installation import Installation, germane, printed

OUTBOX = Outbox.__table__  # type: ignore[attr-defined]


def _filled(installation: Installation, *, faults: tuple[Fault, ...] = (), messages: int = 4) -> list[str]:
    """An edition that was sent as far as the faults allow."""
    with installation.database.writing() as connection:
        _, addresses = stored_edition_to_send(connection, messages, slug="other")
    installation.server.faults = [Fault(f.step, addresses[0], f.reply, f.drop, take=f.take) for f in faults]
    germane("send")
    installation.server.faults = []
    return addresses


def _states(installation: Installation) -> dict[str, int]:
    with installation.database.reading() as connection:
        return outbox.counts(connection)


REFUSED = Fault("RCPT", reply=b"550 5.7.1 not on our list")
LOST = Fault("message", drop=True, take=True)


def test_the_status_names_what_is_in_doubt_and_says_what_to_do(installation: Installation) -> None:
    _filled(installation, faults=(LOST,))
    result = germane("outbox", "status")
    assert result.exit_code == 1
    assert "1 in doubt" in result.output
    assert "reconcile" in result.output
    rows = printed("outbox", "status")["messages"]
    assert {(row["state"], row["messages"]) for row in rows} == {("uncertain", 1), ("handed_over", 3)}


def test_a_message_is_shown_with_every_attempt_and_reply(installation: Installation) -> None:
    addresses = _filled(installation, faults=(REFUSED,))
    shown = germane("outbox", "inspect", "--member", addresses[0].upper()).output
    assert "550 5.7.1 not on our list (about policy at RCPT)" in shown
    assert "next not before" not in shown, "what was refused is not tried again by itself"
    (entry,) = printed("outbox", "inspect", "--state", "refused")
    assert [made["enhanced_status"] for made in entry["attempts_made"]] == ["5.7.1"]
    assert len(printed("outbox", "inspect", "--domain", "other.example.org")) == 4
    assert printed("outbox", "inspect", "--domain", "elsewhere.example.org") == []


def test_what_was_refused_is_planned_again_and_sent_with_the_same_message_id(installation: Installation) -> None:
    addresses = _filled(installation, faults=(REFUSED,))
    assert germane("outbox", "retry", "--about", "policy").output == "1 messages planned again\n"
    assert "next not before" in germane("outbox", "inspect", "--state", "planned").output
    sent = germane("send", "--processes", "16")
    assert sent.exit_code == 0
    assert "no more than 4 send: each needs one of the connections" in sent.stderr
    assert sorted(installation.server.recipients()) == sorted(addresses)
    assert _states(installation) == {"handed_over": 4}
    assert germane("status").exit_code == 0


def test_what_is_in_doubt_is_sent_again_only_when_it_is_named(installation: Installation) -> None:
    addresses = _filled(installation, faults=(LOST,))
    assert printed("outbox", "retry", "--member", addresses[0]) == {"meant": 1, "changed": 0}
    assert printed("outbox", "retry", "--member", addresses[0], "--state", "uncertain") == {"meant": 1, "changed": 1}
    germane("send")
    first, second = (m for m in installation.server.accepted if m.recipients == (addresses[0],))
    assert first.content == second.content


def test_only_messages_that_wait_are_cancelled(installation: Installation) -> None:
    _filled(installation, faults=(Fault("RCPT", reply=b"451 4.3.0 later"),))
    assert printed("outbox", "cancel", "--domain", "other.example.org", "--reason", "a wrong item") == {
        "meant": 4,
        "changed": 1,
    }
    assert _states(installation) == {"cancelled": 1, "handed_over": 3}
    assert "a wrong item" in germane("outbox", "inspect", "--state", "cancelled").output


@pytest.mark.parametrize("command", ["retry", "cancel"])
def test_without_a_filter_nothing_is_changed(installation: Installation, command: str) -> None:
    result = germane("outbox", command)
    assert result.exit_code == 2
    assert "--edition" in result.output


def test_the_mail_servers_log_settles_what_is_in_doubt(installation: Installation, tmp_path: Path) -> None:
    _filled(installation, faults=(LOST,))
    with installation.database.writing() as connection:
        connection.execute(update(OUTBOX).values(state="uncertain"))
        ids = list(connection.execute(select(OUTBOX.c.message_id).order_by(OUTBOX.c.id)).scalars())
    log = tmp_path / "mail.log"
    fates = ("dsn=2.0.0, status=sent (ok)", "dsn=5.1.1, status=bounced (unknown)", "dsn=4.4.1, status=deferred (later)")
    log.write_text("".join(
        f"Nov 16 07:30:01 mx postfix/cleanup[1]: 4C1D2E3F4{n}: message-id={message_id}\n"
        f"Nov 16 07:30:01 mx postfix/smtp[2]: 4C1D2E3F4{n}: to=<x@example.org>, {fate}\n"
        for n, (message_id, fate) in enumerate(zip(ids[:3], fates, strict=True))
    ))  # fmt: skip
    assert printed("outbox", "reconcile", "--postfix-log", log) == {"handed_over": 2, "bounced": 1, "still_in_doubt": 1}
    assert _states(installation) == {"handed_over": 2, "bounced": 1, "uncertain": 1}


def test_a_paused_route_is_shown_and_goes_again_when_it_is_resumed(installation: Installation) -> None:
    with installation.database.writing() as connection:
        pacing.save(connection, [pacing.Pace("route", "smtp", paused="60 of 90 messages were refused")], NOW)
        stored_edition_to_send(connection, 2, slug="other")
    assert "smtp is paused since" in germane("outbox", "status").output
    stopped = germane("send")
    assert stopped.exit_code == 6
    assert "germane outbox resume smtp" in stopped.output
    assert germane("outbox", "resume", "nothing").exit_code == 2
    assert germane("outbox", "resume", "smtp").exit_code == 0
    assert germane("send").exit_code == 0
    assert len(installation.server.accepted) == 2
