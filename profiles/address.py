"""E-mail addresses: one spelling to write to, and one key by which a person is found again."""

import hmac
import re
import unicodedata
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

LOCAL_PART_OCTETS = 64  # RFC 5321 section 4.5.3.1.1
ADDRESS_OCTETS = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets

_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_NAMED = re.compile(r"\s*(?P<name>.*?)\s*<(?P<address>[^<>]*)>\s*", re.DOTALL)
_COMMENTED = re.compile(r"\s*(?P<address>[^\s<>()]+)\s+\((?P<name>.*)\)\s*", re.DOTALL)
_ERASED = "erased:"


@dataclass(frozen=True, slots=True)
class Address:
    """`display` is the address to write to, its domain in ASCII; `key` is the same for every spelling of one mailbox."""

    display: str
    key: str


def normalise(address: str) -> Address:
    """The address in Unicode NFC, trimmed, with its domain in lower case and as A-labels (RFC 5890).

    Only the key folds the case of the part before the @-sign. Plus tags and dots are kept: not every server ignores them.
    Nothing is asked of the DNS. Raises ValueError with a plain message.
    """
    text = unicodedata.normalize("NFC", address.strip())
    local, _, domain = text.rpartition("@")
    if _DOT_ATOM.fullmatch(local) and len(local) <= LOCAL_PART_OCTETS:
        ascii_domain = _ascii_domain(domain)
        if len(local) + 1 + len(ascii_domain) <= ADDRESS_OCTETS:
            return _address(local, ascii_domain)
    local, ascii_domain = _validated(text)
    return _address(local, ascii_domain)


def erased_key(key: str, secret: bytes) -> str:
    """What is kept of the key of somebody who was erased: a keyed hash, by which they are known again but not found out."""
    return _ERASED + hmac.digest(secret, b"erased\0" + key.encode(), "sha256").hex()


def split_name(text: str) -> tuple[str, str]:
    """(name, address) of `Name <address>` or `address (Name)` as mail programs and list managers write them; no checks.

    Quotes around the name and encoded words in it (RFC 2047) are taken off. A bare address has the name "".
    """
    found = _NAMED.fullmatch(text) or _COMMENTED.fullmatch(text)
    if found is None:
        return "", text.strip()
    return _decoded(_unquoted(found["name"])), found["address"].strip()


def _address(local: str, ascii_domain: str) -> Address:
    folded = unicodedata.normalize("NFC", local.casefold())
    return Address(f"{local}@{ascii_domain}", f"{folded}@{ascii_domain}")


@lru_cache(maxsize=10_000)
def _ascii_domain(domain: str) -> str:
    """Most addresses of a network share a few domains, and checking one takes 20 times as long as remembering it."""
    return _validated(f"x@{domain}")[1]


def _validated(address: str) -> tuple[str, str]:
    try:
        found = validate_email(address, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    return found.local_part, found.ascii_domain


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name


def _decoded(name: str) -> str:
    if "=?" not in name:
        return name
    try:
        return str(make_header(decode_header(name)))
    except (HeaderParseError, LookupError, ValueError):
        return name
