"""For the failures that mailers are known for: a guard, and the named test that must fail on a build without it.

The test is run as it stands, by a pytest of its own inside this process, with the guard taken out here and in every process
that it starts. `python -m tests.faults.test_index` lists them.
"""

import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest

from tests.faults import processes
from tests.faults.broken import Replace, place_of


@dataclass(frozen=True)
class Twin:
    """`number` is that of the failure, `test` what holds it. `take_out` makes the build without the guard."""

    number: int
    guard: str
    test: str
    take_out: Callable[[Replace], None]

    @property
    def name(self) -> str:
        return f"f{self.number:02}: {self.guard}"


@dataclass
class Outcome:
    """What became of the tests that a twin ran: names of those that passed, and of those that failed as tests do."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)
    """Skipped, or failed in a fixture, or took too long: says nothing about the guard."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and not report.skipped and "Timeout" not in str(report.longrepr):
            (self.failed if report.failed else self.passed).append(report.nodeid)
        elif report.outcome != "passed":
            self.not_run.append(report.nodeid)


PLUGINS = ("terminal", "cacheprovider", "faulthandler", "xdist")
"""What the pytest inside would only be in the way with."""


def run(test: str, take_out: Callable[[Replace], None]) -> Outcome:
    """Run tests, as pytest names them, on a build that lacks what `take_out` takes out."""
    outcome = Outcome()
    import_module(test.partition(".py")[0].replace("/", "."))  # as it is: what is broken is what it calls
    quietly = [part for name in PLUGINS for part in ("-p", f"no:{name}")]
    with pytest.MonkeyPatch.context() as patches, _in_new_processes(take_out):
        take_out(lambda module, name, value: patches.setattr(*place_of(module, name), value))
        pytest.main(["-o", "addopts=", "-o", "timeout=0", "--maxfail=1", *quietly, test], plugins=[outcome])
    return outcome


@contextmanager
def _in_new_processes(take_out: Callable[[Replace], None]) -> Iterator[None]:
    processes.TAKEN_OUT.append(take_out)
    try:
        yield
    finally:
        processes.TAKEN_OUT.remove(take_out)


def _raised(error_at: int) -> Callable[..., Any]:
    """A function that lets the error go on which it was given to deal with."""

    def go_on(*given: Any, **_: Any) -> Any:
        raise given[error_at]

    return go_on


def _the_last_digest_is_forgotten(replace: Replace) -> None:
    from digest import slots

    found = slots.next_due

    def due(wish: Any, _last: Any, start: Any, as_of: Any) -> Any:
        return found(wish, None, start, as_of)

    for module in ("digest.slots", "tests.jobs.test_schedule"):
        replace(module, "next_due", due)


def _each_missed_week_is_made_up_for(replace: Replace) -> None:
    from jobs import schedule

    found = schedule.slot_due

    def due(now: Any, network: Any, added_at: Any, begun: Any, grace: Any) -> Any:
        for weeks in range(8, 0, -1):
            slot = schedule.current(now - timedelta(weeks=weeks), network)
            if slot.name not in begun and slot.instant >= added_at:
                return slot
        return found(now, network, added_at, begun, grace)

    for module in ("jobs.schedule", "tests.jobs.test_schedule"):
        replace(module, "slot_due", due)


def _any_dot_is_in_time(replace: Replace) -> None:
    replace("jobs.dispatch", "Dispatch._watch", lambda _: lambda: "")


def _nothing_is_taken_back(replace: Replace) -> None:
    replace("store.outbox", "take_back", lambda *_: 0)


def _no_mark_outside(replace: Replace) -> None:
    replace("jobs.watermark", "refuse_older", lambda *_: None)


def _no_wait_for_locks(replace: Replace) -> None:
    from store.database import Database

    made = Database.__init__

    def make(self: Any, url: str, wait_s: float = 30.0) -> None:
        made(self, url, 0.05)

    replace("store.database", "Database.__init__", make)


