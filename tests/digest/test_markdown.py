from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.markdown import MAX_CHARACTERS, SCHEMES, TAGS, to_html, to_text

PIECES = [
    "<script>", "</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)", "[x](", ")", "![", "](", "<", ">", "&lt;",
    "&#x6a;", "data:text/html,", "vbscript:", "\n", "\n\n", "- ", "> ", "1. ", "# ", "`", "```", "*", "_", "|", "|-|", "\\", '"',
    "'", "https://example.org/", "HTTPS://", "<a href='", " onclick=", "&#13;", "\u202e", "\x00", "style=", "<svg onload=",
]  # fmt: skip
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=30).map("".join)


class _Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


@given(hostile)
def test_html_never_holds_a_tag_an_attribute_or_a_scheme_that_is_not_allowed(markdown: str) -> None:
    for tag, attributes in _Tags(to_html(markdown)).seen:
        assert tag in TAGS
        assert set(attributes) <= {"href", "rel", "start"}
        address = attributes.get("href")
        assert address is None or address.split(":")[0].lower() in SCHEMES


@given(hostile)
def test_neither_form_ever_holds_a_script_tag_or_a_control_character(markdown: str) -> None:
    assert "<script" not in to_html(markdown).lower()
    for rendered in (to_html(markdown), to_text(markdown)):
        assert not set(rendered) & set("\x00\r\x0b\x85\u2028\u202e")


@pytest.mark.parametrize(
    "link",
    ["[a](javascript:alert(1))", "[a](JaVaScRiPt:alert(1))", "[a](&#106;avascript:alert(1))", "<javascript:alert(1)>",
     "[a](data:text/html,x)", "[a](vbscript:x)", "[a](file:///etc/passwd)", "[a](//example.org)", "[a](/x)", "[a](ftp://x)"],
)  # fmt: skip
def test_a_link_that_leads_elsewhere_than_to_the_web_or_to_mail_is_no_link(link: str) -> None:
    assert "href" not in to_html(link)


def test_a_link_says_that_nothing_of_the_reader_goes_with_it() -> None:
    rel = "noopener noreferrer nofollow"
    assert to_html("[a](https://example.org/?a=1&b=2)") == (
        f'<p><a href="https://example.org/?a=1&amp;b=2" rel="{rel}">a</a></p>'
    )


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("See https://example.org/a_b(c).", "https://example.org/a_b(c)"),
        ("(https://example.org/x)", "https://example.org/x"),
        ("**https://example.org/**", "https://example.org/"),
    ],
)
def test_an_address_in_the_text_is_a_link_without_the_marks_around_it(text: str, address: str) -> None:
    assert f'<a href="{address}"' in to_html(text)
    assert address in to_text(text)


def test_html_in_the_source_shows_as_text() -> None:
    assert to_html("<b>x</b> & y") == "<p>&lt;b&gt;x&lt;/b&gt; &amp; y</p>"
    assert to_text("<b>x</b> & y") == "<b>x</b> & y"


def test_an_image_becomes_its_description() -> None:
    assert to_html("![A <chart>](https://example.org/open.png)") == "<p>A &lt;chart&gt;</p>"
    assert to_text("![A chart](https://example.org/open.png)") == "A chart"


def test_headings_start_at_the_third_level() -> None:
    html = to_html("# One\n\n## Two\n\n### Three\n\n#### Four\n\n###### Six")
    assert [tag for tag, _ in _Tags(html).seen] == ["h3", "h4", "h5", "h6", "h6"]


def test_plain_text_keeps_the_shape_of_the_markdown() -> None:
    markdown = (
        "# Wanted\n\nHello *all*, [write](mailto:ann@example.org) or [read](https://example.org/r).\n\n"
        "- one\n  - two\n    more\n- three\n\n  again\n\n3. c\n4. d\n\n"
        "> said\n> so\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n    code\n"
    )
    assert to_text(markdown) == (
        "Wanted\n\nHello all, write (ann@example.org) or read (https://example.org/r).\n\n"
        "- one\n  - two\n    more\n- three\n\n  again\n\n3. c\n4. d\n\n> said\n> so\n\na | b\n1 | 2\n\n    code"
    )


def test_an_address_that_is_its_own_text_is_said_once() -> None:
    assert to_text("<https://example.org/a> <ann@example.org>") == "https://example.org/a ann@example.org"


def test_nothing_comes_of_nothing() -> None:
    assert (to_html(""), to_text(" \n\n ")) == ("", "")


def test_a_body_beyond_the_limit_is_cut_at_the_end_of_a_line() -> None:
    text = to_text("word\n" * (MAX_CHARACTERS // 5 + 100))
    assert len(text) <= MAX_CHARACTERS + 3
    assert text.endswith("word\n\n…")


@pytest.mark.parametrize("piece", ["> ", "- ", "[", "*", "<b>", "1. "])
def test_deep_nesting_neither_overflows_nor_fails(piece: str) -> None:
    body = piece * 5_000 + "x"
    assert "<b>" not in to_html(body)
    assert len(to_html(body)) < 20 * len(body)
    assert len(to_text(body)) <= 2 * len(body)
