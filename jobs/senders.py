"""Several processes that drain the outbox together: one Python process has no more than a core.

This process is one of them and starts the others. Every limit of the settings holds for all of them together: each has its
share. The pipe between says how far a process is, and when it closes, the process takes no new message.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from jobs.dispatch import Dispatch, Tally
from jobs.services import Services
from jobs.settings import Settings
from jobs.signals import alongside, held_back, let_in, stopped_by, stopped_by_signals
from store.database import Database, StoreError
from store.outbox import Scope

if TYPE_CHECKING:
    from datetime import datetime
    from multiprocessing.process import BaseProcess

    from jobs.settings import Section

log = logging.getLogger("germane.send")

TELL_S = 0.2
"""How often a process says how far it is."""
RATES = ("rate_per_s", "domain_rate_per_s", "slow_start_per_s")
CONNECTIONS = ("connections", "slow_connections", "domain_connections")
NUMBERS = (*CONNECTIONS, "slow_start_doubles_after")
"""The settings that limit one process. What the database counts limits all of them anyway. 0 is no limit, and stays 0."""

Limited = TypeVar("Limited", bound="Section")


class Order(NamedTuple):
    """What another process is given."""

    settings: Settings
    url: str
    now: "Callable[[], datetime]"
    scope: Scope
    limit: int | None
    log_level: int | None
    """None where nothing is set up for the log."""


class Helper:
    """Another process that sends. `advance` is called with the number of messages that it is done with."""

    def __init__(self, order: Order, advance: Callable[[int], None]) -> None:
        context = get_context("spawn")  # a fork would take over threads' locks and the database's connections
        self.tally: Tally | None = None
        self._problem = ""
        self._advance = advance
        self._connection, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=_help, args=(theirs, order), daemon=True)
        resource_tracker.ensure_running()  # else it is started along, and lets signals in
        with held_back():  # until the process knows what to do with them
            self._process.start()
        theirs.close()
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._connection.fileno(), self._read)

    def stop(self) -> None:
        """It finishes what is on its way."""
        with suppress(OSError):
            self._connection.send(None)

    async def result(self) -> Tally:
        """What it came to, when it has ended. Raises StoreError for what stopped it."""
        await self._ended.wait()
        await asyncio.to_thread(self._process.join)
        self._connection.close()
        if self._problem:
            raise StoreError(self._problem)
        if self.tally is None:
            log.error("a process that was sending ended too early (exit status %s)", self._process.exitcode)
            return Tally(lost_processes=1)
        return self.tally

    def _read(self) -> None:
        try:
            said = self._connection.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._ended.set()
            return
        if isinstance(said, Tally):
            self.tally = said
        elif isinstance(said, str):
            self._problem = said
        else:
            self._advance(said)


async def hand_over(
    services: Services,
    scope: Scope,
    limit: int | None,
    advance: Callable[[int], None],
    processes: int,
    stopping: Event,
) -> Tally:
    """One run over what is due by so many processes, until signals or the event stop it.

    Raises what `Dispatch.run` raises; StoreError for that of another process.
    """
    share, (limit, *others) = share_of(services.settings, processes), shares(limit, processes)
    url = services.database.engine.url.render_as_string(hide_password=False)
    level = log.getEffectiveLevel() if log.hasHandlers() else None
    dispatch = Dispatch(Services(share, services.database, services.now), scope, limit, advance)
    # Of a class that the other process knows, and needs no file for.
    plain = Settings.model_construct(**dict(share))
    helpers = [Helper(Order(plain, url, services.now, scope, most, level), advance) for most in others]

    def stop() -> None:
        dispatch.stop()
        for helper in helpers:
            helper.stop()

    with stopped_by_signals(stop), stopped_by(stopping, stop):
        try:
            await dispatch.run()
        except BaseException:
            stop()
            raise
        finally:
            results = await asyncio.gather(*(helper.result() for helper in helpers), return_exceptions=True)
    return together([dispatch.tally, *map(_unless_failed, results)])


def _unless_failed(result: Tally | BaseException) -> Tally:
    if isinstance(result, BaseException):
        raise result
    return result


def most_processes(settings: Settings) -> int:
    """Each needs a connection of every limit to connections, that all of them together may keep it."""
    sections = (settings.smtp, settings.sending, *settings.routes.values(), *settings.destinations.values())
    limits = (getattr(section, name, 0) for section in sections for name in CONNECTIONS)
    return min(limit for limit in limits if limit)


def share_of(settings: Settings, processes: int) -> Settings:
    """The settings of each of so many processes: of every limit its part."""
    sending = settings.sending.model_copy(update={"processes": processes})
    changes: dict[str, object] = {"smtp": _part(settings.smtp, processes), "sending": _part(sending, processes)}
    for name in ("routes", "destinations"):
        changes[name] = {key: _part(section, processes) for key, section in getattr(settings, name).items()}
    return settings.model_copy(update=changes)


def _part(section: Limited, processes: int) -> Limited:
    rates = {name: getattr(section, name) / processes for name in RATES if hasattr(section, name)}
    numbers = {name: getattr(section, name) for name in NUMBERS if hasattr(section, name)}
    parts = {name: most and max(1, most // processes) for name, most in numbers.items()}
    return section.model_copy(update=rates | parts)


def shares(limit: int | None, processes: int) -> list[int | None]:
    """How many messages each may take, which are `limit` together."""
    if limit is None:
        return [None] * processes
    return [limit // processes + (n < limit % processes) for n in range(processes)]


def together(tallies: Sequence[Tally]) -> Tally:
    """What several processes came to."""
    whole = Tally()
    for tally in tallies:
        for state, reasons in tally.outcomes.items():
            whole.outcomes.setdefault(state, type(reasons)()).update(reasons)
        whole.commits += tally.commits
        whole.errors += tally.errors
        whole.postponed += tally.postponed
        whole.lost_processes += tally.lost_processes
        whole.paused += [what for what in tally.paused if what not in whole.paused]
        whole.stopped = whole.stopped or tally.stopped
        whole.mail_server_problem = whole.mail_server_problem or tally.mail_server_problem
    return whole


def _help(connection: Connection, order: Order) -> None:
    """What another process does: it sends, and says how far it is, what it came to, or what stopped it."""
    if order.log_level is not None:
        logging.basicConfig(level=order.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    database = Database(order.url, order.settings.database.wait_s)
    done: list[int] = []
    dispatch = Dispatch(Services(order.settings, database, order.now), order.scope, order.limit, done.append)
    try:
        asyncio.run(_send_and_tell(connection, dispatch, done))
    except StoreError as error:
        _say(connection, str(error))
    else:
        _say(connection, dispatch.tally)
    finally:
        database.close()


def _say(connection: Connection, what: Tally | str | int) -> None:
    with suppress(OSError):  # nobody listens when the first process is dead
        connection.send(what)


async def _send_and_tell(connection: Connection, dispatch: Dispatch, done: list[int]) -> None:
    loop = asyncio.get_running_loop()

    def told_to_stop() -> None:
        loop.remove_reader(connection.fileno())
        dispatch.stop()

    def tell() -> None:
        if done:
            _say(connection, sum(done))
            done.clear()

    async def keep_telling() -> None:
        while True:
            await asyncio.sleep(TELL_S)
            tell()

    loop.add_reader(connection.fileno(), told_to_stop)
    with stopped_by_signals(dispatch.stop), alongside(keep_telling()):
        let_in()
        await dispatch.run()
    tell()
