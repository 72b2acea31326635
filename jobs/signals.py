"""Ctrl-C and SIGTERM while an event loop runs, and while another process starts."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

NUMBERS = (signal.SIGINT, signal.SIGTERM)


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
