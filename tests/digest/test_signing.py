"""Signatures are verified by dkimpy, which shares no code with what made them."""

import re
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_curve_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from dkim.canonicalization import CanonicalizationPolicy
from hypothesis import HealthCheck, given, settings

from digest.message import DigestPress, Entry, Recipient
from digest.signing import OVERSIGNED, KeyUnusable, read_key, relaxed
from tests.digest.keys import DOMAIN, some_keys, verified
from tests.digest.mails import DATE, MESSAGE_ID, a_masthead, a_recipient, an_entry, an_environment, read
from tests.golden.test_two_ways import ENTRIES, RECIPIENTS

NEEDED = {
    "from", "to", "subject", "date", "message-id", "mime-version", "content-type", "list-id", "reply-to",
    "list-unsubscribe", "list-unsubscribe-post", "list-help", "feedback-id", "auto-submitted", "precedence",
}  # fmt: skip


@cache
def signing_press() -> DigestPress:
    return DigestPress(an_environment(), a_masthead(), {"copd": "COPD"}, some_keys())


@cache
def signed() -> bytes:
    return signing_press().message(a_recipient(), [an_entry()], MESSAGE_ID, DATE)


def tags(n: int) -> dict[str, str]:
    value = str(read(signed()).get_all("DKIM-Signature", [])[n])
    return {name.strip(): re.sub(r"\s", "", text) for name, _, text in (t.partition("=") for t in value.split(";"))}


def test_both_signatures_verify() -> None:
    assert verified(signed(), *some_keys()) == [True, True]


def test_each_signature_verifies_where_only_its_own_key_is_known() -> None:
    rsa, ed25519 = some_keys()
    assert verified(signed(), rsa) == [True, False]
    assert verified(signed(), ed25519) == [False, True]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECIPIENTS, ENTRIES)
def test_the_signatures_of_any_mail_verify(recipient: Recipient, entries: list[Entry]) -> None:
    octets = signing_press().message(recipient, entries, MESSAGE_ID, DATE)
    assert verified(octets, *some_keys()) == [True, True]
    body = octets.partition(b"\r\n\r\n")[2]
    assert CanonicalizationPolicy.from_c_value(b"relaxed/relaxed").canonicalize_body(body) == body


def test_the_tags_are_those_that_verifiers_want() -> None:
    for n, (algorithm, selector) in enumerate((("rsa-sha256", "g1-rsa"), ("ed25519-sha256", "g1-ed25519"))):
        found = tags(n)
        assert (found["v"], found["a"], found["c"]) == ("1", algorithm, "relaxed/relaxed")
        assert (found["d"], found["s"]) == (DOMAIN, selector)
        assert int(found["t"]) == DATE.timestamp()
        assert not {"l", "x", "i"} & found.keys()


def test_every_field_is_signed_and_those_that_a_reader_trusts_cannot_be_added_to() -> None:
    names = tags(0)["h"].split(":")
    message = read(signed())
    present = [name.lower() for name in message if name != "DKIM-Signature"]
    assert set(present) | {"cc"} == set(names)
    assert set(names) >= NEEDED
    assert all(names.count(name) == 1 + (name in OVERSIGNED) for name in present)


def test_header_lines_of_signatures_are_short() -> None:
    head = signed().partition(b"\r\nFrom:")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78


def _changed(pattern: bytes, replacement: bytes) -> bytes:
    changed = re.sub(pattern, replacement, signed(), count=1)
    assert changed != signed()
    return changed


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (rb"List-Unsubscribe=One-Click", b"List-Unsubscribe=Two-Click"),
        (rb"https://germane.example.org/leave/leave", b"https://evil.example.org/leave/leave"),
        (rb"\AD", b"From: Evil <evil@attacker.example>\r\nD"),
        (rb"\AD", b"Subject: pay now\r\nD"),
        (rb"\AD", b"Reply-To: evil@attacker.example\r\nD"),
        (rb"\AD", b"Cc: evil@attacker.example\r\nD"),
        (rb"\AD", b"List-Unsubscribe: <https://evil.example.org/>\r\nD"),
        (rb"Some text", b"Some test"),
        (rb"--\r\n\Z", b"--\r\nmore\r\n"),
        (rb"2026 07:30", b"2026 08:30"),
    ],
)
def test_a_change_on_the_way_breaks_both_signatures(pattern: bytes, replacement: bytes) -> None:
    assert verified(_changed(pattern, replacement), *some_keys()) == [False, False]


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (rb"\AD", b"Received: from elsewhere\r\n\tby here; today\r\nD"),
        (rb"Subject: ", b"SUBJECT:  "),
        (rb"multipart/alternative;\r\n ", b"multipart/alternative; "),
        (rb"--\r\n\Z", b"--  \r\n\r\n\r\n"),
    ],
)
def test_what_mail_servers_change_in_passing_breaks_none(pattern: bytes, replacement: bytes) -> None:
    assert verified(_changed(pattern, replacement), *some_keys()) == [True, True]


def test_without_keys_nothing_is_signed_and_nothing_else_differs() -> None:
    plain = DigestPress(an_environment(), a_masthead(), {"copd": "COPD"})
    octets = plain.message(a_recipient(), [an_entry()], MESSAGE_ID, DATE)
    assert octets.startswith(b"From: ")
    assert signed().endswith(octets)


def test_fields_become_canonical_as_dkimpy_makes_them() -> None:
    fields = b"SubJect:  two\t words \r\nTo:a\r\n b\r\n\tc\r\n"
    pairs = [(b"SubJect", b"  two\t words \r\n"), (b"To", b"a\r\n b\r\n\tc\r\n")]
    expected = CanonicalizationPolicy.from_c_value(b"relaxed/relaxed").canonicalize_headers(pairs)
    assert relaxed(fields) == b"".join(name + b":" + value for name, value in expected)


@pytest.mark.parametrize("n", [0, 1])
def test_a_key_is_read_back_from_its_file(n: int) -> None:
    key = some_keys()[n]
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    again = read_key(pem, key.domain, key.selector)
    assert (again.name, again.record, again.kind) == (key.name, key.record, key.kind)


def test_what_is_no_key_for_dkim_is_refused_with_the_reason() -> None:
    small = generate_private_key(65537, 1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert read_key(small, DOMAIN, "s").kind == "rsa"
    secret = some_keys()[0].private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    curve = generate_curve_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for pem, why in ((b"", "PEM"), (b"nonsense", "PEM"), (secret, "passphrase"), (curve, "neither an RSA nor")):
        with pytest.raises(KeyUnusable, match=why):
            read_key(pem, DOMAIN, "s")
