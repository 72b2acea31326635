"""`germane dkim`, and what it makes in use: mails signed at hand-over, through a rotation too."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from jobs.dns import zone_line
from jobs.keyring import load
from store import networks
from tests.digest.keys import verified
from tests.faults.misbehaving import Fault
from tests.jobs.installation import Installation, germane, printed

FOLDER = Path("dkim/news.example.org")


def _signing(installation: Installation) -> None:
    installation.set("DKIM__SIGN", "true")


def _selectors(octets: bytes) -> list[bytes]:
    lines = octets.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return [line.partition(b"s=")[2].partition(b";")[0] for line in lines if line.startswith(b" s=")]


def test_keys_are_made_once_and_nobody_else_may_read_them(installation: Installation) -> None:
    records = printed("dkim", "keygen")
    assert [record["name"].split(".")[0] for record in records] == ["germane-rsa", "germane-ed25519"]
    files = sorted(FOLDER.iterdir())
    assert [file.name for file in files] == ["germane-ed25519.pem", "germane-rsa.pem"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (FOLDER, FOLDER.parent)} == {0o700}
    before = [file.read_bytes() for file in files]
    again = germane("dkim", "keygen")
    assert (again.exit_code, again.stdout) == (0, "")
    assert "they stay" in again.stderr
    assert [file.read_bytes() for file in files] == before


def test_its_records_are_printed_as_name_servers_read_them(installation: Installation) -> None:
    germane("dkim", "keygen")
    comment, rsa, _, ed25519 = germane("dkim", "show").stdout.splitlines()
    assert comment == "; does not sign now"
    assert rsa.startswith('germane-rsa._domainkey.news.example.org. IN TXT ( "v=DKIM1; k=rsa; p=MII')
    assert rsa.count('"') == 4
    assert max(map(len, rsa.split('"')[1::2])) == 255
    text = printed("dkim", "show")[1]["text"]
    assert ed25519 == zone_line("germane-ed25519._domainkey.news.example.org", text)
    _signing(installation)
    assert [record["signs"] for record in printed("dkim", "show")] == [True, True]


def test_each_senders_domain_gets_keys_of_its_own(installation: Installation) -> None:
    key = installation.add_network("heart-help", filled=False)
    with installation.database.writing() as connection:
        networks.change(connection, "heart-help", sender_address="digest@herz.example.net")
    assert key
    assert len(printed("dkim", "keygen", "--network", "heart-help")) == 2
    assert [record["name"].partition("_domainkey.")[2] for record in printed("dkim", "keygen")] == [
        "news.example.org"
    ] * 2


@pytest.mark.parametrize("selector", ["../x", "a.b", "", "-a", "x" * 50, "a b"])
def test_a_selector_is_a_name_and_never_a_path(installation: Installation, selector: str) -> None:
    assert germane("dkim", "keygen", "--selector", selector).exit_code == 2
    assert not Path("dkim").exists()


def test_a_folder_that_cannot_be_written_is_told(installation: Installation) -> None:
    Path("dkim").write_text("in the way")
    result = germane("dkim", "keygen")
    assert result.exit_code == 3
    assert "dkim: cannot be written" in result.stderr


def test_every_mail_of_a_run_is_signed_twice(installation: Installation) -> None:
    germane("dkim", "keygen")
    _signing(installation)
    assert germane("run").exit_code == 0
    keys = [load(FOLDER / f"germane-{kind}.pem") for kind in ("rsa", "ed25519")]
    assert len(installation.server.accepted) == 2
    for mail in installation.server.accepted:
        assert verified(mail.content, *keys) == [True, True]


def test_without_its_keys_nothing_is_composed_or_sent(installation: Installation) -> None:
    _signing(installation)
    before = installation.fingerprint
    result = germane("run")
    assert result.exit_code == 3
    assert "dkim/news.example.org/germane-rsa.pem: there is no such key" in result.stderr
    assert (installation.fingerprint, installation.mailed) == (before, [])


def test_a_rotation_leaves_no_queued_mail_with_a_signature_that_fails(installation: Installation) -> None:
    """A mail is signed when it is handed over, so what waits is signed with the selector of that moment."""
    germane("dkim", "keygen")
    _signing(installation)
    installation.server.faults = [Fault("RCPT", reply=b"451 4.3.0 later")]
    assert germane("run").exit_code == 1
    assert printed("dkim", "keygen", "--selector", "second")[0]["name"].startswith("second-rsa.")
    installation.set("DKIM__SELECTOR", "second")
    installation.server.faults = []
    installation.now += timedelta(hours=1)
    assert germane("send").exit_code == 0
    keys = [load(FOLDER / f"second-{kind}.pem") for kind in ("rsa", "ed25519")]
    assert len(installation.server.accepted) == 2
    for mail in installation.server.accepted:
        assert _selectors(mail.content) == [b"second-rsa", b"second-ed25519"]
        assert verified(mail.content, *keys) == [True, True]


def test_the_dns_is_checked_against_the_keys(installation: Installation) -> None:
    records = printed("dkim", "keygen")
    assert germane("dkim", "check").exit_code == 1
    for record in records:
        installation.dns[record["name"]] = [record["text"].replace("; ", ";")]
    assert germane("dkim", "check").exit_code == 0
    installation.dns[records[0]["name"]] = ["v=DKIM1; p="]
    (row,) = printed("dkim", "check")
    assert "revoked" in row["what"]
