"""Reading a message that may be anything: whatever the octets are, in bounded time and memory, and never raising.

The standard library's parser nests without a limit and takes longer than linearly for hostile boundaries; a bounce is read
here by rules that bend: what is broken is taken as text.
"""

import base64
import binascii
import quopri
import re
from dataclasses import dataclass, field
from functools import cached_property

from delivery.bounces.charsets import decode, decode_words
from delivery.bounces.text import without_tags

MAX_OCTETS = 1_000_000
"""As much of a message is looked at. What failed and why stands at the beginning; the returned message fills the rest."""

MAX_DEPTH = 8
MAX_PARTS = 100
MAX_HEADERS = 500
MAX_HEADER = 20_000
MAX_TEXT = 200_000

Headers = dict[str, list[str]]

_LINE_END = re.compile(rb"\r\n|\r")
_FIELD = re.compile(rb"([!-9;-~]{1,100})[ \t]{0,10}:[ \t]*(.*)")
_PARAMETER = re.compile(r";\s*([A-Za-z0-9*_-]{1,40})\s*=\s*(\"(?:[^\"\\]|\\.)*\"?|[^;\s]*)")
_RETURNED = frozenset(
    {"message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers",
     "message/partial", "text/rfc822", "message/news", "message/rfc822-header"}
)  # fmt: skip
_STATUS = frozenset({"message/delivery-status", "message/global-delivery-status", "message/delivery_status"})
_FINAL = re.compile(rb"^final-recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
_FEEDBACK = frozenset({"message/feedback-report"})


@dataclass(frozen=True)
class Part:
    """A leaf of a message: its type in lower case, parameters, headers (names in lower case) and body as it came."""

    kind: str
    parameters: dict[str, str]
    headers: Headers
    body: bytes

    @cached_property
    def octets(self) -> bytes:
        """The body without its transfer encoding."""
        return decoded_octets(self.body, first(self.headers, "content-transfer-encoding"))

    @cached_property
    def text(self) -> str:
        """The body as text, HTML reduced to what a reader sees."""
        text = decode(self.octets[:MAX_TEXT], self.parameters.get("charset", ""))
        looks_like_html = self.kind == "text/html" or text.lstrip()[:300].lower().startswith(
            ("<html", "<!doctype html")
        )
        return without_tags(text) if looks_like_html else text


@dataclass
class Message:
    """A message taken apart. `texts` are what a reader sees, without attachments and without the message that came back.

    `status` and `feedback` are the bodies of the machine-readable parts, `returned` the octets of what came back.
    """

    headers: Headers
    kind: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    texts: list[Part] = field(default_factory=list)
    status: list[Part] = field(default_factory=list)
    feedback: list[Part] = field(default_factory=list)
    disposition: list[Part] = field(default_factory=list)
    returned: list[Part] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def header(self, name: str) -> str:
        """The first value of a header, its encoded words decoded; empty when there is none."""
        return decode_words(first(self.headers, name))

    def all(self, *names: str) -> list[str]:
        return [decode_words(value) for name in names for value in self.headers.get(name, [])]


def read(raw: bytes) -> Message:
    """The message in `raw`, of which at most MAX_OCTETS are looked at. An mbox's "From " line is passed over."""
    octets = _LINE_END.sub(b"\n", raw[:MAX_OCTETS]).lstrip(b"\n")
    if octets.startswith((b"From ", b">From ")):
        octets = octets.partition(b"\n")[2]
    headers, body = split_headers(octets)
    kind, parameters = content_type(headers)
    message = Message(headers, kind, parameters)
    _take(message, Part(kind, parameters, headers, body), 0)
    return message


def split_headers(octets: bytes) -> tuple[Headers, bytes]:
    """Headers with their lines unfolded, and the body. A first line that is no header makes everything body."""
    headers: Headers = {}
    name, value, position, count = "", b"", 0, 0
    while position < len(octets) and count < MAX_HEADERS:
        end = octets.find(b"\n", position)
        end = len(octets) if end < 0 else end
        line = octets[position:end]
        if not line.strip():
            position = end + 1
            break
        found = None if line[:1] in b" \t" else _FIELD.match(line)
        if found:
            _keep(headers, name, value)
            name, value, count = found[1].decode("ascii").lower(), found[2], count + 1
        elif line[:1] in b" \t" and name:
            value = value + b" " + line.strip() if len(value) < MAX_HEADER else value
        else:
            break
        position = end + 1
    _keep(headers, name, value)
    return headers, octets[position:]


def first(headers: Headers, name: str) -> str:
    return headers.get(name, [""])[0]


def content_type(headers: Headers) -> tuple[str, dict[str, str]]:
    """The type in lower case (text/plain where none is given) and its parameters, names in lower case."""
    value = first(headers, "content-type")
    kind = value.partition(";")[0].strip().lower()
    parameters = {name.lower().rstrip("*"): _unquoted(text) for name, text in _PARAMETER.findall(value[:2000])}
    return kind if "/" in kind else "text/plain", parameters


def decoded_octets(body: bytes, encoding: str) -> bytes:
    """The body without its transfer encoding; as far as it can be read when it was cut short."""
    encoding = encoding.strip().lower()
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    if encoding == "base64":
        kept = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        try:
            return base64.b64decode(kept[: len(kept) // 4 * 4] + _last_quantum(kept))
        except (binascii.Error, ValueError):
            return body
    return body


def _last_quantum(kept: bytes) -> bytes:
    rest = kept[len(kept) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""


def _take(message: Message, part: Part, depth: int) -> None:
    """Put a part, and those inside it, where they belong in `message`."""
    if len(message.kinds) >= MAX_PARTS:
        return
    message.kinds.append(part.kind)
    boundary = part.parameters.get("boundary", "")
    if part.kind.startswith("multipart/") and depth < MAX_DEPTH and boundary:
        inner = _parts(part.body, boundary.encode("utf-8", "surrogateescape"))
        for octets in inner:
            headers, body = split_headers(octets)
            kind, parameters = content_type(headers)
            _take(message, Part(kind, parameters, headers, body), depth + 1)
        if inner:
            return
    _place(message, part)


def _place(message: Message, part: Part) -> None:
    if part.kind in _STATUS or (part.kind == "application/octet-stream" and _FINAL.search(part.octets[:4000])):
        message.status.append(part)
    elif part.kind in _FEEDBACK:
        message.feedback.append(part)
    elif part.kind == "message/disposition-notification":
        message.disposition.append(part)
    elif part.kind in _RETURNED:
        message.returned.append(part)
    elif not message.texts or (part.kind.startswith(("text/", "multipart/", "message/")) and not _is_attachment(part)):
        message.texts.append(part)


def _is_attachment(part: Part) -> bool:
    return first(part.headers, "content-disposition").strip().lower().startswith("attachment")


def _parts(body: bytes, boundary: bytes) -> list[bytes]:
    """What stands between the lines of a boundary; the text before the first one too, where it is more than a remark."""
    mark = b"\n--" + boundary
    pieces = (b"\n" + body).split(mark, MAX_PARTS)
    if len(pieces) < 2:
        return []
    inner = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            break
        inner.append(piece.partition(b"\n")[2])
    return inner


def _keep(headers: Headers, name: str, value: bytes) -> None:
    if name:
        text = value[:MAX_HEADER].decode("utf-8", "surrogateescape").strip()
        headers.setdefault(name, []).append(text)


def _unquoted(text: str) -> str:
    text = text.strip()
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:].rstrip('"'))
    return text
