"""A real Postfix for tests: own configuration, queue, log and mailboxes in a folder of its own, on a loopback port.

Nothing can leave it: no DNS, and every domain that is not listed here is an error. Needs root and Debian's package `postfix`,
whose own service is neither needed nor touched.
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
from typing import Literal

OWN_DOMAIN = "news.example.org"
"""The networks' domain in the tests: bounces and mails to it end in the mailbox `returned`."""
MEMBER_DOMAIN = "example.org"
"""Everybody here and in the domains under it has mail delivered to the mailbox `members`, but local parts that begin with
"nobody": Postfix takes the mail, finds that there is no such user, and returns it."""
SLOW_DOMAIN = "later.test"
"""Mail to it is taken and stays deferred, which the log tells."""

Mailbox = Literal["members", "returned"]

_MAIN = """
compatibility_level = 3.6
config_directory = {folder}/etc
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.{own}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
disable_dns_lookups = yes
default_transport = error:5.4.4 nothing leaves this machine
relay_transport = error:5.4.4 nothing leaves this machine
transport_maps = inline:{{ {{{slow}=retry:4.3.2 come back later}} }}
relay_domains = {slow}
relay_recipient_maps =
virtual_mailbox_domains = regexp:{folder}/etc/domains
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = regexp:{folder}/etc/mailboxes
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 1000
virtual_mailbox_limit = 0
smtpd_reject_unlisted_recipient = no
smtpd_recipient_restrictions = permit_mynetworks, reject
recipient_delimiter = +
smtputf8_enable = yes
message_size_limit = 20000000
queue_run_delay = 300s
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
alias_maps =
alias_database =
"""

_DOMAINS = """
/^(.*\\.)?{members}$/ here
"""

_MAILBOXES = """
/@{own}$/ returned/
if !/^nobody/
/./ members/
endif
"""

_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class PostfixLab:
    """A running Postfix that takes mail on 127.0.0.1, `port`."""

    folder: Path
    port: int

    @property
    def log(self) -> Path:
        """What Postfix wrote of each message, as it does into /var/log/mail.log."""
        return self.folder / "maillog"

    def maildir(self, mailbox: Mailbox) -> Path:
        return self.folder / "mail" / mailbox

    def mails(self, mailbox: Mailbox) -> list[bytes]:
        """What was delivered, as the Maildir holds it: line feeds, and Return-Path, X-Original-To and Delivered-To first."""
        return [file.read_bytes() for file in sorted(self.maildir(mailbox).glob("new/*"))]

    def wait_for(self, mailbox: Mailbox, n: int, timeout_s: float = 20.0) -> list[bytes]:
        """The mails of a mailbox as soon as there are `n`. Raises TimeoutError with the end of the log."""
        deadline = time.monotonic() + timeout_s
        while len(found := self.mails(mailbox)) < n:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} of {n} mails in {mailbox}\n{self._end_of_log()}")
            time.sleep(0.05)
        return found

    def clear(self) -> None:
        """Empty both mailboxes and the queue."""
        subprocess.run(["postsuper", "-c", str(self.folder / "etc"), "-d", "ALL"], check=True, capture_output=True)
        for file in (self.folder / "mail").glob("*/*/*"):
            file.unlink()

    def _end_of_log(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])


def why_not() -> str:
    """Why no Postfix can be started here, or nothing."""
    if not shutil.which("postfix") or not shutil.which("postsuper"):
        return "Postfix is not installed (apt-get install postfix)"
    return "" if os.geteuid() == 0 else "only root may start a Postfix"


@contextmanager
def running_postfix() -> Iterator[PostfixLab]:
    """Start one, and stop and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="germane-postfix-"))
    lab = PostfixLab(folder, _free_port())
    try:
        _configure(lab)
        _postfix(lab, "start")
        try:
            _await_greeting(lab.port)
            yield lab
        finally:
            _postfix(lab, "stop")
    finally:
        shutil.rmtree(folder)


def _configure(lab: PostfixLab) -> None:
    """The folder must be open to the users postfix and nobody, unlike pytest's own temporary folders."""
    lab.folder.chmod(0o755)
    for name in ("etc", "queue", "data", "mail/members", "mail/returned"):
        (lab.folder / name).mkdir(parents=True)
    shutil.chown(lab.folder / "data", "postfix")
    for maildir in ("mail/members", "mail/returned"):
        for name in ("", "new", "cur", "tmp"):
            (lab.folder / maildir / name).mkdir(exist_ok=True)
            os.chown(lab.folder / maildir / name, 65534, 65534)
    values = {
        "folder": lab.folder,
        "port": lab.port,
        "own": OWN_DOMAIN,
        "members": MEMBER_DOMAIN.replace(".", r"\."),
        "slow": SLOW_DOMAIN,
        "daemons": _output("postconf", "-d", "-h", "daemon_directory").strip(),
    }
    files = {"main.cf": _MAIN, "master.cf": _MASTER, "domains": _DOMAINS, "mailboxes": _MAILBOXES}
    for name, text in files.items():
        (lab.folder / "etc" / name).write_text(text.format(**values), encoding="ascii")


def _postfix(lab: PostfixLab, command: str) -> None:
    _output("postfix", "-c", str(lab.folder / "etc"), command)


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")
    return done.stdout


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _await_greeting(port: int, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                if connection.recv(4).startswith(b"220"):
                    connection.sendall(b"QUIT\r\n")
                    return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)
