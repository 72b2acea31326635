import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from delivery.bounces import Classified, classify
from tests.delivery.bounces.samples import ALL, ORDINARY, RETURNED, STRUCTURED, Sample, fields, report

MOST_S = 2.0


@pytest.mark.parametrize("sample", ALL, ids=[sample.name for sample in ALL])
def test_every_sample_is_what_it_is(sample: Sample) -> None:
    found = classify(sample.raw)
    assert (found.kind, {one.address: one.kind for one in found.recipients}) == (sample.kind, sample.recipients)


@pytest.mark.parametrize("ends", [b"\n", b"\r"])
def test_line_ends_make_no_difference(ends: bytes) -> None:
    for sample in ALL:
        assert classify(sample.raw.replace(b"\r\n", ends)).kind == sample.kind, sample.name


def test_an_mbox_line_before_the_headers_makes_no_difference() -> None:
    assert classify(b"From MAILER-DAEMON Mon Nov 23 07:31:00 2026\n" + STRUCTURED[0].raw) == classify(STRUCTURED[0].raw)


@given(st.binary(max_size=2000))
@example(b"")
@example(b"\x00" * 100)
@example(b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n--")
@example(b"From: =?utf-7?b?+++?=\nSubject: =?x?q?=00=?=\n\n")
@settings(max_examples=300, deadline=None)
def test_any_octets_at_all_are_something(raw: bytes) -> None:
    assert isinstance(classify(raw), Classified)


@given(st.sampled_from(ALL), st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_message_never_raises_and_ordinary_mail_never_becomes_a_bounce(
    sample: Sample, data: st.DataObject
) -> None:
    raw = bytearray(sample.raw)
    start = data.draw(st.integers(0, len(raw)))
    raw[start : start + data.draw(st.integers(0, 200))] = data.draw(st.binary(max_size=50))
    found = classify(bytes(raw))
    assert isinstance(found, Classified)
    if sample in ORDINARY and start > sample.raw.index(b"\r\n\r\n"):
        assert found.kind != "bounce"


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8, 0.95])
def test_a_bounce_cut_short_is_still_read_or_nothing(share: float) -> None:
    for sample in STRUCTURED:
        found = classify(sample.raw[: int(len(sample.raw) * share)])
        assert found.kind in {sample.kind, "other", "bounce", "autoreply"}
        assert {one.address for one in found.recipients} <= {
            *sample.recipients,
            "akoch@internal.example.org",
            "akoch@internal.local",
            "well@example.org",
        } | ({"anna.koch@clinic.example.org"})


def _nested(depth: int) -> bytes:
    octets = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(depth))
    return (
        b"From: MAILER-DAEMON@x.example\r\nSubject: failure notice\r\n"
        + octets
        + b"\r\n<a@b.example>: no such user\r\n"
    )


HUGE = {
    "50 MB": report(fields("a@b.example", "failed", "5.1.1"), returned=RETURNED + "x" * 76 + "\n") + b"y" * 50_000_000,
    "50 MB on one line": b"From: MAILER-DAEMON@x.example\nSubject: failure notice\n\n" + b"<a@b.example>" * 4_000_000,
    "nested a thousand times": _nested(1000),
    "messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 30_000,
    "a million parts": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 1_000_000,
    "a million headers": b"X: y\n" * 1_000_000,
    "one header of 10 MB": b"Subject: " + b"=?utf-8?q?a?= " * 800_000,
    "at signs": b"From: MAILER-DAEMON@x\nSubject: failure notice\n\n" + b"a@" * 500_000,
    "letters": b"From: MAILER-DAEMON@x\nSubject: failure notice\n\n" + b"a" * 1_000_000,
    "open tags": b"From: MAILER-DAEMON@x\nSubject: failure notice\nContent-Type: text/html\n\n"
    + b"<!-- <style <p " * 70_000,
    "blanks": b"From: MAILER-DAEMON@x\nSubject: failure notice\n\n" + b" \t" * 500_000,
    "fields": b"From: MAILER-DAEMON@x\nSubject: failure\nContent-Type: message/delivery-status\n\n"
    + b"Final-Recipient: rfc822;a@b.example\nAction: failed\n\n" * 20_000,
    "dialogue": b"From: MAILER-DAEMON@x\nSubject: failure\n\n" + b">>> RCPT TO:<a@b.example>\n<<< 550 no\n" * 30_000,
    "quotes": b'Content-Type: multipart/mixed; boundary="' + b'\\"' * 400_000,
    "japanese": b"From: MAILER-DAEMON@x\nSubject: failure\n\n" + "宛先@不明です".encode("shift_jis") * 50_000,
}


@pytest.mark.parametrize("name", HUGE)
def test_no_message_takes_longer_than_its_time(name: str) -> None:
    started = time.process_time()
    assert isinstance(classify(HUGE[name]), Classified)
    assert time.process_time() - started < MOST_S


def test_what_failed_is_found_in_a_bounce_of_50_megabytes() -> None:
    found = classify(HUGE["50 MB"])
    assert [(one.address, one.kind) for one in found.recipients] == [("a@b.example", "hard")]
