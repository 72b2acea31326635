import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest

from sources.fetch import Download, FetchError, IpAddress, download, is_public

Answer = Callable[[BaseHTTPRequestHandler], None]


def on_loopback(address: IpAddress) -> bool:
    return address == ip_address("127.0.0.1")


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """A real HTTP server on this machine that answers each GET with `answer`; gives its address without a slash."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def content(body: bytes, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def redirect(to: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", to)
        request.end_headers()

    return answer


def read(url: str, max_octets: int = 100_000, timeout_s: float = 10) -> tuple[bytes, Download]:
    with download(url, max_octets=max_octets, timeout_s=timeout_s, may_connect=on_loopback) as found:
        return found.file.read_bytes(), found


def refusal(url: str, max_octets: int = 100_000, timeout_s: float = 10) -> str:
    with pytest.raises(FetchError) as caught:
        read(url, max_octets, timeout_s)
    return str(caught.value)


def test_a_file_is_read_with_its_media_type() -> None:
    with server(content(b"<rss/>", Content_Type="application/rss+xml")) as base:
        body, found = read(f"{base}/feed?a=1")
    assert (body, found.content_type, found.url) == (b"<rss/>", "application/rss+xml", f"{base}/feed?a=1")
    assert not found.file.exists()


def test_a_compressed_answer_is_unpacked() -> None:
    with server(content(gzip.compress(b"title\nHelp\n"), Content_Encoding="gzip")) as base:
        assert read(base)[0] == b"title\nHelp\n"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
     "239.1.1.1", "255.255.255.255", "240.0.0.1", "192.0.0.8", "198.18.0.1", "203.0.113.7", "192.88.99.1", "::", "::1", "fe80::1",
     "fe80::1%1", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "64:ff9b::7f00:1",
     "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "3fff::1"],
)  # fmt: skip
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:2800:21f:cb07::1", "2a00:1450::1"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "127.1", "0", "[::1]", "[::ffff:127.0.0.1]",
     "[::ffff:7f00:1]", "169.254.169.254", "[::]", "127.0.0.1.", "LOCALHOST"],
)  # fmt: skip
def test_this_machine_is_refused_in_every_notation_and_never_connected_to(host: str) -> None:
    asked: list[str] = []
    with server(lambda request: asked.append(request.path)) as base:
        port = base.rsplit(":", 1)[1]
        with pytest.raises(FetchError), download(f"http://{host}:{port}/", max_octets=1000, timeout_s=5):
            pytest.fail("it was read")
    assert asked == []


def test_a_redirect_is_followed() -> None:
    with server(content(b"here")) as end, server(redirect(f"{end}/there")) as start:
        body, found = read(start)
    assert (body, found.url) == (b"here", f"{end}/there")


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("http://10.0.0.1/", "only public addresses"),
        ("http://[::ffff:7f00:1]:8025/", "only public addresses"),
        ("http://169.254.169.254/latest/meta-data/", "only public addresses"),
        ("file:///etc/passwd", "only http and https"),
        ("gopher://127.0.0.1/", "only http and https"),
        ("http://ann:secret@127.0.0.1/", "user name and password"),
    ],
)
def test_a_redirect_is_checked_like_the_address_itself(to: str, why: str) -> None:
    with server(redirect(to)) as base:
        message = refusal(base)
    assert why in message
    assert "secret" not in message


def test_a_circle_of_redirects_ends() -> None:
    with server(redirect("/again")) as base:
        assert refusal(base) == "it was sent on more than 5 times"


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that gives another answer the second time (DNS rebinding) is not asked a second time."""
    real, asked = socket.getaddrinfo, []

    def rebinding(host: str, *rest: object, **options: object) -> object:
        if host == "rebind.example.org":
            asked.append(host)
            host = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return real(host, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with server(content(b"safe")) as base:
        assert read(base.replace("127.0.0.1", "rebind.example.org"))[0] == b"safe"
    assert asked == ["rebind.example.org"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "only http and https"),
        ("ftp://example.org/", "only http and https"),
        ("http://", "only http and https"),
        ("http://ann:secret@127.0.0.1/", "user name and password"),
        ("http://no-such-name.invalid/", "is not known"),
        ("http://exa mple.org/", "is not known"),
        ("http://" + "a" * 300 + ".org/", "is not known"),
        ("http://[::1", "not a valid http(s) address"),
    ],
)
def test_an_address_that_cannot_be_read_says_why(url: str, why: str) -> None:
    assert why in refusal(url)


def test_a_page_that_is_not_there_says_so() -> None:
    with server(lambda request: request.send_error(404)) as base:
        assert refusal(base) == "the server answered 404 Not Found"


def test_a_server_that_is_down_says_so() -> None:
    with server(content(b"")) as base:
        pass
    assert "the connection failed" in refusal(base)


def test_a_file_that_says_it_is_too_large_is_not_read() -> None:
    with server(content(b"", Content_Length="5000")) as base:
        assert "larger than 1,000 octets" in refusal(base, max_octets=1000)


def test_an_endless_file_is_left_at_the_limit() -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(b"x" * 10_000)

    with server(endless) as base:
        assert "larger than 100,000 octets" in refusal(base)


def test_a_small_file_that_unpacks_to_a_huge_one_is_left_at_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000, compresslevel=9)
    assert len(bomb) < 100_000
    with server(content(bomb, Content_Encoding="gzip")) as base:
        assert "larger than 100,000 octets" in refusal(base)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd"])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    with server(content(b"x", Content_Encoding=encoding)) as base:
        assert "content encoding" in refusal(base)


def test_broken_compression_says_so() -> None:
    with server(content(b"this is not gzip", Content_Encoding="gzip")) as base:
        assert refusal(base) == "its compressed content is broken"


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_server_that_drips_is_left_at_the_deadline(where: str) -> None:
    stop = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.0 200 OK\r\n" + (b"X: " if where == "headers" else b"\r\n"))
        while not stop.wait(0.05):
            request.wfile.write(b"a")

    with server(drip) as base:
        assert refusal(base, timeout_s=0.4) == "it took longer than 0.4 s (imports.timeout_s)"
        stop.set()
