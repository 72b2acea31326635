import tomllib
from pathlib import Path

import pytest

from jobs.settings import Settings
from store import schema
from store.database import Database
from tests.jobs.installation import germane


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_empty_folder_becomes_an_installation(folder: Path) -> None:
    result = germane("init")
    assert result.exit_code == 0
    assert "config.toml: written" in result.stdout
    assert "germane networks add" in result.stdout
    text = (folder / "config.toml").read_text()
    assert set(tomllib.loads(text)) == set(Settings.model_fields) - {"secret_key", "routes"}
    assert "# [routes.second]" in text, "more routes are shown as an example"
    database = Database(f"sqlite:///{folder / 'germane.db'}")
    schema.check(database)
    database.close()
    assert germane("networks", "list", "--json").stdout == "[]\n"


def test_a_second_time_changes_nothing(folder: Path) -> None:
    germane("init")
    germane("networks", "add", "one", "--name", "One", "--sender-address", "a@example.org")
    (folder / "config.toml").write_text("[digest]\nitems = 3\n")
    result = germane("init")
    assert result.exit_code == 0
    assert "written" not in result.stdout
    assert (folder / "config.toml").read_text() == "[digest]\nitems = 3\n"
    assert "one" in germane("networks", "list").stdout


def test_the_settings_file_may_be_elsewhere(folder: Path) -> None:
    (folder / "etc").mkdir()
    assert germane("--config", "etc/germane.toml", "init").exit_code == 0
    assert germane("--config", "etc/germane.toml", "networks", "list").exit_code == 0
    assert not (folder / "config.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--config", "no/where.toml", "init"), 3, "no/where.toml: cannot be written: No such file or directory"),
        (("--config", ".", "init"), 2, "is a directory"),
        (("--config", "no/where.toml", "status"), 3, "no/where.toml: there is no such file; `germane init` writes one"),
    ],
)
def test_a_settings_file_that_cannot_be_is_named(arguments: tuple[str, ...], code: int, message: str) -> None:
    result = germane(*arguments)
    assert result.exit_code == code
    assert message in result.stderr


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///no/where.db", "sqlite:///no/where.db cannot be reached: unable to open database file"),
        ("sqlite://", "names no file, so nothing would be kept"),
        ("sqlite:///:memory:", "names no file, so nothing would be kept"),
        ("mysql://host/name", "'mysql'; use sqlite:///FILE or postgresql://HOST/NAME"),
        ("germane.db", "not a database address; use sqlite:///FILE"),
        (
            "postgresql://user:geheim@127.0.0.1:1/name",
            "postgresql+psycopg://user:***@127.0.0.1:1/name cannot be reached",
        ),
        ("postgresql://host.invalid/name", "cannot be reached"),
        ("sqlite:///junk.db", "junk.db is not a database, or is damaged"),
    ],
)
def test_a_database_that_cannot_be_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, message: str
) -> None:
    (folder / "junk.db").write_text("This is a letter, not a database. " * 100)
    monkeypatch.setenv("GERMANE_DATABASE__URL", url)
    result = germane("init")
    assert result.exit_code == 5
    assert message in result.stderr
    assert "geheim" not in result.output
    assert "Next:" not in result.stdout


@pytest.mark.parametrize("command", ["status", "run", "preview x", "explain x y", "thresholds show", "networks list"])
def test_in_another_folder_no_command_makes_an_empty_database(folder: Path, command: str) -> None:
    result = germane(*command.split())
    assert result.exit_code == 5
    assert "there is no database sqlite:///germane.db yet; `germane init` makes it" in result.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", ["status", "run", "networks list"])
def test_a_database_of_another_version_says_what_to_do(folder: Path, command: str) -> None:
    germane("init")
    database = Database(f"sqlite:///{folder / 'germane.db'}")
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    result = germane(*command.split())
    assert result.exit_code == 5
    assert "the database is at version 9999, this Germane needs" in result.stderr
    assert "germane init" in result.stderr


def test_a_database_of_a_newer_version_is_left_alone(folder: Path) -> None:
    germane("init")
    database = Database(f"sqlite:///{folder / 'germane.db'}")
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    result = germane("init")
    assert result.exit_code == 5
    assert "of a newer Germane: Can't locate revision identified by '9999'" in result.stderr
    assert schema.version(database) == "9999"
    database.close()
