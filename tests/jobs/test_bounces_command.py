import json
import mailbox
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from jobs import incoming
from jobs.services import open_services
from profiles import links, verp
from store import bounces, inbound, members, pacing, suppression, tables
from store import ledger as ledger_of
from tests.builders import stored_digest, stored_edition
from tests.delivery.bounces.samples import ALL, feedback, fields, plain, report
from tests.delivery.bounces.test_classify import HUGE
from tests.jobs.installation import SECRET, Installation, germane, printed

KEY = SECRET.encode()
ANN = "ann@example.org"
MEMBER = tables.Member.__table__  # type: ignore[attr-defined]
OUTBOX = tables.Outbox.__table__  # type: ignore[attr-defined]
EDITION = tables.Edition.__table__  # type: ignore[attr-defined]


class Week:
    """One digest of Ann's that was handed over, and the return path that its bounce comes back to."""

    def __init__(self, installation: Installation, address: str = ANN) -> None:
        installation.now += timedelta(days=7)
        with installation.database.writing() as connection:
            found = members.find(connection, installation.network_key, address)
            assert found is not None
            edition = stored_edition(connection, installation.network_key)
            self.key = stored_digest(connection, edition, found.key, ())
            values = {"state": "handed_over", "attempts": 1, "settled_at": installation.now}
            connection.execute(update(OUTBOX).where(OUTBOX.c.id == self.key).values(**values))
            edition_id = connection.execute(select(EDITION.c.public_id).where(EDITION.c.id == edition)).scalar_one()
            self.message_id = connection.execute(
                select(OUTBOX.c.message_id).where(OUTBOX.c.id == self.key)
            ).scalar_one()
        self.member = found.public_id
        self.path = verp.return_path(KEY, found.public_id, edition_id, "news.example.org")

    def bounce(self, status: str = "5.1.1", said: str = "550 5.1.1 User unknown", address: str = ANN) -> bytes:
        return b"Delivered-To: " + self.path.encode() + b"\r\n" + report(fields(address, "failed", status, said))


def ingest(tmp_path: Path, *mails: bytes) -> dict[str, int]:
    box = tmp_path / "Maildir"
    for name in ("new", "cur", "tmp"):
        (box / name).mkdir(parents=True, exist_ok=True)
    for n, raw in enumerate(mails):
        (box / "new" / f"{n}.{abs(hash(raw))}").write_bytes(raw)
    return dict(printed("bounces", "ingest", box)["outcomes"])


def status(installation: Installation, address: str = ANN) -> str:
    with installation.database.reading() as connection:
        found = members.find(connection, installation.network_key, address)
        assert found is not None
        return found.member.status


def ledger(installation: Installation, key: int) -> str:
    with installation.database.reading() as connection:
        return str(connection.execute(select(OUTBOX.c.state).where(OUTBOX.c.id == key)).scalar_one())


def events() -> list[dict[str, object]]:
    return list(printed("bounces", "list"))


def test_the_second_dead_bounce_in_a_row_holds_the_address(installation: Installation, tmp_path: Path) -> None:
    first = Week(installation)
    outcome = ingest(tmp_path, first.bounce())
    assert outcome == {"bounce: hard: hard; 1 in a row, 1 of them for a dead address": 1}
    assert (status(installation), ledger(installation, first.key)) == ("active", "bounced")
    ingest(tmp_path, Week(installation).bounce())
    assert status(installation) == "bounced"
    assert [event["action"] for event in events()] == ["hold", "none"]


def test_a_digest_that_gets_through_in_between_sets_the_count_back(installation: Installation, tmp_path: Path) -> None:
    for _ in range(3):
        ingest(tmp_path, Week(installation).bounce())
        Week(installation)
    assert status(installation) == "active"


def test_one_message_counts_once_however_often_and_however_it_comes_back(
    installation: Installation, tmp_path: Path
) -> None:
    week = Week(installation)
    ingest(tmp_path, week.bounce(), week.bounce(), week.bounce(said="550 5.1.1 No such user"))
    assert status(installation) == "active"
    assert printed("bounces", "show", ANN)["failures"] == 1


