"""Identifiers that may appear in links: stable, and not guessable."""

import secrets

PUBLIC_ID_OCTETS = 10


def new_public_id() -> str:
    """80 random bits as 16 characters of lower-case base32: survives servers that fold the case of an address."""
    import base64

    return base64.b32encode(secrets.token_bytes(PUBLIC_ID_OCTETS)).decode("ascii").lower()
