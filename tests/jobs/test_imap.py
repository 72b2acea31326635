"""An IMAP folder is emptied: against a real Dovecot, which is skipped loudly where there is none."""

from collections.abc import Iterator
from typing import Any

import pytest

from jobs import incoming
from jobs.services import open_services
from store import inbound
from tests import dovecot_lab
from tests.delivery.bounces.samples import PROSE, STRUCTURED
from tests.dovecot_lab import PASSWORD, DovecotLab
from tests.jobs.installation import Installation, germane, printed


@pytest.fixture
def dovecot() -> Iterator[DovecotLab]:
    missing = dovecot_lab.why_not()
    if missing:
        pytest.skip(f"no IMAP server: {missing}")
    with dovecot_lab.running_dovecot() as lab:
        yield lab


def told(installation: Installation, lab: DovecotLab, password: str = PASSWORD) -> None:
    for name, value in {"HOST": "127.0.0.1", "PORT": lab.port, "SECURITY": "none", "USER": "bounces"}.items():
        installation.set(f"INCOMING__IMAP_{name}", value)
    installation.set("INCOMING__IMAP_PASSWORD", password)


def test_the_folder_is_emptied_into_the_database(installation: Installation, dovecot: DovecotLab) -> None:
    dovecot.deliver(
        STRUCTURED[0].raw, PROSE[0].raw, b"Subject: long\r\n\r\n" + b"x" * 70 + b"\r\n" + b"y\r\n" * 1_000_000
    )
    told(installation, dovecot)
    report = printed("bounces", "ingest", "imap")
    assert (report["taken"], dovecot.left()) == (3, 0)
    assert sum(report["outcomes"].values()) == 3
    assert printed("bounces", "ingest", "imap")["taken"] == 0


def test_a_wrong_password_is_one_clear_line_and_deletes_nothing(
    installation: Installation, dovecot: DovecotLab
) -> None:
    dovecot.deliver(STRUCTURED[0].raw)
    told(installation, dovecot, password="wrong")
    result = germane("bounces", "ingest", "imap")
    assert (result.exit_code, "check incoming.imap_*" in result.stderr, dovecot.left()) == (1, True, 1)
    assert "wrong" not in result.output


def test_f20_a_mail_that_could_not_be_kept_stays_in_the_folder(
    installation: Installation, dovecot: DovecotLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    dovecot.deliver(STRUCTURED[0].raw)
    told(installation, dovecot)
    services = open_services()

    def full(*_: Any, **__: Any) -> bool:
        raise OSError("the disk is full")

    monkeypatch.setattr(inbound, "keep", full)
    with pytest.raises(incoming.SourceProblem, match="disk is full"):
        incoming.from_imap(services, services.settings.incoming)
    assert dovecot.left() == 1
