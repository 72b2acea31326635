"""A real Dovecot for tests: own configuration and mailbox in a folder of its own, on a loopback port.

Needs root and Debian's package `dovecot-imapd`, whose own service is neither needed nor touched.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "lab"
_CONF = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail
first_valid_uid = 100
default_internal_user = dovecot
default_login_user = dovenull
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={folder}/home
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


@dataclass(frozen=True)
class DovecotLab:
    """A running Dovecot with one mailbox, whoever logs in with PASSWORD, on 127.0.0.1, `port`."""

    folder: Path
    port: int

    def deliver(self, *mails: bytes) -> None:
        for n, raw in enumerate(mails):
            file = self.folder / "mail" / "new" / f"{time.time():.6f}.{n}.lab"
            file.write_bytes(raw)
            os.chown(file, 65534, 65534)

    def left(self) -> int:
        return sum(1 for name in ("new", "cur") for _ in (self.folder / "mail" / name).iterdir())


def why_not() -> str:
    """Why no Dovecot can be started here, or nothing."""
    if not shutil.which("dovecot") or not shutil.which("doveadm"):
        return "Dovecot is not installed (apt-get install dovecot-imapd)"
    return "" if os.geteuid() == 0 else "only root may start a Dovecot"


@contextmanager
def running_dovecot() -> Iterator[DovecotLab]:
    """Start one, and stop and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="germane-dovecot-"))
    folder.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        lab = DovecotLab(folder, int(taken.getsockname()[1]))
    for name in ("mail", "mail/new", "mail/cur", "mail/tmp", "home"):
        (folder / name).mkdir()
        os.chown(folder / name, 65534, 65534)
    conf = folder / "dovecot.conf"
    conf.write_text(_CONF.format(folder=folder, port=lab.port, password=PASSWORD), encoding="ascii")
    # In the foreground, and without pipes, which what it starts would hold open.
    nothing = subprocess.DEVNULL
    server = subprocess.Popen(["dovecot", "-F", "-c", str(conf)], stdin=nothing, stdout=nothing, stderr=nothing)
    try:
        _await_greeting(lab.port)
        yield lab
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _await_greeting(port: int, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                if connection.recv(4).startswith(b"* OK"):
                    return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)
