"""Addresses that must never be mailed again, known by a keyed hash: it outlives erasure, and tells nobody the address."""

import hmac
from typing import Literal, get_args

from profiles.address import normalise

Reason = Literal["bounce", "complaint", "request"]
"""The address is dead; its owner said "spam"; somebody asked for it (its owner, a lawyer, an operator)."""

REASONS: tuple[Reason, ...] = get_args(Reason)


def hash_of(address: str, secret: bytes) -> str:
    """64 hexadecimal digits of HMAC-SHA256, bound to this purpose, of the normalised address: one for every spelling.

    `address` may be a key of `profiles.address`. Raises ValueError for what is no address.
    """
    return hash_of_key(normalise(address).key, secret)


def hash_of_key(key: str, secret: bytes) -> str:
    """`hash_of` of an address whose key is known already, at a tenth of the cost."""
    return hmac.digest(secret, b"suppressed\0" + key.encode("utf-8", "surrogatepass"), "sha256").hex()
