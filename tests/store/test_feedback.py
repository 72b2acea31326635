"""Feedback on both databases: the latest word wins, nothing is lost, everything can be taken back."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from profiles.feedback import OPPOSITES, VERDICTS
from store import feedback, members, thresholds
from store.database import Database
from store.feedback import Word
from tests.builders import NOW, stored_digest, stored_edition, stored_item, stored_member, stored_network


class Scene:
    """A network with two members and two items, of which an edition sent the first to the first member."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.writing() as connection:
            self.network = stored_network(connection)
            self.ann, self.bob = (stored_member(connection, self.network) for _ in range(2))
            self.sent, self.unsent = (stored_item(connection, self.network) for _ in range(2))
            self.edition = stored_edition(connection, self.network, slot="2026-W46")
            stored_digest(connection, self.edition, self.ann, (self.sent,))

    def word(self, verdict: str, days: float = 0, **changes: object) -> Word:
        return replace(Word(self.ann, self.sent, verdict, NOW + timedelta(days=days), "a test"), **changes)  # type: ignore[arg-type]

    def record(self, *words: Word, once: bool = False) -> list[str]:
        with self.database.writing() as connection:
            return list(feedback.record(connection, words, once=once))

    def undo(self, days: float, *verdicts: str) -> int:
        with self.database.writing() as connection:
            return feedback.undo(connection, self.ann, self.sent, NOW + timedelta(days=days), *verdicts)

    def stands(self, item: int | None = None) -> list[str]:
        with self.database.reading() as connection:
            return sorted(word.verdict for word in feedback.said(connection, self.ann, item or self.sent))

    def history(self) -> list[tuple[str, str]]:
        """(verdict, ended), oldest first."""
        with self.database.reading() as connection:
            found = list(feedback.listing(connection, self.network))
        return [(word.verdict, word.ended) for word in reversed(found)]

    def rows(self) -> int:
        with self.database.reading() as connection:
            return connection.execute(select(func.count()).select_from(feedback.TABLE)).scalar_one()

    def standing(self, moment: datetime = NOW) -> feedback.Standing:
        with self.database.reading() as connection:
            return feedback.standing(connection, self.ann, self.bob, moment)


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def test_the_latest_word_wins_and_the_earlier_one_is_kept_as_history(scene: Scene) -> None:
    assert scene.record(scene.word("more"), scene.word("less", days=1)) == ["recorded", "recorded"]
    assert scene.stands() == ["less"]
    assert scene.history() == [("more", "replaced"), ("less", "")]
    assert scene.record(scene.word("more", days=2)) == ["recorded"]
    assert scene.stands() == ["more"]
    assert scene.history() == [("more", "replaced"), ("less", "replaced"), ("more", "")]


def test_a_word_older_than_the_one_that_stands_is_only_history(scene: Scene) -> None:
    scene.record(scene.word("less", days=3))
    assert scene.record(scene.word("more")) == ["outdated"]
    assert scene.stands() == ["less"]
    assert scene.history() == [("more", "replaced"), ("less", "")]


def test_words_that_do_not_exclude_each_other_stand_together(scene: Scene) -> None:
    scene.record(scene.word("opened"), scene.word("more"), scene.word("can_help"), scene.word("reported"))
    assert scene.stands() == ["can_help", "more", "opened", "reported"]


def test_the_same_word_again_changes_nothing(scene: Scene) -> None:
    scene.record(scene.word("more"))
    assert scene.record(scene.word("more")) == ["known"]
    assert scene.record(scene.word("more"), once=True) == ["known"]
    assert scene.rows() == 1


def test_what_was_taken_back_stays_so_when_its_import_is_repeated(scene: Scene) -> None:
    scene.record(scene.word("more"), once=True)
    assert scene.undo(2) == 1
    assert scene.record(scene.word("more"), once=True) == ["known"]
    assert scene.record(scene.word("less", days=1), once=True) == ["outdated"]
    assert scene.stands() == []


def test_a_word_said_again_after_it_was_taken_back_stands(scene: Scene) -> None:
    scene.record(scene.word("more"))
    scene.undo(0)
    assert scene.record(scene.word("more")) == ["recorded"]
    assert scene.stands() == ["more"]
    assert scene.history() == [("more", "undone"), ("more", "")]


def test_undo_takes_back_only_the_words_named(scene: Scene) -> None:
    scene.record(scene.word("more"), scene.word("can_help"))
    assert scene.undo(1, "more", "less") == 1
    assert scene.stands() == ["can_help"]
    assert scene.undo(1) == 1
    assert scene.undo(1) == 0