def _dots_without_their_record(replace: Replace) -> None:
    """A record that cannot be written is passed over."""

    def refuse(self: Any, error: Exception) -> None:
        self.allow("")

    replace("jobs.journal", "_Dot.refuse", refuse)


def _a_refusal_is_for_good(replace: Replace) -> None:
    from delivery import smtp

    found = smtp._receipt

    def receipt(*given: Any, **options: Any) -> Any:
        made = found(*given, **options)
        return changed(made, outcome="refused") if made.outcome == "deferred" else made

    replace("delivery.smtp", "_receipt", receipt)


def _slow_domains_are_like_all(replace: Replace) -> None:
    def may_go(self: Any, lane: Any) -> bool:
        return bool(self.under_way < self.most + self.most_slow)

    replace("delivery.traffic", "Traffic._may_go", may_go)


def _a_closed_server_is_a_refusal(replace: Replace) -> None:
    from delivery.smtp import MailServerError, Receipt

    async def connect(self: Any) -> Any:
        return self

    async def send(self: Any, parcel: Any, before_dot: Any) -> Any:
        try:
            await self._session()
        except MailServerError as error:
            return Receipt("refused", reply=str(error))
        raise AssertionError

    replace("delivery.pool", "SmtpPool.__aenter__", connect)
    replace("delivery.pool", "SmtpPool.send", send)


def _starttls_where_there_is_some(replace: Replace) -> None:
    replace("delivery.smtp", "SmtpRoute.uses_starttls", property(lambda _: False))


def _any_certificate(replace: Replace) -> None:
    def unverified(*_: Any, **__: Any) -> ssl.SSLContext:
        return ssl._create_unverified_context()

    replace("ssl", "create_default_context", unverified)


def _one_members_error_is_everybodys(replace: Replace) -> None:
    replace("jobs.letters", "not_composed", _raised(1))


def _one_mails_error_is_everybodys(replace: Replace) -> None:
    def go_on(*_: Any) -> str:
        raise RuntimeError("the whole round ends")

    replace("jobs.incoming", "_failed", go_on)


def _accepted_before_it_is_kept(replace: Replace) -> None:
    async def handle(self: Any, server: Any, session: Any, envelope: Any) -> str:
        return "250 2.0.0 Kept"

    replace("jobs.lmtp", "Intake.handle_DATA", handle)


def _no_seal_is_looked_at(replace: Replace) -> None:
    replace("hmac", "compare_digest", lambda _right, _given: True)


def _any_line_end_ends_a_line(replace: Replace) -> None:
    import re

    from jobs.lmtp import Reader

    class Lenient(Reader):
        def data_received(self, data: bytes) -> None:
            super().data_received(re.sub(rb"\r?\n|\r", b"\r\n", data.replace(b"\0", b"")))

    replace("jobs.lmtp", "Reader", Lenient)


def _every_mail_is_answered(replace: Replace) -> None:
    from jobs import incoming

    found = incoming.deal_with

    def deal_with(connection: Any, mail: Any, services: Any) -> str:
        smtp = services.settings.smtp
        with smtplib.SMTP(smtp.host, smtp.port) as server:
            server.sendmail("us@example.org", ["whoever@example.org"], "Subject: Re: your mail\r\n\r\nThank you.\r\n")
        return found(connection, mail, services)

    replace("jobs.incoming", "deal_with", deal_with)


def _lines_are_taken_as_they_come(replace: Replace) -> None:
    for module in ("digest.mime", "digest.cards"):
        replace(module, "one_line", str)


def _paths_are_logged(replace: Replace) -> None:
    replace("web.security", "_pattern", lambda scope: scope["path"])


def _no_headers(replace: Replace) -> None:
    replace("web.security", "HEADERS", {})


def _reading_the_page_leaves(replace: Replace) -> None:
    from web import leave

    replace("web.leave", "_ask", lambda context, public_id: leave._leave(context, public_id, "a GET"))


