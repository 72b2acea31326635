from datetime import date

import pytest

from profiles.links import sign
from tests.web.pages import KEY, open_pages

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def pages(database):
    return open_pages(database)


def undo_of(answer):
    before = 'name="undo" value="'
    start = answer.text.index(before) + len(before)
    return answer.text[start : answer.text.index('"', start)]


def test_reading_the_page_shows_a_button_and_changes_nothing(pages):
    before = pages.everything()
    answer = pages.client.get(pages.leave)
    assert answer.status_code == 200
    assert "Leave Breathe Well" in answer.text
    assert 'name="choice" value="leave"' in answer.text
    assert pages.client.head(pages.leave).status_code == 200
    assert pages.everything() == before


def test_one_click_as_a_url_encoded_form_takes_the_member_out(pages):
    answer = pages.client.post(pages.leave, data=ONE_CLICK)
    assert answer.status_code == 200
    assert pages.now().member.status == "left"
    assert pages.consents() == [("left", "one-click POST")]


def test_one_click_as_multipart_takes_the_member_out(pages):
    answer = pages.client.post(pages.leave, files={"List-Unsubscribe": (None, "One-Click")})
    assert answer.status_code == 200
    assert pages.now().member.status == "left"


def test_one_click_needs_no_cookie_and_no_origin_of_ours(pages):
    hostile = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site", "Referer": "https://x.example/"}
    answer = pages.client.post(pages.leave, data=ONE_CLICK, headers=hostile)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert pages.now().member.status == "left"


@pytest.mark.parametrize("status", ["left", "erased"])
def test_one_click_works_again_and_for_somebody_who_is_gone(pages, status):
    first = pages.client.post(pages.leave, data=ONE_CLICK)
    pages.set_status(status)
    again = pages.client.post(pages.leave, data=ONE_CLICK)
    assert (again.status_code, again.text) == (200, first.text)
    assert len(pages.consents()) == 1


def test_one_click_answers_the_same_for_a_member_that_was_never_there(pages):
    stranger = f"/leave/{sign(KEY, 'leave', 'a' * 16)}"
    known = pages.client.post(pages.leave, data=ONE_CLICK)
    unknown = pages.client.post(stranger, data=ONE_CLICK)
    assert (unknown.status_code, unknown.text) == (known.status_code, known.text)
    assert pages.client.get(stranger).status_code == 200


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "Two-Click"}, {"other": "One-Click"}, {"choice": "no"}])
def test_a_post_that_asks_for_nothing_shows_the_page_and_changes_nothing(pages, body):
    before = pages.everything()
    answer = pages.client.post(pages.leave, data=body)
    assert answer.status_code == 200
    assert 'value="leave"' in answer.text
    assert pages.everything() == before


def test_every_flipped_character_of_the_link_leads_nowhere_and_changes_nothing(pages):
    before = pages.everything()
    token = pages.leave.removeprefix("/leave/")
    for n, letter in enumerate(token):
        broken = token[:n] + ("a" if letter != "a" else "b") + token[n + 1 :]
        assert pages.client.get(f"/leave/{broken}").status_code == 404
        assert pages.client.post(f"/leave/{broken}", data=ONE_CLICK).status_code == 404
    assert pages.everything() == before


def test_a_link_to_the_preferences_does_not_leave(pages):
    token = pages.preferences.removeprefix("/preferences/")
    assert pages.client.post(f"/leave/{token}", data=ONE_CLICK).status_code == 404
    assert pages.now().member.status == "active"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_no_other_method_changes_anything(pages, method):
    before = pages.everything()
    assert pages.client.request(method, pages.leave).status_code == 405
    assert pages.everything() == before


def test_the_button_takes_the_member_out_and_says_so(pages):
    answer = pages.client.post(pages.leave, data={"choice": "leave"})
    assert "You have left Breathe Well" in answer.text
    assert pages.now().member.status == "left"
    assert pages.consents() == [("left", "the leaving page")]


def test_a_foreign_sites_form_cannot_press_the_buttons(pages):
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        assert pages.client.post(pages.leave, data={"choice": "leave"}, headers=headers).status_code == 403
    assert pages.now().member.status == "active"


def test_a_browser_that_hides_its_origin_can_press_the_buttons(pages):
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
    assert pages.client.post(pages.leave, data={"choice": "leave"}, headers=headers).status_code == 200
    assert pages.now().member.status == "left"


