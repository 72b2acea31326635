"""The fast way says what plain Jinja2 and email.message say, for any member and any items."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.cleaning import one_line
from digest.items import KINDS, Item
from digest.message import Entry, Recipient
from tests.digest.mails import DATE, MESSAGE_ID, a_masthead, parts, read, the_press

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TITLES = WORDS | st.sampled_from(["A <b> & title", "=?utf-8?q?x?=", "word " * 40, "Émile: 12 000", "مرحبا بالعالم"])
TIMES = st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))
ITEMS = st.builds(
    Item,
    title=TITLES, kind=st.sampled_from(KINDS), body=TITLES, summary=TITLES, url=st.just("https://example.org/?a=1&b=2") | WORDS,
    poster=WORDS, language=st.sampled_from(["", "en", "cy", "ar", "fr-CA", "!"]), deadline=TIMES, event_at=TIMES,
    public_id=st.text("abcdefgh234567", min_size=16, max_size=16),
)  # fmt: skip
TERMS = st.lists(st.tuples(TITLES, st.sampled_from(["stated", "topic", "related", "learned"])), max_size=4).map(tuple)
FEEDBACK_TOKENS = st.just("") | st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=58, max_size=58)
ENTRIES = st.lists(
    st.builds(Entry, item=ITEMS, match=st.just(50.0), terms=TERMS, feedback_token=FEEDBACK_TOKENS),
    min_size=1,
    max_size=7,
)
TOKENS = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=42, max_size=42)
RECIPIENTS = st.builds(
    Recipient,
    address=st.sampled_from(["ann@example.org", "o'neil+x@news.example.org"]),
    name=st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), max_size=60),
    language=st.sampled_from(["en", "cy", "fr", "es", "it", "de", ""]),
    leave_token=TOKENS,
    preferences_token=TOKENS,
    keep_token=st.just("") | TOKENS,
)


def plain(recipient: Recipient, entries: list[Entry]) -> EmailMessage:
    """The message as the standard library builds it from the plain way's parts."""
    masthead = a_masthead()
    made = the_press().parts(recipient, entries)
    message = EmailMessage(policy=SMTP.clone(max_line_length=998))
    message["From"] = Address(masthead.sender_name, addr_spec=masthead.sender_address)
    message["Reply-To"] = Address(masthead.network_name, addr_spec=masthead.reply_to)
    message["To"] = Address(one_line(recipient.name), addr_spec=recipient.address)
    message["Date"] = DATE
    message["Message-ID"] = MESSAGE_ID
    message["Subject"] = made.subject
    message["List-Id"] = f'"{masthead.network_name}" <{masthead.list_id}>'
    message["List-Help"] = f"<mailto:{masthead.reply_to}?subject=help>"
    message["List-Unsubscribe"] = (
        f"<{masthead.base_url}/leave/{recipient.leave_token}>,"
        f" <mailto:leave+{recipient.leave_token}@news.example.org?subject=leave>"
    )
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Precedence"] = "list"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Feedback-ID"] = f"{masthead.slot}:{masthead.edition_id}:{masthead.network_slug}:germane"
    message["X-Digest-Issue"] = masthead.slot
    message.set_content(made.text)
    message.add_alternative(made.html, subtype="html")
    message["Content-Language"] = recipient.language if recipient.language in {"en", "cy", "fr", "es", "it"} else "en"
    return read(message.as_bytes())


def without_spaces(value: Any) -> str:
    """White space between adjacent encoded words is not shown, so that it may differ."""
    return "".join(str(value).split())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECIPIENTS, ENTRIES)
def test_the_fast_way_and_the_plain_way_say_the_same(recipient: Recipient, entries: list[Entry]) -> None:
    fast = read(the_press().message(recipient, entries, MESSAGE_ID, DATE))
    slow = plain(recipient, entries)
    names = {name.lower() for name in fast}
    assert names == {name.lower() for name in slow}
    assert len(names) == len(fast.keys())
    assert str(fast["Subject"]).split() == the_press().parts(recipient, entries).subject.split()
    for name in (
        names - {"content-type"} - ({"subject"} if "=?" in str(fast["Subject"]) else set())
    ):  # it takes "=?" as it is
        assert without_spaces(fast[name]) == without_spaces(slow[name]), name
    assert fast.get_content_type() == slow.get_content_type() == "multipart/alternative"
    assert parts(fast).text.rstrip("\n") == parts(slow).text.rstrip("\n")
    assert parts(fast).html.rstrip("\n") == parts(slow).html.rstrip("\n")
