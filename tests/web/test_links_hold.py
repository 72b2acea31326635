"""What links in mails can and cannot do, by the numbers of the failures that others had."""

import inspect
import logging
import re

import pytest

from profiles import links, suppression, verp
from profiles.links import sign, verify
from tests.web.pages import KEY, Pages, open_pages

OTHER = b"another key that is at least 32 characters"
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


@pytest.fixture
def pages(sqlite_database) -> Pages:
    return open_pages(sqlite_database)


def tokens(pages: Pages) -> dict[str, str]:
    item = pages.add_item()
    return {
        "leave": pages.leave,
        "keep": pages.keep,
        "preferences": pages.preferences,
        "feedback": pages.feedback(item),
    }


@pytest.mark.parametrize("page", ["leave", "keep", "preferences", "feedback"])
def test_f30_no_changed_character_of_a_link_opens_anything(pages: Pages, page: str) -> None:
    path = tokens(pages)[page]
    before = pages.everything()
    head, _, token = path.rpartition("/")
    for n, letter in enumerate(token):
        other = ALPHABET[(ALPHABET.index(letter) + 1 + n) % 32]
        if other != letter:
            changed = f"{head}/{token[:n]}{other}{token[n + 1 :]}"
            assert pages.client.post(changed, data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert pages.everything() == before


@pytest.mark.parametrize("flip", range(8))
def test_f30_every_bit_of_a_token_counts(flip: int) -> None:
    token = sign(KEY, "leave", "a" * 16).encode()
    for n in range(len(token)):
        flipped = token[:n] + bytes([token[n] ^ 1 << flip]) + token[n + 1 :]
        assert verify(KEY, "leave", flipped.decode("latin-1")) is None


def test_f30_a_link_serves_no_other_member_purpose_or_key(pages: Pages) -> None:
    leave, keep, preferences = (sign(KEY, purpose, pages.public_id) for purpose in ("leave", "keep", "preferences"))
    other = "b" * 16
    assert (
        verify(KEY, "preferences", leave) is verify(KEY, "leave", preferences) is verify(OTHER, "leave", leave) is None
    )
    assert verify(KEY, "leave", other + leave[16:]) is None
    before = pages.everything()
    for path in (
        f"/preferences/{leave}",
        f"/leave/{preferences}",
        f"/leave/{keep}",
        f"/preferences/{keep}",
        f"/keep/{leave}",
        f"/preferences/{leave}/export",
        f"/feedback/{leave}",
    ):
        assert pages.client.get(path).status_code == 404
        assert pages.client.post(path, data={"name": "Mallory", "choice": "leave"}).status_code in {404, 405}
    assert pages.everything() == before


def test_f30_a_return_path_is_no_link_and_a_link_no_return_path() -> None:
    path = verp.return_path(KEY, "a" * 16, "b" * 16, "news.example.org")
    token = path.partition("+")[2].partition("@")[0]
    assert links.verify_feedback(KEY, token) is None
    assert verp.read_return_path(KEY, links.sign_feedback(KEY, "a" * 16, "b" * 16)) is None


def test_f31_seals_are_compared_in_constant_time() -> None:
    for module in (links, verp):
        source = inspect.getsource(module)
        assert "compare_digest" in source
        assert not re.search(r"(==|!=) *(seal|_seal|sign|sign_feedback)\(", source)
    assert "compare_digest" not in inspect.getsource(suppression), (
        "a hash that is looked up is compared by the database"
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_f31_f32_no_log_line_holds_a_token(pages: Pages, caplog: pytest.LogCaptureFixture, method: str) -> None:
    with caplog.at_level(logging.DEBUG, logger="germane"):
        for path in tokens(pages).values():
            pages.client.request(method, path)
    assert caplog.records
    for path in tokens(pages).values():
        assert path.rpartition("/")[2] not in caplog.text


@pytest.mark.parametrize("page", ["leave", "keep", "preferences", "feedback"])
def test_f32_a_page_behind_a_link_tells_no_other_site(pages: Pages, page: str) -> None:
    answer = pages.client.get(tokens(pages)[page])
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.findall(r"(?:src|srcset|action)=[\"']?https?://(?!testserver)", answer.text)
    assert not re.findall(r"<link[^>]*href=[\"']?https?://(?!testserver)", answer.text)


def test_f33_a_scanner_that_follows_every_link_changes_nothing(pages: Pages) -> None:
    """GET and HEAD, each link twice, and every link on the pages behind it."""
    before_links = list(tokens(pages).values())
    before = pages.everything()
    seen: set[str] = set()
    waiting = [
        *before_links,
        *(
            f"{path}?{query}"
            for path in before_links
            for query in ("more", "less", "choice=leave", "choice=keep", "saved")
        ),
    ]
    while waiting:
        path = waiting.pop()
        if path in seen or not path.startswith("/"):
            continue
        seen.add(path)
        for method in ("GET", "HEAD", "GET"):
            answer = pages.client.request(method, path)
        waiting += [link.replace("&amp;", "&") for link in re.findall(r"href=\"([^\"#]+)", answer.text)]
    assert len(seen) > len(before_links)
    assert pages.everything() == before
