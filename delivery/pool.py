"""A pool of persistent connections to one mail server, with a bound on how many and how fast."""

import asyncio

from delivery.smtp import (
    BeforeDot,
    MailServerError,
    Parcel,
    Receipt,
    Session,
    SmtpRoute,
    StaleConnection,
    open_session,
)

MOST_LOST_IN_A_ROW = 10
"""So many messages in a row that ended with a lost connection, and the server counts as unavailable."""
RECONNECT_PAUSES_S = (0.2, 0.8, 2.0)
"""A mail server that restarts is back within seconds; one that is not ends the run."""


class SmtpPool:
    """At most `route.connections` connections to one server, kept open between messages. An async context manager."""

    def __init__(self, route: SmtpRoute) -> None:
        self.route = route
        self.most = route.connections
        self._permits = asyncio.Semaphore(route.connections)
        self._idle: list[Session] = []
        self._open = 0
        self._worked = False
        self._lost_in_a_row = 0
        self._pace = Pace(route.rate_per_s)

    async def __aenter__(self) -> "SmtpPool":
        """Open the first connection. Raises MailServerError when the server cannot be used."""
        self._idle.append(await self._connect())
        self._worked = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(session.quit() for session in self._idle))
        self._idle.clear()

    async def send(self, parcel: Parcel, before_dot: BeforeDot) -> Receipt | None:
        """Hand one message over. None when `before_dot` forbade it.

        Raises MailServerError when there is no server to hand it to: nothing was sent then.
        """
        await self._permits.acquire()
        try:
            await self._pace.wait()
            while True:
                session = await self._session()
                try:
                    receipt = await session.hand_over(parcel, before_dot)
                except StaleConnection:
                    continue  # closed while it was idle: nothing was said yet on behalf of this message
                finally:
                    self._put_back(session)
                self._note(session)
                return receipt
        finally:
            self._permits.release()

    def _note(self, session: "Session") -> None:
        self._lost_in_a_row = self._lost_in_a_row + 1 if session.broken else 0

    async def _session(self) -> "Session":
        if self._lost_in_a_row >= MOST_LOST_IN_A_ROW:
            lost, self._lost_in_a_row = self._lost_in_a_row, 0
            raise MailServerError(
                f"the mail server {self.route.where} broke off {lost} connections in a row "
                "before it took a message; look at its log, then run `germane send`"
            )
        while True:
            while self._idle:
                session = self._idle.pop()
                if session.usable:
                    return session
                self._close(session)
            try:
                return await self._reconnect()
            except MailServerError:
                if not self._open:
                    raise
            await self._permits.acquire()  # it allows fewer connections than we may use: go on with those there are

    async def _reconnect(self) -> "Session":
        for pause in RECONNECT_PAUSES_S if self._worked and not self._open else ():
            try:
                return await self._connect()
            except MailServerError:
                await asyncio.sleep(pause)
        return await self._connect()

    async def _connect(self) -> "Session":
        session = await open_session(self.route)
        self._open += 1
        return session

    def _put_back(self, session: "Session") -> None:
        if session.usable and session.messages < self.route.messages_per_connection:
            self._idle.append(session)
        else:
            self._close(session)

    def _close(self, session: "Session") -> None:
        self._open -= 1
        session.close()


class Pace:
    """Spaces messages evenly: at most `rate_per_s` a second, without bursts. 0 means no limit."""

    def __init__(self, rate_per_s: float) -> None:
        self._gap_s = 1 / rate_per_s if rate_per_s else 0.0
        self._next = 0.0

    async def wait(self) -> None:
        if not self._gap_s:
            return
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next)
        self._next = turn + self._gap_s
        await asyncio.sleep(turn - now)