def _unsigned_counts(replace: Replace) -> None:
    from store import bounces

    found = bounces.record

    def record(connection: Any, report: Any, *rest: Any, **options: Any) -> str:
        return found(connection, changed(report, signed=True), *rest, **options)

    replace("store.bounces", "record", record)


def _a_webhook_without_a_signature(replace: Replace) -> None:
    replace("web.bounces", "_check_signature", lambda *_: None)


def _one_members_link_for_all(replace: Replace) -> None:
    """The first reader's tokens stay in what all share."""
    from digest.message import DigestPress

    made = DigestPress._bodies
    first: dict[int, Any] = {}

    def bodies(self: Any, recipient: Any, *rest: Any) -> Any:
        return made(self, changed(recipient, leave_token=first.setdefault(id(self), recipient).leave_token), *rest)

    replace("digest.message", "DigestPress._bodies", bodies)


def _no_size_is_too_big(replace: Replace) -> None:
    replace("digest.sheet", "LONGEST", 10**9)
    replace("digest.sheet", "COMFORTABLE", 10**9)


def _age_alone_decides(replace: Replace) -> None:
    from sqlalchemy import false

    replace("store.retention", "_has_unsettled", false)


def _any_version_will_do(replace: Replace) -> None:
    replace("store.version", "confirm", lambda _: None)


FLOWS, LINKS, LMTP = "tests/flows/test_message_failures.py", "tests/web/test_links_hold.py", "tests/jobs/test_lmtp.py"
WAYS_OUT, BOUNCES = "tests/jobs/test_ways_out.py", "tests/jobs/test_bounces_command.py"
MIDDLE, AWAY = "tests/faults/test_middle.py", "tests/faults/test_away_and_forged.py"