def test_a_warning_that_mail_is_late_counts_as_nothing_and_what_comes_of_it_later_counts(
    installation: Installation, tmp_path: Path
) -> None:
    week = Week(installation)
    late = week.bounce("4.4.1", "Connection timed out").replace(b"Action: failed", b"Action: delayed")
    assert ingest(tmp_path, late) == {"bounce: nothing has failed yet, it is late": 1}
    assert (ledger(installation, week.key), printed("bounces", "show", ANN)["failures"]) == ("handed_over", 0)
    assert [event["action"] for event in events()] == ["delayed"]
    ingest(tmp_path, week.bounce("4.4.7", "Connection timed out, giving up"))
    assert (ledger(installation, week.key), printed("bounces", "show", ANN)["failures"]) == ("bounced", 1)


def test_refusals_for_policy_count_against_nobody(installation: Installation, tmp_path: Path) -> None:
    """Valid at one hand-over, refused for policy at the next: nothing follows."""
    for _ in range(8):
        ingest(tmp_path, Week(installation).bounce("5.7.1", "554 5.7.1 Message rejected: blocked by policy"))
    assert status(installation) == "active"
    shown = printed("bounces", "show", ANN)
    assert shown["failures"] == 0


def test_too_many_that_come_back_for_policy_pause_the_route_once_and_hurt_no_member(
    installation: Installation, tmp_path: Path
) -> None:
    """As when the mail server takes everything and the provider behind it sends it back."""
    for name, value in {"LEAST": 3, "SHARE": 0.5, "DOMAIN_SHARE": 1}.items():
        installation.set(f"SENDING__ALARM_{name}", value)
    where = f"{installation.server.host}:{installation.server.port}"
    weeks = [Week(installation) for _ in range(3)]
    with installation.database.writing() as connection:
        for week in weeks:
            tried = {"outbox_id": week.key, "attempt": 1, "at": installation.now, "outcome": "handed_over", "code": 250}
            told = {"enhanced_status": "", "reply": "", "route": where, "elapsed_ms": 1}
            connection.execute(ledger_of.DELIVERY.insert().values(**tried, **told))
    policy = "5.7.1", "554 5.7.1 Message rejected: blocked by policy"
    ingest(tmp_path, *(week.bounce(*policy) for week in weeks[:2]))
    assert paused(installation) == []
    ingest(tmp_path, weeks[2].bounce(*policy))
    assert paused(installation) == [("route", "smtp", "3 of 3 messages came back for reasons of policy or content")]
    assert [event["action"] for event in events()] == ["pause"] * 3
    assert germane("outbox", "resume", "smtp").exit_code == 0
    germane("bounces", "ingest")
    assert (paused(installation), status(installation)) == ([], "active")


def paused(installation: Installation) -> list[tuple[str, str, str]]:
    with installation.database.reading() as connection:
        return [(scope, name, why) for scope, name, why, _ in pacing.paused(connection)]


def test_five_full_mailboxes_in_a_row_hold(installation: Installation, tmp_path: Path) -> None:
    for week in range(1, 6):
        ingest(tmp_path, Week(installation).bounce("5.2.2", "552 5.2.2 Mailbox full"))
        assert status(installation) == ("bounced" if week == 5 else "active")


