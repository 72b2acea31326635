import re
from datetime import date

import pytest
from sqlalchemy import select

from store import budgets, tables
from tests import builders
from tests.builders import NOW, a_profile, some_preferences
from tests.web.pages import open_pages

FORM = {
    "name": "Ann Example",
    "stated": "early supported discharge after stroke",
    "chosen": ["stroke"],
    "cadence": "weekly",
    "weekday": "",
    "hour": "",
    "time_zone": "",
    "items_per_digest": "",
    "language": "",
    "pause": "no",
    "paused_until": "",
    "languages": ["en"],
    "choice": "save",
}


@pytest.fixture
def pages(sqlite_database):
    return open_pages(sqlite_database)


def saved(pages, **changes):
    answer = pages.client.post(pages.preferences, data=FORM | changes)
    assert answer.status_code == 303, answer.text
    return pages.now().member


def test_the_form_on_the_page_sent_back_unchanged_changes_nothing(sqlite_database):
    profile = a_profile(chosen=("digital", "gone-topic"), profession="Nurse", languages=("cy", "en"))
    wanted = some_preferences(
        weekday=3, hour=18, time_zone="America/New_York", muted_kinds=("job",), muted_posters=("Bob",), urgent=True
    )
    pages = open_pages(sqlite_database, profile=profile, preferences=wanted)
    before = pages.now().member
    answer = pages.client.post(pages.preferences, data=filled_in(pages.client.get(pages.preferences).text))
    assert answer.status_code == 303
    assert pages.now().member == before


def filled_in(html):
    """What a browser without JavaScript would send: the form's fields as they stand on the page."""
    form = html[html.index("<legend><h2>") : html.rindex("</form>")]
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form):
        attributes = dict(re.findall(r'([a-z]+)="([^"]*)"', tag))
        if attributes.get("type") not in {"checkbox", "radio"} or " checked" in tag:
            fields.setdefault(attributes["name"], []).append(attributes.get("value", ""))
    for name, text in re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>\n(.*?)</textarea>', form, re.S):
        fields[name] = [text]
    for name, options in re.findall(r'<select[^>]* name="(\w+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.findall(r'value="([^"]*)" selected', options)
        assert len(chosen) == 1, name
        fields[name] = chosen
    return fields


def test_reading_the_page_and_the_export_changes_nothing(pages):
    before = pages.everything()
    for path in (pages.preferences, f"{pages.preferences}/export", f"{pages.preferences}?saved"):
        assert pages.client.get(path).status_code == 200
        assert pages.client.head(path).status_code == 200
    assert pages.everything() == before


def test_saving_leads_back_to_the_page_which_says_so(pages):
    answer = pages.client.post(pages.preferences, data=FORM)
    assert answer.headers["location"] == f"{pages.preferences}?saved"
    assert "Saved." in pages.client.get(answer.headers["location"]).text


def test_every_wish_is_kept(pages):
    member = saved(
        pages,
        stated="virtual wards\r\nand carers",
        chosen=["digital", "rehab"],
        cadence="monthly",
        weekday="4",
        hour="18",
        time_zone="Asia/Kolkata",
        items_per_digest="2",
        muted_kinds=["job", "news"],
        muted_topics=["stroke"],
        urgent="yes",
        learn_from_opened="yes",
        mails_per_week="2",
        hours_between_mails="24",
        asks_per_month="0",
        languages=["cy", "en"],
        language="cy",
        profession="Nurse",
        region="North Wales",
    )
    assert member.profile == a_profile(
        stated="virtual wards\nand carers",
        chosen=("digital", "rehab"),
        languages=("en", "cy"),
        profession="Nurse",
        region="North Wales",
    )
    assert member.preferences == some_preferences(
        cadence="monthly",
        weekday=4,
        hour=18,
        time_zone="Asia/Kolkata",
        items_per_digest=2,
        muted_kinds=("job", "news"),
        muted_topics=("stroke",),
        urgent=True,
        learn_from_opened=True,
        mails_per_week=2,
        hours_between_mails=24,
        asks_per_month=0,
        combine=False,
        bridging=False,
        language="cy",
    )


