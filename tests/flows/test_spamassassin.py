"""What SpamAssassin's own rules say of our mails, without network: nothing that the way they are made would cost them."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.message import DigestPress
from tests.digest.keys import some_keys
from tests.digest.mails import a_masthead, a_recipient, an_entry, an_environment
from tests.golden.test_mails import MAILS

STATUS = re.compile(
    r"^X-Spam-Status:.*?score=(-?[\d.]+).*?tests=([\w,\s]*?)(?=\s+(?:autolearn|shortcircuit|version)=)", re.S | re.M
)

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


def _mails() -> list[bytes]:
    """One in each language, signed, and last one that every filter must find."""
    press = DigestPress(an_environment(), a_masthead(), {"copd": "COPD"}, some_keys())
    now = datetime.now(UTC)
    chosen = [
        *(
            (name, replace(recipient, address="ann@example.org"), entries)
            for name, (recipient, entries) in MAILS.items()
        ),
        ("spam", a_recipient(), [an_entry(title=GTUBE)]),
    ]
    return [press.message(who, entries, f"<e.{name}@news.example.org>", now) for name, who, entries in chosen]


def _scores(folder: Path, mails: list[bytes]) -> list[tuple[float, str]]:
    """(points, names of the rules that fired) of each mail, fewest first, in one run: starting takes longest."""
    box = folder / "box"
    lines = (re.sub(rb"(?m)^(>*From )", rb">\1", mail.replace(b"\r\n", b"\n")) for mail in mails)
    box.write_bytes(
        b"".join(b"From digest@news.example.org Thu Jan  1 00:00:00 1970\n" + mail + b"\n" for mail in lines)
    )
    command = ["spamassassin", "-L", "-t", "-x", f"--prefspath={os.devnull}", "--mbox", str(box)]
    done = subprocess.run(
        command, capture_output=True, timeout=240, env={**os.environ, "HOME": str(folder)}, check=True
    )
    found = STATUS.findall(done.stdout.decode("utf-8", "replace"))
    return sorted((float(points), re.sub(r"\s", "", rules)) for points, rules in found)


def test_spamassassin_gives_our_mails_no_point(tmp_path: Path) -> None:
    if not shutil.which("spamassassin"):
        pytest.skip("SpamAssassin is not installed (apt-get install spamassassin)")
    mails = _mails()
    *ours, spam = _scores(tmp_path, mails)
    assert len(ours) == len(mails) - 1
    assert spam[0] > 100, "the rules did not run"
    for points, rules in ours:
        assert points <= 0, rules
