from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.corpora import Corpus, Record, read_corpus
from bench.evaluation import Stage
from bench.network import Network, Week, gone_through, item_of
from bench.relevance import UTILITY, GermaneMatcher
from digest.calibration import default_threshold
from digest.composition import Edition, Heard
from digest.feedback import Said
from digest.field import joined
from digest.selection import select
from digest.vectors import Settings
from profiles.feedback import VERDICTS
from profiles.member import Preferences, Profile
from tests.bench.corpora import write_corpus


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(read_corpus(write_corpus(tmp_path_factory.mktemp("corpus"))))


def poisoned(week: Week) -> Week:
    """The week with other items, and liked by those who did not."""
    items = [item | {"title": "unheard of", "text": "nothing known before"} for item in week.items]
    return Week(items, 1.0 - week.grades)


def scores(stage: Stage, members: Sequence[Record], weeks: Sequence[Week]) -> np.ndarray:
    found, _ = gone_through(stage.network, members, weeks)
    return (found.rest + found.field) * found.share


def test_a_later_week_changes_nothing_about_the_scores_of_earlier_ones(stage: Stage) -> None:
    members, (first, second, third) = stage.corpus.members(0), stage.weeks
    before = scores(stage, members, [first, second, third])
    after = scores(stage, members, [first, poisoned(second), poisoned(third)])
    known = len(first.items) + len(second.items)
    assert np.array_equal(before[:, : len(first.items)], after[:, : len(first.items)])
    again = scores(stage, members, [first, second, poisoned(third)])
    assert np.array_equal(before[:, :known], again[:, :known])
    assert not np.array_equal(before[:, known:], again[:, known:])


def test_a_networks_scores_are_of_both_parts_at_its_weight_of_the_field(stage: Stage) -> None:
    members, week = stage.corpus.members(3), stage.weeks[0]
    network = Network.fitted(stage.network.posted, Settings(latent=8, broad=4, latent_from=1))
    network = network.beside(network.profiles(members))
    network = replace(network, space=network.space.with_damping(0.7))
    usual = network.parts(network.profiles(members), network.rows(week.items))
    assert usual.field.max() > 0.01
    for weight in (0.25, 4.0):
        other = replace(network, space=network.space.with_field(weight))
        found = other.scores(other.profiles(members), other.rows(week.items))
        assert found == pytest.approx(joined(other.space, usual.rest, usual.field, usual.share), abs=1e-5)


def test_what_was_good_in_one_week_counts_in_the_next(stage: Stage) -> None:
    members, (first, second, _) = stage.corpus.members(0), stage.weeks
    learnt = scores(stage, members, [first, second])
    still = scores(stage, members, [Week(first.items, np.zeros_like(first.grades)), second])
    _, told = gone_through(stage.network, members, [first, second])
    good = second.grades > 0
    first_items = len(first.items)
    assert np.array_equal(learnt[:, :first_items], still[:, :first_items])
    assert learnt[:, first_items:][good].mean() > still[:, first_items:][good].mean()
    assert [len(member["liked"]) for member in told] == (first.grades.sum(axis=1) + second.grades.sum(axis=1)).tolist()


def test_the_test_rounds_judgements_change_nothing_that_is_sent(stage: Stage, tmp_path: Path) -> None:
    corpus = stage.corpus
    test = {item["id"] for item in corpus.items_of(corpus.test_rounds)}
    hidden = {member: {i: g for i, g in of.items() if i not in test} for member, of in corpus.judgements.items()}
    items = corpus.items_of(corpus.test_rounds)
    blind = Stage(replace(corpus, judgements=hidden))
    assert np.array_equal(stage.learnt(3).match(items).toarray(), blind.learnt(3).match(items).toarray())


def test_profiles_learn_as_those_of_an_edition_do(stage: Stage) -> None:
    corpus: Corpus = stage.corpus
    week = stage.weeks[0]
    _, members = gone_through(stage.network, corpus.members(2), [week])
    members = [{**member, "disliked": []} for member in members]
    network = stage.network.joined_by(week.items)
    assert _rows_of_edition(network, members) == pytest.approx(network.profiles(members).toarray(), abs=1e-6)


def _rows_of_edition(network: Network, members: list[Record]) -> np.ndarray:
    said = [(row, network.place[item["id"]]) for row, member in enumerate(members) for item in member["liked"]]
    member, item = (np.array(column, dtype=np.int64) for column in zip(*said, strict=True))
    more = np.full(len(said), VERDICTS.index("more"))
    heard = Heard(Said(member, item, more, np.zeros(len(said)), np.ones(len(said), dtype=np.bool_)))
    items = [item_of(record) for record in network.posted[:1]]
    edition = Edition(
        items, [], network.space, network.rows(network.posted[:1]), network.past, np.full(1, 33.0), 8, "en"
    )
    profiles = [Profile(stated=member["interest"]) for member in members]
    return np.asarray(edition.wants(profiles, [Preferences()] * len(members), heard).rows.toarray())


def test_the_yardsticks_matcher_sends_what_the_evaluation_sends(stage: Stage) -> None:
    corpus, matcher = stage.corpus, GermaneMatcher()
    matcher.fit(corpus.archive)
    members = corpus.members(3)
    matcher.calibrate(
        [
            (member, week.items, matcher.score(member, week.items), week.grades[row])
            for row, member in enumerate(members)
            for week in stage.weeks
        ]
    )
    items = [item for item in corpus.items if item["round"] == corpus.test_rounds[0]]
    match = stage.learnt(3).match(items)
    sent = [matcher.select(member, list(items), matcher.score(member, items), corpus.cap) for member in members]
    wanted = [select(row, None, default_threshold(UTILITY), corpus.cap).item.tolist() for row in match]
    assert sent == wanted
    assert any(sent)


def test_nothing_is_selected_before_anything_was_heard(stage: Stage) -> None:
    matcher = GermaneMatcher()
    matcher.fit(stage.corpus.archive)
    member, items = stage.corpus.members(0)[0], stage.weeks[0].items
    with pytest.raises(ValueError, match=r"calibrate\(\) comes before select\(\)"):
        matcher.select(member, items, matcher.score(member, items), 8)
