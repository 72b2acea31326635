"""Where mail comes in from, and how it is worked off: kept first, accepted then, dealt with once, set aside when it is poison."""

import logging
import mailbox
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from delivery.bounces.mime import MAX_OCTETS
from jobs.bouncing import deal_with, rule_of
from jobs.failpoints import reach

if TYPE_CHECKING:
    from jobs.services import Services
    from jobs.settings import IncomingSettings
    from store.inbound import Mail

log = logging.getLogger("germane.incoming")

AT_ONCE = 1000
"""Mails of one source, and of what waits, in one round."""


class SourceProblem(Exception):
    """A source that cannot be read now. The message says what to do."""


class Taken(NamedTuple):
    """How many mails of a source were kept anew, and how many were here already."""

    kept: int = 0
    known: int = 0

    def plus(self, kept: bool) -> "Taken":
        return Taken(self.kept + kept, self.known + (not kept))


def take_in(services: "Services", raw: bytes, recipient: str, source: str, octets: int = 0) -> bool:
    """Keep one mail in the database; committed, and so on the disk, when this returns. False when it was here already."""
    from store import inbound

    reach("incoming.received")
    with services.database.writing() as connection:
        kept = inbound.keep(
            connection,
            raw,
            recipient=recipient,
            source=source,
            now=services.now(),
            most_octets=MAX_OCTETS,
            octets=octets,
        )
        reach("incoming.keeping")
    reach("incoming.kept")
    return kept


def work_off(services: "Services", limit: int = AT_ONCE) -> Counter[str]:
    """Deal with the mails that wait, each in a transaction of its own; counts of what they came to."""
    outcomes: Counter[str] = Counter()
    while sum(outcomes.values()) < limit:
        mail = _next(services)
        if mail is None:
            break
        outcomes[_deal(services, mail)] += 1
    return outcomes


def _next(services: "Services") -> "Mail | None":
    from store import inbound

    with services.database.writing() as connection:
        mail = inbound.take(connection, services.now())
    reach("incoming.taken")
    return mail


def _deal(services: "Services", mail: "Mail") -> str:
    from store import inbound

    try:
        with services.database.writing() as connection:
            outcome = deal_with(connection, mail, services)
            if not inbound.done(connection, mail.key, services.now(), outcome):
                connection.rollback()
                return "dealt with by another process"
            reach("incoming.settling")
    except Exception as error:  # one mail of many: it is named, tried again, then set aside
        log.exception("mail %d cannot be dealt with, try %d", mail.key, mail.tries)
        return _failed(services, mail, f"{type(error).__name__}: {error}")
    return outcome


def _failed(services: "Services", mail: "Mail", why: str) -> str:
    from store import inbound

    with services.database.writing() as connection:
        if mail.tries >= inbound.MOST_TRIES:
            inbound.set_aside(connection, mail.key, services.now(), why)
            return "set aside"
        inbound.give_back(connection, mail.key)
    return "tried in vain"


def follow_up(services: "Services") -> Counter[str]:
    """Count what the mail server refused, pause what too much came back of, probe who is held, open again whose probe passed."""
    from jobs import returned
    from jobs.probes import send_probes
    from store import bounces

    rule, now = rule_of(services.settings.bounces), services.now()
    with services.database.writing() as connection:
        refused = bounces.take_refusals(connection, services.secret_key, rule, now)
    with services.database.writing() as connection:
        due = bounces.take_due(connection, services.secret_key, rule, now)
    paused = len(returned.ring(services))
    probes = send_probes(services)
    return Counter(
        {"paused": paused, "refusals counted": refused, "held addresses looked at": due, "probes sent": probes}
    )


def from_path(services: "Services", path: Path) -> Taken:
    """Take in a Maildir, an mbox file or a single message. Raises SourceProblem for what is none of these."""
    if (path / "new").is_dir():
        return from_maildir(services, path)
    if not path.is_file():
        raise SourceProblem(f"{path}: neither a Maildir (a folder with new/ in it) nor a file")
    with path.open("rb") as file:
        is_mbox = file.read(5) == b"From "
    taken = Taken()
    for raw, octets in _mails_of(path) if is_mbox else [(_beginning(path), path.stat().st_size)]:
        taken = taken.plus(take_in(services, raw, "", "mbox" if is_mbox else "file", octets))
    return taken


def from_maildir(services: "Services", path: Path, limit: int = AT_ONCE) -> Taken:
    """Take in what is new in a Maildir; each file moves to cur/ once it is kept, and not before."""
    taken = Taken()
    for entry in sorted(file.name for file in (path / "new").iterdir())[:limit]:
        file = path / "new" / entry
        if entry.startswith(".") or not file.is_file():
            continue
        try:
            raw, octets = _beginning(file), file.stat().st_size
        except OSError as error:
            log.warning("%s cannot be read: %s", file, error.strerror)
            continue
        taken = taken.plus(take_in(services, raw, "", "maildir", octets))
        reach("incoming.moving")
        (path / "cur").mkdir(exist_ok=True)
        file.rename(path / "cur" / f"{entry.partition(':')[0]}:2,S")
    return taken


def from_imap(services: "Services", settings: "IncomingSettings", limit: int = AT_ONCE) -> Taken:
    """Empty an IMAP folder: a mail is deleted there once it is kept here. Raises SourceProblem."""
    from imapclient.exceptions import IMAPClientError

    try:
        return _emptied(services, settings, limit)
    except (IMAPClientError, OSError) as error:
        raise SourceProblem(f"{settings.imap_host} port {settings.imap_port}: {error}; check incoming.imap_*") from None


def _emptied(services: "Services", settings: "IncomingSettings", limit: int) -> Taken:
    from imapclient import IMAPClient

    taken, part = Taken(), f"BODY[]<0.{MAX_OCTETS}>"
    with IMAPClient(settings.imap_host, settings.imap_port, ssl=settings.imap_security == "tls", timeout=60) as client:
        if settings.imap_security == "starttls":
            client.starttls()
        client.login(settings.imap_user, settings.imap_password.get_secret_value())
        client.select_folder(settings.imap_folder)
        for uid in client.search(["NOT", "DELETED"])[:limit]:
            found: dict[Any, Any] = client.fetch([uid], [part.replace("BODY", "BODY.PEEK"), "RFC822.SIZE"]).get(uid, {})
            raw = next((value for name, value in found.items() if bytes(name).startswith(b"BODY[")), None)
            if raw is None:
                continue
            taken = taken.plus(take_in(services, raw, "", "imap", int(found.get(b"RFC822.SIZE", 0))))
            reach("incoming.moving")
            client.add_flags([uid], [b"\\Deleted"], silent=True)
        client.expunge()
    return taken


def _beginning(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(MAX_OCTETS)


def _mails_of(path: Path) -> Iterator[tuple[bytes, int]]:
    """The mails of an mbox file with their lengths, each as far as it is looked at, in constant memory."""
    box = mailbox.mbox(path, create=False)
    try:
        for key in box.iterkeys():
            with box.get_file(key) as stream:
                raw = stream.read(MAX_OCTETS)
                yield raw, len(raw)
    finally:
        box.close()