def test_limits_over_all_networks_are_offered_to_who_is_in_several_and_kept_for_all(pages):
    assert "overall_asks_per_month" not in pages.client.get(pages.preferences).text
    with pages.database.writing() as connection:
        there = builders.stored_network(connection)
        builders.stored_member(connection, there, address=pages.now().member.address)
    page = pages.client.get(pages.preferences).text
    assert "overall_asks_per_month" in page
    assert "Put what my networks have for me into one mail" in page
    saved(pages, overall_asks_per_month="2", combine="yes", bridging="yes")
    with pages.database.reading() as connection:
        assert budgets.wished_overall(connection, pages.now().address_key) == (None, None, 2)
    shown = filled_in(pages.client.get(pages.preferences).text)
    assert shown["overall_asks_per_month"] == ["2"]
    assert pages.now().member.preferences.combine


def test_a_visit_to_save_is_a_sign_of_life_and_reading_is_none(pages):
    seen = select(tables.Member.__table__.c.seen_at)
    pages.client.get(pages.preferences)
    with pages.database.reading() as connection:
        assert connection.execute(seen).scalar_one() is None
    saved(pages)
    with pages.database.reading() as connection:
        assert connection.execute(seen).scalar_one() == NOW


def test_whatever_an_import_takes_can_be_kept(sqlite_database):
    profile = a_profile(stated="肺康复和\n家庭氧疗" * 5000, profession="N" * 500)
    pages = open_pages(sqlite_database, profile=profile)
    changed = filled_in(pages.client.get(pages.preferences).text) | {"cadence": "monthly"}
    assert pages.client.post(pages.preferences, data=changed).status_code == 303
    assert pages.now().member.preferences.cadence == "monthly"
    assert pages.now().member.profile == profile


@pytest.mark.parametrize(
    ("pause", "until", "status", "kept"),
    [
        ("until", "2027-01-31", "paused", date(2027, 1, 31)),
        ("on", "", "paused", None),
        ("no", "2027-01-31", "active", None),
    ],
)
def test_a_pause_has_an_end_or_none(pages, pause, until, status, kept):
    member = saved(pages, pause=pause, paused_until=until)
    assert (member.status, member.preferences.paused_until) == (status, kept)


def test_ending_a_pause_is_on_record(pages):
    saved(pages, pause="on")
    saved(pages, pause="no")
    assert pages.consents() == [("paused", "the preferences page"), ("resumed", "the preferences page")]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("stated", "x" * 50_001, "at most 50,000 characters"),
        ("profession", "x" * 501, "at most 500 characters"),
        ("cadence", "hourly", "Choose one"),
        ("cadence", "", "Choose one"),
        ("weekday", "7", "Choose one"),
        ("asks_per_month", "21", "Choose one"),
        ("mails_per_week", "0", "Choose one"),
        ("hour", "24", "Choose one"),
        ("hour", "٣", "Choose one"),
        ("time_zone", "Mars/Phobos", "Choose one"),
        ("time_zone", "../../etc/passwd", "Choose one"),
        ("items_per_digest", "0", "Choose one"),
        ("items_per_digest", "7", "Choose one"),
        ("language", "fr", "Choose one"),
        ("pause", "maybe", "Choose one"),
        ("chosen", ["stroke", "nonsense"], "Choose from the list"),
        ("muted_topics", ["nonsense"], "Choose from the list"),
        ("muted_kinds", ["spam"], "Choose from the list"),
        ("muted_posters", ["Nobody"], "Choose from the list"),
        ("languages", ["xx"], "Choose from the list"),
    ],
)
def test_a_wrong_answer_is_shown_beside_its_field_and_nothing_is_saved(pages, field, value, words):
    before = pages.everything()
    answer = pages.client.post(pages.preferences, data=FORM | {"stated": "kept words", field: value})
    assert answer.status_code == 422
    beside = answer.text[answer.text.index(f'id="{field}-problem"') :]
    assert words in beside[:200]
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}"' in answer.text
    assert field == "stated" or "kept words" in answer.text
    assert pages.everything() == before


