"""When what runs: a pure decision about one network's edition, and the two ticks that act on it.

APScheduler only wakes. What is due, and who may run it, is decided by the tables, so that a restart, a second process
or a clock that jumps can neither lose an edition nor run one twice.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from digest.slots import SLACK, Slot, due
from jobs.services import Services

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

    from jobs.send import SendReport
    from jobs.settings import SendingSettings
    from store.networks import Network

log = logging.getLogger("germane.schedule")

SENT_AT_ONCE = 500
"""Messages in one round of sending by one process."""
BATCHES = 4
"""What each of several processes has in one round: for less it would not be worth starting them."""

LEAST_GAP = timedelta(days=7) - SLACK
"""After an edition that long ago another one is wanted."""

UNDER_WAY = frozenset({"opened", "composed"})
"""States of an edition that was begun and still has something to compose."""


class Begun(NamedTuple):
    """An edition that was opened: its state, and the moment it was opened for."""

    state: str
    as_of: datetime


def slot_due(
    now: datetime, network: "Network", added_at: datetime, begun: Mapping[str, Begun], grace: timedelta
) -> Slot | None:
    """The slot that `network` should run now, or None. `begun` are its editions, by slot name.

    An edition that was begun is taken up again. One that was not is caught up once, up to `grace` late (both ends in),
    and only if the network existed when it fell due. A week that lies before an edition already begun stays shut: the
    clock was set back. Where the schedule was moved to a later day of a week that is done, the next week's edition runs
    then, so that nobody waits for two weeks; that each member gets one digest a week is seen to by their own due moments.
    """
    slot = current(now, network)
    done = begun.get(slot.name)
    if done and done.state not in UNDER_WAY and slot.instant - done.as_of >= LEAST_GAP:
        slot = Slot(slot.following(), slot.instant)
        done = begun.get(slot.name)
    if slot.following() in begun:
        return None
    if done:
        return slot if done.state in UNDER_WAY else None
    return slot if slot.instant >= added_at and now - slot.instant <= grace else None


def current(now: datetime, network: "Network") -> Slot:
    """The latest slot of the network's schedule that has fallen due by `now`."""
    return due(now, network.time_zone, network.weekday, network.hour, network.minute)


def round_of(sending: "SendingSettings") -> int:
    """Messages in one round of sending."""
    return SENT_AT_ONCE if sending.processes == 1 else max(SENT_AT_ONCE, sending.processes * BATCHES * sending.batch)


class Ticker:
    """Runs editions and sends what is due, whenever it is told that time has passed."""

    def __init__(
        self, services: Services, run_edition: Callable[..., object], send_due: Callable[..., "SendReport"]
    ) -> None:
        """Both must be harmless when repeated; see `jobs.run.run_edition` and `jobs.send.send_due`."""
        self.services = services
        self.stopping = threading.Event()
        self._run_edition, self._send_due = run_edition, send_due
        self._reported: set[tuple[int, str]] = set()
        self._composing, self._sending = threading.Lock(), threading.Lock()

    def editions(self) -> None:
        """Compose the edition of each network that is due. One network's failure does not stop the next."""
        with self._composing:
            for network, added_at in self._guarded("list the networks", self._networks) or ():
                if not self.stopping.is_set():
                    self._guarded(f"run the urgent items of {network.slug}", self._urgent, network)
                    self._guarded(f"run the edition of {network.slug}", self._edition, network, added_at)

    def outbox(self) -> None:
        """Send what is due in the outbox, in rounds, so that what is urgent need not wait for all of it."""
        with self._sending:
            while not self.stopping.is_set() and self._guarded("send what is due", self._round):
                pass

    def idle(self, timeout_s: float) -> bool:
        """Wait until neither tick is under way, at most `timeout_s` for each; False when one still is. No tick runs after it."""
        self.stopping.set()
        return all(lock.acquire(timeout=timeout_s) for lock in (self._composing, self._sending))

    def _networks(self) -> list[tuple["Network", datetime]]:
        from store import networks

        with self.services.database.reading() as connection:
            added_at = networks.added_at(connection)
            return [(network, added_at[network.key]) for network in networks.every(connection)]

    def _urgent(self, network: "Network") -> None:
        """What was approved, and not composed because the process that approved it ended."""
        from jobs.urgent import run_approved

        run_approved(self.services, network, send=False)

    def _edition(self, network: "Network", added_at: datetime) -> None:
        from store import editions

        now = self.services.now()
        with self.services.database.reading() as connection:
            latest = editions.latest(connection, network.key, kind="weekly")
            begun = {one.slot: Begun(one.state, one.as_of) for one in latest}
        grace = timedelta(hours=self.services.settings.schedule.grace_h)
        slot = slot_due(now, network, added_at, begun, grace)
        if slot is None:
            self._report_missed(now, network, added_at, begun, grace)
            return
        log.info("%s: edition %s is due", network.slug, slot.name)
        self._run_edition(self.services, network, at=now, slot=slot.name, send=False)

    def _report_missed(
        self, now: datetime, network: "Network", added_at: datetime, begun: Mapping[str, Begun], grace: timedelta
    ) -> None:
        slot = current(now, network)
        missed = slot.name not in begun and slot.instant >= added_at and now - slot.instant > grace
        if missed and (network.key, slot.name) not in self._reported:
            self._reported.add((network.key, slot.name))
            log.warning("%s: edition %s was missed by more than schedule.grace_h", network.slug, slot.name)

    def _round(self) -> bool:
        """True when there may be more to send at once."""
        limit = round_of(self.services.settings.sending)
        report = self._send_due(self.services, limit=limit, stopping=self.stopping)
        if report.mail_server_problem:
            log.warning("%s; %d messages wait in the outbox", report.mail_server_problem, report.waiting)
            return False
        if report.done:
            log.info("%d messages handed over or settled, %d wait", report.done, report.waiting)
        return report.done >= limit

    def _guarded(self, what: str, act: Callable[..., Any], *arguments: Any) -> Any:
        from jobs.settings import SettingsError
        from store.database import StoreError

        try:
            return act(*arguments)
        except (StoreError, SettingsError, click.ClickException) as error:
            log.warning("cannot %s now: %s", what, error)
        except Exception:
            log.exception("cannot %s now", what)
        return None


def start(ticker: Ticker, tick_s: float) -> "BackgroundScheduler":
    """Tick at once and then every `tick_s` seconds, editions and outbox each in a thread of its own."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler = BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(2)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for job in (ticker.editions, ticker.outbox):
        scheduler.add_job(job, "interval", seconds=tick_s, next_run_time=datetime.now(UTC))
    scheduler.start()
    return scheduler