@pytest.mark.parametrize("status", ["active", "paused"])
def test_leaving_by_mistake_is_undone_to_what_it_was(pages, status):
    pages.set_status(status)
    undo = undo_of(pages.client.post(pages.leave, data={"choice": "leave"}))
    answer = pages.client.post(pages.leave, data={"choice": "back", "undo": undo})
    assert "You are back" in answer.text
    found = pages.now()
    assert (found.member.status, found.left_at) == (status, None)


def test_the_link_alone_brings_nobody_back(pages):
    pages.client.post(pages.leave, data={"choice": "leave"})
    for undo in ("", "a" * 26, "é", pages.public_id):
        pages.client.post(pages.leave, data={"choice": "back", "undo": undo})
        assert pages.now().member.status == "left"
    pages.client.post(pages.leave, data={"choice": "back"})
    assert pages.now().member.status == "left"


def test_taking_it_back_works_for_a_day(pages):
    undo = undo_of(pages.client.post(pages.leave, data={"choice": "leave"}))
    late = pages.later(hours=24, seconds=1)
    late.client.post(pages.leave, data={"choice": "back", "undo": undo})
    assert pages.now().member.status == "left"
    pages.later(hours=24).client.post(pages.leave, data={"choice": "back", "undo": undo})
    assert pages.now().member.status == "active"


def test_an_undo_of_an_earlier_leaving_does_not_undo_a_later_one(pages):
    undo = undo_of(pages.client.post(pages.leave, data={"choice": "leave"}))
    pages.client.post(pages.leave, data={"choice": "back", "undo": undo})
    pages.later(hours=1).client.post(pages.leave, data=ONE_CLICK)
    pages.later(hours=2).client.post(pages.leave, data={"choice": "back", "undo": undo})
    assert pages.now().member.status == "left"


@pytest.mark.parametrize("status", ["pending", "bounced"])
def test_leaving_offers_no_way_back_to_somebody_who_got_no_mail_before(pages, status):
    pages.set_status(status)
    answer = pages.client.post(pages.leave, data={"choice": "leave"})
    assert "undo" not in answer.text
    assert pages.now().member.status == "left"


def test_a_pause_instead_of_leaving_holds_for_a_month(pages):
    answer = pages.client.post(pages.leave, data={"choice": "pause"})
    assert "Wednesday, 16 December 2026" in answer.text
    found = pages.now().member
    assert (found.status, found.preferences.paused_until) == ("paused", date(2026, 12, 16))
    assert pages.consents() == [("paused", "the leaving page")]


def test_a_pause_never_shortens_a_longer_one(database):
    pages = open_pages(database, status="paused")
    pages.client.post(pages.leave, data={"choice": "pause"})
    assert (pages.now().member.status, pages.now().member.preferences.paused_until) == ("paused", None)


def test_coming_back_into_a_pause(pages):
    undo = undo_of(pages.client.post(pages.leave, data={"choice": "leave"}))
    answer = pages.client.post(pages.leave, data={"choice": "pause", "undo": undo})
    assert "Your mail is paused" in answer.text
    assert pages.now().member.status == "paused"


def test_fewer_items_instead_of_leaving(pages):
    answer = pages.client.post(pages.leave, data={"choice": "fewer"})
    assert "at most 3 items" in answer.text
    assert pages.now().member.preferences.items_per_digest == 3


def test_fewer_items_never_means_more(database):
    from tests.builders import some_preferences

    pages = open_pages(database, preferences=some_preferences(items_per_digest=2))
    pages.client.post(pages.leave, data={"choice": "fewer"})
    assert pages.now().member.preferences.items_per_digest == 2


@pytest.mark.parametrize("choice", ["pause", "fewer"])
def test_somebody_who_left_cannot_be_paused_or_changed_by_the_link(pages, choice):
    pages.client.post(pages.leave, data=ONE_CLICK)
    before = pages.everything()
    pages.client.post(pages.leave, data={"choice": choice})
    assert pages.everything() == before


def test_the_page_tells_neither_the_address_nor_the_preferences_link(pages):
    for answer in (pages.client.get(pages.leave), pages.client.post(pages.leave, data={"choice": "leave"})):
        assert pages.now().member.address not in answer.text
        assert pages.preferences not in answer.text


def test_hostile_names_show_as_text(database):
    from store import networks

    pages = open_pages(database)
    with database.writing() as connection:
        slug = networks.by_key(connection, pages.network).slug
        networks.change(connection, slug, name="<script>alert(1)</script>")
    assert "<script>" not in pages.client.get(pages.leave).text


def test_the_end_of_a_short_month(database):
    from web.leave import _next_month

    assert _next_month(date(2027, 1, 31)) == date(2027, 2, 28)
    assert _next_month(date(2026, 12, 31)) == date(2027, 1, 31)
