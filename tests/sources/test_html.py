import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.markdown import to_html, to_text
from sources.html import MAX_CHARACTERS, to_line, to_markdown

CASES = [
    ("<p>One</p><p>Two<br>three</p>", "One\n\nTwo\\\nthree"),
    ("<h1>A &amp; B</h1>text", "# A & B\n\ntext"),
    ("a <b>bold </b>and <em>soft</em>", "a **bold** and *soft*"),
    ('<a href="https://example.org/a (b)?c=%20&amp;d">here</a>', "[here](https://example.org/a%20%28b%29?c=%20&d)"),
    ('<a href="javascript:alert(1)">here</a>', "here"),
    ("<ul><li>a<ul><li>b</li></ul></li><li><p>c</p><p>d</p></li></ul>", "- a\n  - b\n- c\n\n  d"),
    ('<ol start="3"><li>a</li><li>b</li></ol>', "3. a\n4. b"),
    ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
    ("<pre>a  *b*\n c</pre>", "    a  *b*\n     c"),
    ("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>", "a | b\n\n1 | 2"),
    ("x<script>alert(1)</script><style>p{}</style><!-- c -->y", "xy"),
    ("<div># no heading</div><div>1. no list</div><div>- nor this</div>", "\\# no heading\n\n1\\. no list\n\n\\- nor this"),
    ("2 * 3 [x](y) `z` a_b _c_ &lt;i&gt; &amp;lt;", "2 \\* 3 \\[x\\](y) \\`z\\` a_b \\_c\\_ \\<i> \\&lt;"),
    ("<li>loose", "- loose"),
    ("</li></ul></a></b>", ""),
    ('<img src="https://example.org/open.png" onerror="x">', ""),
]  # fmt: skip


@pytest.mark.parametrize(("source", "markdown"), CASES)
def test_html_says_the_same_in_markdown(source: str, markdown: str) -> None:
    assert to_markdown(source) == markdown


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1))
def test_text_in_html_comes_out_as_it_was(text: str) -> None:
    assert to_text(to_markdown(f"<p>{html.escape(text)}</p>")) == unicodedata.normalize("NFC", text)


BROKEN = (
    "<ul> <li> </li> <b> </b> <a href='//x'> </a> <pre> x <p> < <!-- <blockquote> </blockquote> <script> & <h2> </h2>"
)


@given(st.lists(st.sampled_from([*BROKEN.split(" "), "\n", " "]), max_size=30))
def test_broken_html_neither_fails_nor_lets_a_tag_through(pieces: list[str]) -> None:
    markdown = to_markdown("".join(pieces))
    assert "<script" not in to_html(markdown)
    to_text(markdown)


def test_lists_in_lists_a_hundred_deep_are_flattened() -> None:
    deep = to_markdown("<ul><li>x" * 100)
    assert deep.count("x") == 100
    assert max(len(line) for line in deep.split("\n")) < 40


def test_html_beyond_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="400,001 characters of html"):
        to_markdown("x" * (MAX_CHARACTERS + 1))


def test_a_relative_link_starts_from_the_address_of_the_page() -> None:
    assert to_markdown('<a href="/b">x</a>', "https://example.org/a") == "[x](https://example.org/b)"
    assert to_markdown('<a href="/b">x</a>') == "x"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("<b>A</b><i>b</i> &amp; c<br>d", "A b & c d"),
        ("Plain &lt;5 text", "Plain <5 text"),
        ("a<script>alert(1)</script>\nb", "a b"),
        ("Tom &amp;amp; Ann", "Tom &amp; Ann"),
    ],
)
def test_a_title_is_the_text_of_its_html_on_one_line(source: str, line: str) -> None:
    assert to_line(source) == line
