from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from digest.items import Audience, Topic
from sources.items import (
    BODY_CHARACTERS,
    ItemReader,
    Posting,
    Rejection,
    derived_title,
    field_name,
    moment,
    shortened,
)
from sources.topics import names

LONDON = ZoneInfo("Europe/London")
TOPICS = names([Topic("stroke", "Stroke", synonyms=("AVC", "strôc")), Topic("copd", "COPD")])


def read(record: dict[str, object], **changes: object) -> Posting:
    return ItemReader(**{"time_zone": LONDON, "topics": TOPICS} | changes).read(record)  # type: ignore[arg-type]


def refusal(record: dict[str, object]) -> str:
    with pytest.raises(Rejection) as caught:
        read(record)
    return str(caught.value)


def test_every_key_is_read() -> None:
    item = read(
        {
            "id": "a-1",
            "title": "Help wanted",
            "kind": "Request",
            "body": "Some *text*",
            "summary": "In\nshort",
            "url": "https://example.org/a?b=c",
            "poster": "Ann Example",
            "topics": ["Stroke", "avc", "COPD"],
            "language": "en-GB",
            "state": "held",
            "deadline": "2026-11-30",
            "event_at": "2026-12-01T14:00",
            "expires_at": "2026-12-02T10:00:00+01:00",
            "published_at": "Mon, 16 Nov 2026 07:30:00 +0000",
            "audience": {"profession": ["nurse", "GP"], "topics": ["Stroke"], "languages": ["cy"]},
        }
    ).item
    assert (item.external_id, item.title, item.kind, item.state, item.language) == (
        "a-1",
        "Help wanted",
        "request",
        "held",
        "en",
    )
    assert (item.body, item.summary, item.poster) == ("Some *text*", "In short", "Ann Example")
    assert (item.topics, item.url) == (("stroke", "copd"), "https://example.org/a?b=c")
    assert item.audience == Audience(profession=("nurse", "GP"), topics=("stroke",), languages=("cy",))
    assert item.deadline == datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    assert item.event_at == datetime(2026, 12, 1, 14, tzinfo=UTC)
    assert item.expires_at == datetime(2026, 12, 2, 9, tzinfo=UTC)
    assert item.published_at == datetime(2026, 11, 16, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("heading", "field"),
    [("Title", "title"), (" Published at ", "published_at"), ("EVENT-DATE", "event_at"), ("Tags", "topics"),
     ("guid", "external_id"), ("Audience profession", "audience_profession"), ("Deadlin", None), ("", None), ("key", None)],
)  # fmt: skip
def test_a_heading_may_be_written_in_several_ways(heading: str, field: str | None) -> None:
    assert field_name(heading) == field


def test_cells_hold_lists_with_semicolons_between_the_words() -> None:
    item = read(
        {"title": "x", "topics": "Stroke; COPD;;", "audience_profession": "nurse; GP", "audience_region": ""}
    ).item
    assert item.topics == ("stroke", "copd")
    assert item.audience == Audience(profession=("nurse", "GP"))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"titel": "x", "title": "y"}, "'titel': not a known key; did you mean 'title'?"),
        ({"title": "x", "kind": "requests"}, "kind: 'requests' is none of request, event"),
        ({"title": "x", "state": "gone"}, "state: 'gone' is none of draft"),
        ({"title": "x", "topics": "Strok"}, "topics: 'Strok' is no topic of this network; did you mean 'stroke'?"),
        ({"title": "x", "audience": {"topics": ["lungs"]}}, "audience: 'lungs' is no topic"),
        ({"title": "x", "audience": {"professions": []}}, "did you mean 'profession'?"),
        ({"title": "x", "audience": ["nurse"]}, "audience: must be an object"),
        ({"title": "x", "deadline": "30/11/2026"}, "deadline: '30/11/2026' is not a date; write 2026-11-30"),
        ({"title": "x", "deadline": "2026-02-30"}, "is not a date"),
        ({"title": "x", "published": "0001-01-01"}, "is not a date"),
        ({"title": "x", "published": "9999-12-31T23:59:59-12:00"}, "is not a date"),
        ({"title": "x", "event_at": 20261130.5}, "is not a date"),
        ({"title": "x", "url": "javascript:alert(1)"}, "url: 'javascript:alert(1)' is not a web address"),
        ({"title": "x", "url": "www.example.org"}, "is not a web address"),
        ({"title": "x", "url": "https://exa mple.org"}, "is not a web address"),
        ({"title": "x", "url": "https://[::1"}, "url: "),
        ({"title": "x", "language": "in Welsh"}, "language: 'in Welsh' is not a language tag"),
        ({"title": ["x"]}, "title: must be text, not a list"),
        ({"title": "x", "topics": True}, "topics: must be text, not true or false"),
        ({"title": "x", "url": "https://a.org", "link": "https://b.org"}, "link: url is given twice"),
        ({"title": " \n", "body": "\r\n\t\x00"}, "title: an item needs a title or a body"),
        ({"url": "https://example.org"}, "title: an item needs a title or a body"),
        ({"title": "x" * 501}, "title: has 501 characters; the most is 500"),
        ({"title": "x", "topics": ";".join(["a"] * 101)}, "topics: has more than 100 entries"),
        ({"title": "x", "audience_region": ";".join(["a"] * 101)}, "audience_region: has more than 100 entries"),
    ],
)
def test_a_fault_is_named_with_its_key_and_what_to_write(record: dict[str, object], reason: str) -> None:
    assert reason in refusal(record)


def test_every_fault_of_an_item_is_named_at_once() -> None:
    with pytest.raises(Rejection) as caught:
        read({"title": "x", "kind": "a", "state": "b", "deadline": "c"})
    assert [reason.split(":")[0] for reason in caught.value.args] == ["kind", "state", "deadline"]


