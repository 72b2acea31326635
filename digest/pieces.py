"""Parts of a mail that are encoded once and joined often: quoted-printable octets with slots for what differs between members."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from digest import mime
from digest.wrapping import wrap

_SLOT = re.compile("\ue000([a-z_]+)\ue001")


class Pieces(NamedTuple):
    """Quoted-printable octets with a "%b" for each slot (a "%" of their own is doubled), and the slots' names in order."""

    octets: bytes
    slots: tuple[str, ...]


class Printed(NamedTuple):
    """A part of the mail that is ready to be joined, in both forms."""

    text: bytes
    html: bytes


class Plate(NamedTuple):
    """A part of the mail that still has slots, in both forms."""

    text: Pieces
    html: Pieces


def slot(name: str) -> str:
    """What to hand a template in place of a value: characters of the private use area, which no value may hold."""
    return f"\ue000{name}\ue001"


def cut(rendered: str) -> Pieces:
    """What stands between slots is encoded piece by piece, so that anything encoded may stand in them."""
    parts = _SLOT.split(rendered)
    octets = [mime.quoted_printable(part).replace(b"%", b"%%") for part in parts[::2]]
    return Pieces(b"%b".join(octets), tuple(parts[1::2]))


def filled(pieces: Pieces, slots: Mapping[str, bytes]) -> bytes:
    return pieces.octets % tuple([slots[name] for name in pieces.slots])


def inline(words: str) -> Printed:
    """Words for a slot: wrapped in the text, escaped in the html as a browser writes it out (HTML standard 13.3)."""
    escaped = words.replace("&", "&amp;").replace("\u00a0", "&nbsp;").replace("<", "&lt;").replace(">", "&gt;")
    return Printed(mime.quoted_printable(wrap(words)), mime.quoted_printable(escaped))
