"""From a mail to its link, from the link to a press, and from the press to the next edition."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from digest.calibration import DEFAULT
from jobs.fitting import fit_edition
from jobs.import_feedback import import_feedback
from jobs.run import rehearse, run_edition
from profiles.member import Profile
from store import editions, feedback, members, networks
from store.database import Database
from tests.builders import NOW, stored_item
from tests.flows.test_weekly_digest import SECRET, World
from tests.web.pages import TEMPLATES
from web.app import create_app
from web.context import WebContext

WEEK = timedelta(days=7)
CARE = Profile(stated="community nursing and palliative care at home", languages=("en",))

SUBJECTS = {
    "bells": ("Bell ringing", "Ringers meet in the tower to practise change ringing on church bells."),
    "nursing": ("Community nursing", "District nurses plan community nursing for people at home."),
    "palliative": ("Palliative care", "Hospice teams bring palliative care to people at home."),
    "wards": ("Virtual wards", "Telemetry lets a virtual ward watch patients from afar."),
}
NUMBERS = ("one", "two", "three", "four", "five")


class Town(World):
    """A network that posts the same five kinds of items every week, and a browser for the links in its mails."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.keys: dict[str, int] = {}
        context = WebContext(database, SECRET.encode(), "http://localhost:8025", lambda: self.now, TEMPLATES)
        self.browser = TestClient(create_app(context), base_url="http://localhost:8025", follow_redirects=False)
        for week in range(4):
            self.post_week(NOW - (4 - week) * WEEK, sent=False)

    def post_week(self, at: datetime, *, sent: bool = True) -> None:
        """An item of each subject; those of earlier weeks are too old to be sent."""
        published = at - timedelta(days=1) if sent else at - timedelta(days=60)
        with self.database.writing() as connection:
            for subject, (title, body) in SUBJECTS.items():
                name = f"{subject}-{at:%m%d}"
                number = NUMBERS[len(self.keys) // len(SUBJECTS) % len(NUMBERS)]
                self.keys[name] = stored_item(
                    connection, self.network_key, title=f"{title}, part {number}", body=f"{body} Part {number}.", topics=(),
                    external_id=name, kind="resource", published_at=published,
                )  # fmt: skip

    def link(self, address: str, title: str, word: str) -> str:
        """The feedback link under an item in the newest mail to somebody."""
        part = self.mails_to(address)[-1].get_body(("plain",))
        assert part is not None
        text = str(part.get_content()).partition(title)[2]
        found = re.search(rf"http://localhost:8025(/feedback/[a-z2-7]{{58}}\?{word})", text)
        assert found
        return found[1]

    def press(self, address: str, title: str, word: str) -> None:
        link = self.link(address, title, word)
        assert self.browser.get(link).status_code == 200
        answer = self.browser.post(link, data={"choice": word})
        assert "Recorded" in answer.text

    def match(self, address: str, name: str) -> float:
        """The match of an item in the newest edition, chosen or left out; 0 where there was none."""
        with self.database.reading() as connection:
            who = members.find(connection, self.network_key, address)
            assert who
            edition = editions.latest(connection, self.network_key, 1)[0]
            for table in (editions.DIGEST_ITEM, editions.LEFT_OUT):
                joined = table.join(editions.DIGEST, editions.DIGEST.c.id == table.c.digest_id)
                query = select(table.c.match).select_from(joined).where(
                    editions.DIGEST.c.edition_id == edition.key, editions.DIGEST.c.member_id == who.key,
                    table.c.item_id == self.keys[name],
                )  # fmt: skip
                found = connection.execute(query).scalar()
                if found is not None:
                    return float(found)
        return 0.0

    def threshold(self, address: str) -> float:
        """The member's own in the newest edition."""
        with self.database.reading() as connection:
            who = members.find(connection, self.network_key, address)
            assert who
            query = select(editions.DIGEST.c.threshold).where(editions.DIGEST.c.member_id == who.key)
            return float(connection.execute(query.order_by(editions.DIGEST.c.id.desc()).limit(1)).scalar_one())

    def learned(self, address: str) -> dict[str, float]:
        with self.database.reading() as connection:
            who = members.find(connection, self.network_key, address)
            assert who
            return {term.label.casefold(): term.weight for term in feedback.learned(connection, who.key)}


@pytest.fixture
def town(sqlite_database: Database) -> Town:
    """Ann says something, Ben is the same and says nothing."""
    town = Town(sqlite_database)
    for address in ("ann@example.org", "ben@example.org"):
        town.join(address, CARE)
    town.post_week(NOW)
    town.run()
    return town


def next_week(town: Town) -> None:
    town.now += WEEK
    town.post_week(town.now)
    run_edition(town.services(port=9), town.network, at=town.now, send=False)


def test_more_like_this_brings_more_of_it(town: Town) -> None:
    """It comes to match better than before, and better than what Ann passed over, which goes before it for Ben."""
    before = town.match("ann@example.org", f"palliative-{town.now:%m%d}")
    town.press("ann@example.org", "Palliative care", "more")
    next_week(town)
    liked, passed_over = f"palliative-{town.now:%m%d}", f"nursing-{town.now:%m%d}"
    assert town.match("ann@example.org", liked) > before > 0
    assert town.match("ann@example.org", liked) > town.match("ben@example.org", liked) > 0
    assert town.match("ann@example.org", liked) > town.match("ann@example.org", passed_over) + 3
    assert town.match("ben@example.org", liked) < town.match("ben@example.org", passed_over)
    assert town.threshold("ann@example.org") == town.threshold("ben@example.org") - 2 * 0.5 ** (7 / 90)
    assert town.learned("ann@example.org")["palliative care"] > 0
    assert town.learned("ben@example.org") == {}


def test_not_for_me_brings_less_of_it(town: Town) -> None:
    town.press("ann@example.org", "Palliative care", "less")
    next_week(town)
    name = f"palliative-{town.now:%m%d}"
    assert town.match("ann@example.org", name) < town.match("ben@example.org", name)
    assert town.threshold("ann@example.org") > town.threshold("ben@example.org")
    assert town.learned("ann@example.org")["palliative care"] < 0


def test_what_was_taken_back_has_no_effect(town: Town) -> None:
    link = town.link("ann@example.org", "Palliative care", "less")
    town.press("ann@example.org", "Palliative care", "less")
    town.browser.post(link, data={"undo": "less"})
    next_week(town)
    name = f"palliative-{town.now:%m%d}"
    assert town.match("ann@example.org", name) == town.match("ben@example.org", name)
    assert town.threshold("ann@example.org") == town.threshold("ben@example.org")


def test_a_link_in_one_members_mail_speaks_for_that_member_alone(town: Town) -> None:
    town.press("ann@example.org", "Palliative care", "more")
    with town.database.reading() as connection:
        found = [(word.address, word.verdict) for word in feedback.listing(connection, town.network_key)]
    assert found == [("ann@example.org", "more")]


def test_a_mail_scanner_that_follows_every_link_says_nothing(town: Town) -> None:
    for word in ("more", "less"):
        for method in ("GET", "HEAD"):
            town.browser.request(method, town.link("ann@example.org", "Palliative care", word))
    with town.database.reading() as connection:
        assert list(feedback.listing(connection, town.network_key)) == []


def test_a_forgotten_term_is_learned_no_more_in_the_next_edition(town: Town) -> None:
    town.press("ann@example.org", "Palliative care", "more")
    next_week(town)
    with town.database.writing() as connection:
        ann = members.find(connection, town.network_key, "ann@example.org")
        assert ann
        feedback.forget(connection, ann.key, "palliative care", town.now)
    next_week(town)
    assert "palliative" not in " ".join(town.learned("ann@example.org"))
    assert town.learned("ann@example.org"), "the rest is learned still"


def test_what_was_learned_is_in_the_reasons_as_learned(town: Town) -> None:
    with town.database.writing() as connection:
        ann = members.find(connection, town.network_key, "ann@example.org")
        assert ann
        words = [feedback.Word(ann.key, key, "more", NOW) for name, key in town.keys.items() if "bells" in name]
        feedback.record(connection, words)
    next_week(town)
    assert town.match("ann@example.org", f"bells-{town.now:%m%d}") > town.match(
        "ben@example.org", f"bells-{town.now:%m%d}"
    )
    with town.database.reading() as connection:
        query = select(editions.DIGEST_ITEM.c.reason).where(
            editions.DIGEST_ITEM.c.item_id == town.keys[f"bells-{town.now:%m%d}"]
        )
        reasons = connection.execute(query).scalars().all()
    assert reasons
    assert all(source == "learned" for reason in reasons for _, _, source in reason)


def test_opening_teaches_only_about_those_who_agreed(town: Town) -> None:
    with town.database.writing() as connection:
        for address, agreed in (("ann@example.org", True), ("ben@example.org", False)):
            who = members.find(connection, town.network_key, address)
            assert who
            wishes = replace(who.member.preferences, learn_from_opened=agreed)
            members.change(connection, who.key, NOW, preferences=wishes)
            words = [feedback.Word(who.key, key, "opened", NOW) for name, key in town.keys.items() if "bells" in name]
            feedback.record(connection, words)
    next_week(town)
    assert town.learned("ann@example.org")
    assert town.learned("ben@example.org") == {}


def test_a_member_who_marks_everything_stays_within_bounds(town: Town) -> None:
    with town.database.writing() as connection:
        for address, verdict in (("ann@example.org", "more"), ("ben@example.org", "less")):
            who = members.find(connection, town.network_key, address)
            assert who
            words = [feedback.Word(who.key, key, verdict, NOW) for key in town.keys.values()]  # type: ignore[arg-type]
            feedback.record(connection, words)
            table = feedback.TABLE
            edition = editions.latest(connection, town.network_key, 1)[0]
            connection.execute(table.update().where(table.c.member_id == who.key).values(edition_id=edition.key))
    next_week(town)
    assert town.threshold("ann@example.org") == 25
    assert 33 < town.threshold("ben@example.org") <= 60


def test_feedback_on_items_that_are_gone_does_no_harm(town: Town) -> None:
    from store import items

    town.press("ann@example.org", "Palliative care", "more")
    with town.database.writing() as connection:
        for key in town.keys.values():
            items.withdraw(connection, key, town.now)
    next_week(town)
    assert town.learned("ann@example.org") == {}


def test_a_rehearsal_and_the_real_run_come_to_the_same_with_feedback(town: Town) -> None:
    town.press("ann@example.org", "Palliative care", "more")
    town.press("ben@example.org", "Community nursing", "less")
    town.now += WEEK
    town.post_week(town.now)
    rehearsed = rehearse(town.services(port=9), town.network, at=town.now)
    report = run_edition(town.services(port=9), town.network, at=town.now, send=False)
    assert (rehearsed.sizes, rehearsed.reach) == (report.sizes, report.reach)


def test_imported_feedback_counts_like_any_other(town: Town, tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "said.csv"
    name = f"palliative-{NOW:%m%d}"
    file.write_text(f"member,item,verdict,at\nann@example.org,{name},less,2026-11-16T07:30Z\n", encoding="utf-8")
    assert import_feedback(town.services(port=9), town.network, file).outcomes == {"recorded": 1}
    next_week(town)
    name = f"palliative-{town.now:%m%d}"
    assert town.match("ann@example.org", name) < town.match("ben@example.org", name)
    assert town.threshold("ann@example.org") > town.threshold("ben@example.org")


def calibration_of_the_last(town: Town) -> tuple[float, ...]:
    with town.database.reading() as connection:
        return tuple(editions.latest(connection, town.network_key, 1)[0].settings["calibration"])


def test_a_network_learns_from_its_own_digests_what_a_match_means(town: Town) -> None:
    assert calibration_of_the_last(town) == DEFAULT.weights
    before = town.match("ann@example.org", "palliative-1116")
    town.press("ann@example.org", "Community nursing", "less")
    town.press("ann@example.org", "Palliative care", "less")
    next_week(town)
    assert calibration_of_the_last(town) != DEFAULT.weights
    assert town.match("ann@example.org", f"palliative-{town.now:%m%d}") < before


def test_an_edition_taken_up_again_keeps_what_it_was_calibrated_with(town: Town) -> None:
    town.press("ann@example.org", "Community nursing", "less")
    next_week(town)
    with town.database.reading() as connection:
        edition = editions.latest(connection, town.network_key, 1)[0]
        network = networks.by_key(connection, town.network_key)
        keys, model = editions.item_keys(connection, edition.key), editions.load_model(connection, edition.key)
    again = fit_edition(town.services(port=9), network, edition.settings, keys, edition.as_of, model)
    assert again.calibration.weights == tuple(edition.settings["calibration"])


def test_a_request_can_be_helped_with_by_a_link_of_the_mail(town: Town) -> None:
    with town.database.writing() as connection:
        town.keys["asked"] = stored_item(
            connection, town.network_key, title="Who has a rota for community nursing at home?", topics=(), kind="request",
            body="We plan community nursing at home and look for a rota.", external_id="asked", published_at=town.now,
        )  # fmt: skip
    town.now += WEEK
    town.run()
    link = town.link("ann@example.org", "Who has a rota", "can_help")
    assert town.browser.get(link).text.index("I can help") < town.browser.get(link).text.index("More like this")
    town.press("ann@example.org", "Who has a rota", "can_help")
    with town.database.reading() as connection:
        who = members.find(connection, town.network_key, "ann@example.org")
        assert who
        assert [word.verdict for word in feedback.said(connection, who.key, town.keys["asked"])] == ["can_help"]
