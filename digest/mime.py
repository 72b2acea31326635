"""The form of a message on the wire: RFC 5322 header fields, RFC 2047 words, RFC 2045 quoted-printable; ASCII with CRLF."""

import binascii
import re
from base64 import b64encode
from hashlib import sha256

import idna

from digest.cleaning import one_line

CRLF = b"\r\n"
LINE = 76
"""Octets of a line that holds an encoded-word (RFC 2047 2) or quoted-printable text (RFC 2045 6.7), CRLF not counted."""
LONGEST_NAME = 100

_PLAIN_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060-\u2064\ufff9-\ufffb\ue000-\uf8ff]")
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
_LIST_ID = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")
_SQUEEZABLE = re.compile(rb"\t|(?<= ) ")
_DOT_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_TWO_ADDRESSES = re.compile(r"[@<>\"\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_QUOTED = re.compile(r'"(?:[^"\\\s]|\\[^\s]| )*"')


def quoted_printable(text: str) -> bytes:
    r"""`text`, whose lines end in `\n`, so that pieces can be joined: one that does not end a line ends in a soft line break.

    It is canonical already as DKIM's relaxed form wants a body (RFC 6376 3.4.4): no tab, no two spaces in a row.
    """
    if len(text) < LINE and text.isascii() and text.isalnum():  # most are tokens: nothing to encode
        return text.encode() + b"=" + CRLF
    encoded = binascii.b2a_qp(text.encode("utf-8", "replace"), istext=True).replace(b"\n", CRLF)
    if _SQUEEZABLE.search(encoded):
        encoded = CRLF.join(map(_broken, _SQUEEZABLE.sub(_hidden, encoded).split(CRLF)))
    if not encoded or encoded.endswith(CRLF):
        return encoded
    start = encoded.rfind(b"\n") + 1
    if len(encoded) - start >= LINE:  # no room for the "=": break a little earlier, never inside an "=XX"
        cut = start + LINE - 4
        while b"=" in encoded[cut - 2 : cut]:
            cut -= 1
        encoded = encoded[:cut] + b"=" + CRLF + encoded[cut:]
    return encoded + b"=" + CRLF


def _hidden(blank: re.Match[bytes]) -> bytes:
    return b"=%02X" % ord(blank[0])


def _broken(line: bytes) -> bytes:
    """A quoted-printable line with soft line breaks where it is too long, never inside an "=XX"."""
    lines = []
    while len(line) > LINE:
        cut = LINE - 1
        while b"=" in line[cut - 2 : cut]:
            cut -= 1
        lines.append(line[:cut] + b"=")
        line = line[cut:]
    return CRLF.join([*lines, line])


def text_field(name: str, value: str) -> bytes:
    """A field of free text such as Subject, folded; anything that is not plain ASCII becomes encoded-words."""
    value = one_line(value)
    if value.isascii() and "=?" not in value and max(map(len, value.split()), default=0) < LINE - 1:
        return _folded(name, value.split(" "))
    return _folded(name, _encoded_words(value, LINE - len(name) - 2))


def address_field(name: str, display_name: str, address: str) -> bytes:
    """From, To or Reply-To with one mailbox. A local part that is not ASCII stays so (RFC 6532) and needs SMTPUTF8."""
    return _folded(name, mailbox(display_name, address, LINE - len(name) - 2))


def list_field(name: str, *entries: str) -> bytes:
    """A field of the List- family: addresses in angle brackets, folded between them only, never inside one (RFC 2369 2)."""
    return _folded(name, [f"<{entry}>," for entry in entries[:-1]] + [f"<{entries[-1]}>"], one_a_line=True)


def list_id_field(name: str, list_id: str) -> bytes:
    """List-Id (RFC 2919). Raises ValueError when the id is not a name with a dot in it, such as "digest.example.org"."""
    if not _LIST_ID.fullmatch(list_id):
        raise ValueError(f"{list_id!r} is not a list id; it looks like digest.example.org")
    return _folded("List-Id", [*_phrase(name, LINE - len("List-Id: ")), f"<{list_id}>"])


def mailbox(display_name: str, address: str, room: int = LINE) -> list[str]:
    """The words of `display name <address>`; a fold may stand between any two of them."""
    return [*_phrase(display_name, room), f"<{wire_address(address)}>"]


def wire_address(address: str) -> str:
    """The address with its domain in A-labels and an odd local part quoted. Raises ValueError when it cannot be one."""
    local, at, domain = one_line(address).rpartition("@")
    if (
        not at
        or not local
        or not domain
        or _CONTROL.search(address.strip())
        or re.search(r"[\s<>,;:\\\"()\[\]]", domain)
    ):
        raise ValueError(f"{address!r} is not an e-mail address")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError as error:
            raise ValueError(f"{address!r} has a domain that cannot exist: {error}") from error
    if not _DOT_ATOM.fullmatch(local) and not _QUOTED.fullmatch(local):
        if _TWO_ADDRESSES.search(local):
            raise ValueError(f"{address!r} is not one e-mail address")
        local = _quoted(local)
    return f"{local}@{domain}"


def message_id(value: str) -> str:
    """`value` again. Raises ValueError when it is not `<left@right>`."""
    if not _MESSAGE_ID.fullmatch(value):
        raise ValueError(f"{value!r} is not a Message-ID of the form <left@right>")
    return value


def boundary(identity: str) -> bytes:
    """A boundary that cannot occur in quoted-printable text ("=_", RFC 2045 6.7), the same for the same message."""
    return b"=_" + sha256(identity.encode()).hexdigest()[:32].encode()


def _phrase(name: str, room: int) -> list[str]:
    name = _INVISIBLE.sub("", one_line(name))[:LONGEST_NAME].strip()
    if not name:
        return []
    if name.isascii() and "=?" not in name and len(name) <= room:
        return [name] if _PLAIN_PHRASE.fullmatch(name) else [_quoted(name)]
    return _encoded_words(name, room)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _encoded_words(text: str, room: int) -> list[str]:
    """Base64 encoded-words of whole characters, the first in `room` octets, the others one a line (RFC 2047 2 and 5)."""
    words: list[str] = []
    chunk = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        longest = (min(room if not words else LINE - 1, LINE - 1) - len("=?utf-8?b??=")) // 4 * 3
        if len(chunk) + len(octets) > longest:
            words.append(_encoded_word(chunk))
            chunk = b""
        chunk += octets
    return [*words, _encoded_word(chunk)]


def _encoded_word(chunk: bytes) -> str:
    return f"=?utf-8?b?{b64encode(chunk).decode()}?="


def _folded(name: str, words: list[str], *, one_a_line: bool = False) -> bytes:
    lines = [f"{name}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) <= LINE and not (one_a_line and word is not words[0]):
            lines[-1] += f" {word}"
        elif lines[-1].endswith(":") and len(lines) == 1:
            lines[-1] += f" {word}"  # a line of the name alone is not folded by everybody
        else:
            lines.append(f" {word}")
    return "\r\n".join(lines).encode("utf-8", "replace") + CRLF
