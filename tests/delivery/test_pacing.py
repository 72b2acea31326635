"""The pace of routes and destinations, who goes next, and the alarm: plain values and a clock that the test moves."""

import heapq
from datetime import timedelta
from itertools import count
from typing import Any

from delivery.alarm import Alarm
from delivery.pacing import FULL_SPEED_PER_S, Destinations, Easing, Learned, Limits, Pacer
from delivery.traffic import Traffic
from delivery.verdicts import verdict
from jobs.dispatch import LOOK_ROUND_S
from jobs.settings import SendingSettings, SmtpSettings
from tests.builders import NOW


def test_domains_of_one_provider_are_one_destination() -> None:
    known = Destinations({"google": (("gmail.com", "googlemail.com"), Limits(per_s=5))}, Limits(per_s=1))
    assert {known.of("a@GMAIL.com"), known.of("b@googlemail.com")} == {"google"}
    assert known.of("c@Example.org") == "example.org"
    assert (known.limits("google").per_s, known.limits("example.org").per_s) == (5, 1)


def test_messages_are_spaced_by_the_lower_of_limit_and_level() -> None:
    pacer = Pacer("x", Limits(per_s=10), learned=Learned(level_per_s=2))
    assert pacer.wait_s(100.0) == 0
    pacer.take(100.0)
    assert pacer.wait_s(100.1) == 0.5 - (100.1 - 100.0)


def test_a_new_route_starts_slowly_and_gets_faster_with_what_it_takes() -> None:
    pacer = Pacer("x", easing=Easing(slow_start_per_s=10, doubles_after=3))
    rates = []
    for _ in range(24):
        pacer.accept()
        rates.append(pacer.rate_per_s)
    assert rates[:6] == [10, 10, 20, 20, 20, 40]
    assert rates[-1] == 0 == Pacer("x", easing=Easing(slow_start_per_s=10), learned=pacer.learned).rate_per_s
    assert 10 * 2**6 < FULL_SPEED_PER_S <= 10 * 2**7


def test_a_destination_rests_twice_as_long_each_time_and_replies_during_a_rest_count_once() -> None:
    pacer = Pacer("x", easing=Easing(back_off_s=60, back_off_most_s=200))
    assert pacer.push_back(NOW) == pacer.push_back(NOW) == NOW + timedelta(seconds=60)
    second = NOW + timedelta(seconds=60)
    assert not pacer.is_resting(second)
    assert pacer.push_back(second) == second + timedelta(seconds=120)
    third = second + timedelta(seconds=120)
    assert pacer.push_back(third) == third + timedelta(seconds=200)
    pacer.accept()
    assert pacer.push_back(third + timedelta(seconds=200)) == third + timedelta(seconds=260)


def _traffic(**options: Any) -> Traffic[str]:
    return Traffic(lambda name: Pacer(name, Limits(**options)), most=4, most_slow=1, slow_after_s=1.0)


def _measured(traffic: Traffic[str], *names: str) -> None:
    for name in names:
        traffic.put("first", name)
        trip = traffic.take(NOW, 0.0)
        assert trip is not None
        traffic.end(trip, 0.0)


def test_destinations_take_turns() -> None:
    traffic = _traffic()
    _measured(traffic, "a", "b")
    for n in range(3):
        traffic.put(f"a{n}", "a")
    traffic.put("b0", "b")
    trips = [traffic.take(NOW, 0.0) for _ in range(4)]
    assert [trip.letter for trip in trips if trip] == ["a0", "b0", "a1", "a2"]
    assert traffic.take(NOW, 0.0) is None


def test_what_is_not_known_yet_gets_half_of_the_ways() -> None:
    traffic = _traffic()
    for n in range(4):
        traffic.put("x", f"new{n}")
    assert [traffic.take(NOW, 0.0) is not None for _ in range(4)] == [True, True, False, False]


def test_a_slow_destination_leaves_its_way_to_others_and_gets_one_of_its_own() -> None:
    traffic = _traffic()
    _measured(traffic, "a", "b")
    for n in range(6):
        traffic.put(f"a{n}", "a")
    trips = [traffic.take(NOW, 0.0) for _ in range(4)]
    traffic.look_round(1.5)
    assert all(trip is not None and trip.slow for trip in trips)
    traffic.put("b", "b")
    free = traffic.take(NOW, 1.5)
    assert free is not None
    assert free.letter == "b"
    assert traffic.take(NOW, 1.5) is None, "more to a slow one only when those are through"


