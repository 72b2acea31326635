from datetime import date, timedelta
from typing import Any

import pytest

from profiles.standing import why_no_mail
from tests.builders import NOW

TODAY = NOW.date()


def standing(**changes: Any) -> str | None:
    values: dict[str, Any] = {
        "status": "active",
        "paused_until": None,
        "cadence": "weekly",
        "last_digest_at": None,
        "has_profile": True,
        "now": NOW,
        "today": TODAY,
    }
    return why_no_mail(**values | changes)


def test_an_active_member_with_a_profile_gets_mail() -> None:
    assert standing() is None


@pytest.mark.parametrize("status", ["pending", "bounced", "left", "erased"])
def test_a_member_who_is_not_there_gets_nothing_and_the_reason_is_the_status(status: str) -> None:
    assert standing(status=status) == status


def test_a_pause_without_an_end_holds() -> None:
    assert standing(status="paused") == "paused"


def test_a_pause_holds_until_its_day_and_not_on_it() -> None:
    assert standing(status="paused", paused_until=TODAY + timedelta(days=1)) == "paused"
    assert standing(status="paused", paused_until=TODAY) is None


def test_a_pause_date_in_the_future_holds_even_while_the_status_is_active() -> None:
    assert standing(paused_until=date(2027, 1, 1)) == "paused"


def test_a_member_who_wants_no_digest_gets_none() -> None:
    assert standing(cadence="none") == "cadence"


@pytest.mark.parametrize(("cadence", "days"), [("fortnightly", 14), ("monthly", 28)])
def test_a_slower_cadence_waits_for_its_period(cadence: str, days: int) -> None:
    assert standing(cadence=cadence, last_digest_at=NOW - timedelta(days=days - 7)) == "cadence"
    assert standing(cadence=cadence, last_digest_at=NOW - timedelta(days=days)) is None
    assert standing(cadence=cadence) is None


def test_an_edition_an_hour_early_after_a_clock_change_does_not_cost_a_fortnight() -> None:
    assert standing(cadence="fortnightly", last_digest_at=NOW - timedelta(days=14) + timedelta(hours=1)) is None


def test_a_member_with_nothing_to_match_on_is_skipped_with_that_reason() -> None:
    assert standing(has_profile=False) == "empty_profile"