def test_a_word_knows_the_edition_that_sent_the_item(scene: Scene) -> None:
    scene.record(scene.word("more"), scene.word("less", item_key=scene.unsent))
    with scene.database.reading() as connection:
        editions = {word.verdict: word.edition for word in feedback.listing(connection, scene.network)}
    assert editions == {"more": "2026-W46", "less": ""}
    assert scene.standing().judged.tolist() == [True, False]


def test_what_stood_at_a_moment_can_be_asked_for_later(scene: Scene) -> None:
    scene.record(scene.word("more"), scene.word("less", days=2))
    scene.undo(4)
    seen = {
        day: [VERDICTS[v] for v in scene.standing(NOW + timedelta(days=day)).verdict] for day in (-1, 0, 1, 2, 3, 4)
    }
    assert seen == {-1: [], 0: ["more"], 1: ["more"], 2: ["less"], 3: ["less"], 4: []}
    assert np.allclose(scene.standing(NOW + timedelta(days=3)).age_days, [1.0])


def test_the_listing_is_filtered_and_newest_first(scene: Scene) -> None:
    scene.record(scene.word("more"), scene.word("less", days=1, member_key=scene.bob), scene.word("opened", days=2))
    with scene.database.reading() as connection:
        found = [w.verdict for w in feedback.listing(connection, scene.network)]
        anns = [w.verdict for w in feedback.listing(connection, scene.network, member_key=scene.ann)]
        less = [w.verdict for w in feedback.listing(connection, scene.network, verdict="less")]
        others = list(feedback.listing(connection, scene.network, item_key=scene.unsent))
    assert (found, anns, less, others) == (["opened", "less", "more"], ["opened", "more"], ["less"], [])


def test_everything_can_be_forgotten_and_brought_back(scene: Scene) -> None:
    scene.record(scene.word("more"), scene.word("can_help"), scene.word("less", item_key=scene.unsent))
    with scene.database.writing() as connection:
        rows = [(scene.ann, 1, "stroke", 0.8, [scene.sent])]
        feedback.write_learned(connection, [scene.ann, scene.bob], rows)
        assert feedback.forget_everything(connection, scene.ann, NOW + timedelta(days=1)) == 3
        assert feedback.learned(connection, scene.ann) == []
        assert feedback.forgotten_words(connection, scene.ann) == 3
    assert scene.stands() == []
    assert not len(scene.standing(NOW).member), "forgotten holds for what is looked at again later, too"
    scene.record(scene.word("less", days=2))
    with scene.database.writing() as connection:
        assert feedback.restore_everything(connection, scene.ann, NOW + timedelta(days=3)) == 2
    assert scene.stands() == ["can_help", "less"]
    assert scene.stands(scene.unsent) == ["less"]


def test_a_forgotten_term_is_not_shown_as_learned_until_it_is_remembered(scene: Scene) -> None:
    rows = [(scene.ann, 1, "Stroke", 0.8, [scene.sent, 10**6]), (scene.ann, 2, "bells", -0.1, [])]
    with scene.database.writing() as connection:
        feedback.write_learned(connection, [scene.ann, scene.bob], rows)
        feedback.forget(connection, scene.ann, "stroke", NOW)
        feedback.forget(connection, scene.ann, "stroke", NOW)
        assert feedback.forgotten(connection, scene.ann) == ["stroke"]
        assert [term.label for term in feedback.learned(connection, scene.ann)] == ["bells"]
        assert feedback.remember(connection, scene.ann, "stroke")
        assert not feedback.remember(connection, scene.ann, "stroke")
        stroke, bells = feedback.learned(connection, scene.ann)
    assert (stroke.label, stroke.weight, len(stroke.items)) == ("Stroke", 0.8, 1)
    assert (bells.weight, bells.items) == (-0.1, ())


def test_what_was_learned_is_replaced_by_the_next_edition_and_only_for_its_members(scene: Scene) -> None:
    with scene.database.writing() as connection:
        both = [(member, 1, "old", 1.0, []) for member in (scene.ann, scene.bob)]
        feedback.write_learned(connection, [scene.ann, scene.bob], both)
        feedback.write_learned(connection, [scene.bob], [(scene.bob, 1, "new", 1.0, [])])
        labels = [[t.label for t in feedback.learned(connection, key)] for key in (scene.ann, scene.bob)]
    assert labels == [["old"], ["new"]]


def test_nothing_of_somebody_erased_is_left(scene: Scene) -> None:
    scene.record(scene.word("more"), scene.word("more", member_key=scene.bob))
    with scene.database.writing() as connection:
        feedback.forget(connection, scene.ann, "stroke", NOW)
        feedback.write_learned(connection, [scene.ann], [(scene.ann, 1, "x", 1.0, [])])
        members.erase(connection, scene.ann, NOW, b"k" * 32, "a test")
        for table in (feedback.TABLE, feedback.LEARNED, feedback.FORGOTTEN):
            assert not connection.execute(select(table).where(table.c.member_id == scene.ann)).all()
    assert scene.rows() == 1