TWINS: Sequence[Twin] = (
    Twin(
        4,
        "no dot long after its record",
        f"{MIDDLE}::test_f04_a_dot_is_not_sent_long_after_its_record[sqlite]",
        _any_dot_is_in_time,
    ),
    Twin(
        5,
        "a week since the last digest",
        "tests/jobs/test_schedule.py::test_f5_a_network_whose_schedule_is_changed_again_and_again_doubles_and_skips_no_members_week",
        _the_last_digest_is_forgotten,
    ),
    Twin(
        6,
        "what was missed is made up for once",
        "tests/jobs/test_schedule.py::test_f6_after_three_weeks_off_a_network_runs_one_edition_and_a_member_gets_one_digest",
        _each_missed_week_is_made_up_for,
    ),
    Twin(
        6,
        "what was sent is known outside the database",
        "tests/jobs/test_watermark.py::test_f06_on_either_database_the_file_that_the_settings_name_is_asked[sqlite]",
        _no_mark_outside,
    ),
    Twin(
        7,
        "a lock is waited for",
        f"{MIDDLE}::test_f07_a_lock_that_ends_in_time_is_waited_for[sqlite]",
        _no_wait_for_locks,
    ),
    Twin(
        8,
        "no dot without its record",
        f"{MIDDLE}::test_f07_a_database_that_is_locked_while_sending_loses_nothing[sqlite]",
        _dots_without_their_record,
    ),
    Twin(
        9,
        "a refusal for now is tried again",
        f"{WAYS_OUT}::test_f9_one_bad_address_stops_no_other_and_each_good_one_gets_its_mail[sqlite]",
        _a_refusal_is_for_good,
    ),
    Twin(
        10,
        "slow domains have connections of their own",
        "tests/delivery/test_pacing.py::test_f10_with_a_fifth_of_the_domains_slow_the_others_take_no_tenth_longer",
        _slow_domains_are_like_all,
    ),
    Twin(
        11,
        "no connection is no refusal",
        f"{WAYS_OUT}::test_f11_a_relay_that_is_closed_is_no_members_fault[sqlite]",
        _a_closed_server_is_a_refusal,
    ),
    Twin(
        12,
        "STARTTLS is required",
        f"{WAYS_OUT}::test_f12_without_starttls_nothing_is_sent_and_it_is_told[sqlite]",
        _starttls_where_there_is_some,
    ),
    Twin(
        12,
        "certificates are verified",
        f"{WAYS_OUT}::test_f12_a_server_with_a_certificate_of_somebody_else_gets_nothing",
        _any_certificate,
    ),
    Twin(
        13,
        "what an import ends is taken out of messages on their way",
        "tests/store/test_items.py::test_a_message_that_was_made_with_an_item_which_an_import_ends_is_not_completed",
        _nothing_is_taken_back,
    ),
    Twin(
        18,
        "an error in one message is its own",
        f"{FLOWS}::test_f18_a_template_that_fails_for_one_member_stops_nobody_else",
        _one_members_error_is_everybodys,
    ),
    Twin(
        19,
        "an error at one mail is its own",
        f"{BOUNCES}::test_f19_a_poison_mail_is_set_aside_after_its_tries_and_the_others_go_through",
        _one_mails_error_is_everybodys,
    ),
    Twin(
        20,
        "kept before it is accepted",
        f"{LMTP}::test_f20_what_cannot_be_kept_is_not_accepted",
        _accepted_before_it_is_kept,
    ),
    Twin(
        21,
        "only a sealed token leaves",
        f"{AWAY}::test_f21_whoever_a_mail_says_it_is_from_only_a_token_of_ours_does_anything",
        _no_seal_is_looked_at,
    ),
    Twin(22, "only CRLF ends a line", f"{LMTP}::test_f22_only_crlf_dot_crlf_ends_a_mail", _any_line_end_ends_a_line),
    Twin(
        23,
        "nothing is answered",
        f"{BOUNCES}::test_f23_a_mail_loop_comes_to_an_end_because_nothing_is_ever_answered",
        _every_mail_is_answered,
    ),
    Twin(
        24,
        "a field is one line",
        f"{FLOWS}::test_f24_no_name_title_or_tag_adds_a_header_field_or_a_recipient",
        _lines_are_taken_as_they_come,
    ),
    Twin(
        30, "a link is sealed", f"{LINKS}::test_f30_a_link_serves_no_other_member_purpose_or_key", _no_seal_is_looked_at
    ),
    Twin(31, "the log knows no paths", f"{LINKS}::test_f31_f32_no_log_line_holds_a_token", _paths_are_logged),
    Twin(
        32,
        "no Referer from a page behind a link",
        f"{LINKS}::test_f32_a_page_behind_a_link_tells_no_other_site",
        _no_headers,
    ),
    Twin(
        33,
        "a GET only asks",
        f"{LINKS}::test_f33_a_scanner_that_follows_every_link_changes_nothing",
        _reading_the_page_leaves,
    ),
    Twin(
        40,
        "what is not signed is only noted",
        f"{BOUNCES}::test_f40_a_forged_bounce_never_holds_or_suppresses_anybody",
        _unsigned_counts,
    ),
    Twin(
        40,
        "a webhook is signed",
        "tests/web/test_bounces.py::test_f40_a_wrong_signature_changes_nothing",
        _a_webhook_without_a_signature,
    ),
    Twin(
        42,
        "a mail depends on its member alone",
        f"{FLOWS}::test_f42_a_mail_depends_on_its_member_alone_in_any_order_and_in_parallel",
        _one_members_link_for_all,
    ),
    Twin(43, "a mail has a size", f"{FLOWS}::test_f43_what_is_left_out_for_its_size_is_counted", _no_size_is_too_big),
    Twin(
        44,
        "what is not settled keeps its edition",
        "tests/jobs/test_purge_command.py::test_f44_nothing_goes_that_a_message_not_settled_belongs_to",
        _age_alone_decides,
    ),
    Twin(
        45,
        "a claim asks for the version",
        "tests/flows/test_upgrades.py::test_f45_an_old_process_claims_nothing_in_the_tables_of_a_newer_version[sqlite]",
        _any_version_will_do,
    ),
)