@pytest.mark.parametrize("until", ["", "soon", "2026-11-16", "2020-01-01", "2030-01-01"])
def test_a_pause_until_a_day_that_cannot_be_is_refused_in_words(pages, until):
    answer = pages.client.post(pages.preferences, data=FORM | {"pause": "until", "paused_until": until})
    assert answer.status_code == 422
    assert 'id="paused_until-problem"' in answer.text


def test_a_topic_that_the_network_gave_up_stays_until_it_is_unticked(sqlite_database):
    pages = open_pages(sqlite_database, profile=a_profile(chosen=("old", "stroke")))
    assert saved(pages, chosen=["old", "stroke"]).profile.chosen == ("old", "stroke")
    assert saved(pages, chosen=["stroke"]).profile.chosen == ("stroke",)


def test_line_breaks_and_controls_cannot_enter_a_name(pages):
    member = saved(pages, name="Ann\r\nBcc: x@example.org\u2028\x1b[31m")
    assert member.name == "Ann Bcc: x@example.org [31m"


def test_what_a_member_typed_shows_as_text(pages):
    hostile = "</textarea><script>alert(1)</script>"
    saved(pages, stated=hostile, name='"><script>alert(2)</script>')
    page = pages.client.get(pages.preferences).text
    assert "<script>" not in page
    assert pages.now().member.profile.stated == hostile


def test_a_foreign_sites_form_is_refused(pages):
    before = pages.everything()
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://x.example"}):
        assert pages.client.post(pages.preferences, data=FORM, headers=headers).status_code == 403
    assert pages.everything() == before
    ours = {"Origin": "http://testserver"}
    assert pages.client.post(pages.preferences, data=FORM, headers=ours).status_code == 303


def test_a_link_to_leave_opens_no_preferences(pages):
    token = pages.leave.removeprefix("/leave/")
    for path in (f"/preferences/{token}", f"/preferences/{token}/export"):
        assert pages.client.get(path).status_code == 404
    assert pages.client.post(f"/preferences/{token}", data=FORM).status_code == 404


def test_nothing_opens_for_somebody_whose_data_was_erased(pages):
    from store import members

    with pages.database.writing() as connection:
        members.erase(connection, pages.member, pages.context.now(), b"s" * 32, "asked for it")
    assert pages.client.get(pages.preferences).status_code == 404
    assert pages.client.get(f"{pages.preferences}/export").status_code == 404


def test_somebody_who_left_sees_the_way_back_and_no_form(pages):
    pages.client.post(pages.leave, data={"List-Unsubscribe": "One-Click"})
    page = pages.client.get(pages.preferences).text
    assert "Join Breathe Well again" in page
    assert 'name="stated"' not in page


def test_joining_again_is_on_record_with_its_words(pages):
    pages.client.post(pages.leave, data={"List-Unsubscribe": "One-Click"})
    pages.client.post(pages.preferences, data={"choice": "rejoin"})
    assert pages.now().member.status == "active"
    assert pages.consents()[-1] == ("joined", "the preferences page")


def test_a_form_that_lay_open_does_not_bring_somebody_back(pages):
    pages.client.post(pages.leave, data={"List-Unsubscribe": "One-Click"})
    answer = pages.client.post(pages.preferences, data=FORM | {"stated": "changed"})
    assert answer.headers["location"] == pages.preferences
    assert pages.now().member.status == "left"
    assert pages.now().member.profile.stated != "changed"


def test_saving_does_not_confirm_somebody_pending(sqlite_database):
    pages = open_pages(sqlite_database, status="pending")
    assert saved(pages, stated="changed").status == "pending"


def test_the_network_caps_what_can_be_chosen(sqlite_database):
    from store import networks

    pages = open_pages(sqlite_database, preferences=some_preferences(items_per_digest=6))
    with sqlite_database.writing() as connection:
        networks.change(connection, networks.by_key(connection, pages.network).slug, items_per_digest=4)
    page = pages.client.get(pages.preferences).text
    assert '<option value="4" selected>' in page
    assert pages.client.post(pages.preferences, data=FORM | {"items_per_digest": "5"}).status_code == 422
