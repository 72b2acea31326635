from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.reachability import Decision, Fault, Reach, Rule, failed, waited

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
WEEK = timedelta(days=7)
RULE = Rule()


def weeks(*faults: Fault | None, rule: Rule = RULE) -> list[Decision]:
    """One mail a week; None for one that got through."""
    reach, passed, decisions = Reach(), False, []
    for n, fault in enumerate(faults):
        if fault is None:
            passed = True
            continue
        decisions.append(failed(reach, fault, START + n * WEEK, rule, passed_between=passed))
        reach, passed = decisions[-1].reach, False
    return decisions


def test_one_dead_address_is_not_yet_held_and_two_in_a_row_are() -> None:
    assert [d.action for d in weeks("hard", "hard")] == ["none", "hold"]


def test_a_mail_that_gets_through_sets_the_count_back() -> None:
    assert [d.action for d in weeks("hard", None, "hard", None, "hard")] == ["none"] * 3
    assert weeks("soft", "soft", None, "soft")[-1].reach.failures == 1


def test_five_failures_of_any_kind_in_a_row_hold() -> None:
    assert [d.action for d in weeks("soft", "hard", "unknown", "soft", "soft")] == ["none"] * 4 + ["hold"]


def test_a_soft_failure_between_two_hard_ones_breaks_their_row() -> None:
    assert [d.action for d in weeks("hard", "soft", "hard")] == ["none"] * 3


def test_half_a_year_between_two_failures_in_a_row_makes_no_difference() -> None:
    """What no score in a time window can do: the member gets mail twice a year."""
    first = failed(Reach(), "hard", START, RULE)
    assert failed(first.reach, "hard", START + timedelta(days=182), RULE).action == "hold"


def held() -> Reach:
    return weeks("hard", "hard")[-1].reach


def test_a_held_address_is_probed_when_its_time_has_come_and_opened_when_nothing_comes_back() -> None:
    reach = held()
    assert reach.due_at is not None
    assert waited(reach, reach.due_at - timedelta(seconds=1), RULE).action == "none"
    probe = waited(reach, reach.due_at, RULE)
    assert (probe.action, probe.reach.state, probe.reach.probes) == ("probe", "probed", 1)
    assert probe.reach.due_at is not None
    opened = waited(probe.reach, probe.reach.due_at, RULE)
    assert (opened.action, opened.reach) == ("open", Reach(last_ok_at=probe.reach.due_at))


def test_a_probe_that_finds_the_address_dead_removes_it() -> None:
    probe = waited(held(), START + 9 * WEEK, RULE)
    gone = failed(probe.reach, "hard", START + 10 * WEEK, RULE, probe=True)
    assert (gone.action, gone.reach.state, gone.reach.due_at) == ("remove", "removed", None)
    assert failed(gone.reach, "hard", START + 11 * WEEK, RULE).action == "none"


def test_the_last_probe_that_comes_back_removes_whatever_it_says() -> None:
    reach, actions = held(), []
    for n in range(10, 10 + 4 * RULE.most_probes, 4):
        probe = waited(reach, START + n * WEEK, RULE)
        answer = failed(probe.reach, "soft", START + (n + 0.5) * WEEK, RULE, probe=True)
        reach, actions = answer.reach, [*actions, probe.action, answer.action]
    assert actions == ["probe", "none"] * (RULE.most_probes - 1) + ["probe", "remove"]


def test_a_late_bounce_of_a_digest_does_not_move_an_address_that_is_held() -> None:
    late = failed(held(), "hard", START + 3 * WEEK, RULE)
    assert (late.action, late.reach.state, late.reach.due_at) == ("none", "held", held().due_at)


@given(st.lists(st.sampled_from(["hard", "soft", "unknown", None]), max_size=30))
def test_nobody_is_held_without_their_number_of_failures_in_a_row(faults: list[Fault | None]) -> None:
    for n, decision in enumerate(weeks(*faults)):
        if decision.action != "hold":
            continue
        row = []
        for fault in reversed(faults[: _place(faults, n) + 1]):
            if fault is None:
                break
            row.append(fault)
        assert row[: RULE.hard_in_a_row].count("hard") >= RULE.hard_in_a_row or len(row) >= RULE.failures_in_a_row
        break


def _place(faults: list[Fault | None], n: int) -> int:
    return [place for place, fault in enumerate(faults) if fault is not None][n]


@pytest.mark.parametrize("fault", ["hard", "soft", "unknown"])
def test_the_numbers_are_reached_and_not_passed(fault: Fault) -> None:
    strict = Rule(hard_in_a_row=1, failures_in_a_row=1)
    assert failed(Reach(), fault, START, strict).action == "hold"
