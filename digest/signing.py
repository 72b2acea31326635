"""DKIM signatures (RFC 6376, 8301, 8463): rsa-sha256 and ed25519-sha256, relaxed/relaxed, over a message made to be signed.

The body is canonical as it is (see `digest.mime.quoted_printable`), so that it is hashed once and never rewritten; header fields
that all mails of an edition share are made canonical once.
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from digest.mime import CRLF

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

OVERSIGNED = (
    "from", "reply-to", "to", "subject", "date", "message-id", "mime-version", "content-type",
    "list-id", "list-unsubscribe", "list-unsubscribe-post", "cc",
)  # fmt: skip
"""Listed once more than they occur, so that nobody can add one (RFC 6376 8.15)."""
LEAST_BITS, MOST_BITS = 1024, 4096
"""What verifiers must accept of an RSA key, both ends in (RFC 8301 3.2)."""

_LINE = 72
_FOLD = CRLF + b" "


class KeyUnusable(ValueError):
    """What was read is no private key that DKIM knows. The message says why."""


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A private key, and where its public half stands in the DNS: SELECTOR._domainkey.DOMAIN."""

    domain: str
    selector: str
    private: "RSAPrivateKey | Ed25519PrivateKey"

    @property
    def kind(self) -> Literal["rsa", "ed25519"]:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

        return "rsa" if isinstance(self.private, RSAPrivateKey) else "ed25519"

    @property
    def name(self) -> str:
        """The name of the DNS record."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The text of the DNS record (RFC 6376 3.6.1, RFC 8463 4)."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        form = {
            "rsa": (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "ed25519": (Encoding.Raw, PublicFormat.Raw),
        }[self.kind]
        return f"v=DKIM1; k={self.kind}; p={b64encode(self.private.public_key().public_bytes(*form)).decode()}"


def read_key(pem: bytes, domain: str, selector: str) -> DkimKey:
    """The key of a PEM file without a passphrase. Raises KeyUnusable."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnusable("not a private key in PEM form without a passphrase") from None
    if isinstance(private, RSAPrivateKey) and not LEAST_BITS <= private.key_size <= MOST_BITS:
        raise KeyUnusable(f"an RSA key of {private.key_size} bits; DKIM wants {LEAST_BITS} to {MOST_BITS} (RFC 8301)")
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise KeyUnusable("neither an RSA nor an Ed25519 key")
    return DkimKey(domain, selector, private)


class Signer:
    """Signs the messages of one edition, once with each key. All of them have the fields `names`, in this order, once each."""

    def __init__(self, keys: Sequence[DkimKey], names: Sequence[str]) -> None:
        signed = [*names, *(name for name in OVERSIGNED if name in names or name == "cc")]
        self._signatures = [_Signature(key, _folded_names(signed)) for key in keys]

    def fields(self, head: bytes, body: bytes, date: datetime) -> bytes:
        """The DKIM-Signature fields. `head` is what `relaxed` makes of the message's fields; `body` is canonical as it is."""
        body_hash = b64encode(sha256(body).digest())
        at = b"%d" % date.timestamp()
        return b"".join([signature.field(head, body_hash, at) for signature in self._signatures])


class _Signature:
    """What one key's signatures have in common."""

    def __init__(self, key: DkimKey, names: bytes) -> None:
        place = f"d={key.domain};\r\n s={key.selector};"
        self._start = f"DKIM-Signature: v=1; a={key.kind}-sha256; c=relaxed/relaxed;\r\n {place} t=".encode("ascii")
        self._names = b";" + _FOLD + b"h=" + names + b";" + _FOLD + b"bh="
        self._canonical_start = b"dkim-signature:" + self._start.partition(b": ")[2].replace(CRLF, b"")
        self._canonical_names = self._names.replace(CRLF, b"")
        self._sign = _signing(key)

    def field(self, head: bytes, body_hash: bytes, at: bytes) -> bytes:
        """The signature is over the head and this field itself with an empty b= and no line end (RFC 6376 3.7)."""
        canonical = b"".join((self._canonical_start, at, self._canonical_names, body_hash, b"; b="))
        seal = b64encode(self._sign(head + canonical))
        lines = [seal[start : start + _LINE] for start in range(0, len(seal), _LINE)]
        return b"".join((self._start, at, self._names, body_hash, b";", _FOLD, b"b=", _FOLD.join(lines), CRLF))


def relaxed(fields: bytes) -> bytes:
    """Header fields in the relaxed canonical form (RFC 6376 3.4.2): unfolded, names in lower case, white space squeezed."""
    unfolded = fields.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    lines = [line.partition(b":") for line in unfolded.split(CRLF)[:-1]]
    return b"".join([name.lower() + b":" + b" ".join(value.split()) + CRLF for name, _, value in lines])


def names_of(fields: bytes) -> list[str]:
    """The names of the header fields, in lower case and in order."""
    return [line.partition(b":")[0].decode("ascii") for line in relaxed(fields).split(CRLF)[:-1]]


def _folded_names(names: Sequence[str]) -> bytes:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > _LINE:
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n ".join(lines).removesuffix(":").encode("ascii")


def _signing(key: DkimKey) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256

    private, padding, algorithm = key.private, PKCS1v15(), SHA256()
    if isinstance(private, RSAPrivateKey):
        return lambda octets: private.sign(octets, padding, algorithm)
    return lambda octets: private.sign(sha256(octets).digest())  # over the hash, not over the text (RFC 8463 3)