@pytest.mark.parametrize("name", ["deadline", "expires_at"])
def test_an_item_that_is_over_before_it_is_published_is_refused(name: str) -> None:
    assert f"{name}: is before published_at" in refusal({"title": "x", "published": "2026-11-02", name: "2026-11-01"})
    read({"title": "x", "published": "2026-11-02", name: "2026-11-02"})


@pytest.mark.parametrize(
    ("text", "end_of_day", "expected"),
    [
        ("2026-07-01", False, "2026-06-30T23:00:00+00:00"),
        ("2026-07-01", True, "2026-07-01T22:59:59+00:00"),
        ("20260701", True, "2026-07-01T22:59:59+00:00"),
        ("2026-07-01T12:00", True, "2026-07-01T11:00:00+00:00"),
        ("2026-07-01 12:00", False, "2026-07-01T11:00:00+00:00"),
        ("2026-07-01T12:00:00Z", False, "2026-07-01T12:00:00+00:00"),
        ("2026-07-01T12:00+02:00", True, "2026-07-01T10:00:00+00:00"),
        ("Wed, 01 Jul 2026 12:00:00 GMT", True, "2026-07-01T12:00:00+00:00"),
        ("2026-03-29T01:30", False, "2026-03-29T01:30:00+00:00"),
    ],
)
def test_a_time_without_a_zone_is_in_the_networks(text: str, end_of_day: bool, expected: str) -> None:
    found = moment(text, LONDON, end_of_day=end_of_day)
    assert found
    assert found.isoformat() == expected
    assert moment("  ", LONDON) is None


def test_html_in_a_title_stays_plain_text_on_one_line() -> None:
    item = read({"title": "<b>Help</b>\r\nBcc: x@example.org\u2028<script>alert(1)</script>"}).item
    assert item.title == "<b>Help</b> Bcc: x@example.org <script>alert(1)</script>"


def test_control_characters_are_cleaned_from_every_text() -> None:
    item = read({"title": "a\x00b", "body": "c\x07d\r\ne", "poster": "f\ng\u202e", "id": "h\ti"}).item
    assert (item.title, item.body, item.poster, item.external_id) == ("a b", "c d\ne", "f g", "h i")


def test_a_body_of_a_megabyte_is_refused_with_the_limit_and_one_at_the_limit_goes_in() -> None:
    assert "body: has 1,000,000 characters; the most is 200,000" in refusal({"title": "x", "body": "x" * 1_000_000})
    assert len(read({"title": "x", "body": "x" * BODY_CHARACTERS}).item.body) == BODY_CHARACTERS


def test_a_title_alone_is_enough_and_a_body_alone_makes_one() -> None:
    assert read({"title": "Only this"}).item.body == ""
    assert read({"body": "## Call for *papers*\n\nMore"}).item.title == "Call for *papers* More"


def test_a_long_text_is_cut_at_the_end_of_a_word() -> None:
    assert shortened("one two three", 9) == "one two…"
    assert shortened("x" * 20, 5) == "xxxx…"
    assert len(derived_title("word " * 100)) <= 120


def test_the_same_item_without_an_id_gets_the_same_one_each_time() -> None:
    record: dict[str, object] = {"title": "x", "url": "https://example.org", "published": "2026-11-01", "body": "1"}
    first = read(record).item.external_id
    assert read(record | {"body": "2", "published": "2026-11-01T00:00+00:00"}).item.external_id == first
    assert read(record | {"title": "y"}).item.external_id != first
    assert read(record | {"published": "2026-11-02"}).item.external_id != first


def test_the_language_is_guessed_where_nobody_said_it_and_else_the_networks() -> None:
    def guess(text: str) -> str:
        return "cy" if text.startswith("Galwad") else ""

    assert read({"title": "Galwad"}, guess_language=guess).item.language == "cy"
    assert read({"title": "Galwad", "language": "fr"}, guess_language=guess).item.language == "fr"
    assert read({"title": "X"}, guess_language=guess, language="it").item.language == "it"


def test_given_says_what_the_source_spoke_of() -> None:
    always = {"title", "external_id"}
    assert read({"title": "x"}).given == always
    assert read({"title": "x", "body": "", "topics": "", "deadline": ""}).given == always | {
        "body",
        "topics",
        "deadline",
    }
    assert read({"title": "x", "kind": "", "state": "", "published_at": "", "language": ""}).given == always
    assert read({"title": "x", "audience_region": ""}).given == always | {"audience"}
    assert read({"title": "x"}, kind="event") == Posting(
        read({"title": "x", "kind": "event"}).item, frozenset(always | {"kind"})
    )


def test_what_means_nothing_is_left_out_when_told_so() -> None:
    assert read({"title": "x", "round": 3}, ignore_unknown=True).item.title == "x"
    read({"title": "x", "germane_line": 3, "germane_reason": "y", "public_id": "z", "": ""})


def test_a_reach_is_a_whole_number_and_0_is_one() -> None:
    posting = read({"title": "Help", "reach_needed": "9", "reach_most": 0, "answers_wanted": ""})
    assert (posting.item.reach_needed, posting.item.reach_most, posting.item.answers_wanted) == (9, 0, None)
    for wrong in ("-1", "many", "1.5"):
        with pytest.raises(Rejection, match=r"reach_needed: .* is not a whole number"):
            read({"title": "Help", "reach_needed": wrong})


def test_nothing_from_outside_is_urgent() -> None:
    with pytest.raises(Rejection, match="urgent"):
        read({"title": "Help", "urgent": "yes"})
