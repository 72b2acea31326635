"""What `germane serve` does with mail that comes in: takes it by LMTP, empties a Maildir and an IMAP folder, works it off."""

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from jobs import incoming
from jobs.incoming import SourceProblem
from store.database import StoreError

if TYPE_CHECKING:
    from jobs.lmtp import LmtpServer
    from jobs.services import Services

log = logging.getLogger("germane.incoming")

STOP_WITHIN_S = 30.0


class Intake:
    """Runs in threads of its own from `start` to `stop`. A round follows at once on a mail by LMTP, else after `tick_s`."""

    def __init__(self, services: "Services", tick_s: float) -> None:
        self._services, self._tick_s = services, tick_s
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="germane-intake", daemon=True)
        self._lmtp: LmtpServer | None = None

    def start(self) -> None:
        """Raises SettingsError when the port for LMTP cannot be listened on."""
        from jobs.settings import SettingsError

        settings = self._services.settings.incoming
        if settings.lmtp_port:
            from jobs.lmtp import LmtpServer

            self._lmtp = LmtpServer(self._keep, settings.lmtp_host, settings.lmtp_port, settings.max_mb)
            try:
                self._lmtp.start()
            except OSError as error:
                where = f"{settings.lmtp_host} port {settings.lmtp_port}"
                raise SettingsError(f"cannot listen on {where}: {error.strerror}; see incoming.lmtp_port") from None
        self._thread.start()

    def stop(self) -> None:
        """Takes nothing more, and finishes the mail in hand."""
        if self._lmtp:
            self._lmtp.stop()
        self._stopping.set()
        self._wake.set()
        self._thread.join(STOP_WITHIN_S)

    def round(self) -> None:
        """One look at every source, and at what waits."""
        settings = self._services.settings.incoming
        try:
            if settings.maildir:
                incoming.from_path(self._services, Path(settings.maildir))
            if settings.imap_host:
                incoming.from_imap(self._services, settings)
        except SourceProblem as problem:
            log.error("%s", problem)
        outcomes = incoming.work_off(self._services)
        for outcome, n in outcomes.items():
            log.info("%d mails: %s", n, outcome)
        incoming.follow_up(self._services)

    def _keep(self, raw: bytes, recipient: str) -> bool:
        kept = incoming.take_in(self._services, raw, recipient, "lmtp")
        self._wake.set()
        return kept

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self.round()
            except StoreError as error:
                log.error("mail that came in waits: %s", error)
            except Exception:  # a round that fails must not end all rounds
                log.exception("mail that came in waits")
            self._wake.wait(self._tick_s)
