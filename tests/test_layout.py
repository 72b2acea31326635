"""The house's promises."""

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from jobs.cli import COMMANDS, germane
from jobs.reference import FILE
from store.database import Database
from store.tables import metadata

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def every_command() -> list[tuple[str, click.Command]]:
    context = click.Context(germane, info_name="germane")
    found: list[tuple[str, click.Command]] = []
    for name in COMMANDS:
        command = germane.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", c) for inner, c in command.commands.items()]
    return found


@pytest.mark.parametrize(("name", "command"), every_command())
def test_every_command_says_what_it_does_with_an_example(name: str, command: click.Command) -> None:
    assert command.help
    assert f"Example: germane {name}" in command.help or f"germane {name}" in command.help.partition("Example:")[2]


def test_the_reference_of_commands_is_up_to_date() -> None:
    # In a process of its own: click keeps the help option that the first test to use a command gave it.
    code = "import sys; from jobs.reference import reference; sys.stdout.buffer.write(reference().encode())"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert FILE.read_bytes() == said.stdout, "run `make docs`"


def test_the_migrations_make_the_tables_of_this_version(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_no_installed_distribution_and_no_standard_module_owns_one_of_our_names() -> None:
    owners = importlib.metadata.packages_distributions()
    for name in [*PACKAGES, "templates", "example"]:
        assert set(owners.get(name, [])) <= {"germane"}, name
        assert name not in sys.stdlib_module_names, name


def test_every_package_is_listed_for_the_wheel() -> None:
    ours = {init.parent.name for init in ROOT.glob("*/__init__.py")} - {"tests"}
    assert ours == set(PACKAGES)


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {file.parent for file in (ROOT / "tests").rglob("*.py")}
    assert [str(f) for f in folders if not (f / "__init__.py").exists()] == []


def test_the_lock_files_name_no_address() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index-url" not in text
        assert all("--hash=" in block for block in text.split("\n\n") if "==" in block)


def test_the_help_loads_no_heavy_library() -> None:
    heavy = ("sklearn", "scipy", "numpy", "sqlalchemy", "sqlmodel", "pydantic", "rich", "starlette", "feedparser")
    code = f"import sys, jobs.cli; print([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_the_house_keeps_its_directions() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
