"""An SMTP server's replies, read off a connection that somebody else opened."""

import asyncio
import re
from collections import deque
from typing import NamedTuple

MAX_REPLY = 128 * 1024
MAX_KEPT = 500

_REPLY_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?$", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?=\s|$)")


class ConnectionBroken(Exception):
    """The connection was lost, the server was silent too long, or said something that is not SMTP."""


class Reply(NamedTuple):
    """A whole reply; `text` joins its lines and keeps an enhanced status code (RFC 2034) in front."""

    code: int
    text: str

    @property
    def closing(self) -> bool:
        return self.code == 421

    @property
    def enhanced_status(self) -> str:
        found = _ENHANCED.match(self.text)
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{self.code} {self.text}"[:MAX_KEPT]


class Replies(asyncio.Protocol):
    """Reads whole replies off a connection, in order, and writes octets to it. One caller waits at a time."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.lost = False
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._text: list[bytes] = []
        self._ready: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._deadline, self._late, self._timeout_s = 0.0, "", 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._full = False
        self._problem = ""
        transport.set_write_buffer_limits(
            1, 0
        )  # so that `written` means: the kernel has it; over TLS 0 would be always full
        transport.set_protocol(self)

    @property
    def quiet(self) -> bool:
        """True while the connection stands and the server has said nothing unasked."""
        return not (self.lost or self._problem or self._ready or self._rest or self._transport.is_closing())

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._read(line.rstrip(b"\r"))
        if (self._rest or self._text) and len(self._rest) + sum(map(len, self._text)) > MAX_REPLY:
            self._problem = f"the mail server's reply was longer than {MAX_REPLY} octets"
        self._wake()

    def eof_received(self) -> None:
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._stop_timer()
        self._wake()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake()

    def write(self, octets: bytes) -> None:
        self._transport.write(octets)

    async def next(self, timeout_s: float) -> Reply:
        """The next reply. Raises ConnectionBroken when none comes."""
        deadline = self._loop.time() + timeout_s
        while not self._ready:
            self._check()
            await self._woken(deadline, "no reply within", timeout_s)
        return self._ready.popleft()

    def at_hand(self) -> Reply | None:
        """The next reply if it is there already."""
        return self._ready.popleft() if self._ready else None

    async def written(self, timeout_s: float) -> None:
        """Until everything written was given to the kernel. Raises ConnectionBroken when the server stops reading."""
        deadline = self._loop.time() + timeout_s
        while self._full:
            self._check()
            await self._woken(deadline, "the mail server read nothing for", timeout_s)

    def close(self) -> None:
        self._stop_timer()
        self._transport.close()

    def abort(self) -> None:
        self.lost = True
        self._stop_timer()
        self._transport.abort()

    def _read(self, line: bytes) -> None:
        match = _REPLY_LINE.match(line)
        if match is None:
            self._problem = f"the mail server said something that is not SMTP: {line[:80].decode('utf-8', 'replace')!r}"
            return
        code, goes_on, text = match.groups(b"")
        if self._text or goes_on == b"-":
            self._text.append(text)
        if goes_on != b"-":
            text, self._text = b" ".join(self._text) or text, []
            self._ready.append(Reply(int(code), text.decode("utf-8", "replace").strip()))

    def expect_quiet(self) -> None:
        """Raises ConnectionBroken when the connection is gone, or the server spoke before it was its turn."""
        self._check()
        if not self.quiet:
            said = str(self._ready[0]) if self._ready else "half a reply"
            raise ConnectionBroken(f"the mail server spoke in the middle of the message: {said}")

    def _check(self) -> None:
        if self._problem or self.lost:
            raise ConnectionBroken(self._problem or "the mail server closed the connection")

    def _woken(self, deadline: float, late: str, timeout_s: float) -> "asyncio.Future[None]":
        self._deadline, self._late, self._timeout_s = deadline, late, timeout_s
        if self._timer is None or self._timer.when() > deadline:
            self._start_timer()
        self._waiter = self._loop.create_future()
        return self._waiter

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _start_timer(self) -> None:
        """One timer outlasts many waits, each of which only moves the deadline: a timer for each costs more than reading does."""
        self._stop_timer()
        self._timer = self._loop.call_at(self._deadline, self._look_at_the_clock)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _look_at_the_clock(self) -> None:
        fired, self._timer = self._timer, None
        if self._waiter is None or self._waiter.done() or fired is None:
            return
        if self._deadline > fired.when():
            self._start_timer()
        else:
            self._waiter.set_exception(ConnectionBroken(f"{self._late} {self._timeout_s:g} s"))
