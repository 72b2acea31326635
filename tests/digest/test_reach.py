from datetime import timedelta

from digest.decision import NO_LIMIT
from digest.reach import answers_wanted, limits_for, reach_left
from tests.builders import NOW, an_item

RULES = {
    "needed_request": 5,
    "most_request": 40,
    "most_event": 0,
    "most_job": 100,
    "answers_wanted": 3,
    "last_call_days": 5,
}


def test_each_kind_has_its_usual_reach_and_an_item_may_have_its_own() -> None:
    assert limits_for(an_item(kind="request"), RULES) == (5, 40)
    assert limits_for(an_item(kind="job"), RULES) == (0, 100)
    assert limits_for(an_item(kind="news"), RULES) == (0, 0)
    assert limits_for(an_item(kind="request", reach_needed=12, reach_most=0), RULES) == (12, 0)


def test_the_figure_that_was_set_wins_over_a_usual_one_that_contradicts_it() -> None:
    assert limits_for(an_item(kind="request", reach_needed=60), RULES) == (60, 60)
    assert limits_for(an_item(kind="request", reach_most=2), RULES) == (2, 2)


def test_what_earlier_editions_reached_is_not_needed_again() -> None:
    request = an_item(kind="request")
    assert reach_left(request, RULES, got=0, offers=0, now=NOW) == (5, 40)
    assert reach_left(request, RULES, got=3, offers=0, now=NOW) == (2, 37)
    assert reach_left(request, RULES, got=60, offers=0, now=NOW) == (0, 0)
    assert reach_left(an_item(kind="event"), RULES, got=60, offers=0, now=NOW) == (0, NO_LIMIT)


def test_a_request_close_to_its_deadline_with_too_few_offers_needs_as_many_readers_again() -> None:
    closing = an_item(kind="request", deadline=NOW + timedelta(days=4))
    assert reach_left(closing, RULES, got=6, offers=2, now=NOW) == (5, 34)
    assert reach_left(closing, RULES, got=6, offers=3, now=NOW) == (0, 34)
    assert reach_left(closing, RULES, got=38, offers=0, now=NOW) == (2, 2)
    far = an_item(kind="request", deadline=NOW + timedelta(days=6))
    assert reach_left(far, RULES, got=6, offers=0, now=NOW) == (0, 34)


def test_only_a_request_is_answered() -> None:
    assert answers_wanted(an_item(kind="request"), RULES) == 3
    assert answers_wanted(an_item(kind="request", answers_wanted=0), RULES) == 0
    assert answers_wanted(an_item(kind="event", answers_wanted=4), RULES) == 0
