import stat
import sys
from pathlib import Path

import click
import pytest

from digest.items import Topic
from jobs.post_item import BODY, PROBLEM, edit, parse_form
from jobs.services import Services
from jobs.settings import Settings
from sources.items import Rejection
from store import items, networks, topics
from store.database import Database
from store.networks import Network
from tests.builders import NOW, stored_network

FORM = f"# note\ntitle: Help\ntopics: Stroke\ndeadline:\n\n{BODY}\n\n# A heading\n\ntext: x\n"


@pytest.fixture
def network(sqlite_database: Database) -> Network:
    with sqlite_database.writing() as connection:
        topics.merge(connection, stored_network(connection, slug="demo"), [Topic("stroke", "Stroke")])
        return networks.find(connection, "demo")


@pytest.fixture
def services(sqlite_database: Database) -> Services:
    return Services(Settings(), sqlite_database, lambda: NOW)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which texts are kept."""
    folder = tmp_path / "kept"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def use_editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A real editor program: Python lines that change `text`; it notes each text it was given. Returns the folder of notes."""
    notes = tmp_path / "notes"
    notes.mkdir()
    program = tmp_path / "editor"
    program.write_text(
        f"#!{sys.executable}\nimport sys, pathlib, os\nfile = pathlib.Path(sys.argv[1])\ntext = old = file.read_text()\n"
        f"notes = pathlib.Path({str(notes)!r})\nturn = len(list(notes.iterdir()))\n(notes / str(turn)).write_text(text)\n"
        f"{script}\nif text != old:\n    file.write_text(text)\n    os.utime(file, (2e9, 2e9))\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("VISUAL", str(program))
    return notes


def stored(services: Services, network: Network) -> list[str]:
    with services.database.reading() as connection:
        return [item.title for item in items.load(connection, network.key)]


def test_the_form_is_fields_above_the_line_and_markdown_below() -> None:
    assert parse_form(FORM) == {"title": "Help", "topics": "Stroke", "body": "# A heading\n\ntext: x"}


def test_what_is_no_field_above_the_line_is_refused_rather_than_lost() -> None:
    with pytest.raises(Rejection, match="the text belongs below the line"):
        parse_form("title: x\nA sentence: of text\n")
    with pytest.raises(Rejection, match="is no field of the form"):
        parse_form("title: x\nbare words\n")


def test_what_is_typed_in_the_editor_is_posted(
    services: Services, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_editor(tmp_path, monkeypatch, f"text = {FORM!r}")
    item = edit(services, network, {"kind": "event"})
    assert item
    assert (item.title, item.topics, item.body) == ("Help", ("stroke",), "# A heading\n\ntext: x")
    assert (item.published_at, item.kind) == (NOW, "news")


def test_flags_are_filled_in(
    services: Services, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_editor(tmp_path, monkeypatch, "text = text.replace('title:', 'title: Typed')")
    item = edit(services, network, {"kind": "event", "topics": ("stroke",), "body": "# Body"})
    assert item
    assert (item.title, item.kind, item.topics, item.body) == ("Typed", "event", ("stroke",), "# Body")


@pytest.mark.parametrize("script", ["pass", "text = ''", "text = '  \\n'"])
def test_an_unchanged_or_empty_form_posts_nothing(
    services: Services, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, kept: Path
) -> None:
    use_editor(tmp_path, monkeypatch, script)
    assert edit(services, network, {}) is None
    assert stored(services, network) == []
    assert list(kept.iterdir()) == []


def test_a_mistake_opens_the_form_again_with_the_reasons_and_all_that_was_typed(
    services: Services, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = "text = text.replace('title:', 'title: Typed').replace('deadline:', 'deadline: soon').replace('kind:', 'kind: x')"
    second = "text = text.replace('soon', '2026-12-01').replace('kind: x', 'kind: job')"
    notes = use_editor(tmp_path, monkeypatch, f"if turn == 0:\n    {first}\nelse:\n    {second}")
    item = edit(services, network, {})
    assert item
    assert (item.title, item.kind) == ("Typed", "job")
    again = (notes / "1").read_text().split("\n")
    assert again[0].startswith(f"{PROBLEM}kind: 'x' is none of")
    assert again[1].startswith(f"{PROBLEM}deadline: 'soon' is not a date")
    assert "title: Typed" in again


def test_giving_up_after_a_mistake_keeps_the_text_and_it_can_be_gone_on_with(
    services: Services, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Path
) -> None:
    notes = use_editor(tmp_path, monkeypatch, f"if turn == 0:\n    text = {FORM.replace('Stroke', 'Lungs')!r}")
    with pytest.raises(click.ClickException, match="what you wrote is kept"):
        edit(services, network, {})
    (file,) = kept.iterdir()
    assert "topics: Lungs" in file.read_text()
    use_editor_again = "text = text.replace('Lungs', 'Stroke')"
    notes.rename(tmp_path / "old notes")
    use_editor(tmp_path, monkeypatch, use_editor_again)
    assert edit(services, network, {}, file)
    assert stored(services, network) == ["Help"]


def test_a_database_that_fails_keeps_the_text(
    services: Services, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Path
) -> None:
    use_editor(tmp_path, monkeypatch, f"text = {FORM!r}")
    with services.database.writing() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON item BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    with pytest.raises(Exception, match="full"):
        edit(services, network, {})
    (file,) = kept.iterdir()
    assert "title: Help" in file.read_text()


def test_the_same_post_may_be_made_twice(services: Services, network: Network) -> None:
    from datetime import timedelta

    from jobs.post_item import post_fields

    later = Services(services.settings, services.database, lambda: NOW + timedelta(seconds=1))
    first, second = post_fields(services, network, {"title": "x"}), post_fields(later, network, {"title": "x"})
    assert first.external_id != second.external_id