FAST_S, SLOW_S = 0.05, 10.0


def _others_done_at(answers: list[tuple[str, float]]) -> float:
    """When the last letter to a fast domain was answered, by a clock of the test's own, with the default settings.

    `answers` are (domain, seconds until it answers) in the order of the outbox.
    """
    smtp, sending = SmtpSettings(), SendingSettings()
    traffic: Traffic[float] = Traffic(Pacer, smtp.connections, smtp.slow_connections, sending.slow_after_s)
    for domain, seconds in answers:
        traffic.put(seconds, domain)
    clock_s, last, numbers = 0.0, 0.0, count()
    under_way: list[tuple[float, int, Any]] = []
    while traffic or under_way:
        while trip := traffic.take(NOW, clock_s):
            heapq.heappush(under_way, (clock_s + trip.letter, next(numbers), trip))
        clock_s = min(under_way[0][0], clock_s + LOOK_ROUND_S)
        traffic.look_round(clock_s)
        while under_way and under_way[0][0] <= clock_s:
            ended, _, trip = heapq.heappop(under_way)
            traffic.end(trip, ended)
            last = ended if trip.letter == FAST_S else last
    return last


def test_f10_with_a_fifth_of_the_domains_slow_the_others_take_no_tenth_longer() -> None:
    """15,000 messages to 100 domains. Each slow domain costs the others one connection for `slow_after_s`, once."""
    domains = [(f"d{n}.example", SLOW_S if n % 5 == 0 else FAST_S) for n in range(100)]
    letters = [domains[n % 100] for n in range(15_000)]
    alone = _others_done_at([letter for letter in letters if letter[1] == FAST_S])
    assert _others_done_at(letters) <= 1.1 * alone


def test_no_more_connections_than_a_destination_may_have() -> None:
    traffic = _traffic(connections=2)
    _measured(traffic, "a")
    for n in range(4):
        traffic.put(f"a{n}", "a")
    assert [traffic.take(NOW, 0.0) is not None for _ in range(3)] == [True, True, False]


def test_a_letter_takes_the_place_of_the_one_before_it() -> None:
    traffic = _traffic(connections=1)
    _measured(traffic, "a")
    traffic.put("first", "a")
    traffic.put("second", "a")
    first = traffic.take(NOW, 0.0)
    assert first is not None
    assert traffic.take(NOW, 0.0) is None
    second = traffic.take(NOW, 0.0, after=first)
    assert second is not None
    traffic.give_back(first, second)
    assert len(traffic) == 1
    traffic.end(first, 0.1)
    assert traffic.take(NOW, 0.1) is not None


def test_what_rests_or_is_too_much_for_its_rate_is_taken_out() -> None:
    traffic = _traffic(per_s=1.0)
    for n in range(100):
        traffic.put(f"a{n}", "a")
    assert len(traffic.surplus(60)["a"]) == 39
    traffic.pacer("a").push_back(NOW)
    assert traffic.take(NOW, 0.0) is None
    assert len(traffic.held(NOW)["a"]) == 61
    assert len(traffic) == 0


def test_the_alarm_rings_for_a_kind_or_a_domain_and_not_for_full_mailboxes_here_and_there() -> None:
    alarm = Alarm(least=10, share=0.1, domain_share=0.5)
    for n in range(200):
        assert alarm.note("r", f"d{n}", verdict(552, "5.2.2") if n % 2 else None) == ("", "")
    rung = [alarm.note("r", f"p{n}", verdict(550, "5.7.1"))[0] for n in range(40)]
    assert not any(rung[:9])
    assert "for reasons of policy" in rung[-1]
    by_domain = [alarm.note("other", "angry", verdict(550, "5.2.1"))[1] for _ in range(10)]
    assert by_domain[-1] == "10 of 10 messages were refused by angry"
    never = Alarm(least=1, share=1.0, domain_share=1.0)
    assert {never.note("r", "d", verdict(550, "5.7.1")) for _ in range(50)} == {("", "")}
