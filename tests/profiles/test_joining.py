from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.address import normalise
from profiles.joining import DEFAULTS, Decision, Entry, decide, status_after
from profiles.member import GONE, STATUSES, Status

JO = normalise("jo@example.org")


def stored(**changes: object) -> dict[str, object]:
    return {**DEFAULTS, **changes}


def test_somebody_new_is_added_with_what_the_file_says():
    entry = Entry(2, JO, {"region": "Wales", "cadence": "weekly"})
    assert decide(entry, None) == Decision("added", {"region": ("", "Wales")})


def test_a_field_the_file_does_not_have_stays():
    decision = decide(Entry(2, JO, {"name": "Jo"}), stored(name="Jo", region="Wales"))
    assert decision == Decision("unchanged")


def test_a_field_that_differs_changes_and_says_from_what():
    decision = decide(Entry(2, JO, {"region": "", "hour": 7}), stored(region="Wales"))
    assert decision == Decision("changed", {"region": ("Wales", ""), "hour": (None, 7)})


@pytest.mark.parametrize("status", sorted(GONE))
def test_nothing_of_somebody_who_is_gone_changes(status: Status):
    assert decide(Entry(2, JO, {"status": "active", "name": "Jo"}), stored(status=status)) == Decision("protected")


@pytest.mark.parametrize(("current", "wanted"), list(product(STATUSES, STATUSES)))
def test_an_import_never_starts_mail(current: Status, wanted: Status):
    after = status_after(current, wanted)
    assert after == current or after in {"paused", "bounced", "left"}
    assert after == current or current not in GONE
    assert not (current == "pending" and after == "paused")


@given(st.dictionaries(st.sampled_from(["name", "region", "stated"]), st.text(max_size=3)))
def test_a_second_import_of_the_same_changes_nothing(values: dict[str, str]):
    entry = Entry(2, JO, values)
    before = stored(name="x")
    after = before | {name: new for name, (_, new) in decide(entry, before).changes.items()}
    assert decide(entry, after).outcome == "unchanged"
