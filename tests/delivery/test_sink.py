"""The sink is what other tests believe: it must keep the octets exactly, and refuse what a real server refuses."""

import smtplib
import socket
from pathlib import Path

import pytest

from delivery.sink import Accepted, MailFolder, Sink, running

TRICKY = b"Subject: dots\r\n\r\n.\r\n..\r\n.leading\r\nin . the middle\r\n\r\nFrom here\r\n"


def _send(sink: Sink, content: bytes, recipient: str = "ann@example.org") -> None:
    with smtplib.SMTP(sink.host, sink.port) as client:
        client.sendmail("digest@example.org", [recipient], content)


def _talk(sink: Sink, octets: bytes, *, one_at_a_time: bool = False) -> bytes:
    """Send octets, whole or one by one, and read until the server hangs up."""
    with socket.create_connection((sink.host, sink.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (octets[n : n + 1] for n in range(len(octets))) if one_at_a_time else (octets,):
            connection.sendall(piece)
        replies = b""
        while piece := connection.recv(4096):
            replies += piece
        return replies


@pytest.mark.parametrize("content", [TRICKY, b".\r\n", b"one line\r\n", b"x: " + b"\r\n.y" * 9000 + b"\r\n"])
def test_a_message_arrives_octet_for_octet(content: bytes) -> None:
    taken: list[Accepted] = []
    with running(Sink(taken.append)) as sink:
        _send(sink, content)
    assert [message.content for message in taken] == [content]
    assert (taken[0].sender, taken[0].recipients) == ("digest@example.org", ("ann@example.org",))


@pytest.mark.parametrize("one_at_a_time", [False, True])
def test_pipelined_commands_and_split_octets_mean_the_same(one_at_a_time: bool) -> None:
    taken: list[Accepted] = []
    dialogue = (
        b"EHLO me\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n..x\r\n.\r\n"
        b"MAIL FROM:<a@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n.\r\nQUIT\r\n"
    )
    with running(Sink(taken.append)) as sink:
        replies = _talk(sink, dialogue, one_at_a_time=one_at_a_time)
    assert [(message.recipients, message.content) for message in taken] == [
        (("b@example.org",), b".x\r\n"),
        (("c@example.org",), b""),
    ]
    assert replies.count(b"250 2.0.0 taken") == 2
    assert replies.endswith(b"221 2.0.0 bye\r\n")


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"RCPT TO:<b@example.org>", b"503"),
        (b"DATA", b"503"),
        (b"MAIL FROM: a@example.org", b"501"),
        (b"BDAT 4", b"502"),
        (b"MAIL FROM:<a@example.org>\r\nMAIL FROM:<b@example.org>", b"503"),
    ],
)
def test_commands_out_of_order_or_malformed_are_refused(command: bytes, reply: bytes) -> None:
    with running(Sink(lambda _: None)) as sink:
        replies = _talk(sink, b"EHLO me\r\n" + command + b"\r\nQUIT\r\n").split(b"\r\n")
    assert replies[-3].startswith(reply)


def test_a_lone_line_feed_before_a_dot_does_not_end_a_message() -> None:
    taken: list[Accepted] = []
    smuggled = b"x\n.\nMAIL FROM:<evil@example.org>\r\n.\r\n"
    with running(Sink(taken.append)) as sink:
        _talk(sink, b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" + smuggled + b"QUIT\r\n")
    assert [message.content for message in taken] == [b"x\n.\nMAIL FROM:<evil@example.org>\r\n"]


def test_a_folder_keeps_one_file_a_message_named_by_number_and_recipient(tmp_path: Path) -> None:
    with running(Sink(MailFolder(tmp_path / "mail"))) as sink:
        _send(sink, TRICKY)
        _send(sink, TRICKY, "../b/c@example.org")
    files = sorted((tmp_path / "mail").iterdir())
    assert [file.name for file in files] == ["00001-ann@example.org.eml", "00002-.._b_c@example.org.eml"]
    assert files[0].read_bytes() == TRICKY


def test_a_folder_can_put_the_envelope_first(tmp_path: Path) -> None:
    with running(Sink(MailFolder(tmp_path, envelope=True))) as sink:
        _send(sink, TRICKY)
    envelope = b"X-Envelope-From: digest@example.org\r\nX-Envelope-To: ann@example.org\r\n"
    assert next(tmp_path.iterdir()).read_bytes() == envelope + TRICKY


def test_a_port_that_is_taken_is_an_error_in_the_caller() -> None:
    with running(Sink(lambda _: None)) as first, pytest.raises(OSError), running(Sink(lambda _: None, port=first.port)):  # noqa: PT011
        pass
