import quopri
from email import message_from_bytes, policy
from email.headerregistry import Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest import mime
from digest.cleaning import one_line

LINES = st.text(st.sampled_from(" \t\n=x") | st.characters(exclude_categories=["Cs", "Cc"]), max_size=400)
NAMES = st.text(max_size=150)


def longest_line(octets: bytes) -> int:
    return max(map(len, octets.split(b"\r\n")))


def field(octets: bytes) -> object:
    return message_from_bytes(octets + b"\r\n", policy=policy.SMTP)


@given(st.lists(LINES, max_size=6))
def test_joined_pieces_decode_to_the_joined_text(pieces: list[str]) -> None:
    octets = b"".join(map(mime.quoted_printable, pieces))
    assert quopri.decodestring(octets).replace(b"\r\n", b"\n") == "".join(pieces).encode()
    assert longest_line(octets) <= 76
    assert octets.isascii()
    assert b"\t" not in octets
    assert b"  " not in octets, "DKIM's relaxed form would squeeze it"


@given(st.integers(60, 90), st.sampled_from(["é", "=", "x", "😀"]))
def test_a_piece_of_any_length_leaves_room_for_its_soft_break(n: int, character: str) -> None:
    octets = mime.quoted_printable("x" * n + character)
    assert longest_line(octets) <= 76
    assert quopri.decodestring(octets).decode() == "x" * n + character


@given(NAMES)
def test_a_display_name_never_adds_a_field_or_a_recipient(name: str) -> None:
    octets = mime.address_field("To", name, "ann@example.org")
    message = message_from_bytes(octets + b"\r\n", policy=policy.SMTP)
    assert message.keys() == ["To"]
    assert [a.addr_spec for a in message["To"].addresses] == ["ann@example.org"]
    assert longest_line(octets) <= 998
    assert octets.isascii()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Co", "Cn", "Zl", "Zp"]), min_size=1, max_size=60))
def test_a_display_name_comes_back_as_it_was(name: str) -> None:
    message = message_from_bytes(mime.address_field("To", name, "ann@example.org") + b"\r\n", policy=policy.SMTP)
    address: Address = message["To"].addresses[0]
    assert address.display_name.replace(" ", "") == one_line(name).replace(" ", "")


@given(NAMES)
def test_a_subject_is_one_field_that_decodes_to_the_same_words(text: str) -> None:
    octets = mime.text_field("Subject", text)
    message = message_from_bytes(octets + b"\r\n", policy=policy.SMTP)
    assert message.keys() == ["Subject"]
    assert str(message["Subject"]).split() == one_line(text).split()
    assert octets.isascii()
    assert longest_line(octets) <= 78


def test_what_looks_like_an_encoded_word_is_shown_as_it_is() -> None:
    fake = "=?utf-8?q?hello=0D=0ABcc=3A_evil?="
    message = message_from_bytes(mime.text_field("Subject", fake) + b"\r\n", policy=policy.SMTP)
    assert message["Subject"] == fake


def test_an_international_domain_goes_out_in_a_labels() -> None:
    assert mime.wire_address("ann@münchen.example") == "ann@xn--mnchen-3ya.example"


def test_an_odd_local_part_is_quoted() -> None:
    assert mime.wire_address("a b,c@example.org") == '"a b,c"@example.org'
    assert mime.wire_address('"a b"@example.org') == '"a b"@example.org'


def test_a_local_part_that_is_not_ascii_stays() -> None:
    assert mime.address_field("To", "", "käfer@example.org") == "To: <käfer@example.org>\r\n".encode()


@pytest.mark.parametrize("address", ["", "ann", "@example.org", "ann@", "ann@exa mple.org", "ann@e>x<.org", "a@b,c"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="not an e-mail address"):
        mime.wire_address(address)


def test_uris_of_a_list_field_are_never_broken() -> None:
    uris = ["https://example.org/" + "a" * 90, "mailto:leave+" + "b" * 60 + "@example.org"]
    assert mime.list_field("List-Unsubscribe", *uris) == (
        f"List-Unsubscribe: <{uris[0]}>,\r\n <{uris[1]}>\r\n".encode()
    )


@pytest.mark.parametrize("value", ["", "x@y", "<x>", "<a b@c>", "<a@b>\r\nX: y", "<a@b@c>"])
def test_what_is_no_message_id_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="Message-ID"):
        mime.message_id(value)
