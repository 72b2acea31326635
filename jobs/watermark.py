"""How much was sent, kept outside the database: one that is put back from an old copy knows less than that, and is refused.

Every attempt adds a row to the deliveries, and the newest row is never purged: its number only grows.
"""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from store import ledger
from store.database import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from jobs.services import Services

log = logging.getLogger("germane.send")


def refuse_older(services: "Services", connection: "Connection") -> None:
    """Raises StoreError when the database knows of fewer attempts than the file beside it: what it forgot would be sent again."""
    file = file_of(services)
    whose, known = ledger.attempts_so_far(connection)
    kept_for, _, kept = _read(file).partition(" ")
    if kept_for == whose and kept.isdecimal() and int(kept) > known:
        raise StoreError(
            f"the database knows of {known} attempts to send and {file} of {kept}: it was put back from an older copy, and would "
            f"send again what it has forgotten; cancel that (`germane outbox cancel`, docs/operating.md), then remove {file}"
        )


def keep(services: "Services") -> None:
    """Write down how many attempts are committed by now. A file that cannot be written is told, and stops nothing."""
    file = file_of(services)
    if file is None:
        return
    with services.database.reading() as connection:
        whose, known = ledger.attempts_so_far(connection)
    try:
        beside = file.with_name(f"{file.name}.{os.getpid()}")
        beside.write_text(f"{whose} {known}", encoding="utf-8")
        beside.replace(file)
    except OSError as error:
        log.warning("%s cannot be written: %s; see sending.mark_file", file, error.strerror)


def file_of(services: "Services") -> Path | None:
    """Named by the settings, else beside an SQLite file."""
    url, named = services.database.engine.url, services.settings.sending.mark_file
    if named:
        return Path(named)
    is_file = url.database and not url.database.startswith((":", "file:"))
    return Path(f"{url.database}.mark") if services.database.is_sqlite and is_file else None


def _read(file: Path | None) -> str:
    try:
        return file.read_text(encoding="utf-8") if file else ""
    except OSError:
        return ""
