"""Beside the work of an event loop: what goes on as long as it does, and what asks it to stop, a signal or another thread."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from threading import Event

NUMBERS = (signal.SIGINT, signal.SIGTERM)
LOOK_S = 0.2
"""How often it is looked whether another thread asks for a stop."""


@contextmanager
def held_back() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait. A process that is started meanwhile holds them back as well, until it calls `let_in`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_in() -> None:
    """What was held back comes now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM let what is on its way finish. Only the main thread can be told so."""
    loop = asyncio.get_running_loop()
    with suppress(ValueError, RuntimeError, NotImplementedError):
        for number in NUMBERS:
            loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        with suppress(ValueError, RuntimeError, NotImplementedError):
            for number in NUMBERS:
                loop.remove_signal_handler(number)


@contextmanager
def stopped_by(event: Event, stop: Callable[[], None]) -> Iterator[None]:
    """Another thread asks for a stop by setting the event."""

    async def look() -> None:
        while not event.is_set():
            await asyncio.sleep(LOOK_S)
        stop()

    with alongside(look()):
        yield


@contextmanager
def alongside(work: Coroutine[None, None, None]) -> Iterator[None]:
    """It runs until the block ends, at the longest."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
