"""What happens to each message, written down while it happens: one commit for what many connections have to say.

A final dot is sent only after the record that it is about to be sent was committed. The connections' records, and the
receipts of what they sent before, share commits (group commit), made in one thread beside the event loop.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from jobs.failpoints import reach
from store import outbox, suppression

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.database import Database
    from store.outbox import Settled

LINGER_S = 0.004
"""How long the first record of a commit waits for others to share it."""
SUPPRESSED = "suppressed"
CLAIM_LOST = "another process has this message now"


@dataclass(slots=True)
class _Dot:
    key: int
    number: int
    answer: asyncio.Future[str]

    def allow(self, why_not: str) -> None:
        if not self.answer.done():
            self.answer.set_result(why_not)

    def refuse(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Journal:
    """An async context manager; leaving it writes the last receipts. `parties` is how many connections share a commit."""

    def __init__(
        self, database: "Database", owner: str, thread: Executor, parties: int, secret: bytes | None = None
    ) -> None:
        self.commits = 0
        self._database = database
        self._owner = owner
        self._thread = thread
        self.parties = parties
        self._secret = secret
        self._dots: list[_Dot] = []
        self._receipts: list[Settled] = []
        self._work = asyncio.Event()
        self._enough = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Raises StoreError when the last receipts could not be written: those messages will be called uncertain."""
        self._closing = True
        self._work.set()
        self._enough.set()
        await self._writer
        if self._receipts:
            await self._commit({}, self._take_receipts())

    def dot(self, key: int, number: int) -> asyncio.Future[str]:
        """Record that this message's final dot is about to be sent. Awaited, it says why it must not be, or nothing.
        `number` is that of the claim that the message was made from.

        Raises StoreError then when that cannot be recorded; the dot must not be sent either.
        """
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._dots.append(_Dot(key, number, answer))
        self._work.set()
        if len(self._dots) >= self.parties:
            self._enough.set()
        return answer

    def settle(self, settled: "Settled") -> None:
        """Record an outcome with the next commit."""
        self._receipts.append(settled)
        self._work.set()

    async def _write(self) -> None:
        while not self._closing:
            await self._work.wait()
            await self._linger()
            self._work.clear()
            self._enough.clear()
            if self._dots or self._receipts:
                await self._write_once()

    async def _linger(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._enough.wait(), LINGER_S)

    async def _write_once(self) -> None:
        dots, self._dots = self._dots, []
        receipts = self._take_receipts()
        try:
            answers = await self._commit({dot.key: dot.number for dot in dots}, receipts)
        except Exception as error:
            self._receipts = receipts + self._receipts  # written with a later commit, at the latest when we close
            for dot in dots:
                dot.refuse(error)
        else:
            for dot in dots:
                dot.allow(answers.get(dot.key, ""))

    def _take_receipts(self) -> "list[Settled]":
        receipts, self._receipts = self._receipts, []
        return receipts

    async def _commit(self, dots: dict[int, int], receipts: "Sequence[Settled]") -> dict[int, str]:
        self.commits += 1
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._commit_now, dots, receipts)

    def _commit_now(self, dots: dict[int, int], receipts: "Sequence[Settled]") -> dict[int, str]:
        """Returns, for each dot that must not be sent, the reason."""
        with self._database.writing() as connection:
            if receipts:
                outbox.settle(connection, self._owner, receipts)
            suppressed = self._suppressed(connection, list(dots)) if dots else set()
            wanted = {key: number for key, number in dots.items() if key not in suppressed}
            allowed = outbox.mark_dots(connection, self._owner, wanted) if wanted else set()
            refused = [key for key in wanted if key not in allowed]
            states = outbox.member_states(connection, refused) if refused else {}
            reach("send.recording")
        reach("send.recorded")
        return dict.fromkeys(suppressed, SUPPRESSED) | {key: _why(states.get(key, "erased")) for key in refused}

    def _suppressed(self, connection: "Connection", dots: list[int]) -> set[int]:
        """Those of whom only the keyed hash knows that they must not be mailed: a restored database, for one."""
        if self._secret is None or not suppression.any_in_force(connection):
            return set()
        keys = outbox.address_keys(connection, dots)
        found = suppression.among(connection, keys.values(), self._secret)
        return {key for key, address in keys.items() if address in found}


def _why(status: str) -> str:
    return CLAIM_LOST if status == "active" else status
