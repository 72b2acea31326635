from pathlib import Path

import pytest

from profiles.joining import DEFAULTS
from profiles.member import STATUSES
from sources.layouts import STATUS_WORDS, columns_of

GUIDE = (Path(__file__).parents[2] / "docs" / "importing-members.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("field", list(DEFAULTS))
def test_every_field_of_a_member_can_be_imported_and_is_in_the_guide(field: str):
    columns = columns_of(["email", field])
    assert columns.places == {"address": 0, field: 1}
    assert f"`{field}`" in GUIDE


@pytest.mark.parametrize("word", sorted(STATUS_WORDS))
def test_only_words_for_subscribed_make_somebody_active(word: str):
    assert STATUS_WORDS[word] in STATUSES
    assert (STATUS_WORDS[word] == "active") == (word in {"active", "enabled", "subscribed", "confirmed"})


@pytest.mark.parametrize("name", ["E-Mail", " email ", "Email Address", "EMAIL_ADDRESS", "address", "Mail"])
def test_the_address_column_has_many_names(name: str):
    assert columns_of(["name", name]).places["address"] == 1


def test_beside_an_e_mail_an_address_is_where_somebody_lives():
    columns = columns_of(["Address", "Email"])
    assert columns.places == {"address": 1}
    assert columns.unused == ("Address",)
