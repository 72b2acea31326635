from contextlib import suppress
from datetime import timedelta

import pytest

from profiles.feedback import Verdict
from store import feedback, members, networks, thresholds
from store.database import Database
from store.networks import Network
from store.thresholds import Judgement
from tests.builders import NOW, stored_digest, stored_edition, stored_item, stored_member, stored_network


class Scene:
    """A network whose threshold is the one of config.toml."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.writing() as connection:
            self.key = stored_network(connection, slug="breathe-well")
            self.other = stored_network(connection, slug="heart-help")

    @property
    def network(self) -> Network:
        with self.database.reading() as connection:
            return networks.by_key(connection, self.key)

    def put(self, after: float | None, kind: str = "") -> None:
        with self.database.writing() as connection:
            thresholds.put(connection, self.network, kind, after, "ann", NOW)

    def undo(self) -> tuple[str, float | None, float | None] | None:
        with self.database.writing() as connection:
            undone = thresholds.undo(connection, self.network, "bob", NOW + timedelta(hours=1))
        return (undone.kind, undone.before, undone.after) if undone else None

    def history(self) -> list[tuple[str, float | None, float | None, str]]:
        with self.database.reading() as connection:
            return [(c.kind, c.before, c.after, c.by) for c in thresholds.history(connection, self.key)]


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def test_a_change_is_made_and_written_down_with_who_and_what_was_before(scene: Scene) -> None:
    scene.put(40)
    scene.put(60, "job")
    scene.put(45)
    scene.put(None, "job")
    assert (scene.network.threshold, scene.network.kind_thresholds) == (45, {})
    assert scene.history() == [
        ("job", 60, None, "ann"),
        ("", 40, 45, "ann"),
        ("job", None, 60, "ann"),
        ("", None, 40, "ann"),
    ]
    with scene.database.reading() as connection:
        assert thresholds.history(connection, scene.key)[0].at == NOW
        assert len(thresholds.history(connection, scene.key, 2)) == 2
        assert thresholds.history(connection, scene.other) == []


def test_undo_goes_back_change_by_change_to_where_it_began(scene: Scene) -> None:
    scene.put(40)
    scene.put(60, "job")
    scene.put(45)
    assert scene.undo() == ("", 40, 45)
    assert (scene.network.threshold, scene.network.kind_thresholds) == (40, {"job": 60})
    assert scene.undo() == ("job", None, 60)
    assert scene.undo() == ("", None, 40)
    assert (scene.network.threshold, scene.network.kind_thresholds) == (None, {})
    assert scene.undo() is None
    assert [by for *_, by in scene.history()] == ["bob"] * 3 + ["ann"] * 3


def test_after_an_undo_a_new_change_is_the_next_to_be_undone(scene: Scene) -> None:
    scene.put(40)
    scene.put(50)
    scene.undo()
    scene.put(55)
    assert scene.undo() == ("", 40, 55)
    assert scene.undo() == ("", None, 40)
    assert scene.undo() is None


def test_a_failed_transaction_leaves_neither_the_change_nor_its_history(scene: Scene) -> None:
    with suppress(InterruptedError), scene.database.writing() as connection:
        thresholds.put(connection, scene.network, "", 40, "ann", NOW)
        raise InterruptedError
    assert (scene.network.threshold, scene.history()) == (None, [])


def test_of_the_judgements_of_a_pair_the_latest_holds(scene: Scene) -> None:
    with scene.database.writing() as connection:
        ann, bob = (stored_member(connection, scene.key) for _ in range(2))
        item = stored_item(connection, scene.key)
        first = [Judgement(ann, item, True, 40.5, "ann", NOW), Judgement(bob, item, False, 20, "ann", NOW)]
        later = Judgement(ann, item, False, 41, "bob", NOW + timedelta(days=1))
        thresholds.judge(connection, first)
        thresholds.judge(connection, [later])
        thresholds.judge(connection, [])
        assert thresholds.judgements(connection, scene.key) == [first[1], later]
        assert thresholds.judgements(connection, scene.other) == []


def test_what_was_judged_for_somebody_erased_is_gone(scene: Scene) -> None:
    with scene.database.writing() as connection:
        ann, item = stored_member(connection, scene.key), stored_item(connection, scene.key)
        thresholds.judge(connection, [Judgement(ann, item, True, 40, "ann", NOW)])
        members.erase(connection, ann, NOW, b"k" * 32, "a test")
        assert thresholds.judgements(connection, scene.key) == []


def test_labels_are_what_members_said_of_what_they_were_sent_and_else_what_was_judged(scene: Scene) -> None:
    with scene.database.writing() as connection:
        ann, stranger = stored_member(connection, scene.key), stored_member(connection, scene.other)
        good, bad, both, unsent, judged = (stored_item(connection, scene.key) for _ in range(5))
        edition = stored_edition(connection, scene.key)
        stored_digest(connection, edition, ann, (good, bad, both))
        verdicts: list[tuple[int, int, Verdict]] = [
            (ann, good, "more"),
            (ann, good, "opened"),
            (ann, bad, "less"),
            (ann, both, "can_help"),
            (ann, both, "less"),
            (ann, unsent, "more"),
            (stranger, good, "less"),
        ]
        feedback.record(connection, [feedback.Word(*word, NOW, "a test") for word in verdicts])
        thresholds.judge(connection, [Judgement(ann, item, False, 40, "bob", NOW) for item in (good, judged)])
        found = {(label.item_key, label.match, label.good) for label in thresholds.labels(connection, scene.key)}
        assert found == {(good, 60, True), (bad, 59, False), (both, 58, True), (judged, 40, False)}
        feedback.undo(connection, ann, bad, NOW + timedelta(days=1))
        assert bad not in {label.item_key for label in thresholds.labels(connection, scene.key)}
