"""Markdown bodies as safe html for mails and pages, and as plain text that reads well. Safe for hostile input."""

import html
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from digest.cleaning import many_lines

MAX_CHARACTERS = 200_000
"""Longer Markdown is cut here, at the end of a line where there is one: rendering takes up to 10 us a character."""

TEXT_TAGS = {"p", "br", "hr", "strong", "em", "s", "a", "blockquote", "pre", "code", "h3", "h4", "h5", "h6"}
TAGS = TEXT_TAGS | {"ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"}
SCHEMES = {"http", "https", "mailto"}

_ADDRESS = re.compile(r"https?://[^\s<>\"'`|\\^{}]+", re.IGNORECASE)
_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5"}
"""A page or mail has its own h1 and h2, so that a body's headings start below."""


def to_html(markdown: str) -> str:
    """An html fragment: html in the source shows as text, an image becomes its description, links lead to http(s) or mail.

    Headings start at h3.
    """
    parser = _parser()
    tokens = parser.parse(_bounded(markdown))
    _lower_headings(tokens)
    safe = nh3.clean(
        str(parser.renderer.render(tokens, parser.options, {})),
        tags=TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes=SCHEMES,
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )
    return many_lines(safe)  # an entity in the source may have become a control character


def to_text(markdown: str) -> str:
    """Plain text: links as `text (address)`, lists with `- ` or `1. `, quotes with `> `, a blank line between paragraphs."""
    root = SyntaxTreeNode(_parser().parse(_bounded(markdown)))
    return many_lines("\n".join(_spaced(root.children)))


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.core.ruler.after("text_join", "addresses", _link_addresses)
    parser.add_render_rule("image", _description)
    return parser


def _bounded(markdown: str) -> str:
    if len(markdown) <= MAX_CHARACTERS:
        return many_lines(markdown)
    head = markdown[:MAX_CHARACTERS]
    return many_lines(head[: head.rfind("\n")] if "\n" in head else head) + "\n\n…"


def _lower_headings(tokens: Sequence[Token]) -> None:
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = _HEADINGS.get(token.tag, "h6")


def _description(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """An image's own address would be fetched when the mail is opened, which tells its owner who read it."""
    return html.escape(tokens[index].content)


def _link_addresses(state: Any) -> None:
    for token in state.tokens:
        if token.type == "inline" and "://" in token.content:
            token.children = list(_with_links(token.children or []))


def _with_links(children: Sequence[Token]) -> Iterator[Token]:
    inside = 0
    for child in children:
        inside += (child.type == "link_open") - (child.type == "link_close")
        if child.type == "text" and not inside:
            yield from _split_addresses(child)
        else:
            yield child


def _split_addresses(token: Token) -> Iterator[Token]:
    end = 0
    for found in _ADDRESS.finditer(token.content):
        address = _without_closing_marks(found.group())
        yield _text(token.content[end : found.start()])
        yield Token("link_open", "a", 1, attrs={"href": address})
        yield _text(address)
        yield Token("link_close", "a", -1)
        end = found.start() + len(address)
    yield _text(token.content[end:])


def _without_closing_marks(address: str) -> str:
    """The full stop at the end of a sentence, and a bracket that was opened before the address, are not part of it."""
    while address[-1] in ".,;:!?*_~])" and not (address[-1] == ")" and address.count("(") >= address.count(")")):
        address = address[:-1]
    return address


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _spaced(nodes: Sequence[SyntaxTreeNode]) -> list[str]:
    lines: list[str] = []
    for node in nodes:
        lines += [*([""] if lines else []), *_lines(node)]
    return lines


def _lines(node: SyntaxTreeNode) -> list[str]:
    if node.type == "bullet_list":
        return _items(node, ["- "] * len(node.children))
    if node.type == "ordered_list":
        start = int(node.attrs.get("start", 1))
        return _items(node, [f"{n}. " for n in range(start, start + len(node.children))])
    if node.type == "blockquote":
        return [f"> {line}".rstrip() for line in _spaced(node.children)]
    if node.type in {"fence", "code_block"}:
        return [f"    {line}" for line in node.content.rstrip("\n").split("\n")]
    if node.type == "hr":
        return ["-" * 20]
    if node.type == "table":
        return [_cells(row) for part in node.children for row in part.children]
    return _inline(node.children).split("\n")


def _cells(row: SyntaxTreeNode) -> str:
    return " | ".join(_inline(cell.children) for cell in row.children)


def _items(node: SyntaxTreeNode, marks: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for item, mark in zip(node.children, marks, strict=True):
        body = _item_lines(item)
        lines += [mark + (body[0] if body else ""), *(" " * len(mark) + line for line in body[1:])]
    return lines


def _item_lines(item: SyntaxTreeNode) -> list[str]:
    """Without a blank line between an item's text and the list below it."""
    lines: list[str] = []
    for child in item.children:
        spaced = lines and child.type not in {"bullet_list", "ordered_list"}
        lines += [*([""] if spaced else []), *_lines(child)]
    return lines


def _inline(nodes: Sequence[SyntaxTreeNode]) -> str:
    return "".join(_inline_text(node) for node in nodes)


def _inline_text(node: SyntaxTreeNode) -> str:
    if node.type in {"text", "code_inline", "image"}:
        return str(node.content)
    if node.type in {"softbreak", "hardbreak"}:
        return "\n"
    inner = _inline(node.children)
    return _link(inner, str(node.attrs["href"])) if node.type == "link" else inner


def _link(text: str, address: str) -> str:
    if address.split(":")[0].lower() not in SCHEMES or address in {text, f"mailto:{text}"}:
        return text
    return f"{text} ({address.removeprefix('mailto:')})" if text.strip() else address
