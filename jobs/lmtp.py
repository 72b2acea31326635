"""Taking mail by LMTP (RFC 2033) or SMTP: a mail is on the disk before it is accepted, and nothing is answered."""

import logging
from collections.abc import Callable
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

log = logging.getLogger("germane.incoming")

MEGABYTE = 1_000_000
TIMEOUT_S = 300.0

Keep = Callable[[bytes, str], bool]
"""Keeps a mail's octets for a recipient; returns when it is safe. May raise anything: the mail server then tries again."""


class Intake:
    """aiosmtpd's handler. One recipient at a time: LMTP wants an answer for each, and aiosmtpd gives one for all."""

    def __init__(self, keep: Keep, most_octets: int) -> None:
        self._keep, self._most_octets = keep, most_octets

    async def handle_RCPT(  # noqa: N802 (aiosmtpd calls it so)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if envelope.rcpt_tos:
            return "452 4.5.3 One recipient at a time"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        import asyncio

        raw = envelope.original_content or b""
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._keep, raw, envelope.rcpt_tos[0])
        except Exception as error:  # one mail of many: the mail server keeps it and comes again
            log.error("a mail could not be kept: %s: %s", type(error).__name__, error)
            return "451 4.3.0 It cannot be kept now; try again"
        return "250 2.0.0 Kept"


class Reader(LMTP):
    """LMTP, and SMTP for mail servers that speak no other; what comes back may have lines of any length."""

    line_length_limit = MEGABYTE

    async def smtp_HELO(self, arg: str) -> None:  # noqa: N802
        await SMTP.smtp_HELO(self, arg)

    async def smtp_EHLO(self, arg: str) -> None:  # noqa: N802
        await SMTP.smtp_EHLO(self, arg)


class LmtpServer(Controller):
    """The listener, in a thread of its own: `start()` and `stop()`."""

    def __init__(self, keep: Keep, host: str, port: int, max_mb: int) -> None:
        self._max_octets = max_mb * MEGABYTE
        super().__init__(Intake(keep, self._max_octets), hostname=host, port=port, ready_timeout=10.0)

    def factory(self) -> Any:
        return Reader(
            self.handler, data_size_limit=self._max_octets, enable_SMTPUTF8=True, timeout=TIMEOUT_S, ident="Germane"
        )
