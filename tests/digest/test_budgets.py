from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from digest.budgets import MONTH_DAYS, WEEK_DAYS, Allowance, Bounds, Drawn, Wished, room

NOW = datetime(2026, 11, 16, 7, 30, tzinfo=UTC)
TODAY = NOW.toordinal()
OWN, OVERALL = Allowance(2, 6, 4), Allowance(3, 1, 6)
HERE, THERE = 1, 2


def drawn(days_ago: float, *, network: int = HERE, mails: int = 1, asks: int = 0) -> Drawn:
    at = NOW - timedelta(days=days_ago)
    return Drawn(network, at, at.toordinal(), mails, asks)


def left(*draws: Drawn) -> tuple[int, int]:
    found = room(draws, HERE, OWN, OVERALL, NOW, TODAY)
    return found.mails, found.asks


def test_an_account_that_nothing_was_drawn_from_has_all_of_its_allowance() -> None:
    assert left() == (2, 4)


def test_a_week_is_seven_days_and_a_month_thirty_one() -> None:
    assert left(drawn(WEEK_DAYS - 1)) == (1, 4)
    assert left(drawn(WEEK_DAYS)) == (2, 4)
    assert left(drawn(MONTH_DAYS - 1, asks=3)) == (2, 1)
    assert left(drawn(MONTH_DAYS, asks=3)) == (2, 4)


def test_an_hour_that_a_change_of_clocks_takes_from_a_week_costs_no_digest() -> None:
    before = Drawn(HERE, NOW - timedelta(days=7) + timedelta(hours=1), TODAY - 7, 2, 0)
    assert left(before) == (2, 4)


def test_what_another_network_sent_counts_over_all_and_not_here() -> None:
    assert left(drawn(1, network=THERE, asks=3)) == (2, 3)
    assert left(drawn(1, network=THERE), drawn(2, network=THERE)) == (1, 4)


def test_a_mail_that_is_planned_for_later_counts_already() -> None:
    assert left(drawn(-3, asks=1)) == (1, 3)


def test_a_mail_waits_for_the_hours_that_must_lie_between_two() -> None:
    last = drawn(0.125)  # three hours ago
    assert room([last], HERE, OWN, OVERALL, NOW, TODAY).not_before == last.at + timedelta(hours=6)
    elsewhere = drawn(0.125, network=THERE)
    assert room([elsewhere], HERE, OWN, OVERALL, NOW, TODAY).not_before == NOW
    later = drawn(-0.125)
    assert room([later], HERE, OWN, OVERALL, NOW, TODAY).not_before == later.at + timedelta(hours=6)


def test_members_choose_within_what_their_network_allows() -> None:
    bounds = Bounds(usual=Allowance(3, 6, 4), most=Allowance(7, 1, 20))
    assert bounds.allowance(Wished(), Wished()) == (3, 6, 4)
    assert bounds.allowance(Wished(), Wished(1, 48, 0)) == (1, 48, 0)
    assert bounds.allowance(Wished(), Wished(50, 0, 100)) == (7, 1, 20)
    assert bounds.allowance(Wished(2, 24, 8), Wished()) == (2, 24, 8)
    assert bounds.allowance(Wished(asks_per_month=40), Wished(asks_per_month=30)) == (3, 6, 30)


draws = st.lists(
    st.builds(
        lambda days, network, mails, asks: drawn(days, network=network, mails=mails, asks=asks),
        st.integers(-40, 40),
        st.sampled_from((HERE, THERE)),
        st.integers(0, 1),
        st.integers(0, 3),
    )
)


@given(draws)
def test_whatever_was_drawn_room_is_never_below_nothing_and_no_draw_makes_it_larger(some: list[Drawn]) -> None:
    before = (2, 4)
    for n in range(len(some)):
        now = left(*some[: n + 1])
        assert all(0 <= new <= old for new, old in zip(now, before, strict=True))
        before = now
