"""A PostgreSQL server of our own: one whose disk fills up fails at checkpoints, for every database that it holds."""

import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = Path("/usr/lib/postgresql")
"""Where Debian keeps them, one folder a version."""
OWNER = "postgres"
OPTIONS = "-c listen_addresses= -c fsync=off -c unix_socket_directories={folder}"


@contextmanager
def own_cluster() -> Iterator[str]:
    """The address of a server that listens on a socket only. Skips where there is no PostgreSQL, or no root to start it as its
    own user."""
    programs = max(PROGRAMS.glob("*/bin"), default=None)
    if programs is None or not shutil.which("initdb", path=str(programs)):
        pytest.skip("no PostgreSQL programs are installed from which a server of our own could be started")
    try:
        pwd.getpwnam(OWNER)
    except KeyError:
        pytest.skip(f"there is no user {OWNER} to run a PostgreSQL server as")
    folder = Path(tempfile.mkdtemp(prefix="germane-pg-"))
    try:
        shutil.chown(folder, OWNER, OWNER)
    except PermissionError:
        folder.rmdir()
        pytest.skip("only root may start a PostgreSQL server as another user")
    data, options = str(folder / "data"), OPTIONS.format(folder=folder)
    try:
        _run(programs, "initdb", "--no-sync", "--auth=trust", f"--username={OWNER}", "--pgdata", data)
        _run(programs, "pg_ctl", "--pgdata", data, "--options", options, "--log", f"{data}/log", "--wait", "start")
        try:
            yield f"postgresql://{OWNER}@/postgres?host={folder}"
        finally:
            _run(programs, "pg_ctl", "--pgdata", data, "--mode=immediate", "--wait", "stop")
    finally:
        shutil.rmtree(folder)


def _run(programs: Path, name: str, *arguments: str) -> None:
    subprocess.run(
        [programs / name, *arguments],
        user=OWNER, group=OWNER, extra_groups=(), cwd="/", check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        timeout=120,
    )  # fmt: skip
