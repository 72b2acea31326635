"""The address that a mail's failure comes back to: one for each member and edition (VERP), which we alone can make."""

import hmac
import re

from profiles.links import seal

MAILBOX = "b"
"""What the mail server delivers to Germane, with anything after the "+": short, because 64 octets must hold the token too."""

_TOKEN = re.compile(r"<?(?:[^@]*[+=-])?([a-z2-7]{58})(?:@[^@>]*)?>?")


def return_path(key: bytes, member_public_id: str, edition_public_id: str, domain: str) -> str:
    """The envelope sender of one mail: "b+", 58 characters of lower-case base32, "@domain".

    The local part has 60 octets (RFC 5321 4.5.3.1.1 allows 64), names nobody readably, and survives servers that fold case.
    """
    ids = member_public_id + edition_public_id
    return f"{MAILBOX}+{ids}{_seal(key, member_public_id, edition_public_id)}@{domain}"


def read_return_path(key: bytes, address_or_local_part: str) -> tuple[str, str] | None:
    """The public ids of the member and the edition that the address was made for, or None for one that we did not make.

    An address, its local part, or what follows the "+" (which is all that some mail servers hand on), in any case; the
    domain is not looked at. Never raises.
    """
    found = _TOKEN.fullmatch(address_or_local_part.strip().lower())
    if found is None:
        return None
    member, edition, mac = found[1][:16], found[1][16:32], found[1][32:]
    return (member, edition) if hmac.compare_digest(_seal(key, member, edition), mac) else None


def _seal(key: bytes, member: str, edition: str) -> str:
    return seal(key, "bounce", member, edition)
