import numpy as np

from profiles.feedback import VERDICTS
from simulation.draws import uniform
from simulation.lives import Lives

LIVES = Lives(seed=5, members=400, weeks=30)
NO_REQUEST = np.zeros(400, dtype=np.bool_)


def everybody(item: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(400), np.full(400, item)


def said(people: np.ndarray, items: np.ndarray, utility: float, week: int = 0, request: bool = False) -> set[tuple]:
    found = LIVES.said(week, people, items, np.full(len(people), utility), np.full(len(people), request))
    return set(zip(found.person.tolist(), found.item.tolist(), found.verdict.tolist(), strict=True))


def test_draws_are_even_and_depend_on_everything_they_are_about() -> None:
    drawn = uniform(1, "said", np.arange(100_000), 7)
    assert abs(drawn.mean() - 0.5) < 0.01
    assert drawn.min() >= 0
    assert drawn.max() < 1
    others = (uniform(2, "said", 3, 7), uniform(1, "good", 3, 7), uniform(1, "said", 4, 7), uniform(1, "said", 3, 8))
    assert len({float(drawn[3]), *map(float, others)}) == 5


def test_what_a_member_says_of_an_item_does_not_depend_on_what_else_they_were_sent() -> None:
    people, items = everybody(7)
    alone = said(people, items, 0.8)
    others, more = np.concatenate([people[::-1], people]), np.concatenate([np.full(400, 3), items])
    together = said(others, more, 0.8)
    assert alone
    assert {word for word in together if word[1] == 7} == alone


def test_good_items_are_praised_useless_ones_are_not_and_only_requests_are_helped_with() -> None:
    people, items = everybody(1)
    verdicts = {verdict for *_, verdict in said(people, items, 1.0)}
    assert verdicts == {VERDICTS.index("more")}
    assert {verdict for *_, verdict in said(people, items, 0.0)} == {VERDICTS.index("less")}
    assert VERDICTS.index("can_help") in {verdict for *_, verdict in said(people, items, 1.0, request=True)}


def test_who_is_quiet_says_nothing() -> None:
    week = 20
    quiet = LIVES.quiet(week)
    assert quiet.any()
    assert not quiet.all()
    people, items = everybody(2)
    assert not {person for person, *_ in said(people, items, 1.0, week)} & set(np.flatnonzero(quiet).tolist())


def test_members_join_all_the_year() -> None:
    assert (LIVES.joins == 0).sum() == 400
    assert 400 < len(LIVES) < 500
    assert (np.diff(LIVES.joins) >= 0).all()
    assert sorted({int(week) for week in LIVES.joins})[-1] < 30


def test_those_who_are_asked_too_often_leave_sooner() -> None:
    people = np.arange(100_000)
    calm = LIVES.leaving(3, people, np.zeros(100_000), np.zeros(100_000))
    asked = LIVES.leaving(3, people, np.zeros(100_000), np.full(100_000, 20.0))
    annoyed = LIVES.leaving(3, people, np.ones(100_000), np.zeros(100_000))
    assert len(calm) < len(annoyed) < len(asked)
    assert set(calm.tolist()) <= set(asked.tolist())
