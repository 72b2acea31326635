"""Keys made once for the tests, and what the DNS would say of them."""

from collections.abc import Callable
from functools import cache

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from digest.signing import DkimKey

DOMAIN = "news.example.org"


@cache
def some_keys(domain: str = DOMAIN) -> tuple[DkimKey, DkimKey]:
    return (
        DkimKey(domain, "g1-rsa", generate_private_key(65537, 2048)),
        DkimKey(domain, "g1-ed25519", Ed25519PrivateKey.generate()),
    )


def dns(*keys: DkimKey) -> Callable[..., bytes | None]:
    """A look-up as dkimpy makes one, which knows these keys and nothing else."""
    records = {f"{key.name}.".encode(): key.record.encode() for key in keys}

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        return records.get(name)

    return look_up


def verified(octets: bytes, *keys: DkimKey) -> list[bool]:
    """Whether each signature of the message holds, from the first down."""
    signatures = octets.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    return [_verified(octets, n, dns(*keys)) for n in range(signatures)]


def _verified(octets: bytes, n: int, look_up: Callable[..., bytes | None]) -> bool:
    try:
        return bool(dkim.DKIM(octets).verify(idx=n, dnsfunc=look_up))
    except dkim.DKIMException:
        return False
