"""The folder of private keys: one folder a domain, in it SELECTOR-rsa.pem and SELECTOR-ed25519.pem, for nobody else to read."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.settings import Settings, SettingsError

if TYPE_CHECKING:
    from digest.signing import DkimKey

RSA_BITS = 2048
"""RFC 8301 3.2 asks at least that much; the DNS record of a longer key does not fit one string."""
KINDS = ("rsa", "ed25519")

_FILE = re.compile(rf"(.+)-({'|'.join(KINDS)})\.pem")


class KeysExist(Exception):
    """There is a key of this selector already; it stays."""


def domain_of(sender_address: str) -> str:
    """The domain that signs for a sender, in lower case and as A-labels. Raises ValueError for what is no address."""
    from digest.mime import wire_address

    return wire_address(sender_address).rpartition("@")[2].lower()


def keys_for(settings: Settings, sender_address: str) -> "list[DkimKey]":
    """The keys that sign a sender's mail now, RSA first; none where signing is left to the mail server.

    Raises SettingsError when the RSA key is missing or one cannot be read: unsigned mail must not go out unnoticed.
    """
    if not settings.dkim.sign:
        return []
    domain, selector = domain_of(sender_address), settings.dkim.selector
    found = [load(file) for file in key_files(settings, domain, selector) if file.exists()]
    if not found or found[0].kind != "rsa":
        missing = key_files(settings, domain, selector)[0]
        raise SettingsError(
            f"{missing}: there is no such key, and dkim.sign is true; `germane dkim keygen` makes one, "
            "or set dkim.sign = false where the mail server signs"
        )
    return found


def key_files(settings: Settings, domain: str, selector: str) -> list[Path]:
    return [Path(settings.dkim.keys) / domain / f"{selector}-{kind}.pem" for kind in KINDS]


def every_key(settings: Settings, domain: str) -> "list[DkimKey]":
    """All keys of a domain, those of other selectors too, by selector. Raises SettingsError for one that cannot be read."""
    files = [file for file in Path(settings.dkim.keys, domain).glob("*.pem") if _FILE.fullmatch(file.name)]
    return [load(file) for file in sorted(files, key=lambda file: (_selector(file), KINDS.index(_kind(file))))]


def load(file: Path) -> "DkimKey":
    """Raises SettingsError, naming the file."""
    from digest.signing import KeyUnusable, read_key

    try:
        return read_key(file.read_bytes(), file.parent.name, f"{_selector(file)}-{_kind(file)}")
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except KeyUnusable as error:
        raise SettingsError(f"{file}: {error}") from None


def make(settings: Settings, domain: str, selector: str) -> "list[DkimKey]":
    """Write a new pair of keys. Raises KeysExist where there is one of that selector, and OSError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    files = key_files(settings, domain, selector)
    if any(file.exists() for file in files):
        raise KeysExist
    files[0].parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    files[0].parent.mkdir(exist_ok=True, mode=0o700)
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    _write(files[0], generate_private_key(65537, RSA_BITS).private_bytes(*form))
    _write(files[1], Ed25519PrivateKey.generate().private_bytes(*form))
    return [load(file) for file in files]


def is_private(file: Path) -> bool:
    """Whether nobody but its owner may read it."""
    return not file.stat().st_mode & 0o077


def _write(file: Path, content: bytes) -> None:
    """Never open to others, not even for a moment, and on the disk before its record is published."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _selector(file: Path) -> str:
    found = _FILE.fullmatch(file.name)
    assert found
    return found[1]


def _kind(file: Path) -> str:
    found = _FILE.fullmatch(file.name)
    assert found
    return found[2]
