from datetime import UTC, datetime
from typing import Any

import pytest

from digest.cards import LONGEST_REASON, Card, Place, card, lead, reason, web_address
from digest.items import Item
from digest.translation import load_translations
from tests.digest.mails import an_environment

TRANSLATIONS = load_translations(an_environment())
ENGLISH = TRANSLATIONS["en"]
PLACE = Place("https://germane.example.org", "office+help@example.org", "Europe/London")


def of(mail: str = "en", **values: Any) -> Card:
    item = Item(**{"title": "Discharge letters", "public_id": "item000000000001"} | values)
    return card(item, PLACE, TRANSLATIONS[mail])


def why(*terms: tuple[str, str], language: str = "en") -> str:
    return reason(terms, {"copd": "COPD"}, TRANSLATIONS[language])


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "data:text/html,x", "http://example.org/", "//example.org", "https://u:p@example.org/",
        "https:///x", "https://exa mple.org/", "https://[::1", "ftp://example.org", "", "x",
    ],
)  # fmt: skip
def test_only_a_plain_https_address_is_linked(url: str) -> None:
    assert web_address(url) == ""
    assert of(url=url).url == "https://germane.example.org/items/item000000000001"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://example.org/a?b=1&c=2#d", "https://example.org/a?b=1&c=2#d"),
        ('https://münchen.example/ü?q=ä b"<>', "https://xn--mnchen-3ya.example/%C3%BC?q=%C3%A4%20b%22%3C%3E"),
        ("https://EXAMPLE.org:8443/%20x", "https://example.org:8443/%20x"),
        (" https://example.org/{a}|[b] ", "https://example.org/%7Ba%7D%7C%5Bb%5D"),
    ],
)
def test_an_address_is_written_in_ascii(url: str, address: str) -> None:
    assert web_address(url) == address


def test_only_a_request_asks_for_help() -> None:
    assert of(kind="event").help_url == ""
    assert of(kind="request", title="Letters & more?").help_url == (
        "mailto:office+help@example.org?subject=I%20can%20help%3A%20Letters%20%26%20more%3F"
        "&body=https%3A%2F%2Fgermane.example.org%2Fitems%2Fitem000000000001"
    )


def test_a_posters_address_is_never_shown() -> None:
    assert of(poster="Jane Doe <jane.doe@trust.example.org>").byline == "From Jane Doe"


def test_dates_say_what_they_are_for() -> None:
    when = datetime(2026, 12, 4, 23, 59, tzinfo=UTC)
    assert of(kind="request", deadline=when).dates == ("Reply by Friday 4 December 2026",)
    assert of(kind="event", event_at=when, deadline=when).dates == (
        "Friday 4 December 2026",
        "Register by Friday 4 December 2026",
    )
    assert of().dates == ()


def test_the_language_of_an_item_is_named_where_it_is_not_the_mails() -> None:
    assert (of(language="cy").language, of("cy", language="cy").language) == ("cy", "")
    assert (of(language="ar").language, of(language="ar").direction) == ("ar", "rtl")
    assert of(language='ar" onload="x').language == ""
    assert of(language="en-GB").language == ""


def of_title(title: str) -> str:
    return of(title=title).title


def test_html_in_a_title_is_dropped() -> None:
    assert of_title("<script>alert(1)</script> p < 0.05 & <b>bold</b>") == "alert(1) p < 0.05 & bold"
    assert of_title("\ue000lead\ue001") == "lead"
    assert of_title(" ") == "Without a title"
    assert len(of_title("word " * 200)) <= 200


def test_the_reason_names_each_source_in_its_own_words() -> None:
    assert why(("home oxygen", "stated"), ("COPD", "topic"), ("sleep", "stated")) == (
        "Why you get this: you said home oxygen, sleep; you follow COPD"
    )
    assert why(("oxygen", "related")) == "Why you get this: related to what you said: oxygen"
    assert why(("COPD", "learned")) == "Why you get this: like what you found useful: COPD"
    assert why(("oxygen", "stated"), language="fr") == "Pourquoi vous recevez ceci\u00a0: vous avez mentionné oxygen"
    assert why(("copd", "topic"), ("COPD", "stated"), (" ", "stated")) == "Why you get this: you follow COPD"
    assert why() == "Why you get this: it fits your interests as a whole"


def test_what_came_from_under_the_threshold_is_marked_before_the_reason() -> None:
    terms = (("stroke", "stated"),)
    assert reason((("", "deep"), *terms), {}, ENGLISH) == (
        "Why you get this: asked of you because few others could answer; it fits you less closely than usual; "
        "you said stroke"
    )
    assert "from beside your usual field; you said stroke" in reason((("", "bridging"), *terms), {}, ENGLISH)
    assert reason((("", "deep"),), {}, ENGLISH).endswith("less closely than usual")


def test_a_reason_that_is_too_long_for_a_line_leaves_its_weakest_words_out() -> None:
    long = [("Acute stroke care", "topic"), ("Virtual wards and hospital at home", "related"), ("miles", "stated")]
    assert why(*long) == (
        "Why you get this: you follow Acute stroke care; related to what you said: Virtual wards and hospital at home"
    )
    assert why(long[0], long[2]) == "Why you get this: you follow Acute stroke care; you said miles"
    assert why(*long[::-1]) == (
        "Why you get this: you said miles; related to what you said: Virtual wards and hospital at home"
    )
    assert len(why(*long)) <= LONGEST_REASON < len(why(*long)) + len("; you said miles")
    assert why(("word " * 40, "stated"), ("miles", "stated")).endswith("word word")
    named = reason([("", "deep"), *long, ("Breathe Well", "network")], {}, ENGLISH)
    assert named.endswith("less closely than usual; you follow Acute stroke care; you are in Breathe Well")


def test_the_lead_counts_each_kind_requests_first() -> None:
    assert lead(["news", "request", "news"], ENGLISH) == "Chosen for you: 1 request, 2 news items"


def test_a_word_that_a_member_wrote_is_not_taken_for_the_topic_of_that_key() -> None:
    assert reason([("copd", "stated")], {"copd": "Lung conditions"}, TRANSLATIONS["en"]).endswith("you said copd")
    assert reason([("copd", "topic")], {"copd": "Lung conditions"}, TRANSLATIONS["en"]).endswith(
        "you follow Lung conditions"
    )
