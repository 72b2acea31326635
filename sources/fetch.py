"""Files from http(s) addresses: bounded in time and size, and never from inside the own network."""

import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any

import httpcore2
import httpx2

MAX_REDIRECTS = 5
ENCODINGS = {"", "identity", "gzip", "x-gzip", "deflate"}
HEADERS = {"User-Agent": "Germane", "Accept-Encoding": "gzip, deflate", "Accept": "*/*"}

IpAddress = IPv4Address | IPv6Address

NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64, which `is_global` lets through
        "64:ff9b:1::/48",  # local NAT64
        "2001::/23",  # protocol assignments, Teredo among them
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local
    )
)
"""Ranges that lead, or may lead, inside by another notation; beside those that Python's ipaddress calls not global."""


class FetchError(Exception):
    """An address that cannot be read. The message says why in plain words, and never repeats a password."""


@dataclass(frozen=True, slots=True)
class Download:
    """What an address gave: a file that lives as long as the `with`, the address it came from in the end, and its media type."""

    file: Path
    url: str
    content_type: str


def is_public(address: IpAddress) -> bool:
    """True for an address that anybody on the internet may reach; false for every other, also when mapped into IPv6."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return False
    inside = any(address in network for network in NOT_PUBLIC if network.version == address.version)
    return address.is_global and not (inside or address.is_multicast or address.is_reserved or address.is_unspecified)


@contextmanager
def download(
    url: str, *, max_octets: int, timeout_s: float, may_connect: Callable[[IpAddress], bool] = is_public
) -> Iterator[Download]:
    """Read `url` into a file. `max_octets` holds on the wire and after unpacking, `timeout_s` for everything together.

    Each name is resolved once, every address it has must pass `may_connect`, and the connection goes to that very address;
    the same for each of at most 5 redirects (OWASP SSRF prevention). Proxies are not used. Raises FetchError.
    """
    with tempfile.TemporaryDirectory(prefix="germane-") as folder:
        file = Path(folder) / "download"
        guard = _Guard(may_connect, time.monotonic() + timeout_s)
        client = httpx2.Client(transport=_Transport(guard), timeout=timeout_s, trust_env=False, headers=HEADERS)
        with _named_problems(timeout_s), client:
            final_url, content_type = _save(client, url, file, max_octets)
        yield Download(file, final_url, content_type)


def _save(client: httpx2.Client, url: str, file: Path, max_octets: int) -> tuple[str, str]:
    response = _follow(client, url)
    try:
        _check_answer(response, max_octets)
        _write_body(response, file, max_octets)
    finally:
        response.close()
    return str(response.url), response.headers.get("content-type", "")


def _follow(client: httpx2.Client, url: str) -> httpx2.Response:
    for _ in range(MAX_REDIRECTS + 1):
        response = client.send(client.build_request("GET", _checked(url)), stream=True)
        if response.next_request is None:
            return response
        url = str(response.next_request.url)
        response.close()  # unread: the body of a redirect may be endless
    raise FetchError(f"it was sent on more than {MAX_REDIRECTS} times")


def _checked(url: str) -> httpx2.URL:
    parsed = httpx2.URL(url)
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise FetchError(f"only http and https addresses are read, not {parsed.scheme or 'this'}:")
    if parsed.userinfo:
        raise FetchError("take the user name and password out of the address; they would be stored and logged")
    return parsed


def _check_answer(response: httpx2.Response, max_octets: int) -> None:
    if response.status_code != 200:
        raise FetchError(f"the server answered {response.status_code} {response.reason_phrase}".rstrip())
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        raise FetchError(f"the server sent content encoding {encoding!r}, which was not asked for")
    announced = response.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_octets:
        raise FetchError(_too_large(max_octets))


def _write_body(response: httpx2.Response, file: Path, max_octets: int) -> None:
    written = 0
    with file.open("wb") as out:
        for chunk in response.iter_bytes():  # unpacked in pieces of at most 1 MiB
            written += len(chunk)
            if max(written, response.num_bytes_downloaded) > max_octets:
                raise FetchError(_too_large(max_octets))
            out.write(chunk)


def _too_large(max_octets: int) -> str:
    return f"it is larger than {max_octets:,} octets (imports.max_bytes)"


@contextmanager
def _named_problems(timeout_s: float) -> Iterator[None]:
    try:
        yield
    except (httpx2.TimeoutException, httpcore2.TimeoutException) as error:
        raise FetchError(f"it took longer than {timeout_s:g} s (imports.timeout_s)") from error
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise FetchError("it is not a valid http(s) address") from error
    except httpx2.DecodingError as error:
        raise FetchError("its compressed content is broken") from error
    except (httpx2.HTTPError, httpcore2.NetworkError, httpcore2.ProtocolError, ssl.SSLError) as error:
        raise FetchError(f"the connection failed: {error or type(error).__name__}") from error


class _Guard(httpcore2.SyncBackend):
    """Connects only to addresses that may be connected to, and lets no connection outlive the deadline (a monotonic time)."""

    def __init__(self, may_connect: Callable[[IpAddress], bool], deadline: float) -> None:
        self.may_connect = may_connect
        self.deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception = FetchError(f"the name {host!r} has no address")
        for address in self._addresses(host, port):
            try:
                stream = super().connect_tcp(address, port, _remaining(self.deadline), local_address, socket_options)
            except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
                failure = error
            else:
                return _Bounded(stream, self.deadline)
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        """Whatever notation `host` is in, what it resolves to is checked."""
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise FetchError(f"the name {host!r} is not known") from error
        texts = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        for text in texts:
            if not self.may_connect(ip_address(text)):
                raise FetchError(
                    f"{host!r} is at {text}, inside a network or on this machine; only public addresses are read"
                )
        return texts


class _Bounded(httpcore2.NetworkStream):
    """A connection on which no single wait, and no sum of short ones, goes past the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: float) -> None:
        self.stream = stream
        self.deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, _remaining(self.deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, _remaining(self.deadline))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Bounded(self.stream.start_tls(ssl_context, server_hostname, _remaining(self.deadline)), self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


def _remaining(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("deadline")
    return left


class _Transport(httpx2.BaseTransport):
    """httpx2's own transport has no way to say how to connect; its connection pool has."""

    def __init__(self, guard: _Guard) -> None:
        context = httpx2.create_ssl_context()
        self.pool = httpcore2.ConnectionPool(ssl_context=context, max_connections=1, network_backend=guard)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        response = self.pool.handle_request(
            httpcore2.Request("GET", target, headers=request.headers.raw, extensions=request.extensions)
        )
        return httpx2.Response(
            response.status, headers=response.headers, stream=_Body(response), extensions=response.extensions
        )

    def close(self) -> None:
        self.pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, response: httpcore2.Response) -> None:
        self.response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from self.response.iter_stream()

    def close(self) -> None:
        self.response.close()