def test_many_words_go_in_at_once(scene: Scene) -> None:
    words = [scene.word("more", days=-n / 100) for n in range(1500)]
    assert set(scene.record(*words, once=True)) == {"recorded", "outdated"}
    assert scene.record(*words, once=True) == ["known"] * 1500
    assert scene.stands() == ["more"]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["undo", *VERDICTS]), st.integers(0, 5)), max_size=12
)  # what happens, in the order in which we hear of it, and the day it happened


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS)
def test_whatever_comes_at_most_one_of_the_opposites_stands(
    sqlite_database: Database, events: list[tuple[str, int]]
) -> None:
    scene = Scene(sqlite_database)
    for what, day in events:
        if what == "undo":
            scene.undo(day)
        else:
            scene.record(scene.word(what, days=day))
    stands = scene.stands()
    assert len(stands) == len(set(stands))
    assert len(set(stands) & set(OPPOSITES)) <= 1
    said = [what for what, _ in events if what != "undo"]
    assert set(stands) <= set(said)
    if events and "undo" not in dict(events) and set(said) & set(OPPOSITES):
        last_day = max(day for what, day in events if what in OPPOSITES)
        latest = [what for what, day in events if what in OPPOSITES and day == last_day][-1]
        assert set(stands) & set(OPPOSITES) == {latest}


def known_of(scene: Scene, moment: datetime = NOW) -> dict[tuple[int, int], tuple[bool, bool]]:
    """Pair -> (good, said)."""
    with scene.database.reading() as connection:
        found = feedback.known_pairs(connection, scene.ann, scene.bob, moment)
    pairs = zip(found.member.tolist(), found.item.tolist(), strict=True)
    return dict(zip(pairs, zip(found.good.tolist(), found.said.tolist(), strict=True), strict=True))


def test_what_became_of_a_digest_is_known_by_what_was_said_and_passed_over(scene: Scene) -> None:
    with scene.database.writing() as connection:
        passed = stored_item(connection, scene.network)
        edition = stored_edition(connection, scene.network, slot="2026-W45")
        stored_digest(connection, edition, scene.ann, (passed, scene.unsent))
        stored_digest(connection, edition, scene.bob, (passed,))
    assert known_of(scene) == {}
    scene.record(scene.word("less", item_key=scene.unsent), scene.word("more", days=1))
    assert known_of(scene) == {(scene.ann, scene.unsent): (False, True), (scene.ann, passed): (False, False)}
    assert known_of(scene, NOW + timedelta(days=1))[scene.ann, scene.sent] == (True, True)
    with scene.database.reading() as connection:
        assert feedback.speakers(connection, scene.network, NOW, 10) == [scene.ann]


def test_what_was_judged_by_hand_is_known_until_the_member_says_otherwise(scene: Scene) -> None:
    with scene.database.writing() as connection:
        judged = [
            thresholds.Judgement(member, item, False, 30.0, "somebody", NOW)
            for member, item in ((scene.ann, scene.sent), (scene.bob, scene.unsent))
        ]
        thresholds.judge(connection, judged)
    assert known_of(scene) == {(scene.ann, scene.sent): (False, True), (scene.bob, scene.unsent): (False, True)}
    scene.record(scene.word("can_help"))
    assert known_of(scene)[scene.ann, scene.sent] == (True, True)
    with scene.database.reading() as connection:
        known = feedback.known_pairs(connection, scene.ann, scene.bob, NOW)
        assert np.isnan(known.rest).tolist() == np.isnan(known.field).tolist() == [False, True]
        assert feedback.speakers(connection, scene.network, NOW, 1) == [scene.ann]


def test_a_score_of_before_its_parts_were_kept_is_all_rest(scene: Scene) -> None:
    scene.record(scene.word("more"))
    for parts, wanted in (((0.45, 0.05, 0.9), [0.45, 0.05, 0.9]), ((None, None, None), [0.5, None, None])):
        with scene.database.writing() as connection:
            connection.execute(update(feedback.DIGEST_ITEM).values(rest=parts[0], field=parts[1], share=parts[2]))
            known = feedback.known_pairs(connection, scene.ann, scene.bob, NOW + timedelta(days=1))
        assert [None if np.isnan(value[0]) else value[0] for value in (known.rest, known.field, known.share)] == wanted


def test_what_was_taken_back_is_known_no_more(scene: Scene) -> None:
    scene.record(scene.word("more"))
    scene.undo(1)
    assert known_of(scene, NOW + timedelta(days=2)) == {}
    assert known_of(scene, NOW + timedelta(hours=1)) == {(scene.ann, scene.sent): (True, True)}
