"""A message with 8-bit octets made ready for a server without 8BITMIME (RFC 6152 section 3)."""

from email import message_from_bytes, policy
from email.generator import BytesGenerator
from io import BytesIO

_SEVEN_BIT = policy.compat32.clone(cte_type="7bit", linesep="\r\n", max_line_length=0)
_SIGNATURES = ("DKIM-Signature", "DomainKey-Signature")


def as_seven_bit(content: bytes) -> bytes | None:
    """The same message with every 8-bit part in quoted-printable or base64; None where a header is what is not ASCII.

    Signatures are left out: they would not verify any more, and none is better than a broken one (RFC 6376 section 6.1).
    """
    head, _, _ = content.partition(b"\r\n\r\n")
    if not head.isascii():
        return None
    message = message_from_bytes(content, policy=_SEVEN_BIT)
    for name in _SIGNATURES:
        del message[name]
    written = BytesIO()
    BytesGenerator(written, mangle_from_=False, policy=_SEVEN_BIT).flatten(message)
    encoded = written.getvalue()
    return encoded if encoded.isascii() else None
