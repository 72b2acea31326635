"""Handing messages over to a real SMTP server that refuses, drops, hangs and talks nonsense on command."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from bench.tls import make_certificate
from delivery.pool import SmtpPool
from delivery.sink import EXTENSIONS, Sink
from delivery.smtp import Envelope, MailServerError, Parcel, Receipt, SmtpRoute, _has_only_crlf, probe
from tests.faults.misbehaving import Fault, Misbehaving

CONTENT = b"Subject: this week\r\n\r\n.a line with a dot\r\nand another\r\n" + b"filler\r\n" * 100
ANN = "ann@example.org"


def _route(sink: Sink, **changes: Any) -> SmtpRoute:
    route = SmtpRoute(sink.host, sink.port, local_hostname="client.example.org", connections=1, connect_timeout_s=5)
    return replace(route, **changes)


async def _yes() -> bool:
    await asyncio.sleep(0.005)  # as long as a commit takes: what the server does about the content comes first
    return True


async def _no() -> bool:
    return False


def _with_pool(sink: Sink, use: Callable[[SmtpPool], Awaitable[None]], **changes: Any) -> None:
    async def main() -> None:
        async with sink, SmtpPool(_route(sink, **changes)) as pool:
            await use(pool)

    asyncio.run(main())


def _receipts(sink: Sink, *recipients: str, content: bytes = CONTENT, **changes: Any) -> list[Receipt | None]:
    """Hand one message a recipient over, one after the other."""
    receipts: list[Receipt | None] = []

    async def use(pool: SmtpPool) -> None:
        for recipient in recipients:
            receipts.append(await pool.send(Parcel(Envelope("digest@example.org", recipient), content), _yes))

    _with_pool(sink, use, **changes)
    return receipts


def _outcomes(sink: Sink, *recipients: str, **changes: Any) -> list[str]:
    return [receipt.outcome if receipt else "" for receipt in _receipts(sink, *recipients, **changes)]


@pytest.mark.parametrize("extensions", [EXTENSIONS, ("8BITMIME",), ()])
def test_a_message_arrives_octet_for_octet_with_and_without_pipelining(extensions: tuple[str, ...]) -> None:
    sink = Misbehaving(extensions=extensions)
    assert _outcomes(sink, ANN, "bob@example.org") == ["handed_over", "handed_over"]
    assert [message.content for message in sink.accepted] == [CONTENT, CONTENT]
    assert sink.recipients() == [ANN, "bob@example.org"]


@pytest.mark.parametrize("content", [b".\r\n", b"..\r\n.\r\n\r\n", b"a\r\n.", b"x: y\r\n" + b"." * 200_000 + b"\r\n"])
def test_dots_survive(content: bytes) -> None:
    sink = Misbehaving()
    assert [receipt and receipt.outcome for receipt in _receipts(sink, ANN, content=content)] == ["handed_over"]
    assert sink.accepted[0].content == (content if content.endswith(b"\r\n") else content + b"\r\n")


def test_the_receipt_keeps_the_servers_reply_with_its_enhanced_status() -> None:
    sink = Misbehaving(Fault("RCPT", reply=b"550-5.1.1 no such\r\n550 5.1.1 user here"))
    (receipt,) = _receipts(sink, ANN)
    assert receipt is not None
    assert (receipt.outcome, receipt.code, receipt.enhanced_status) == ("refused", 550, "5.1.1")
    assert receipt.reply == "550 5.1.1 no such 5.1.1 user here"


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "message"])
@pytest.mark.parametrize("extensions", [EXTENSIONS, ("8BITMIME",)])
@pytest.mark.parametrize(("reply", "outcome"), [(b"451 4.3.0 later", "deferred"), (b"554 5.7.1 never", "refused")])
def test_a_refusal_at_any_step_leaves_the_connection_usable(
    step: str, extensions: tuple[str, ...], reply: bytes, outcome: str
) -> None:
    sink = Misbehaving(Fault(step, reply=reply, times=1), extensions=extensions)
    assert _outcomes(sink, "bad@example.org", ANN) == [outcome, "handed_over"]
    assert sink.recipients() == [ANN]
    assert sink.connections == 1


def test_data_that_is_accepted_with_no_recipient_left_ends_with_a_lone_dot() -> None:
    sink = Misbehaving(
        Fault("RCPT", "bad@example.org", reply=b"550 5.1.1 no"), Fault("DATA", reply=b"354 go on", times=1)
    )
    receipts = _outcomes(sink, "bad@example.org", ANN)
    assert receipts == ["refused", "handed_over"]
    assert "." in sink.commands  # it reached the session as a command, for this server never waited for content


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "content"])
@pytest.mark.parametrize(
    "fault", [Fault("", drop=True, times=1), Fault("", reply=b"421 4.3.2 bye", drop=True, times=1)]
)
def test_a_connection_lost_before_the_dot_defers_that_message_alone(step: str, fault: Fault) -> None:
    sink = Misbehaving(replace(fault, step=step))
    assert _outcomes(sink, "bad@example.org", ANN) == ["deferred", "handed_over"]
    assert sink.recipients() == [ANN]


@pytest.mark.parametrize("take", [True, False])
def test_a_connection_lost_after_the_dot_leaves_the_message_uncertain(take: bool) -> None:
    sink = Misbehaving(Fault("message", drop=True, take=take, times=1))
    assert _outcomes(sink, "bad@example.org", ANN) == ["uncertain", "handed_over"]


def test_421_after_the_dot_is_a_refusal_for_now_and_not_in_doubt() -> None:
    sink = Misbehaving(Fault("message", reply=b"421 4.3.2 bye", drop=True, times=1))
    assert _outcomes(sink, "bad@example.org", ANN) == ["deferred", "handed_over"]


@pytest.mark.parametrize(
    ("step", "outcome"), [("MAIL", "deferred"), ("RCPT", "deferred"), ("DATA", "deferred"), ("message", "uncertain")]
)
@pytest.mark.parametrize("nonsense", [b"hello, I am no mail server", b"999 what", b"354 go on", b"2500 ok"])
def test_nonsense_is_neither_a_yes_nor_a_no(step: str, outcome: str, nonsense: bytes) -> None:
    if step == "DATA" and nonsense.startswith(b"354"):
        nonsense = b"250 ok"
    sink = Misbehaving(Fault(step, reply=nonsense, times=1))
    assert _outcomes(sink, "bad@example.org", ANN) == [outcome, "handed_over"]


def test_silence_before_the_dot_defers_that_message() -> None:
    sink = Misbehaving(Fault("RCPT", hang=True, times=1), extensions=())
    assert _outcomes(sink, "bad@example.org", ANN, timeout_s=0.2) == ["deferred", "handed_over"]


def test_silence_after_the_dot_leaves_the_message_uncertain() -> None:
    sink = Misbehaving(Fault("message", hang=True, times=1))
    assert _outcomes(sink, "bad@example.org", ANN, final_dot_timeout_s=0.2) == ["uncertain", "handed_over"]


def test_a_reply_that_drips_in_octet_by_octet_is_read_and_one_that_takes_too_long_is_not_waited_for() -> None:
    one_by_one = ("8BITMIME",)
    sink = Misbehaving(Fault("RCPT", drip_s=0.001), Fault("message", drip_s=0.001), extensions=one_by_one)
    assert _outcomes(sink, ANN) == ["handed_over"]
    sink = Misbehaving(Fault("RCPT", drip_s=0.1, times=1), extensions=one_by_one)
    assert _outcomes(sink, ANN, timeout_s=0.3) == ["deferred"]


def test_a_reply_of_many_lines_is_one_reply_and_an_endless_one_is_broken_off() -> None:
    lines = b"".join(b"250-line %d %s\r\n" % (n, b"x" * 400) for n in range(39)) + b"250 2.1.5 ok"
    assert _outcomes(Misbehaving(Fault("MAIL", reply=lines, times=1)), ANN) == [
        "refused"
    ]  # MAIL is undone: 503 at RCPT
    endless = b"250-more\r\n" * 40_000
    assert _outcomes(Misbehaving(Fault("MAIL", reply=endless, times=1)), "bad@example.org", ANN)[0] == "deferred"


def test_nothing_is_completed_when_the_record_before_the_dot_says_no() -> None:
    sink = Misbehaving()

    async def use(pool: SmtpPool) -> None:
        assert await pool.send(Parcel(Envelope("a@example.org", ANN), CONTENT), _no) is None
        assert await pool.send(Parcel(Envelope("a@example.org", "bob@example.org"), CONTENT), _yes) is not None

    _with_pool(sink, use)
    assert sink.recipients() == ["bob@example.org"]


def test_the_record_is_made_after_the_content_and_before_the_dot() -> None:
    sink = Misbehaving()

    async def use(pool: SmtpPool) -> None:
        async def before_dot() -> bool:
            await asyncio.sleep(0.05)
            assert sink.commands[-1] == "DATA"
            assert not sink.accepted
            return True

        assert await pool.send(Parcel(Envelope("a@example.org", ANN), CONTENT), before_dot) is not None

    _with_pool(sink, use)
    assert sink.recipients() == [ANN]


def test_a_failing_record_ends_the_message_and_is_told() -> None:
    sink = Misbehaving()

    async def use(pool: SmtpPool) -> None:
        async def before_dot() -> bool:
            raise LookupError("the database is gone")

        with pytest.raises(LookupError):
            await pool.send(Parcel(Envelope("a@example.org", ANN), CONTENT), before_dot)

    _with_pool(sink, use)
    assert sink.recipients() == []


def test_a_connection_lost_while_the_record_is_made_is_not_in_doubt() -> None:
    sink = Misbehaving()

    async def use(pool: SmtpPool) -> None:
        async def before_dot() -> bool:
            for session in list(sink._sessions):
                session.transport.abort()
            await asyncio.sleep(0.05)
            return True

        receipt = await pool.send(Parcel(Envelope("a@example.org", ANN), CONTENT), before_dot)
        assert receipt is not None
        assert receipt.outcome == "deferred"

    _with_pool(sink, use)


def test_a_kept_connection_that_the_server_closed_meanwhile_costs_nothing() -> None:
    sink = Misbehaving(Fault("MAIL", drop=True, times=0))
    sink.faults = []

    async def use(pool: SmtpPool) -> None:
        await pool.send(Parcel(Envelope("a@example.org", ANN), CONTENT), _yes)
        sink.faults = [Fault("MAIL", drop=True, times=1)]
        receipt = await pool.send(Parcel(Envelope("a@example.org", "bob@example.org"), CONTENT), _yes)
        assert receipt is not None
        assert receipt.outcome == "handed_over"

    _with_pool(sink, use)
    assert sink.connections == 2


def test_connections_are_kept_and_renewed_after_so_many_messages() -> None:
    sink = Misbehaving()
    recipients = [f"m{n}@example.org" for n in range(7)]
    assert set(_outcomes(sink, *recipients, messages_per_connection=3)) == {"handed_over"}
    assert sink.connections == 3
    assert sink.commands.count("QUIT") == 3


def test_no_more_connections_than_allowed_are_open_at_once() -> None:
    sink = Misbehaving(Fault("message", drip_s=0.002))

    async def use(pool: SmtpPool) -> None:
        sends = [pool.send(Parcel(Envelope("a@example.org", f"m{n}@example.org"), CONTENT), _yes) for n in range(12)]
        assert {receipt.outcome for receipt in await asyncio.gather(*sends) if receipt} == {"handed_over"}

    _with_pool(sink, use, connections=4)
    assert sink.most_at_once == 4
    assert len(set(sink.recipients())) == len(sink.recipients()) == 12


def test_a_server_that_allows_fewer_connections_is_used_with_those() -> None:
    sink = Misbehaving(Fault("message", drip_s=0.002), most_sessions=2)

    async def use(pool: SmtpPool) -> None:
        sends = [pool.send(Parcel(Envelope("a@example.org", f"m{n}@example.org"), CONTENT), _yes) for n in range(12)]
        assert {receipt.outcome for receipt in await asyncio.gather(*sends) if receipt} == {"handed_over"}

    _with_pool(sink, use, connections=6)
    assert len(set(sink.recipients())) == 12


def test_messages_are_spaced_evenly_under_a_rate_limit() -> None:
    sink = Misbehaving()
    moments: list[float] = []

    async def use(pool: SmtpPool) -> None:
        clock_s = asyncio.get_running_loop().time
        sink.when_taken = lambda _number: moments.append(clock_s())
        moments.append(clock_s())
        sends = [pool.send(Parcel(Envelope("a@example.org", f"m{n}@example.org"), CONTENT), _yes) for n in range(6)]
        await asyncio.gather(*sends)

    _with_pool(sink, use, connections=3, rate_per_s=50.0)
    assert len(moments) == 1 + 6
    assert moments[-1] - moments[0] >= 5 / 50


def test_a_server_that_breaks_off_every_message_counts_as_unavailable_after_ten() -> None:
    sink = Misbehaving(Fault("message", drop=True))

    async def use(pool: SmtpPool) -> None:
        for n in range(10):
            receipt = await pool.send(Parcel(Envelope("a@example.org", f"m{n}@example.org"), CONTENT), _yes)
            assert receipt is not None
            assert receipt.outcome == "uncertain"
        with pytest.raises(MailServerError, match="10 connections in a row"):
            await pool.send(Parcel(Envelope("a@example.org", ANN), CONTENT), _yes)

    _with_pool(sink, use)


def test_a_delivery_status_notification_is_asked_for_where_it_is_offered() -> None:
    sink = Misbehaving(extensions=(*EXTENSIONS, "DSN"))

    async def use(pool: SmtpPool) -> None:
        await pool.send(Parcel(Envelope("b@example.org", "ann+x=y@example.org", "<1.a+b@example.org>"), CONTENT), _yes)

    _with_pool(sink, use)
    assert f"MAIL FROM:<b@example.org> SIZE={len(CONTENT)} RET=HDRS ENVID=<1.a+2Bb@example.org>" in sink.commands
    assert "RCPT TO:<ann+x=y@example.org> NOTIFY=FAILURE ORCPT=rfc822;ann+2Bx+3Dy@example.org" in sink.commands


def test_an_internationalised_domain_is_sent_as_an_a_label_whatever_the_server_offers() -> None:
    sink = Misbehaving(extensions=())
    assert _outcomes(sink, "ok@münchen.example", "ok@-.münchen-.example") == ["handed_over", "refused"]
    assert sink.recipients() == ["ok@xn--mnchen-3ya.example"]


def test_no_server_is_a_clear_message_with_host_and_port() -> None:
    async def main() -> str:
        async with Misbehaving() as sink:
            route = _route(sink)
        problem = await probe(route)
        with pytest.raises(MailServerError, match="cannot be reached"):
            async with SmtpPool(route):
                pass
        assert f"{route.host}:{route.port}" in problem
        return problem

    assert "smtp.host" in asyncio.run(main())


@pytest.mark.parametrize(
    "fault",
    [
        Fault("connect", reply=b"554 5.3.2 no service here"),
        Fault("connect", drop=True),
        Fault("connect", reply=b"421 4.3.2 not now", drop=True),
        Fault("connect", hang=True),
        Fault("connect", reply=b"SSH-2.0-OpenSSH_9.2"),
        Fault("EHLO", drop=True),
        Fault("EHLO", reply=b"421 4.3.2 not now", drop=True),
        Fault("EHLO", hang=True),
    ],
)
def test_a_server_that_fails_at_connect_or_ehlo_is_unavailable(fault: Fault) -> None:
    async def main() -> str:
        async with Misbehaving(fault) as sink:
            return await probe(
                _route(sink, timeout_s=0.3) if not fault.hang else replace(_route(sink), connect_timeout_s=0.3)
            )

    assert "cannot be reached" in asyncio.run(main())


def test_a_local_part_that_is_not_ascii_goes_out_only_where_smtputf8_is_offered() -> None:
    sink = Misbehaving()
    assert _outcomes(sink, "käfer@example.org") == ["handed_over"]
    assert f"MAIL FROM:<digest@example.org> SIZE={len(CONTENT)} SMTPUTF8" in sink.commands
    sink = Misbehaving(extensions=("PIPELINING", "8BITMIME"))
    first, second = _receipts(sink, "käfer@example.org", ANN)
    assert first is not None
    assert second is not None
    assert (first.outcome, second.outcome) == ("refused", "handed_over")
    assert "SMTPUTF8" in first.reply


@pytest.mark.parametrize("address", ["a@x>\r\nRCPT TO:<b@y", "a b@example.org", "<a@example.org>", "a@exa\x00mple.org"])
def test_an_address_that_could_say_something_to_the_server_is_refused(address: str) -> None:
    sink = Misbehaving()
    assert _outcomes(sink, address, ANN) == ["refused", "handed_over"]
    assert sink.recipients() == [ANN]


def test_content_with_other_line_ends_than_crlf_is_refused() -> None:
    sink = Misbehaving()
    for content in (b"a\nb\r\n", b"a\rb\r\n", b"a\r\n.\nMAIL FROM:<evil@example.org>\r\n"):
        (receipt,) = _receipts(sink, ANN, content=content)
        assert receipt is not None
        assert (receipt.outcome, receipt.reply) == ("refused", "the message has a line end that is not CRLF")


def test_eight_bit_content_is_encoded_for_a_server_without_8bitmime() -> None:
    content = (
        "DKIM-Signature: v=1\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n.\r\n"
    ).encode()
    sink = Misbehaving()
    assert [r and r.outcome for r in _receipts(sink, ANN, content=content)] == ["handed_over"]
    assert sink.accepted[0].content == content
    sink = Misbehaving(extensions=())
    assert [r and r.outcome for r in _receipts(sink, ANN, content=content)] == ["handed_over"]
    message = message_from_bytes(sink.accepted[0].content, policy=policy.default)
    assert sink.accepted[0].content.isascii()
    assert message.get_content().splitlines() == ["Grüße", "."]
    assert "DKIM-Signature" not in message


def test_an_eight_bit_header_without_8bitmime_fails_that_message_alone() -> None:
    content = "Subject: Grüße\r\n\r\nx\r\n".encode()
    (receipt,) = _receipts(Misbehaving(extensions=()), ANN, content=content)
    assert receipt is not None
    assert receipt.outcome == "refused"
    assert "8BITMIME" in receipt.reply


@pytest.mark.parametrize(
    ("host", "security", "starttls"),
    [
        ("localhost", "auto", False),
        ("127.0.0.1", "auto", False),
        ("::1", "auto", False),
        ("mail.example.org", "auto", True),
        ("192.0.2.7", "auto", True),
        ("localhost", "starttls", True),
        ("mail.example.org", "none", False),
        ("mail.example.org", "tls", False),
    ],
)
def test_starttls_is_required_unless_the_server_is_on_this_machine(host: str, security: str, starttls: bool) -> None:
    assert SmtpRoute(host, 25, security=security).uses_starttls is starttls  # type: ignore[arg-type]


def test_a_server_without_starttls_is_not_used_where_it_is_required() -> None:
    sink = Misbehaving()

    async def main() -> str:
        async with sink:
            return await probe(_route(sink, security="starttls"))

    assert "does not offer STARTTLS" in asyncio.run(main())
    assert not any(command.startswith("MAIL") for command in sink.commands)


def test_a_wrong_password_is_told_as_such() -> None:
    sink = Misbehaving(Fault("AUTH", reply=b"535 5.7.8 no"), extensions=("AUTH PLAIN",))

    async def main() -> str:
        async with sink:
            return await probe(_route(sink, username="germane", password="secret"))

    problem = asyncio.run(main())
    assert "refuses the user name or password" in problem
    assert "secret" not in problem


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key, in one file."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


def test_messages_go_over_tls_to_a_server_whose_certificate_is_trusted(certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=certificate)
    big = CONTENT + b"a line of some length to fill more than one record\r\n" * 20_000
    sink = Misbehaving(certificate=certificate)
    receipts = _receipts(sink, ANN, "bob@example.org", content=big, security="tls", tls=trust)
    assert [receipt and receipt.outcome for receipt in receipts] == ["handed_over", "handed_over"]
    assert [message.content for message in sink.accepted] == [big, big]


def test_a_server_whose_certificate_is_not_trusted_gets_nothing(certificate: Path) -> None:
    sink = Misbehaving(certificate=certificate)

    async def main() -> str:
        async with sink:
            return await probe(_route(sink, security="tls"))

    assert "certificate" in asyncio.run(main())
    assert sink.accepted == []


@pytest.mark.parametrize(
    ("limit", "outcome"), [(len(CONTENT) - 1, "refused"), (len(CONTENT), "handed_over"), (0, "handed_over")]
)
def test_a_message_above_the_size_that_the_server_announced_is_not_even_begun(limit: int, outcome: str) -> None:
    """RFC 1870; 0 is no limit. That is the message's fault: no reply of the server says anything of the address."""
    sink = Misbehaving(extensions=("PIPELINING", f"SIZE {limit}"))
    (receipt,) = _receipts(sink, ANN)
    assert receipt is not None
    assert receipt.outcome == outcome
    assert (receipt.verdict, "MAIL" in str(sink.commands)) == (None, outcome == "handed_over")
    assert ("takes at most" in receipt.reply) == (outcome == "refused")


@pytest.mark.parametrize(
    ("content", "sound"),
    [(b"", True), (b"a", True), (b"\r\n", True), (b"a\r\n\r\nb\r\n", True), (b"\n", False), (b"\r", False),
     (b"\n\r", False), (b"\r\r\n", False), (b"a\nb\r\n", False), (b"a\r\nb\r", False), (b"\r\n\n", False)],
)  # fmt: skip
def test_every_line_end_is_crlf_or_the_message_is_not_sent(content: bytes, sound: bool) -> None:
    """A bare LF or CR is what smuggles a second message (VU#302671)."""
    assert _has_only_crlf(content) is sound
