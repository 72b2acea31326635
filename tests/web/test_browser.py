"""What a real browser makes of the pages: our own policy must let the stylesheet through."""

import shutil
import socket
import struct
import subprocess
import threading
import time
import zlib
from contextlib import contextmanager

import pytest
import uvicorn

from tests.web.pages import open_pages

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine; apt-get install chromium"),
]


@contextmanager
def served(pages):
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(pages.client.app, log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


def first_pixel(file):
    """The colour of the upper left pixel of a PNG: no PNG filter changes the first pixel of the first row."""
    png, at, data = file.read_bytes(), 8, b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += length + 12
    return zlib.decompress(data)[1:4].hex()


@pytest.mark.parametrize("page", ["leave", "preferences"])
def test_the_stylesheet_gets_past_our_own_policy(sqlite_database, tmp_path, page):
    pages = open_pages(sqlite_database)
    picture = tmp_path / "page.png"
    with served(pages) as address:
        subprocess.run(
            [CHROMIUM, *QUIET, f"--user-data-dir={tmp_path}/profile", "--window-size=500,900",
             f"--screenshot={picture}", f"{address}{getattr(pages, page)}"],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
    paper = (pages.context.templates / "style.css").read_text().split("--paper: #")[1][:6]
    assert first_pixel(picture) == paper
