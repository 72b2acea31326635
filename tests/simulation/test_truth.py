import numpy as np

from digest.items import KINDS
from simulation.calendar import Plan, calendar
from simulation.truth import MadeUp, fields_of
from simulation.words import THEMES, WAYS
from simulation.world import labelled, made_up

PROSE = ["A sentence about nothing at all.", "Another one, which says as little.", "And a third."]
PLAN = Plan(weeks=4, members=300, items=60, requests=16, seed=9)
WORLD = made_up(PLAN, PROSE)


def test_every_theme_and_way_has_a_key_of_its_own_and_words() -> None:
    fields = fields_of(THEMES) + fields_of(WAYS)
    assert len({field.key for field in fields}) == len(fields)
    assert min(len(field.phrases) for field in fields) >= 3


def test_the_stated_text_is_a_hint_at_what_the_member_wants_and_not_all_of_it() -> None:
    people, items = len(WORLD.lives), len(WORLD.calendar)
    pairs = np.indices((people, items)).reshape(2, -1)
    good = WORLD.truth.utility(pairs[0], pairs[1]).reshape(people, items) > 0.5
    told = [WORLD.truth.profile(person).stated.casefold() for person in range(people)]
    titles = [
        WORLD.truth.content(item).title.partition(": ")[2].partition(" and ")[0].casefold() for item in range(items)
    ]
    named = np.array([[title in text for title in titles] for text in told])
    assert good[named].mean() > 5 * good.mean(), "who names it wants it more often than others"
    assert 1 - good[named].mean() > 0.02, "but not always"
    assert named[good].mean() < 0.98, "and some want it who never named it"


def test_most_items_are_good_for_few_members() -> None:
    pairs = np.indices((len(WORLD.lives), len(WORLD.calendar))).reshape(2, -1)
    utility = WORLD.truth.utility(pairs[0], pairs[1])
    assert utility.min() >= 0
    assert utility.max() <= 1
    assert 0 < (utility > 0.5).mean() < 0.05


def test_an_item_posted_again_says_the_same_and_has_the_same_link() -> None:
    posted = [item for week in range(4) for item in WORLD.items(week)]
    again = np.flatnonzero(WORLD.calendar.again >= 0)
    assert len(again)
    for number in again.tolist():
        first = posted[int(WORLD.calendar.again[number])]
        assert (posted[number].title, posted[number].url) == (first.title, first.url)
        assert posted[number].external_id != first.external_id


def test_items_are_open_when_their_edition_comes_and_no_request_wants_more_than_it_may_have() -> None:
    for week in range(4):
        for item in WORLD.items(week):
            assert item.is_open(WORLD.edition_at(week)), item.external_id
            assert not item.reach_most or (item.reach_needed or 0) <= item.reach_most


def test_an_edition_is_at_the_same_hour_of_the_wall_clock_all_the_year() -> None:
    year = made_up(Plan(40, 5, 5, 1, 1), PROSE)
    assert year.edition_at(0).hour == 7
    assert year.edition_at(25).hour == 6


def test_the_same_seed_gives_the_same_world_and_another_another() -> None:
    same, other = made_up(PLAN, PROSE), made_up(Plan(4, 300, 60, 16, 10), PROSE)
    assert [WORLD.items(1), WORLD.members(0)] == [same.items(1), same.members(0)]
    assert WORLD.items(1) != other.items(1)
    assert WORLD.members(0) != other.members(0)


def test_kinds_are_those_of_the_calendar() -> None:
    posted = calendar(PLAN, [1.0])
    assert isinstance(MadeUp(1, 3, posted, PROSE).content(0).title, str)
    kinds = [item.kind for week in range(4) for item in WORLD.items(week)]
    assert kinds == [KINDS[kind] for kind in WORLD.calendar.kind.tolist()]


ITEMS = [{"id": f"i{n}", "title": f"Title {n}", "text": f"Text {n}.", "round": n // 5} for n in range(20)]
PEOPLE = [{"id": "a", "interest": "bells"}, {"id": "b", "interest": "boats"}]
JUDGED = {"a": {"i0": 1.0, "i3": 2.0}, "b": {"i1": 1.0}}


def test_a_labelled_world_takes_texts_and_truth_from_the_corpus() -> None:
    world = labelled(Plan(2, 40, 6, 2, 1), ITEMS, PEOPLE, JUDGED)
    members = world.members(0)
    assert {member.profile.stated for member in members} == {"bells", "boats"}
    posted = world.items(0)
    assert posted[0].title == "Title 0"
    bells = [n for n, member in enumerate(members) if member.profile.stated == "bells"]
    good = {item for item in range(6) if world.truth.utility(np.array(bells[:1]), np.array([item]))[0]}
    assert good == {0, 3}


def test_a_labelled_world_posts_less_where_the_corpus_has_not_enough() -> None:
    world = labelled(Plan(4, 5, 30, 15, 1), ITEMS, PEOPLE, JUDGED)
    assert len(world.calendar) <= 20
    assert world.plan.items < 30
    assert world.plan.requests <= world.plan.items
    assert [len(world.items(week)) > 0 for week in range(4)] == [True] * 4
