from datetime import timedelta

import pytest

from tests.builders import NOW
from tests.web.pages import open_pages


@pytest.fixture
def pages(sqlite_database):
    return open_pages(sqlite_database)


def page(pages, **changes):
    return pages.client.get(f"/items/{pages.add_item(**changes)}")


def test_an_item_shows_what_it_is_about_and_how_to_answer(pages):
    answer = page(
        pages,
        kind="request",
        title="Who has a 100% success rate & more?",
        poster="Dr Morgan",
        body="We use **virtual wards**.",
        deadline=NOW + timedelta(days=9),
        url="https://example.org/more",
    )
    assert answer.status_code == 200
    for words in (
        "<strong>virtual wards</strong>",
        "Dr Morgan",
        "Wednesday, 25 November 2026, 07:30",
        "Write to offer help",
    ):
        assert words in answer.text
    assert 'href="https://example.org/more"' in answer.text
    subject = "I%20can%20help%3A%20Who%20has%20a%20100%25%20success%20rate%20%26%20more%3F"
    assert f'href="mailto:office@example.org?subject={subject}"' in answer.text


def test_a_title_cannot_add_a_field_to_the_mail(pages):
    answer = page(pages, kind="request", title="Hello&bcc=x@example.org\r\nCc: y@example.org")
    mailto = answer.text.split('href="mailto:')[1].split('"')[0]
    assert mailto.count("?") == 1
    assert not any(mark in mailto for mark in ("&", "%0D", "%0A", "\n"))


def test_html_in_an_item_shows_as_text(pages):
    hostile = "<script>alert(1)</script>"
    answer = page(pages, title=hostile, body=f"{hostile}\n\n[x](javascript:alert(1))", poster=hostile)
    assert "<script" not in answer.text
    assert "javascript:" not in answer.text.replace("](javascript:", "")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//example.org", "http://[bad", "mailto:a@b.c"]
)
def test_only_web_addresses_become_a_link(pages, url):
    answer = page(pages, url=url)
    assert answer.status_code == 200
    assert "Read more" not in answer.text


@pytest.mark.parametrize(
    ("state", "status"), [("draft", 404), ("held", 404), ("withdrawn", 410), ("closed", 200), ("expired", 200)]
)
def test_what_is_not_published_is_not_shown(pages, state, status):
    answer = page(pages, state=state, title="Distinctive words")
    assert answer.status_code == status
    assert ("Distinctive words" in answer.text) == (status == 200)


def test_an_item_of_tomorrow_is_not_shown_today(pages):
    item = pages.add_item(published_at=NOW + timedelta(days=1))
    assert pages.client.get(f"/items/{item}").status_code == 404
    assert pages.later(days=1).client.get(f"/items/{item}").status_code == 200


def test_what_is_over_can_be_read_but_not_answered(pages):
    answer = page(pages, kind="request", deadline=NOW - timedelta(days=1))
    assert "This is over" in answer.text
    assert "Write to offer help" not in answer.text
    assert "has been answered" in page(pages, kind="request", state="closed").text


@pytest.mark.parametrize("who", ["1", "item-1", "a" * 16, "A" * 16, "%2e%2e", "é"])
def test_only_a_public_id_finds_an_item(pages, who):
    pages.add_item(external_id="item-1")
    assert pages.client.get(f"/items/{who}").status_code == 404


def test_an_item_in_another_language_says_so(pages):
    assert '<article lang="cy">' in page(pages, language="cy").text


def test_the_page_tells_nothing_about_members(pages):
    assert pages.now().member.address not in page(pages).text
