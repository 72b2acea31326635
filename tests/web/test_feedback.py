"""What a member says of an item from a mail: two taps, nothing by reading, everything reversible."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from profiles.links import sign, sign_feedback
from store import feedback, items, members
from store.feedback import Word
from tests.builders import NOW, stored_digest, stored_edition
from tests.web.pages import KEY, open_pages


@pytest.fixture
def pages(sqlite_database):
    return open_pages(sqlite_database)


@pytest.fixture
def item(pages):
    return pages.add_item(title="Virtual wards at home", body="A guide to virtual wards for teams that begin.")


def key_of(pages, item):
    with pages.database.reading() as connection:
        return items.find(connection, pages.network, item).key


def stands(pages, item):
    with pages.database.reading() as connection:
        return [(word.verdict, word.source) for word in feedback.said(connection, pages.member, key_of(pages, item))]


def buttons(html):
    """(name, value) of each button, in the order of the page."""
    return re.findall(r'<button[^>]* name="(\w+)" value="(\w+)"', html)


@pytest.mark.parametrize(
    ("asked", "order"), [("", ["more", "less"]), ("?more", ["more", "less"]), ("?less", ["less", "more"])]
)
def test_the_page_shows_the_item_and_the_button_asked_for_first(pages, item, asked, order):
    before = pages.everything()
    answer = pages.client.get(pages.feedback(item) + asked)
    assert answer.status_code == 200
    assert "Virtual wards at home" in answer.text
    assert "A guide to virtual wards for teams that begin." in answer.text
    assert [value for _, value in buttons(answer.text)] == order
    assert re.search(f'class="primary" name="choice" value="{order[0]}"', answer.text)
    assert pages.everything() == before


def test_only_a_request_can_be_helped_with(pages, item):
    request = pages.add_item(kind="request", title="Who has job descriptions?")
    assert ("choice", "can_help") in buttons(pages.client.get(pages.feedback(request)).text)
    assert ("choice", "can_help") not in buttons(pages.client.get(pages.feedback(item)).text)
    pages.client.post(pages.feedback(item), data={"choice": "can_help"})
    assert stands(pages, item) == []
    answer = pages.client.post(pages.feedback(request), data={"choice": "can_help"})
    assert stands(pages, request) == [("can_help", "mail page")]
    assert "mailto:office@example.org" in answer.text


@pytest.mark.parametrize(("choice", "words"), [("more", "More like this"), ("less", "Not for me")])
def test_one_press_records_and_says_what_it_will_do(pages, item, choice, words):
    answer = pages.client.post(f"{pages.feedback(item)}?more", data={"choice": choice})
    assert answer.status_code == 200
    assert f"Recorded: “{words}”" in answer.text
    assert "From the next digest on" in answer.text
    assert ("undo", choice) in buttons(answer.text)
    assert stands(pages, item) == [(choice, "mail page")]


def test_undo_on_the_same_page_takes_it_back(pages, item):
    pages.client.post(pages.feedback(item), data={"choice": "more"})
    answer = pages.client.post(pages.feedback(item), data={"undo": "more"})
    assert "Taken back" in answer.text
    assert ("choice", "more") in buttons(answer.text)
    assert stands(pages, item) == []


def test_a_second_thought_replaces_the_first(pages, item):
    pages.client.post(pages.feedback(item), data={"choice": "more"})
    page = pages.later(minutes=5)
    assert buttons(page.client.get(page.feedback(item)).text) == [("undo", "more"), ("choice", "less")]
    page.client.post(page.feedback(item), data={"choice": "less"})
    assert stands(pages, item) == [("less", "mail page")]


def test_sending_the_form_twice_records_it_once(pages, item):
    for _ in range(2):
        pages.client.post(pages.feedback(item), data={"choice": "more"})
    assert stands(pages, item) == [("more", "mail page")]


def test_a_later_look_at_the_page_shows_what_was_said(pages, item):
    pages.client.post(pages.feedback(item), data={"choice": "less"})
    text = pages.later(days=3).client.get(pages.feedback(item)).text
    assert "<strong>Not for me</strong>, on Monday, 16 November 2026." in text


def test_the_word_knows_the_edition_of_the_mail(pages, item):
    with pages.database.writing() as connection:
        edition = stored_edition(connection, pages.network, slot="2026-W47")
        stored_digest(connection, edition, pages.member, (key_of(pages, item),))
    pages.client.post(pages.feedback(item), data={"choice": "more"})
    with pages.database.reading() as connection:
        assert [word.edition for word in feedback.listing(connection, pages.network)] == ["2026-W47"]


def test_a_wrong_token_opens_nothing_and_records_nothing(pages, item):
    right = sign_feedback(KEY, pages.public_id, item)
    other = pages.add_item()
    before = pages.everything()
    wrong = ["", "x", right[:-1], right + "a", right.upper(), pages.public_id + other + right[32:], "é" * 58]
    wrong += [sign(KEY, "leave", pages.public_id), sign_feedback(b"x" * 32, pages.public_id, item)]
    for token in wrong:
        assert pages.client.get(f"/feedback/{token}").status_code == 404, token
        assert pages.client.post(f"/feedback/{token}", data={"choice": "more"}).status_code == 404, token
    assert pages.everything() == before


def test_the_token_of_an_erased_member_opens_nothing(pages, item):
    with pages.database.writing() as connection:
        members.erase(connection, pages.member, NOW, KEY, "a test")
    before = pages.everything()
    assert pages.client.get(pages.feedback(item)).status_code == 404
    assert pages.client.post(pages.feedback(item), data={"choice": "more"}).status_code == 404
    assert pages.everything() == before


def test_nothing_is_recorded_of_somebody_who_left(pages, item):
    pages.set_status("left")
    answer = pages.client.post(pages.feedback(item), data={"choice": "more"})
    assert "You have left Breathe Well" in answer.text
    assert buttons(answer.text) == []
    assert stands(pages, item) == []


@pytest.mark.parametrize("status", ["paused", "bounced", "pending"])
def test_whoever_else_gets_no_mail_now_can_still_speak(pages, item, status):
    pages.set_status(status)
    pages.client.post(pages.feedback(item), data={"choice": "less"})
    assert stands(pages, item) == [("less", "mail page")]


def test_an_item_that_was_withdrawn_or_is_gone_says_so(pages, item):
    with pages.database.writing() as connection:
        connection.execute(update(items.TABLE).where(items.TABLE.c.public_id == item).values(state="withdrawn"))
    assert pages.client.get(pages.feedback(item)).status_code == 410
    assert pages.client.post(pages.feedback(item), data={"choice": "more"}).status_code == 410
    with pages.database.writing() as connection:
        connection.execute(delete(items.TABLE).where(items.TABLE.c.public_id == item))
    assert pages.client.get(pages.feedback(item)).status_code == 404


@pytest.mark.parametrize("state", ["closed", "expired"])
def test_an_item_that_is_over_can_still_be_spoken_of(pages, state):
    item = pages.add_item(state=state)
    assert pages.client.post(pages.feedback(item), data={"choice": "more"}).status_code == 200
    assert stands(pages, item) == [("more", "mail page")]


@pytest.mark.parametrize(
    "form", [{}, {"choice": "opened"}, {"choice": "reported"}, {"undo": "x"}, {"choice": "a" * 999}]
)
def test_a_form_that_is_not_ours_changes_nothing(pages, item, form):
    before = pages.everything()
    assert pages.client.post(pages.feedback(item), data=form).status_code == 200
    assert pages.everything() == before


def test_a_form_from_another_site_is_refused(pages, item):
    headers = {"Origin": "https://evil.example"}
    answer = pages.client.post(pages.feedback(item), data={"choice": "more"}, headers=headers)
    assert answer.status_code == 403
    assert stands(pages, item) == []


def test_hostile_items_show_as_text(pages):
    item = pages.add_item(
        title="<script>alert(1)</script>", body="<img src=x onerror=alert(1)> and a few more words here."
    )
    text = pages.client.get(pages.feedback(item)).text
    assert "<script" not in text
    assert "<img" not in text


# what was learned, on the preferences page


@pytest.fixture
def knowing(pages, item):
    """Pages of a member about whom two terms were learned."""
    key = key_of(pages, item)
    with pages.database.writing() as connection:
        feedback.record(connection, [Word(pages.member, key, "more", NOW - timedelta(days=1), "mail page")])
        rows = [(pages.member, 1, "virtual wards", 0.62, [key]), (pages.member, 2, "bells & <towers>", -0.2, [])]
        feedback.write_learned(connection, [pages.member], rows)
    return pages


def press(pages, **button):
    answer = pages.client.post(f"{pages.preferences}/learned", data=button)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == f"{pages.preferences}?saved#learned"
    return pages.client.get(f"{pages.preferences}?saved").text


def test_the_preferences_show_what_was_learned_and_from_what(knowing):
    text = knowing.client.get(knowing.preferences).text
    assert "<strong>virtual wards</strong>" in text
    assert "weight 0.62" in text
    assert "Virtual wards at home</a>" in text
    assert "<strong>bells &amp; &lt;towers&gt;</strong>" in text
    assert "less of it, weight 0.20" in text


def test_a_term_can_be_forgotten_and_learned_again(knowing):
    text = press(knowing, forget="virtual wards")
    assert 'name="remember" value="virtual wards"' in text
    assert 'name="forget" value="virtual wards"' not in text
    text = press(knowing, remember="virtual wards")
    assert 'name="forget" value="virtual wards"' in text
    assert 'name="remember"' not in text


def test_only_what_was_learned_can_be_forgotten(knowing):
    press(knowing, forget="anything at all")
    with knowing.database.reading() as connection:
        assert feedback.forgotten(connection, knowing.member) == []


def test_everything_can_be_forgotten_and_brought_back(knowing, item):
    text = press(knowing, choice="forget_everything")
    assert "virtual wards" not in text
    assert stands(knowing, item) == []
    assert "What you said about 1 item<" in text
    press(knowing, choice="restore_everything")
    assert stands(knowing, item) == [("more", "mail page")]


def test_reading_what_was_learned_changes_nothing(knowing):
    before = knowing.everything()
    for path in (knowing.preferences, f"{knowing.preferences}/learned"):
        knowing.client.get(path)
        knowing.client.head(path)
    assert knowing.everything() == before


def test_what_was_learned_takes_its_own_token_and_no_foreign_form(knowing):
    before = knowing.everything()
    wrong = knowing.leave.rpartition("/")[2]
    assert knowing.client.post(f"/preferences/{wrong}/learned", data={"choice": "forget_everything"}).status_code == 404
    headers = {"Sec-Fetch-Site": "cross-site"}
    path = f"{knowing.preferences}/learned"
    assert knowing.client.post(path, data={"choice": "forget_everything"}, headers=headers).status_code == 403
    assert knowing.client.post(path, data={"nothing": "known"}).status_code == 303
    assert knowing.everything() == before
