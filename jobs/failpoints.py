"""Named places at which a test may kill, stop or fail a process: one at each state change of a run and of sending.

Off, at the cost of one comparison, unless the environment variable FAILPOINT was set when the process started. It is no
setting: it weakens no guard, and only ever ends or pauses the process that it was given to.
"""

import os
import signal
import threading
from collections.abc import Callable

POINTS = {
    "run.opening": "inside the transaction that opens an edition",
    "run.opened": "the edition is open, its audience frozen",
    "run.claimed": "the edition has an owner and a lease",
    "run.model_saved": "the fitted model is stored",
    "run.decided": "what the edition decided for everybody is stored",
    "run.shard_writing": "inside the transaction that writes a shard of digests",
    "run.shard_written": "a shard of digests is stored with its outbox rows",
    "run.composed": "every digest is decided",
    "run.released": "the senders may have the edition",
    "run.settled": "the edition is finished, or its counts are written down",
    "run.given_back": "the edition has no owner any more",
    "send.stale_released": "claims of processes that are gone were given up",
    "send.claimed": "a batch of messages is claimed",
    "send.composed": "a message is made",
    "send.content_sent": "the mail server has all but the final dot",
    "send.recording": "inside the transaction that records dots and receipts",
    "send.recorded": "dots and receipts are recorded",
    "send.before_dot": "the next thing on this connection is the final dot",
    "send.replied": "what became of a message is known, and not yet written down",
    "send.released": "the claims that were left are given up",
    "send.settled": "the counts of the edition are written down after sending",
    "incoming.received": "a mail came in, and is kept nowhere yet",
    "incoming.keeping": "inside the transaction that keeps a mail",
    "incoming.kept": "a mail is kept, and not yet accepted where it came from",
    "incoming.moving": "a mail is kept, and about to be moved or deleted where it came from",
    "incoming.taken": "a mail belongs to this process, its try counted",
    "incoming.settling": "inside the transaction that deals with a mail",
}
"""What is true when a process gets there."""

ANY = "*"
ACTIONS = ("kill", "stop", "raise")


class FailpointError(Exception):
    """What `raise` raises: an error that nothing foresees."""


class Failpoint:
    """Acts when the point is reached for the `nth` time (from 1); the point `*` counts each point."""

    def __init__(self, point: str, nth: int, action: str) -> None:
        if point not in {*POINTS, ANY} or action not in ACTIONS or nth < 1:
            raise ValueError(f"FAILPOINT names {point}:{nth}:{action}; the points are {', '.join(POINTS)}")
        self.point, self.action, self.left = point, action, nth

    def __call__(self, point: str) -> None:
        if self.point not in {point, ANY}:
            return
        self.left -= 1
        if self.left:
            return
        if self.action == "raise":
            raise FailpointError(point)
        # To this thread: another one would take its time, and this one would go on until it did.
        signal.pthread_kill(threading.get_ident(), signal.SIGKILL if self.action == "kill" else signal.SIGSTOP)


def armed(text: str) -> Callable[[str], None] | None:
    """The failpoint that `POINT:NTH:ACTION` describes, or None for an empty text."""
    if not text:
        return None
    point, nth, action = text.split(":")
    return Failpoint(point, int(nth), action)


_armed = armed(os.environ.get("FAILPOINT", ""))


def reach(point: str) -> None:
    """Say that the process is at `point`."""
    if _armed:
        _armed(point)
