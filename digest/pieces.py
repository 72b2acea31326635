"""Parts of a mail that are encoded once and joined often: quoted-printable octets with slots for what differs between members."""

import re
from typing import NamedTuple

from digest import mime
from digest.wrapping import wrap

_SLOT = re.compile("\ue000([a-z_]+)\ue001")


class Printed(NamedTuple):
    """A part of the mail that is ready to be joined, in both forms."""

    text: bytes
    html: bytes


class Plate(NamedTuple):
    """A part of the mail that still has slots, in both forms: printf formats (PEP 461), to be filled with `%` and a mapping."""

    text: bytes
    html: bytes


def slot(name: str) -> str:
    """What to hand a template in place of a value: characters of the private use area, which no value may hold."""
    return f"\ue000{name}\ue001"


def cut(rendered: str) -> bytes:
    """What stands between slots is encoded piece by piece, so that anything encoded may stand in them."""
    parts = _SLOT.split(rendered)
    octets = [mime.quoted_printable(part).replace(b"%", b"%%") for part in parts]
    octets[1::2] = [b"%%(%b)b" % name.encode() for name in parts[1::2]]
    return b"".join(octets)


def inline(words: str) -> Printed:
    """Words for a slot: wrapped in the text, escaped in the html as a browser writes it out (HTML standard 13.3)."""
    escaped = words.replace("&", "&amp;").replace("\u00a0", "&nbsp;").replace("<", "&lt;").replace(">", "&gt;")
    return Printed(mime.quoted_printable(wrap(words)), mime.quoted_printable(escaped))
