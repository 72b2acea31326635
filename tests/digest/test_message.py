import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from digest.items import KINDS, Item
from digest.message import DigestPress, Entry, TemplateError
from tests.digest.mails import (
    DATE,
    MESSAGE_ID,
    TERMS,
    a_masthead,
    a_recipient,
    an_entry,
    an_environment,
    parts,
    read,
    sent,
    the_press,
)

HOSTILE = [
    "\r\nBcc: evil@example.net",
    "\u2028X-Injected: yes",
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>",
    "=?utf-8?q?=0D=0ABcc=3A_evil?=",
    '"Dr", Ann; <ann@example.net>',
    "\u202eright to left\u202c \x00\x07\x1b[31m",
    "😀 👩🏽‍⚕️ 山田太郎 مرحبا",
    "{{ 7*7 }} {% raw %} %(n)s %s",
    ".\n.\nFrom nobody",
    "\ue000leave_url\ue001",
    "\ud800",
    "x" * 5000,
    "",
]


class Tags(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def hostile_entries(text: str) -> list[Entry]:
    when = datetime(2026, 12, 4, 16, 0, tzinfo=UTC)
    values = {
        "title": text,
        "body": text,
        "summary": text,
        "url": text,
        "poster": text,
        "language": text,
        "public_id": text,
    }
    return [Entry(Item(**values, kind=kind, deadline=when), 50.0, ((text, "stated"), (text, text))) for kind in KINDS]


def test_the_fields_of_a_digest() -> None:
    message = sent([an_entry()])
    assert {name: str(value) for name, value in message.items()} == {
        "From": '"Breathe, Network" <digest@news.example.org>',
        "Reply-To": '"Breathe, Network" <office@example.org>',
        "List-Id": '"Breathe, Network" <digest.news.example.org>',
        "List-Help": "<mailto:office@example.org?subject=help>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Precedence": "list",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Feedback-ID": "2026-W47:edition000000000:breathe:germane",
        "X-Digest-Issue": "2026-W47",
        "MIME-Version": "1.0",
        "Subject": "Examples of exercise classes",
        "To": "Ann Example <ann@example.org>",
        "Date": "Mon, 16 Nov 2026 07:30:00 +0000",
        "Message-ID": MESSAGE_ID,
        "List-Unsubscribe": (
            f"<https://germane.example.org/leave/leave{'a' * 37}>,"
            f" <mailto:leave+leave{'a' * 37}@news.example.org?subject=leave>"
        ),
        "Content-Language": "en",
        "Content-Type": message["Content-Type"],
    }
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert not message.defects


def test_the_same_in_gives_the_same_out() -> None:
    entries = [an_entry(), an_entry(kind="request")]
    fresh = DigestPress(an_environment(), a_masthead(), {"copd": "COPD"})
    first, again = (p.message(a_recipient(), entries, MESSAGE_ID, DATE) for p in (the_press(), fresh))
    assert first == again


def test_requests_come_first_and_each_kind_has_one_heading() -> None:
    entries = [an_entry(title=f"{kind} {n}", kind=kind) for n in (1, 2) for kind in ("news", "event", "request")]
    text = parts(sent(entries)).text
    order = [
        text.index(words) for words in ("REQUESTS FOR HELP", "request 1", "request 2", "EVENTS", "event 1", "NEWS")
    ]
    assert order == sorted(order)
    assert text.count("EVENTS\n") == 1


def test_the_reason_and_the_links_are_in_both_parts() -> None:
    for part in parts(sent([an_entry(kind="request")]))[1:]:
        words = " ".join(part.split())
        assert "Why you get this: you said pulmonary rehabilitation, home oxygen; you follow COPD" in words
        assert f"https://germane.example.org/leave/leave{'a' * 37}" in words
        assert f"https://germane.example.org/preferences/prefs{'b' * 37}" in words
        assert "https://germane.example.org/items/item000000000001" in words
        assert "1 Example Street, Cardiff CF10 1AA" in words
        assert all(phrase in words for phrase in ("Choose what you get", "Leave this list", "Write to offer help"))


def test_members_get_their_own_reasons_and_links_only() -> None:
    item = an_entry().item
    mine = parts(sent([an_entry(item, (("aphasia", "stated"),))], a_recipient(leave_token="mine" * 10)))
    yours = parts(sent([an_entry(item, (("home oxygen", "topic"),))], a_recipient(leave_token="yours" * 8)))
    for theirs, own, other in ((mine, "aphasia", "home oxygen"), (yours, "home oxygen", "aphasia")):
        for part in theirs[1:]:
            assert own in part
            assert other not in part
    assert "yoursyours" not in "".join(mine)
    assert "minemine" not in "".join(yours)


def test_an_item_that_was_changed_is_rendered_anew() -> None:
    entry = an_entry(title="Before")
    sent([entry])
    assert "After" in parts(sent([replace(entry, item=replace(entry.item, title="After"))])).html


@pytest.mark.parametrize("language", ["en", "cy", "fr", "es", "it"])
def test_the_mail_is_in_the_members_language(language: str) -> None:
    message = sent([an_entry()], a_recipient(language=language))
    assert message["Content-Language"] == language
    assert Tags(parts(message).html).named("html")[0]["lang"] == language


def test_an_unknown_language_falls_back_to_the_networks() -> None:
    press = DigestPress(an_environment(), a_masthead(language="cy"), {})
    assert sent([an_entry()], a_recipient(language="de"), press)["Content-Language"] == "cy"
    assert sent([an_entry()], a_recipient(language=""), press)["Content-Language"] == "cy"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_items_stay_words(text: str) -> None:
    message = sent(hostile_entries(text))
    assert message.keys() == sent([an_entry()]).keys()
    html = parts(message).html
    tags = Tags(html)
    assert {tag for tag, _ in tags.found} <= {
        "html", "head", "meta", "title", "style", "body", "div", "table", "tbody", "tr", "td", "h1", "h2", "h3", "p", "a",
    }  # fmt: skip
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
    assert all(re.match(r"(https://germane\.example\.org/|mailto:office@)", a["href"] or "") for a in tags.named("a"))
    assert not re.search(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u202a-\u202e\ue000\ue001]", html + parts(message).text
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_add_no_field_and_no_recipient(text: str) -> None:
    octets = the_press().message(a_recipient(name=text), [an_entry()], MESSAGE_ID, DATE)
    message = read(octets)
    assert message.keys() == sent([an_entry()]).keys()
    assert [address.addr_spec for address in message["To"].addresses] == ["ann@example.org"]
    assert octets.isascii()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_message_has_only_short_lines_and_crlf(text: str) -> None:
    octets = the_press().message(a_recipient(name=text), hostile_entries(text), MESSAGE_ID, DATE)
    head, _, body = octets.partition(b"\r\n\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\x00", octets)
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert max(map(len, head.split(b"\r\n"))) <= 998


def test_a_local_part_that_is_not_ascii_is_the_only_8_bit_text() -> None:
    octets = the_press().message(a_recipient(address="käfer@münchen.example"), [an_entry()], MESSAGE_ID, DATE)
    assert [line for line in octets.split(b"\r\n") if not line.isascii()] == [
        "To: Ann Example <käfer@xn--mnchen-3ya.example>".encode()
    ]


def test_a_full_digest_stays_small() -> None:
    entries = [
        an_entry(title="word " * 60, body="word " * 9000, kind=KINDS[n % 7], public_id=f"i{n}") for n in range(12)
    ]
    assert len(the_press().message(a_recipient(), entries, MESSAGE_ID, DATE)) < 60_000


def test_an_item_in_another_language_says_so() -> None:
    html = parts(sent([an_entry(title="مرحبا", language="ar")])).html
    assert {"lang": "ar", "dir": "rtl"}.items() <= Tags(html).named("h3")[0].items()


def test_nothing_is_fetched_and_nothing_runs() -> None:
    html = parts(sent([an_entry(kind=kind, body="![logo](https://example.org/x.png)") for kind in KINDS])).html
    assert not re.search(r"<(img|script|link|iframe|form)|src=|url\(|@import", html)


def test_a_mail_without_items_is_refused() -> None:
    for way in (lambda: sent([]), lambda: the_press().parts(a_recipient(), [])):
        with pytest.raises(ValueError, match="at least one item"):
            way()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"sender_address": "nobody"}, "not an e-mail address"),
        ({"reply_to": ""}, "not an e-mail address"),
        ({"list_id": "digest"}, "not a list id"),
    ],
)
def test_a_masthead_that_cannot_be_used_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        DigestPress(an_environment(), a_masthead(**changes), {})


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"digest_card_html": "<p>\n{{ card.title }\n</p>"}, r"digest\.card\.html, line 2: unexpected '}'"),
        ({"digest_txt": "{% if lead %}\n{{ body }}"}, r"digest\.txt, line 2: .*end of template"),
        ({"digest_html": "<p>\n\n{{ network }}</p>"}, r"digest\.html, line 3: 'network' is not known here"),
        (
            {"digest_card_txt": "a\n{% if false %}{{ nmae }}{% endif %}"},
            r"digest\.card\.txt, line 2: 'nmae' is not known",
        ),
        ({"digest_card_txt": "\n{{ card.nmae }}"}, r"digest\.card\.txt, line 2: .*nmae"),
        ({"digest_section_html": "{{ heading|uper }}"}, r"digest\.section\.html, line 1: No filter named 'uper'"),
        ({"digest_subject_txt": "{{ subject / 2 }}"}, r"digest\.subject\.txt, line 1: unsupported operand"),
        ({"digest_card_txt": "{{ why|upper }}"}, r"email/digest\*\.txt: .* written out as they are"),
    ],
)
def test_a_template_with_an_error_fails_before_anything_is_composed(overrides: dict[str, str], complaint: str) -> None:
    with pytest.raises(TemplateError, match=complaint):
        DigestPress(an_environment(**overrides), a_masthead(), {})


def test_terms_are_remembered_by_their_words() -> None:
    html = parts(sent([an_entry(terms=TERMS), an_entry(terms=TERMS[::-1], public_id="other")])).html
    assert html.count("you said pulmonary rehabilitation, home oxygen; you follow COPD") == 1
    assert html.count("you follow COPD; you said home oxygen, pulmonary rehabilitation") == 1


def test_a_silent_member_is_asked_once_with_a_link_to_say_yes() -> None:
    asked, plain = sent([an_entry()], a_recipient(keep_token="k" * 42)), sent([an_entry()], a_recipient())
    for part in parts(asked)[1:]:
        assert part.count("Do you still want this mail?") == 1
        assert part.count("/keep/" + "k" * 42) == 1
        assert part.index("Yes, keep it coming") < part.rindex("Examples of exercise classes")
    assert not any("/keep/" in part for part in parts(plain)[1:])
