import numpy as np
import pytest

from digest.items import KINDS
from simulation.calendar import FLOOD, Plan, calendar, volumes

PLAN = Plan(weeks=20, members=100, items=150, requests=40, seed=3)
POSTERS = [0.5, 0.3, 0.2]


def test_usual_weeks_have_the_items_asked_for_in_the_mean() -> None:
    counts = np.delete(volumes(PLAN), [PLAN.flood_week, PLAN.empty_week])
    assert counts.mean() == pytest.approx(150, abs=1)
    assert counts.std() > 15, "items come in bursts"


def test_one_week_brings_a_flood_and_one_brings_nothing() -> None:
    counts = volumes(PLAN)
    assert counts[PLAN.flood_week] == FLOOD * 150
    assert counts[PLAN.empty_week] == 0
    assert (counts > 0).sum() == 19


def test_a_life_of_few_weeks_has_only_usual_ones() -> None:
    plan = Plan(weeks=3, members=1, items=10, requests=2, seed=1)
    assert (plan.flood_week, plan.empty_week) == (-1, -1)
    assert volumes(plan).min() > 0


def test_requests_are_as_many_as_planned_and_no_request_is_a_repeat() -> None:
    posted = calendar(PLAN, POSTERS)
    request = posted.kind == KINDS.index("request")
    assert request.mean() == pytest.approx(40 / 150, abs=0.01)
    assert (posted.again >= 0).any()
    assert not request[posted.again >= 0].any()
    repeated = posted.again[posted.again >= 0]
    assert (posted.week[repeated] == posted.week[posted.again >= 0]).all()


def test_everything_is_posted_in_the_week_before_its_edition() -> None:
    posted = calendar(PLAN, POSTERS)
    assert posted.hour.min() > 0
    assert posted.hour.max() < 168
    assert (np.diff(posted.week) >= 0).all()


def test_the_same_seed_gives_the_same_calendar_and_another_another() -> None:
    one, same = calendar(PLAN, POSTERS), calendar(PLAN, POSTERS)
    assert all((getattr(one, name) == getattr(same, name)).all() for name in type(one).__slots__)
    other = calendar(Plan(20, 100, 150, 40, seed=4), POSTERS)
    assert len(one) != len(other) or (one.kind != other.kind).any()
