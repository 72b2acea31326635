import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.links import FEEDBACK_TOKEN, TOKEN, seal, sign, sign_feedback, verify, verify_feedback

KEY = b"k" * 32
ADA, BEN = "abcdefghijklmnop", "qrstuvwxyz234567"
identifiers = st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567", min_size=16, max_size=16)


@given(identifiers, st.binary(min_size=32, max_size=64))
def test_a_signed_link_is_verified_for_its_member_and_purpose(public_id, key):
    token = sign(key, "leave", public_id)
    assert TOKEN.fullmatch(token)
    assert verify(key, "leave", token) == public_id


def test_every_flipped_bit_is_refused():
    token = sign(KEY, "leave", ADA).encode()
    for bit in range(len(token) * 8):
        changed = bytearray(token)
        changed[bit // 8] ^= 1 << bit % 8
        assert verify(KEY, "leave", changed.decode("latin-1")) is None, bit


def test_every_other_last_character_is_refused():
    token = sign(KEY, "leave", ADA)
    others = set("abcdefghijklmnopqrstuvwxyz234567") - {token[-1]}
    assert all(verify(KEY, "leave", token[:-1] + c) is None for c in others)


def test_the_signature_of_one_member_does_not_open_another():
    assert verify(KEY, "leave", BEN + sign(KEY, "leave", ADA)[16:]) is None


def test_a_link_to_leave_does_not_open_the_preferences_nor_the_other_way_round():
    assert verify(KEY, "preferences", sign(KEY, "leave", ADA)) is None
    assert verify(KEY, "leave", sign(KEY, "preferences", ADA)) is None


def test_another_key_is_refused():
    assert verify(b"x" * 32, "leave", sign(KEY, "leave", ADA)) is None


@pytest.mark.parametrize("token", ["", "a", "é" * 42, "a" * 41, "a" * 43, "a" * 42 + "\n", "\0" * 42])
def test_what_is_not_a_token_is_refused(token):
    assert verify(KEY, "leave", token) is None


@given(st.text())
def test_no_text_at_all_raises(token):
    assert verify(KEY, "leave", token) is None


def test_a_seal_depends_on_each_part_and_on_where_it_ends():
    assert len({seal(KEY, "a", "bc"), seal(KEY, "ab", "c"), seal(KEY, "abc"), seal(KEY, "a", "b", "c")}) == 4


@given(identifiers, identifiers, st.binary(min_size=32, max_size=64))
def test_a_feedback_link_is_verified_for_its_member_and_item(member, item, key):
    token = sign_feedback(key, member, item)
    assert FEEDBACK_TOKEN.fullmatch(token)
    assert verify_feedback(key, token) == (member, item)
    assert verify_feedback(key + b"x", token) is None


def test_a_feedback_link_serves_no_other_member_item_or_purpose():
    token = sign_feedback(KEY, ADA, BEN)
    mac = token[32:]
    assert verify_feedback(KEY, BEN + ADA + mac) is None
    assert verify_feedback(KEY, ADA + ADA + mac) is None
    assert verify_feedback(KEY, ADA + BEN + sign(KEY, "leave", ADA)[16:]) is None
    assert verify(KEY, "leave", ADA + mac) is None
    assert verify(KEY, "preferences", ADA + mac) is None


def test_every_flipped_bit_of_a_feedback_link_is_refused():
    token = sign_feedback(KEY, ADA, BEN).encode()
    for bit in range(len(token) * 8):
        changed = bytearray(token)
        changed[bit // 8] ^= 1 << bit % 8
        assert verify_feedback(KEY, changed.decode("latin-1")) is None, bit


@given(st.text())
def test_no_text_at_all_is_a_feedback_link_or_raises(token):
    assert verify_feedback(KEY, token) is None
