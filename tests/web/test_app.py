import logging

import pytest
from sqlalchemy.exc import OperationalError

from store.database import Database, DatabaseBusy
from tests.web.pages import client_of, open_pages
from web.app import ROUTES
from web.context import WebContext

TOKENS = {"/leave/{token}": "leave", "/preferences/{token}": "preferences"}


@pytest.fixture
def pages(sqlite_database):
    return open_pages(sqlite_database)


def every_address(pages):
    """One address for each route that there is, so that a new route cannot be forgotten."""
    item = pages.add_item()
    known = {
        "/": "/",
        "/health": "/health",
        "/style.css": "/style.css",
        "/leave/{token}": pages.leave,
        "/keep/{token}": pages.keep,
        "/preferences/{token}": pages.preferences,
        "/preferences/{token}/export": f"{pages.preferences}/export",
        "/preferences/{token}/learned": f"{pages.preferences}/learned",
        "/feedback/{token}": f"{pages.feedback(item)}?more",
        "/items/{public_id}": f"/items/{item}",
        "/hooks/bounces": "/hooks/bounces",
    }
    return [known[route.path] for route in ROUTES]


def test_reading_every_page_twice_changes_nothing(pages):
    addresses = every_address(pages)
    before = pages.everything()
    for address in [*addresses, "/nothing", "/leave/broken"] * 2:
        for method in ("GET", "HEAD", "OPTIONS"):
            pages.client.request(method, address)
    assert pages.everything() == before


def test_every_answer_carries_the_headers_that_keep_a_link_private(pages):
    for address in [*every_address(pages), "/nothing", "/leave/broken"]:
        headers = pages.client.get(address).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'"), address
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert "noindex" in headers["x-robots-tag"]
        assert headers["cache-control"] == "no-store" or address == "/style.css", address
        assert "set-cookie" not in headers


def test_no_page_loads_anything_but_the_stylesheet(pages):
    for address in every_address(pages):
        html = pages.client.get(address).text
        if html.startswith("<!doctype html>"):
            assert html.count("/style.css?") == 1
            for mark in ("<script", "<img", "<iframe", " style=", "onclick", "@import"):
                assert mark not in html, (address, mark)


def test_the_log_names_routes_and_never_a_token(pages, caplog):
    with caplog.at_level(logging.DEBUG):
        for address in every_address(pages):
            pages.client.get(address)
        pages.client.post(pages.leave, data={"List-Unsubscribe": "One-Click"})
        pages.client.post(pages.preferences, data={"stated": "x"})
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("germane")]
    assert any(line.startswith("POST /leave/{token} 200") for line in ours)
    for path in (pages.leave, pages.preferences):
        assert not any(path.split("/")[-1] in line for line in ours)
    assert pages.now().member.address not in "".join(ours)


def test_a_body_over_the_limit_is_refused_whether_it_says_its_size_or_not(pages):
    before = pages.everything()
    large = b"stated=" + b"x" * 1_100_000
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert pages.client.post(pages.preferences, content=large, headers=form).status_code == 413
    chunks = (large[n : n + 50_000] for n in range(0, len(large), 50_000))
    assert pages.client.post(pages.leave, content=chunks, headers=form).status_code == 413
    assert pages.everything() == before


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xff\xfe\x00%zz=&&;", "application/x-www-form-urlencoded"),
        (b"--x\r\nnot a part", "multipart/form-data; boundary=x"),
        (b"no boundary", "multipart/form-data"),
        (b"{}", "application/json"),
        (b"", "text/plain; charset=utf-9"),
    ],
)
def test_a_body_that_is_no_form_changes_nothing_and_shows_no_traceback(pages, body, kind):
    before = pages.everything()
    for address in (pages.leave, pages.preferences):
        answer = pages.client.post(address, content=body, headers={"Content-Type": kind})
        assert answer.status_code in {200, 400, 422}
        assert "Traceback" not in answer.text
    assert pages.everything() == before


def test_a_file_is_no_answer(pages):
    answer = pages.client.post(pages.leave, files={"List-Unsubscribe": ("a.txt", "One-Click")})
    assert answer.status_code == 400
    assert pages.now().member.status == "active"


def test_a_slash_at_the_end_leads_nowhere_and_redirects_nobody(pages):
    assert pages.client.post(f"{pages.leave}/", data={"List-Unsubscribe": "One-Click"}).status_code == 404


@pytest.mark.parametrize("base_url", ["https://example.org/mail", "https://example.org/a/b"])
def test_the_pages_answer_below_the_path_of_the_base_address_and_without_it(sqlite_database, base_url):
    pages = open_pages(sqlite_database, base_url=base_url)
    path = base_url.removeprefix("https://example.org")
    assert f'href="{path}/style.css?' in pages.client.get(pages.leave).text
    assert pages.client.get(f"{path}{pages.leave}").status_code == 200
    assert pages.client.get(f"{path}/style.css").status_code == 200
    assert f'href="{path}{pages.leave}"' in pages.client.get(pages.preferences).text


def test_health_tells_the_version_of_the_tables(pages):
    answer = pages.client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["schema"]


def test_health_is_unwell_without_tables_and_tells_the_world_no_more(tmp_path, pages):
    empty = Database(f"sqlite:///{tmp_path}/empty.db")
    answer = client_of(moved(pages.context, empty)).get("/health")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
    empty.close()


def moved(context, database):
    return WebContext(database, context.secret_key, context.base_url, context.now, context.templates)


class Failing:
    """A database whose every use fails in the given way."""

    def __init__(self, error):
        self.error = error

    def reading(self):
        raise self.error

    writing = reading


def test_a_busy_database_is_a_page_that_says_try_again(pages):
    client = client_of(moved(pages.context, Failing(DatabaseBusy("locked"))))
    answer = client.post(pages.leave, data={"List-Unsubscribe": "One-Click"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "locked" not in answer.text


def test_a_surprise_is_a_page_without_details_and_a_logged_traceback(pages, caplog):
    error = OperationalError("select secret", {}, Exception("surprise"))
    answer = client_of(moved(pages.context, Failing(error))).get(pages.leave)
    assert answer.status_code == 500
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "secret" not in answer.text
    assert "/leave/{token} failed" in caplog.text
    assert pages.leave not in caplog.text
