"""A mail server that misbehaves on command, at any step, for chosen recipients or for everybody, and knows what it took."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any, Self

from delivery.sink import EXTENSIONS, Accepted, Sink, SinkSession

EVERYBODY = ""


@dataclass(frozen=True)
class Fault:
    """What to do instead of replying. Steps are connect, EHLO, AUTH, MAIL, RCPT, DATA, content and message (after the final
    dot).

    `reply` is sent in place of the real one, `drop` cuts the connection then, `hang` says nothing at all, `drip` sends the
    real reply one octet at a time, `held` sends it when the server is told to `let_go`. At the step message `take` says
    whether the message is kept although no 250 goes out.
    `times` is how often it happens (0: always).
    """

    step: str
    recipient: str = EVERYBODY
    reply: bytes = b""
    drop: bool = False
    hang: bool = False
    drip_s: float = 0.0
    held: bool = False
    take: bool = False
    times: int = 0


class Misbehaving(Sink):
    """A sink with faults. `accepted` holds every message it took responsibility for, or kept without saying so."""

    def __init__(
        self,
        *faults: Fault,
        extensions: tuple[str, ...] = EXTENSIONS,
        most_sessions: int = 0,
        port: int = 0,
        certificate: Path | None = None,
    ) -> None:
        """With a `certificate`, and its key in the same file, it speaks TLS from the first octet."""
        self.accepted: list[Accepted] = []
        super().__init__(self.accepted.append, port=port)
        self._tls = _context(certificate) if certificate else None
        self.faults = list(faults)
        self.offered = extensions
        self.most_sessions = most_sessions
        self.commands: list[str] = []
        self.connections = 0
        self.most_at_once = 0
        self.when_taken: Callable[[int], None] = lambda _number: None
        self.when_at: Callable[[str], None] = lambda _step: None
        """Is told each step before the reply to it goes out; `dot` is when the final dot came, `message` after the message
        was taken."""
        self._done: Counter[Fault] = Counter()
        self.held = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.session, self.host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def session(self) -> SinkSession:
        return _Session(self)

    def opened(self, session: SinkSession) -> None:
        super().opened(session)
        self.connections += 1
        self.most_at_once = max(self.most_at_once, len(self._sessions))

    def take(self, sender: str, recipients: list[str], content: bytes) -> int:
        number = super().take(sender, recipients, content)
        self.when_taken(number)
        return number

    @property
    def crowded(self) -> bool:
        return bool(self.most_sessions) and len(self._sessions) > self.most_sessions

    def fault(self, step: str, recipients: list[str]) -> Fault | None:
        for fault in self.faults:
            meant = fault.recipient == EVERYBODY or fault.recipient in recipients
            if fault.step == step and meant and not (fault.times and self._done[fault] >= fault.times):
                self._done[fault] += 1
                return fault
        return None

    def let_go(self) -> None:
        """Send the replies that are held, and hold no more. To be called where replies are sent: in `when_taken`, for one."""
        self.held.set()

    @property
    def misbehaved(self) -> bool:
        """Whether any fault came to pass."""
        return bool(self._done)

    def recipients(self) -> list[str]:
        return [recipient for message in self.accepted for recipient in message.recipients]

    def message_ids(self) -> list[str]:
        return [message_from_bytes(message.content)["Message-ID"] for message in self.accepted]


def _context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


class _Session(SinkSession):
    sink: Misbehaving
    _slow: Fault | None = None
    _saying: asyncio.Future[Any] | None = None

    def extensions(self) -> tuple[str, ...]:
        return self.sink.offered

    def _command(self, line: str) -> None:
        self.sink.commands.append(line)
        if line.upper().startswith("AUTH "):
            self.answer("AUTH", b"235 2.7.0 welcome")
            return
        fault = self.sink.fault("DATA", self.recipients) if line.upper() == "DATA" else None
        if fault and not fault.drip_s:  # here, because after its 354 the session would wait for content
            self._misbehave(fault, b"354 go on")
        else:
            self._slow = fault
            super()._command(line)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.sink.crowded:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        fault = self.sink.fault("content", self.recipients) if self._content is not None else None
        if fault:
            self._misbehave(fault, b"")
        else:
            super().data_received(data)

    def answer(self, step: str, reply: bytes) -> None:
        self.sink.when_at(step)
        if step == "connect" and self.sink.crowded:
            super().answer(step, b"421 4.7.0 too many connections")
            return
        fault, self._slow = self._slow, None
        if step not in {"DATA", "message"}:
            fault = self.sink.fault(step, self.recipients)
        if fault is None:
            self._say(step, reply)
            return
        if fault.reply and step == "RCPT":
            self.recipients.pop()
        if fault.reply and step == "MAIL":
            self.sender = None
        self._misbehave(fault, reply)

    def finish(self, content: bytes) -> None:
        self.sink.when_at("dot")
        fault = self.sink.fault("message", self.recipients)
        if fault is None:
            super().finish(content)
            return
        if fault.take or fault.drip_s:
            self.sink.take(self.sender or "", self.recipients, content)
        self.reset()
        self._misbehave(fault, b"250 2.0.0 taken")

    def _misbehave(self, fault: Fault, reply: bytes) -> None:
        if fault.drip_s:
            self._say(fault.step, reply, fault.drip_s)
        elif fault.held:
            self._saying = asyncio.ensure_future(self.sink.held.wait())
            self._say(fault.step, reply)
        elif fault.reply:
            self._say(fault.step, fault.reply)
        if fault.drop:
            self.transport.close() if fault.reply else self.transport.abort()

    def _say(self, step: str, reply: bytes, pause_s: float = 0.0) -> None:
        """In the order of the commands, as a pipelining server does, however slowly an earlier reply leaves."""
        before = self._saying
        if pause_s or (before and not before.done()):
            self._saying = asyncio.ensure_future(self._drip_out(before, reply + b"\r\n", pause_s))
        else:
            super().answer(step, reply)

    async def _drip_out(self, before: asyncio.Future[Any] | None, reply: bytes, pause_s: float) -> None:
        if before:
            await before
        for part in [bytes([octet]) for octet in reply] if pause_s else [reply]:
            if self.transport.is_closing():
                return
            self.transport.write(part)
            await asyncio.sleep(pause_s)
