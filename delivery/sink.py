"""A small SMTP server that takes every message: for the demo, the tests and the benchmark. It relays nothing.

Speaks RFC 5321 with PIPELINING (2920), 8BITMIME (6152), SMTPUTF8 (6531), SIZE (1870) and ENHANCEDSTATUSCODES (2034).
"""

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast

MAX_MESSAGE = 50_000_000
MAX_LINE = 4096
EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", f"SIZE {MAX_MESSAGE}", "ENHANCEDSTATUSCODES")
END_OF_DATA = b"\r\n.\r\n"

_PATH = re.compile(r"<([^<>]*)>((?: [A-Za-z0-9][A-Za-z0-9-]*(?:=[^ ]+)?)*)$")
_UNSAFE_IN_FILE_NAME = re.compile(r"[^\w.@+-]")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message as it was taken: numbered from 1, with its exact octets (dot-stuffing undone)."""

    number: int
    sender: str
    recipients: tuple[str, ...]
    content: bytes


Accept = Callable[[Accepted], None]


class MailFolder:
    """Keeps each message as `NNNNN-recipient.eml`. With `envelope`, X-Envelope-From and X-Envelope-To lines come first."""

    def __init__(self, directory: Path, *, envelope: bool = False) -> None:
        self.directory = directory
        self.envelope = envelope
        directory.mkdir(parents=True, exist_ok=True)

    def __call__(self, message: Accepted) -> None:
        recipient = message.recipients[0] if message.recipients else "nobody"
        name = f"{message.number:05d}-{_UNSAFE_IN_FILE_NAME.sub('_', recipient)[:80]}.eml"
        self.directory.joinpath(name).write_bytes(self._envelope_lines(message) + message.content)

    def _envelope_lines(self, message: Accepted) -> bytes:
        if not self.envelope:
            return b""
        recipients = ",".join(message.recipients)
        return f"X-Envelope-From: {message.sender}\r\nX-Envelope-To: {recipients}\r\n".encode()


class Sink:
    """The server, as an async context manager. Port 0 picks a free one, which `port` then names."""

    def __init__(self, accept: Accept, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.accept = accept
        self.host = host
        self.port = port
        self.taken = 0
        self._sessions: set[SinkSession] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.session, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.close()
        for session in list(self._sessions):
            session.transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)

    def session(self) -> "SinkSession":
        """What answers one connection."""
        return SinkSession(self)

    def opened(self, session: "SinkSession") -> None:
        self._sessions.add(session)

    def closed(self, session: "SinkSession") -> None:
        self._sessions.discard(session)

    def take(self, sender: str, recipients: list[str], content: bytes) -> int:
        self.taken += 1
        self.accept(Accepted(self.taken, sender, tuple(recipients), content))
        return self.taken


@contextlib.contextmanager
def running(sink: Sink) -> Iterator[Sink]:
    """Run a sink in a thread with an event loop of its own, for callers that are not asynchronous."""
    with _loop_in_a_thread() as loop:
        asyncio.run_coroutine_threadsafe(sink.__aenter__(), loop).result()
        try:
            yield sink
        finally:
            asyncio.run_coroutine_threadsafe(sink.__aexit__(), loop).result()


@contextlib.contextmanager
def _loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="smtp-sink", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class SinkSession(asyncio.Protocol):
    """One connection. Every reply leaves through `answer`, which names the step it belongs to."""

    transport: asyncio.Transport

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.sender: str | None = None
        self.recipients: list[str] = []
        self._lines = bytearray()
        self._content: bytearray | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.sink.opened(self)
        self.answer("connect", b"220 localhost ESMTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self.sink.closed(self)

    def data_received(self, data: bytes) -> None:
        if self._content is None:
            self._lines += data
            self._read_lines()
        else:
            self._content += data
            self._read_content(len(data))

    def answer(self, step: str, reply: bytes) -> None:
        """Send a reply. `step` is connect, EHLO, MAIL, RCPT, DATA, message, or another command's verb."""
        if not self.transport.is_closing():
            self.transport.write(reply + b"\r\n")

    def _read_lines(self) -> None:
        while self._content is None and not self.transport.is_closing():
            end = self._lines.find(b"\n")
            if end < 0:
                if len(self._lines) > MAX_LINE:
                    self.answer("line", b"500 5.5.2 line too long")
                    self.transport.close()
                return
            line = bytes(self._lines[:end])
            del self._lines[: end + 1]
            self._command(line.removesuffix(b"\r").decode("utf-8", "replace"))

    def _command(self, line: str) -> None:
        verb, _, rest = line.strip().partition(" ")
        handler = self._HANDLERS.get(verb.upper())
        if handler is None:
            self.answer(verb.upper(), b"502 5.5.1 command not known")
        else:
            handler(self, rest)

    def _helo(self, _rest: str) -> None:
        self.reset()
        self.answer("EHLO", b"250 localhost")

    def _ehlo(self, _rest: str) -> None:
        self.reset()
        lines = ["localhost", *self.extensions()]
        replies = [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]
        self.answer("EHLO", "\r\n".join(replies).encode())

    def extensions(self) -> tuple[str, ...]:
        return EXTENSIONS

    def _mail(self, rest: str) -> None:
        path = _PATH.match(rest[5:].strip()) if rest[:5].upper() == "FROM:" else None
        if path is None:
            self.answer("MAIL", b"501 5.5.4 that is not MAIL FROM:<address>")
        elif self.sender is not None:
            self.answer("MAIL", b"503 5.5.1 a sender was given already")
        else:
            self.sender = path[1]
            self.answer("MAIL", b"250 2.1.0 ok")

    def _rcpt(self, rest: str) -> None:
        path = _PATH.match(rest[3:].strip()) if rest[:3].upper() == "TO:" else None
        if self.sender is None:
            self.answer("RCPT", b"503 5.5.1 MAIL first")
        elif path is None or not path[1]:
            self.answer("RCPT", b"501 5.5.4 that is not RCPT TO:<address>")
        else:
            self.recipients.append(path[1])
            self.answer("RCPT", b"250 2.1.5 ok")

    def _data(self, _rest: str) -> None:
        if not self.recipients:
            self.answer("DATA", b"503 5.5.1 no recipient was accepted")
            return
        self.answer("DATA", b"354 end with a line that holds a dot")
        self._content = bytearray(b"\r\n") + self._lines  # so that a dot in the first line is found, too
        self._lines.clear()
        self._read_content(len(self._content))

    def _read_content(self, new: int) -> None:
        content = self._content
        assert content is not None
        end = content.find(END_OF_DATA, max(0, len(content) - new - len(END_OF_DATA)))
        if end < 0:
            self._give_up_when_too_long()
            return
        self._content = None
        self._lines += content[end + len(END_OF_DATA) :]
        del content[end + 2 :]
        self.finish(bytes(content.replace(b"\r\n.", b"\r\n") if b"\r\n." in content else content)[2:])
        self._read_lines()

    def _give_up_when_too_long(self) -> None:
        if self._content is not None and len(self._content) > MAX_MESSAGE:
            self.answer("message", b"552 5.3.4 message too big")
            self.transport.close()

    def finish(self, content: bytes) -> None:
        """The final dot came."""
        number = self.sink.take(self.sender or "", self.recipients, content)
        self.answer("message", b"250 2.0.0 taken as %d" % number)
        self.reset()

    def reset(self) -> None:
        self.sender = None
        self.recipients = []

    def _rset(self, _rest: str) -> None:
        self.reset()
        self.answer("RSET", b"250 2.0.0 ok")

    def _noop(self, _rest: str) -> None:
        self.answer("NOOP", b"250 2.0.0 ok")

    def _quit(self, _rest: str) -> None:
        self.answer("QUIT", b"221 2.0.0 bye")
        self.transport.close()

    _HANDLERS = {  # noqa: RUF012
        "EHLO": _ehlo, "HELO": _helo, "MAIL": _mail, "RCPT": _rcpt, "DATA": _data,
        "RSET": _rset, "NOOP": _noop, "QUIT": _quit,
    }  # fmt: skip
