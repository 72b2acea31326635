"""A TLS terminator in front of a plain server, and one on the client's side of a peer that speaks no TLS: stunnel for both."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "127.0.0.1"
_COMMON = "foreground = yes\npid =\ndebug = err\nsyslog = no\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"


def is_possible() -> bool:
    """Whether stunnel is installed."""
    return bool(_stunnel())


def make_certificate(folder: Path, host: str = HOST) -> Path:
    """A certificate for an address that vouches for itself, with its key, in one file; valid for a day."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(host))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / f"{host}.pem"
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem))
    return file


@contextlib.contextmanager
def server(certificate: Path, plain_port: int) -> Iterator[int]:
    """The port that speaks TLS from the first octet and hands what it gets to the plain server behind it."""
    port = free_port()
    with _running(
        certificate, "server", f"[in]\naccept = {HOST}:{port}\nconnect = {HOST}:{plain_port}\ncert = {certificate}\n"
    ):
        wait_for(port)
        yield port


@contextlib.contextmanager
def client(certificate: Path, tls_port: int) -> Iterator[int]:
    """The port that takes plain text and speaks TLS, verified, to the server behind it."""
    port = free_port()
    verified = f"client = yes\nCAfile = {certificate}\nverifyChain = yes\ncheckIP = {HOST}\n"
    with _running(certificate, "client", f"[out]\naccept = {HOST}:{port}\nconnect = {HOST}:{tls_port}\n{verified}"):
        wait_for(port)
        yield port


@contextlib.contextmanager
def _running(beside: Path, name: str, service: str) -> Iterator[None]:
    file = beside.with_name(f"stunnel-{name}.conf")
    file.write_text(_COMMON + service, encoding="utf-8")
    process = subprocess.Popen(
        [_stunnel() or "stunnel4", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Until somebody listens there, at most ten seconds."""
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.05)


def _stunnel() -> str | None:
    return shutil.which("stunnel4") or shutil.which("stunnel")
