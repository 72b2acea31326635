import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.links import sign, sign_feedback
from profiles.verp import read_return_path, return_path

KEY = b"k" * 32
ADA, EDITION = "abcdefghijklmnop", "qrstuvwxyz234567"
identifiers = st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567", min_size=16, max_size=16)
ADDRESS = return_path(KEY, ADA, EDITION, "news.example.org")
LOCAL = ADDRESS.partition("@")[0]


@given(identifiers, identifiers, st.binary(min_size=32, max_size=64))
def test_a_return_path_leads_back_to_its_member_and_edition(member, edition, key):
    address = return_path(key, member, edition, "example.org")
    assert read_return_path(key, address) == (member, edition)
    assert read_return_path(key + b"x", address) is None


def test_its_local_part_fits_every_mail_server_and_names_nobody():
    assert LOCAL.startswith("b+")
    assert len(LOCAL) == 60  # RFC 5321 4.5.3.1.1: at most 64
    assert ADDRESS.endswith("@news.example.org")


@pytest.mark.parametrize(
    "spelling",
    [
        LOCAL,
        LOCAL.removeprefix("b+"),
        f"<{ADDRESS}>",
        f" {ADDRESS}\n",
        ADDRESS.upper(),
        ADDRESS.title(),
        LOCAL.replace("+", "-"),
        LOCAL.replace("+", "=") + "@relay.example.net",
        f"bounces+{LOCAL.removeprefix('b+')}@example.org",
    ],
)
def test_it_is_read_however_a_mail_server_spells_it(spelling):
    assert read_return_path(KEY, spelling) == (ADA, EDITION)


def test_every_flipped_bit_is_refused():
    token = LOCAL.removeprefix("b+").encode()
    for bit in range(len(token) * 8):
        changed = bytearray(token)
        changed[bit // 8] ^= 1 << bit % 8
        found = read_return_path(KEY, "b+" + changed.decode("latin-1"))
        assert found is None or changed.lower() == token, bit


def test_every_truncation_is_refused():
    assert all(read_return_path(KEY, LOCAL[:end]) is None for end in range(len(LOCAL)))
    assert all(read_return_path(KEY, LOCAL.removeprefix("b+")[start:]) is None for start in range(1, 59))


def test_the_seal_of_another_member_edition_or_purpose_is_refused():
    mac = LOCAL[-26:]
    for token in (
        EDITION + ADA + mac,
        ADA + ADA + mac,
        sign_feedback(KEY, ADA, EDITION),
        ADA + sign(KEY, "leave", ADA),
    ):
        assert read_return_path(KEY, f"b+{token}@example.org") is None


@given(st.text())
def test_no_text_at_all_raises(text):
    assert read_return_path(KEY, text) is None
