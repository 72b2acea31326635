"""Signed links: what lets a member act from a mail without a password, and nobody else."""

import base64
import hashlib
import hmac
import re
from typing import Literal

Purpose = Literal["leave", "preferences"]

PUBLIC_ID = re.compile(r"[a-z2-7]{16}")
TOKEN = re.compile(r"[a-z2-7]{42}")
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


def seal(key: bytes, *parts: str) -> str:
    """128 bits of HMAC-SHA256 over the parts, as 26 characters of lower-case base32. No part may hold a NUL."""
    mac = hmac.new(key, "\0".join(parts).encode(), hashlib.sha256).digest()[:_MAC_OCTETS]
    return base64.b32encode(mac).decode("ascii").rstrip("=").lower()
