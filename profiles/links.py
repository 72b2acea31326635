"""Signed links: what lets a member act from a mail without a password, and nobody else."""

import hmac
import re
from functools import lru_cache
from itertools import product
from typing import Literal

Purpose = Literal["leave", "preferences", "keep"]

PUBLIC_ID = re.compile(r"[a-z2-7]{16}")
TOKEN = re.compile(r"[a-z2-7]{42}")
FEEDBACK_TOKEN = re.compile(r"[a-z2-7]{58}")
_MAC_OCTETS = 16


def sign(key: bytes, purpose: Purpose, public_id: str) -> str:
    """The token of a member for one purpose: the public id, then 128 bits of HMAC-SHA256, 42 characters in all.

    It never expires (RFC 8058: a mail may be years old), and survives servers that fold the case of a local part.
    """
    return public_id + seal(key, purpose, public_id)


def verify(key: bytes, purpose: Purpose, token: str) -> str | None:
    """The public id that `token` was signed for, or None. Lower case only: fold a token that came out of an address."""
    if not TOKEN.fullmatch(token):
        return None
    public_id = token[:16]
    return public_id if hmac.compare_digest(sign(key, purpose, public_id), token) else None


def sign_feedback(key: bytes, member: str, item: str) -> str:
    """The token by which one member, and nobody else, speaks of one item: both public ids and their seal, 58 characters."""
    return member + item + seal(key, "feedback", member, item)


def verify_feedback(key: bytes, token: str) -> tuple[str, str] | None:
    """The public ids of the member and the item that `token` was signed for, or None."""
    if not FEEDBACK_TOKEN.fullmatch(token):
        return None
    member, item = token[:16], token[16:32]
    return (member, item) if hmac.compare_digest(sign_feedback(key, member, item), token) else None


def seal(key: bytes, *parts: str) -> str:
    """128 bits of HMAC-SHA256 over the parts, as 26 characters of lower-case base32. No part may hold a NUL."""
    mac = _keyed(key).copy()
    mac.update("\0".join(parts).encode())
    return _base32(mac.digest()[:_MAC_OCTETS])


_PAIRS = ["".join(pair) for pair in product("abcdefghijklmnopqrstuvwxyz234567", repeat=2)]


def _base32(octets: bytes) -> str:
    """16 octets in RFC 4648's base32, lower case, no padding. A mail holds eight of these; the standard library's is slow."""
    bits = int.from_bytes(octets, "big") << 2
    return "".join([_PAIRS[bits >> shift & 1023] for shift in range(120, -1, -10)])


@lru_cache(8)
def _keyed(key: bytes) -> hmac.HMAC:
    """HMAC-SHA256 that has read the key: a copy of it costs less than half of one made anew."""
    return hmac.new(key, digestmod="sha256")