FORGED = {
    "no token": lambda _: report(fields(ANN, "failed", "5.1.1", "550 5.1.1 User unknown")),
    "a token that is not ours": lambda week: week.bounce().replace(week.path[2:12].encode(), b"a" * 10),
    "another member's token": lambda week: week.bounce().replace(week.path[2:18].encode(), b"b" * 16),
    "a leave token of another key": lambda _: report(
        fields(ANN, "failed", "5.1.1"),
        returned=f"List-Unsubscribe: <https://x/leave/{links.sign(b'another key of 32 characters....', 'leave', 'a' * 16)}>\n",
    ),
    "the Message-ID alone": lambda week: report(
        fields(ANN, "failed", "5.1.1"), returned=f"Message-ID: {week.message_id}\nTo: {ANN}\n\nhello"
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_f40_a_forged_bounce_never_holds_or_suppresses_anybody(
    installation: Installation, tmp_path: Path, name: str
) -> None:
    for _ in range(6):
        week = Week(installation)
        ingest(tmp_path, FORGED[name](week))
        assert ledger(installation, week.key) == "handed_over"
    assert status(installation) == "active"
    assert printed("suppress", "check", ANN)[0]["suppressed"] is False
    assert all(event["action"] == "none" and not event["signed"] for event in events())


@pytest.mark.parametrize(("name", "after"), [("the Message-ID alone", "handed_over"), ("no token", "uncertain")])
def test_an_unsigned_bounce_with_the_message_id_says_that_a_message_in_doubt_arrived_and_no_more(
    installation: Installation, tmp_path: Path, name: str, after: str
) -> None:
    week = Week(installation)
    with installation.database.writing() as connection:
        connection.execute(update(OUTBOX).where(OUTBOX.c.id == week.key).values(state="uncertain"))
    ingest(tmp_path, FORGED[name](week))
    assert ledger(installation, week.key) == after
    assert (status(installation), printed("bounces", "show", ANN)["failures"]) == ("active", 0)


def test_f40_a_forged_complaint_suppresses_nobody(installation: Installation, tmp_path: Path) -> None:
    assert ingest(tmp_path, feedback("abuse", f"Original-Rcpt-To: {ANN}")) == {
        "complaint: noted only: not signed by us": 1
    }
    assert (status(installation), printed("suppress", "check", ANN)[0]["suppressed"]) == ("active", False)


def test_a_complaint_with_our_link_in_the_mail_that_came_back_suppresses_at_once(
    installation: Installation, tmp_path: Path
) -> None:
    week = Week(installation)
    token = links.sign(KEY, "leave", week.member)
    returned = f"Message-ID: {week.message_id}\nList-Unsubscribe: <https://x.example/leave/{token}>\n\nhello"
    ingest(tmp_path, feedback("abuse", returned=returned))
    assert (status(installation), ledger(installation, week.key)) == ("left", "complained")
    assert printed("suppress", "check", ANN)[0]["reason"] == "complaint"
    (event,) = events()
    assert germane("bounces", "undo", event["key"]).exit_code == 0
    assert status(installation) == "active"
    assert printed("suppress", "check", ANN)[0]["suppressed"] is False


def test_automatic_replies_ordinary_mail_and_our_own_mail_change_nothing(
    installation: Installation, tmp_path: Path
) -> None:
    week = Week(installation)
    head = b"Delivered-To: " + week.path.encode() + b"\r\n"
    outcomes = ingest(
        tmp_path,
        head + plain("Automatic reply: Six things", "I am away.", sender=ANN, Auto_Submitted="auto-replied"),
        head + plain("Re: Six things", "Thank you!", sender=ANN),
        head + plain("Six things for you", "...", sender="digest@news.example.org", X_Digest_Issue="2026-W48"),
    )
    assert outcomes == {
        "ignored: an automatic reply": 1, "ignored: no bounce, no complaint": 1, "ignored: our own mail came back": 1,
    }  # fmt: skip
    assert (events(), status(installation)) == ([], "active")


def test_f23_a_mail_loop_comes_to_an_end_because_nothing_is_ever_answered(
    installation: Installation, tmp_path: Path
) -> None:
    own = plain("Six things for you", "...", sender="digest@news.example.org", X_Digest_Issue="2026-W48")
    before = len(installation.mailed)
    for _ in range(20):
        ingest(tmp_path, own)
    assert len(installation.mailed) == before
    with installation.database.reading() as connection:
        assert inbound.counts(connection) == {"done": 1}


def test_a_mail_that_asks_to_leave_takes_its_member_out(installation: Installation, tmp_path: Path) -> None:
    week = Week(installation)
    token = links.sign(KEY, "leave", week.member)
    mail = plain("leave", "leave", sender=ANN).replace(
        b"To: germane@", f"To: leave+{token}@news.example.org, x@".encode()
    )
    assert ingest(tmp_path, mail) == {"left": 1}
    assert status(installation) == "left"


def test_every_step_is_undone_and_the_address_counts_from_where_it_was(
    installation: Installation, tmp_path: Path
) -> None:
    ingest(tmp_path, Week(installation).bounce())
    ingest(tmp_path, Week(installation).bounce())
    hold = events()[0]
    assert "1 members put back" in germane("bounces", "undo", hold["key"]).stdout
    assert status(installation) == "active"
    assert printed("bounces", "show", ANN)["failures"] == 1
    again = germane("bounces", "undo", hold["key"])
    assert (again.exit_code, "undone before" in again.stderr) == (2, True)
    assert germane("bounces", "undo", 999).exit_code == 2


def test_undoing_a_hold_brings_nobody_back_who_left_meanwhile(installation: Installation, tmp_path: Path) -> None:
    ingest(tmp_path, Week(installation).bounce())
    ingest(tmp_path, Week(installation).bounce())
    with installation.database.writing() as connection:
        found = members.find(connection, installation.network_key, ANN)
        assert found is not None
        members.leave(connection, found.key, installation.now, "a page")
    germane("bounces", "undo", events()[0]["key"])
    assert status(installation) == "left"


def held(installation: Installation, tmp_path: Path) -> None:
    ingest(tmp_path, Week(installation).bounce())
    ingest(tmp_path, Week(installation).bounce())
    assert status(installation) == "bounced"
    installation.now += timedelta(days=7, seconds=1)
    germane("bounces", "ingest")


def probes(installation: Installation) -> list[tuple[int, str, str]]:
    with installation.database.reading() as connection:
        rows = connection.execute(
            select(OUTBOX.c.id, OUTBOX.c.message_id, OUTBOX.c.state).where(OUTBOX.c.kind == "probe")
        )
        return [tuple(row) for row in rows]  # type: ignore[misc]


def test_a_held_address_is_probed_and_opened_when_the_probe_does_not_come_back(
    installation: Installation, tmp_path: Path
) -> None:
    installation.set("SMTP__PORT", 1)
    held(installation, tmp_path)
    ((_, message_id, state),) = probes(installation)
    assert (state, message_id.endswith("@news.example.org>")) == ("planned", True)
    installation.now += timedelta(days=8)
    germane("bounces", "ingest")
    assert status(installation) == "bounced", "a probe that is still in the outbox proves nothing"
    installation.set("SMTP__PORT", installation.server.port)
    germane("bounces", "ingest")
    assert [state for _, _, state in probes(installation)] == ["handed_over"]
    installation.now += timedelta(days=8)
    germane("bounces", "ingest")
    assert (status(installation), [e["action"] for e in events()][:2]) == ("active", ["open", "probe"])


def test_a_probe_that_comes_back_dead_suppresses_the_address(installation: Installation, tmp_path: Path) -> None:
    held(installation, tmp_path)
    ((key, message_id, state),) = probes(installation)
    assert (state, installation.mailed) == ("handed_over", [ANN])
    with installation.database.reading() as connection:
        found = members.find(connection, installation.network_key, ANN)
        assert found is not None
    path = verp.return_path(KEY, found.public_id, message_id[3:19], "news.example.org")
    raw = b"Delivered-To: " + path.encode() + b"\r\n" + report(fields(ANN, "failed", "5.1.1", "550 5.1.1 unknown"))
    ingest(tmp_path, raw)
    assert (status(installation), ledger(installation, key)) == ("bounced", "bounced")
    assert printed("suppress", "check", ANN)[0]["reason"] == "bounce"
    assert events()[0]["action"] == "remove"


def test_what_the_mail_server_refuses_for_a_dead_address_counts_like_a_bounce(installation: Installation) -> None:
    for verdict, code in (("address", 550), ("policy", 554), ("address", 550)):
        week = Week(installation)
        with installation.database.writing() as connection:
            connection.execute(update(OUTBOX).where(OUTBOX.c.id == week.key).values(state="refused"))
            connection.execute(
                text(
                    "INSERT INTO delivery (outbox_id, attempt, at, outcome, code, enhanced_status, reply, route, elapsed_ms,"
                    " step, verdict) VALUES (:key, 1, :at, 'refused', :code, '5.1.1', '', '', 1, 'RCPT', :verdict)"
                ),
                {"key": week.key, "at": installation.now.isoformat(" "), "code": code, "verdict": verdict},
            )
        germane("bounces", "ingest")
        germane("bounces", "ingest")
    assert status(installation) == "bounced"
    assert [(e["kind"], e["action"]) for e in events()] == [("refusal", "hold"), ("refusal", "none")]


def test_sources_are_a_maildir_an_mbox_a_file_and_standard_input(installation: Installation, tmp_path: Path) -> None:
    weeks = [Week(installation) for _ in range(4)]
    box = mailbox.mbox(tmp_path / "box")
    box.add(weeks[0].bounce().replace(b"\r\n", b"\n"))
    box.flush()
    box.close()
    (tmp_path / "one.eml").write_bytes(weeks[1].bounce())
    maildir = mailbox.Maildir(tmp_path / "dir")
    maildir.add(weeks[2].bounce())
    assert printed("bounces", "ingest", tmp_path / "box", tmp_path / "one.eml", tmp_path / "dir")["taken"] == 3
    assert "1 mails taken in" in germane("bounces", "ingest", "-", input=weeks[3].bounce()).stdout
    assert [ledger(installation, week.key) for week in weeks] == ["bounced"] * 4
    again = printed("bounces", "ingest", tmp_path / "box", tmp_path / "one.eml")
    assert (again["taken"], again["known"]) == (0, 2)
    assert not list((tmp_path / "dir" / "new").iterdir())
    wrong = germane("bounces", "ingest", tmp_path / "nothing")
    assert (wrong.exit_code, "neither a Maildir" in wrong.stderr) == (1, True)


def test_a_bounce_through_the_pipe_of_the_mail_server_counts(installation: Installation) -> None:
    week = Week(installation)
    result = germane("receive", "--recipient", week.path, input=report(fields(ANN, "failed", "5.1.1")))
    assert (result.exit_code, "1 in a row" in result.stderr, ledger(installation, week.key)) == (0, True, "bounced")


def test_f19_a_poison_mail_is_set_aside_after_its_tries_and_the_others_go_through(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = incoming.deal_with

    def deal_with(connection, mail, services):  # type: ignore[no-untyped-def]
        if b"poison" in mail.raw:
            raise MemoryError("poison")
        return real(connection, mail, services)

    monkeypatch.setattr(incoming, "deal_with", deal_with)
    week = Week(installation)
    result = germane("bounces", "ingest", _maildir(tmp_path, b"Subject: poison\r\n\r\n", week.bounce()))
    assert (result.exit_code, ledger(installation, week.key)) == (1, "bounced")
    (aside,) = printed("bounces", "list", "--aside")
    assert (aside["tries"], aside["why"]) == (3, "MemoryError: poison")
    monkeypatch.undo()


def _maildir(tmp_path: Path, *mails: bytes) -> Path:
    (tmp_path / "Maildir" / "new").mkdir(parents=True, exist_ok=True)
    for n, raw in enumerate(mails):
        (tmp_path / "Maildir" / "new" / f"{n}.x").write_bytes(raw)
    return tmp_path / "Maildir"


def test_f19_a_mail_that_kills_its_reader_is_counted_and_set_aside(installation: Installation) -> None:
    services = open_services()
    incoming.take_in(services, b"Subject: it kills\r\n\r\n", "", "file")
    for _ in range(inbound.MOST_TRIES):
        assert incoming._next(services) is not None  # and the process is gone
        installation.now += inbound.TAKEN_FOR + timedelta(seconds=1)
    assert incoming.work_off(services) == {}
    (aside,) = printed("bounces", "list", "--aside")
    assert aside["tries"] == 3
    assert "1 tried again: 1 ignored" in germane("bounces", "retry").stdout
    assert printed("bounces", "list", "--aside") == []


@pytest.fixture
def every_sample(installation: Installation, tmp_path: Path) -> dict[str, int]:
    return ingest(tmp_path, *(sample.raw for sample in ALL), *HUGE.values())


def test_f19_every_sample_and_every_monster_goes_through_and_nothing_is_dropped(
    every_sample: dict[str, int], installation: Installation
) -> None:
    with installation.database.reading() as connection:
        assert inbound.counts(connection) == {"done": sum(every_sample.values())}
    assert installation.mailed == [], "nothing that comes in is ever answered"


def test_what_servers_said_is_kept_without_addresses_and_erased_with_the_member(
    installation: Installation, tmp_path: Path
) -> None:
    ingest(tmp_path, Week(installation).bounce(said=f"550 5.1.1 <{ANN}>: no such user"))
    (event,) = events()
    assert event["said"] == "550 5.1.1 <...>: no such user"
    germane("members", "remove", ANN, "--erase", "--yes")
    (event,) = events()
    assert (event["said"], event["address"]) == ("", "")
    with installation.database.reading() as connection:
        everything = json.dumps(
            [[str(value) for value in row] for table in (tables.CameBack, tables.Inbound, tables.Reachability)
             for row in connection.execute(select(table.__table__))]  # type: ignore[attr-defined]
        )  # fmt: skip
    assert "ann@" not in everything


def test_a_suppressed_address_cannot_be_settled_twice(installation: Installation) -> None:
    with installation.database.writing() as connection:
        suppression.add(connection, ANN, KEY, "complaint", installation.now, "x")
        rule = incoming.rule_of(open_services().settings.bounces)
        found = members.find(connection, installation.network_key, ANN)
        assert found is not None
        made = bounces.Report("complaint", "", installation.now, signed=True)
        said = bounces.record(connection, made, KEY, rule, member=found.public_id)
    assert said == "complaint: was suppressed before"
