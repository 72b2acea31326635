"""Parts of a mail that are encoded once and joined often: quoted-printable octets with slots for what differs between members."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from digest import mime
from digest.wrapping import wrap

_SLOT = re.compile("\ue000([a-z_]+)\ue001")


class Piece(NamedTuple):
    """Quoted-printable octets up to a slot, and the slot's name (empty at the end)."""

    octets: bytes
    slot: str


class Printed(NamedTuple):
    """A part of the mail that is ready to be joined, in both forms."""

    text: bytes
    html: bytes


class Plate(NamedTuple):
    """A part of the mail that still has slots, in both forms."""

    text: tuple[Piece, ...]
    html: tuple[Piece, ...]


def slot(name: str) -> str:
    """What to hand a template in place of a value: characters of the private use area, which no value may hold."""
    return f"\ue000{name}\ue001"


def cut(rendered: str) -> tuple[Piece, ...]:
    """The pieces between slots, each encoded so that anything encoded may follow it."""
    parts = _SLOT.split(rendered)
    names = [*parts[1::2], ""]
    return tuple(Piece(mime.quoted_printable(part), name) for part, name in zip(parts[::2], names, strict=True))


def filled(pieces: Sequence[Piece], slots: Mapping[str, bytes]) -> Iterator[bytes]:
    for octets, name in pieces:
        yield octets
        if name:
            yield slots[name]


def inline(words: str) -> Printed:
    """Words for a slot: wrapped in the text, escaped in the html as a browser writes it out (HTML standard 13.3)."""
    escaped = words.replace("&", "&amp;").replace("\u00a0", "&nbsp;").replace("<", "&lt;").replace(">", "&gt;")
    return Printed(mime.quoted_printable(wrap(words)), mime.quoted_printable(escaped))
