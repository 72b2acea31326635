from datetime import timedelta

import pytest
from sqlalchemy import select

from store import tables
from store.database import Database
from tests.builders import NOW
from tests.web.pages import Pages, open_pages


@pytest.fixture
def pages(database: Database) -> Pages:
    return open_pages(database)


def seen_at(pages: Pages) -> object:
    with pages.database.reading() as connection:
        return connection.execute(select(tables.Member.__table__.c.seen_at)).scalar_one()


def test_reading_the_page_asks_and_changes_nothing(pages: Pages) -> None:
    before = pages.everything()
    answer = pages.client.get(pages.keep)
    assert answer.status_code == 200
    assert "Do you still want mail from Breathe Well?" in answer.text
    assert 'name="choice" value="keep"' in answer.text
    assert pages.client.get(f"{pages.keep}?choice=keep").status_code == 200
    assert pages.everything() == before


def test_its_button_is_a_sign_of_life_and_nothing_else(pages: Pages) -> None:
    before = pages.now()
    later = pages.later(days=3)
    answer = later.client.post(pages.keep, data={"choice": "keep"})
    assert (answer.status_code, "It keeps coming" in answer.text) == (200, True)
    assert seen_at(pages) == NOW + timedelta(days=3)
    assert (pages.now().member, pages.consents()) == (before.member, [])


@pytest.mark.parametrize("form", [{}, {"choice": "leave"}, {"List-Unsubscribe": "One-Click"}])
def test_any_other_form_only_asks_again(pages: Pages, form: dict[str, str]) -> None:
    before = pages.everything()
    assert "Do you still want" in pages.client.post(pages.keep, data=form).text
    assert pages.everything() == before


def test_no_other_site_says_it_for_them(pages: Pages) -> None:
    hostile = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    before = pages.everything()
    assert pages.client.post(pages.keep, data={"choice": "keep"}, headers=hostile).status_code == 403
    assert pages.everything() == before


@pytest.mark.parametrize("status", ["left", "erased"])
def test_somebody_who_is_gone_is_told_so_and_stays_gone(pages: Pages, status: str) -> None:
    pages.set_status(status)
    before = pages.everything()
    for answer in (pages.client.get(pages.keep), pages.client.post(pages.keep, data={"choice": "keep"})):
        assert "You are not on this list" in answer.text
    assert pages.everything() == before
