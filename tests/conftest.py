"""What every test may ask for: a fresh database of each kind. Tests that could not run are named at the end."""

import os
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from sqlalchemy.engine import make_url

from store import schema
from store.database import Database
from tests import postfix_lab
from tests.faults import table
from tests.postfix_lab import PostfixLab

if "GERMANE_TEST_POSTGRES" in os.environ:  # the settings refuse GERMANE_ variables that they do not know
    os.environ["TEST_POSTGRES"] = os.environ.pop("GERMANE_TEST_POSTGRES")

settings.register_profile("any machine", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("any machine")

os.environ.pop(
    "COLUMNS", None
)  # pytest-xdist sets the width of its own terminal; what is tested is the width of a file

POSTGRES_SERVERS = ("postgresql:///postgres", "postgresql://postgres@127.0.0.1:5432/postgres")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with this version's tables, made once and copied for each test."""
    file = tmp_path_factory.mktemp("template") / "germane.db"
    _upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_database(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    """A fresh SQLite database in a file of its own."""
    file = tmp_path / "germane.db"
    shutil.copyfile(sqlite_template, file)
    database = Database(f"sqlite:///{file}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The address of a PostgreSQL server where this user may make databases; skips where there is none."""
    named = os.environ.get("TEST_POSTGRES", "")
    for server in (named,) if named else POSTGRES_SERVERS:
        try:
            psycopg.connect(server, connect_timeout=3).close()
        except psycopg.OperationalError:
            continue
        return server
    pytest.skip(
        f"no PostgreSQL server answers at {named or ' or '.join(POSTGRES_SERVERS)}; name one in GERMANE_TEST_POSTGRES"
    )


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a database with this version's tables, made once and copied for each test."""
    name = _create(postgres_server)
    _upgrade(_address(postgres_server, name))
    yield name
    _drop(postgres_server, name)


@pytest.fixture
def postgres_database(postgres_server: str, postgres_template: str) -> Iterator[Database]:
    """A fresh PostgreSQL database with a random name, dropped afterwards."""
    name = _create(postgres_server, postgres_template)
    database = Database(_address(postgres_server, name))
    yield database
    database.close()
    _drop(postgres_server, name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database, once of each kind: what holds on one must hold on the other."""
    found = request.getfixturevalue(f"{request.param}_database")
    assert isinstance(found, Database)
    return found


@pytest.fixture(scope="session")
def _one_postfix() -> Iterator[PostfixLab]:
    missing = postfix_lab.why_not()
    if missing:
        pytest.skip(missing)
    with postfix_lab.running_postfix() as lab:
        yield lab


@pytest.fixture
def postfix(_one_postfix: PostfixLab) -> PostfixLab:
    """A Postfix of our own with empty mailboxes; skips where there is none or the user is not root."""
    _one_postfix.clear()
    return _one_postfix


def pytest_runtest_setup(item: pytest.Item) -> None:
    table.note(item)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    outcomes = ("passed", "failed", "error")
    faults = table.rows(r for outcome in outcomes for r in terminalreporter.getreports(outcome))
    if faults:
        terminalreporter.section("FAULTS SURVIVED")
        for line in table.lines(faults):
            terminalreporter.line(line)
    skipped = Counter(report.longrepr[2] for report in terminalreporter.getreports("skipped"))
    if skipped:
        terminalreporter.section("NOT RUN", yellow=True)
        for reason, times in skipped.most_common():
            terminalreporter.line(f"{times} skipped: {reason.removeprefix('Skipped: ')}", yellow=True)


def _upgrade(url: str) -> None:
    database = Database(url)
    schema.upgrade(database)
    database.close()


def _create(server: str, template: str = "template0") -> str:
    name = f"germane_test_{secrets.token_hex(6)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")
    return name


def _drop(server: str, name: str) -> None:
    _execute(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _execute(server: str, statement: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement.encode())


def _address(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)
