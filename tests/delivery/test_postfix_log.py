"""Postfix's log: what it says of each Message-ID, in both kinds of timestamp, plain and compressed."""

import gzip
from pathlib import Path

import pytest

from delivery.postfix_log import Entry, entries, read

SYSLOG = "Nov 16 07:30:01 mx "
RFC3339 = "2026-11-16T07:30:01.123456+00:00 mx "


def _lines(queue: str, message_id: str, *fates: str, daemon: str = "smtp", start: str = SYSLOG) -> list[str]:
    return [
        f"{start}postfix/smtpd[10]: {queue}: client=localhost[127.0.0.1]",
        f"{start}postfix/cleanup[11]: {queue}: message-id={message_id}",
        f"{start}postfix/qmgr[12]: {queue}: from=<b+x@news.example.org>, size=30000, nrcpt=1 (queue active)",
        *(
            f"{start}postfix/{daemon}[13]: {queue}: to=<ann@example.org>, relay=mx[192.0.2.1]:25, {fate}"
            for fate in fates
        ),
        f"{start}postfix/qmgr[12]: {queue}: removed",
    ]


@pytest.mark.parametrize("start", [SYSLOG, RFC3339])
@pytest.mark.parametrize("queue", ["4C1D2E3F4A", "4bXyZ12qRSz3wKT"])
@pytest.mark.parametrize(
    ("said", "fate", "status"),
    [
        (("dsn=2.0.0, status=sent (250 2.0.0 ok)",), "sent", "2.0.0"),
        (("dsn=5.1.1, status=bounced (host said: 550 5.1.1 no such user)",), "bounced", "5.1.1"),
        (("dsn=4.4.1, status=deferred (connect timed out)",), "deferred", "4.4.1"),
        (("dsn=4.4.1, status=deferred (later)", "dsn=2.0.0, status=sent (250 ok)"), "sent", "2.0.0"),
        (("dsn=2.0.0, status=sent (to the filter)", "dsn=5.2.2, status=bounced (full)"), "bounced", "5.2.2"),
        (("dsn=4.4.1, status=deferred (later)", "status=expired, returned to sender"), "bounced", ""),
        ((), "queued", ""),
    ],
)
def test_what_became_of_a_message(start: str, queue: str, said: tuple[str, ...], fate: str, status: str) -> None:
    lines = _lines(queue, "<1@x>", *said, start=start)
    assert entries(lines) == {"<1@x>": Entry("<1@x>", fate, status)}  # type: ignore[arg-type]


def test_a_message_that_never_came_to_its_final_dot_is_not_in_the_queue() -> None:
    lines = _lines("4C1D2E3F4A", "<1@x>")[:2]
    assert entries([*lines, f"{SYSLOG}postfix/smtpd[10]: lost connection after DATA from localhost"]) == {}


def test_a_queue_id_that_is_used_again_belongs_to_the_newer_message() -> None:
    lines = _lines("4C1D2E3F4A", "<1@x>", "dsn=2.0.0, status=sent (ok)")
    lines += _lines("4C1D2E3F4A", "<2@x>", "dsn=5.1.1, status=bounced (no)", daemon="local")
    assert {key: entry.fate for key, entry in entries(lines).items()} == {"<1@x>": "sent", "<2@x>": "bounced"}


@pytest.mark.parametrize("line", ["", "nonsense", SYSLOG + "postfix/smtp[1]: 4C1D2E3F4A: status=sent", "\x00" * 50])
def test_a_line_that_says_nothing_is_passed_over(line: str) -> None:
    assert entries([line]) == {}


def test_a_compressed_log_and_odd_octets_are_read(tmp_path: Path) -> None:
    text = "\n".join(_lines("4C1D2E3F4A", "<1@x>", "dsn=2.0.0, status=sent (ok)")).encode() + b"\n\xff\xfe broken\n"
    plain, packed = tmp_path / "mail.log", tmp_path / "mail.log.2.gz"
    plain.write_bytes(text)
    packed.write_bytes(gzip.compress(text))
    assert list(read(plain)) == list(read(packed))
    assert entries(read(packed))["<1@x>"].fate == "sent"
