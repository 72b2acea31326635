"""The one place that reads settings and wires concrete parts together."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.settings import Settings, SettingsError, SmtpSettings, load_settings

if TYPE_CHECKING:
    from ssl import SSLContext

    from delivery.smtp import SmtpRoute
    from store.database import Database

ROOT = Path(__file__).parent.parent
TEMPLATES = ROOT / "templates"
EXAMPLE = ROOT / "example"


@dataclass(frozen=True)
class Services:
    """What a job is given: settings, the database, the key that signs links, and the clock."""

    settings: Settings
    database: "Database"
    now: Callable[[], datetime]

    @property
    def secret_key(self) -> bytes:
        """Raises SettingsError when GERMANE_SECRET_KEY is missing or shorter than 32 characters."""
        key = self.settings.secret_key.get_secret_value()
        if len(key) < 32:
            raise SettingsError(
                "GERMANE_SECRET_KEY must be set to at least 32 characters, and kept: "
                "the links in mails already sent depend on it; "
                "`python3 -c 'import secrets; print(secrets.token_urlsafe(32))'` makes one"
            )
        return key.encode()


def wall_clock() -> datetime:
    return datetime.now(UTC)


def open_services(config: Path | None = None, *, settings: Settings | None = None, check: bool = True) -> Services:
    """Services on the configured database. Raises SettingsError or StoreError with what to do."""
    from store import schema
    from store.database import Database

    settings = settings or load_settings(config)
    database = Database(settings.database.url, settings.database.wait_s)
    if check:
        schema.check(database)
    return Services(settings, database, wall_clock)


def smtp_route(settings: Settings) -> "SmtpRoute":
    """The mail server that the settings name first."""
    return route_of(settings.smtp)


def route_of(smtp: SmtpSettings) -> "SmtpRoute":
    """Raises SettingsError when its `ca_file` holds no certificates."""
    from delivery.smtp import SmtpRoute

    of_route = {name: getattr(smtp, name) for name in SmtpRoute.__slots__ if name in type(smtp).model_fields}
    tls = _trusting(smtp.ca_file) if smtp.ca_file else None
    return SmtpRoute(**of_route | {"password": smtp.password.get_secret_value(), "tls": tls})


def _trusting(ca_file: str) -> "SSLContext":
    import ssl

    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an SSLError is one
        why = (
            error.strerror
            if isinstance(error, FileNotFoundError | PermissionError)
            else "holds no certificate in PEM form"
        )
        raise SettingsError(f"{ca_file}: {why}; see smtp.ca_file") from None


def process_name() -> str:
    """host:pid:start, by which a claim names its owner. The start tells a process from a later one with the same number,
    which in a container is the usual case."""
    return f"{platform.node()}:{os.getpid()}:{_started(os.getpid())}"


def process_is_gone(name: str) -> bool:
    """True when `name` is a process of this host that does not run any more; of another host's nothing is known."""
    host, pid, started, *_ = (*name.rsplit(":", 2), "", "")
    if host != platform.node() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """When the process started, in clock ticks since the machine did; empty where the system does not tell (proc(5))."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return line.rpartition(")")[2].split()[19]
