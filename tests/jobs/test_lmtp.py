import socket
from collections.abc import Iterator

import pytest

from jobs import incoming
from jobs.lmtp import LmtpServer
from jobs.services import open_services
from store import inbound
from tests.delivery.bounces.samples import STRUCTURED
from tests.jobs.installation import Installation


@pytest.fixture
def kept() -> list[tuple[bytes, str]]:
    return []


@pytest.fixture
def server(kept: list[tuple[bytes, str]]) -> Iterator[LmtpServer]:
    def keep(raw: bytes, recipient: str) -> bool:
        if b"cannot be kept" in raw:
            raise OSError("the disk is full")
        kept.append((raw, recipient))
        return True

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = LmtpServer(keep, "127.0.0.1", port, max_mb=60)
    found.start()
    yield found
    found.stop()


class Talk:
    """A connection that says exactly these octets."""

    def __init__(self, server: LmtpServer) -> None:
        self._socket = socket.create_connection((server.hostname, server.port), timeout=20)
        self._file = self._socket.makefile("rb")
        self.reply()

    def reply(self) -> str:
        while True:
            line = self._file.readline()
            if line[3:4] != b"-":
                return line.decode().strip()

    def say(self, octets: bytes) -> str:
        self._socket.sendall(octets)
        return self.reply()

    def begin(self, *recipients: bytes) -> str:
        assert self.say(b"LHLO mx.example.org\r\n").startswith("250")
        assert self.say(b"MAIL FROM:<>\r\n").startswith("250")
        answers = [
            self.say(b"RCPT TO:<" + recipient + b">\r\n") for recipient in recipients or (b"b+x@news.example.org",)
        ]
        assert self.say(b"DATA\r\n").startswith("354")
        return answers[-1]

    def leave(self) -> None:
        """QUIT, and wait until the server has dealt with all that was said before."""
        self._socket.sendall(b"QUIT\r\n")
        self._file.read()

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def talk(server: LmtpServer) -> Iterator[Talk]:
    found = Talk(server)
    yield found
    found.close()


def test_a_mail_is_kept_as_it_came_with_its_recipient(talk: Talk, kept: list[tuple[bytes, str]]) -> None:
    talk.begin(b"b+TOKEN@news.example.org")
    assert talk.say(b"Subject: x\r\n\r\n..dot\r\n\xff\r\n.\r\n").startswith("250 2.0.0")
    assert kept == [(b"Subject: x\r\n\r\n.dot\r\n\xff\r\n", "b+TOKEN@news.example.org")]


def test_a_second_recipient_is_put_off_so_that_each_has_its_own_answer(talk: Talk) -> None:
    assert talk.begin(b"a@x.example", b"b@x.example").startswith("452 4.5.3")


@pytest.mark.parametrize("greeting", [b"EHLO", b"HELO"])
def test_a_mail_server_may_speak_smtp_too(talk: Talk, kept: list[tuple[bytes, str]], greeting: bytes) -> None:
    assert talk.say(greeting + b" mx.example.org\r\n").startswith("250")
    assert talk.say(b"MAIL FROM:<>\r\n").startswith("250")
    assert talk.say(b"RCPT TO:<b+x@news.example.org>\r\n").startswith("250")
    assert talk.say(b"DATA\r\n").startswith("354")
    assert talk.say(b"Subject: x\r\n\r\nx\r\n.\r\n").startswith("250")
    assert len(kept) == 1


def test_a_bounce_with_a_long_line_is_taken(talk: Talk, kept: list[tuple[bytes, str]]) -> None:
    """Pages without a line break come back in bounces; refusing them would lose what failed."""
    talk.begin()
    assert talk.say(STRUCTURED[0].raw + b"y" * 500_000 + b"\r\n.\r\n").startswith("250")
    assert len(kept[0][0]) > 500_000


def test_f20_what_cannot_be_kept_is_not_accepted(talk: Talk, kept: list[tuple[bytes, str]]) -> None:
    talk.begin()
    assert talk.say(b"this cannot be kept\r\n.\r\n").startswith("451 4.3.0")
    assert kept == []


@pytest.mark.parametrize("end", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n\x00.\r\n"])
def test_f22_only_crlf_dot_crlf_ends_a_mail(talk: Talk, kept: list[tuple[bytes, str]], end: bytes) -> None:
    """SMTP smuggling (VU#302671): what follows a false end must never become a mail of its own."""
    talk.begin()
    smuggled = (
        b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<b+y@news.example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nhello"
    )
    answer = talk.say(b"Subject: one\r\n\r\nhello" + end + smuggled + b"\r\n.\r\n")
    talk.leave()
    assert len(kept) == (1 if answer.startswith("250") else 0)
    assert [recipient for _, recipient in kept] in ([], ["b+x@news.example.org"])
    assert all(raw.startswith(b"Subject: one") for raw, _ in kept)


def test_a_bounce_of_50_megabytes_is_taken(talk: Talk, kept: list[tuple[bytes, str]]) -> None:
    talk.begin()
    assert talk.say(STRUCTURED[0].raw + b"x" * 70 + b"\r\n" + (b"y" * 76 + b"\r\n") * 640_000 + b".\r\n").startswith(
        "250"
    )
    assert len(kept[0][0]) > 49_000_000


def test_a_line_without_end_is_refused_and_the_server_lives(server: LmtpServer, talk: Talk) -> None:
    talk.begin()
    assert talk.say(b"x" * 2_000_000 + b"\r\n.\r\n")[0] in "25"
    other = Talk(server)
    assert other.say(b"NOOP\r\n").startswith("250")
    other.close()


def test_only_the_first_megabyte_is_kept_in_the_database(installation: Installation) -> None:
    services = open_services()
    assert incoming.take_in(services, STRUCTURED[0].raw + b"y" * 5_000_000, "b+x@news.example.org", "lmtp")
    with installation.database.reading() as connection:
        (mail,) = inbound.shelved(connection, "waiting", 10)
        assert mail.octets > 5_000_000
        raw = connection.execute(inbound.TABLE.select()).one().raw
    assert len(raw) == 1_000_000
