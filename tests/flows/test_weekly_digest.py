"""Post, compose, deliver over a real SMTP server, leave, and nothing more comes."""

import email
import email.policy
from datetime import datetime, timedelta
from email.message import EmailMessage

import pytest
from pydantic import SecretStr

from delivery.sink import Accepted, Sink, running
from jobs.run import EditionBusy, RunReport, rehearse, run_edition
from jobs.send import send_due
from jobs.services import Services
from jobs.settings import DigestSettings, Settings, SmtpSettings
from profiles.member import Preferences, Profile
from store import editions, members, networks
from store.database import Database
from store.networks import Network
from tests.builders import NOW, a_member, stored_item, stored_member, stored_network, stored_topic

SECRET = "a secret of at least thirty-two characters"
STROKE = Profile(stated="early supported discharge after stroke, rehabilitation at home", languages=("en",))
LUNGS = Profile(stated="pulmonary rehabilitation and breathlessness in COPD", languages=("en",))
BELLS = Profile(stated="bell ringing in country churches", languages=("en",))

TEXTS = {
    "esd": (
        "Early supported discharge teams for stroke",
        "How do stroke teams set up early supported discharge at home?",
    ),
    "rehab": (
        "Pulmonary rehabilitation by video",
        "A course of pulmonary rehabilitation for people with COPD, by video.",
    ),
    "breath": ("Breathlessness clinics", "Palliative and respiratory teams share a clinic for breathlessness."),
    "library": ("New opening hours of the library", "The library is open on Saturdays from now on."),
    "home": ("Rehabilitation at home after stroke", "Therapists describe rehabilitation at home after a stroke."),
}


class World:
    """A network on a database, a mail server that keeps what it takes, and a clock that stands still."""

    def __init__(self, database: Database) -> None:
        self.accepted: list[Accepted] = []
        self.database = database
        self.now = NOW
        with database.writing() as connection:
            key = stored_network(connection, slug="breathe-well")
            stored_topic(connection, key)
            for name, (title, body) in TEXTS.items():
                stored_item(connection, key, title=title, body=body, topics=(), external_id=name, kind="resource")
        self.network_key = key

    @property
    def network(self) -> Network:
        with self.database.reading() as connection:
            return networks.find(connection, "breathe-well")

    def services(self, port: int, **digest: int) -> Services:
        smtp = SmtpSettings(host="127.0.0.1", port=port, connections=3)
        settings = Settings(smtp=smtp, secret_key=SecretStr(SECRET), digest=DigestSettings(**digest))
        return Services(settings, self.database, lambda: self.now)

    def join(self, address: str, profile: Profile, **preferences: object) -> int:
        wishes = Preferences(**preferences)  # type: ignore[arg-type]
        with self.database.writing() as connection:
            return stored_member(
                connection, self.network_key, a_member(address=address, profile=profile, preferences=wishes)
            )

    def run(self, at: datetime | None = None, **digest: int) -> RunReport:
        with running(Sink(self.accepted.append)) as sink:
            return run_edition(self.services(sink.port, **digest), self.network, at=at or self.now)

    def mails_to(self, address: str) -> list[EmailMessage]:
        mine = [one.content for one in self.accepted if one.recipients == (address,)]
        return [email.message_from_bytes(content, policy=email.policy.default) for content in mine]  # type: ignore[misc]

    def text(self, address: str) -> str:
        (mail,) = self.mails_to(address)
        part = mail.get_body(("plain",))
        assert part is not None
        return str(part.get_content())


@pytest.fixture
def world(database: Database) -> World:
    world = World(database)
    world.join("ann@example.org", STROKE)
    world.join("bob@example.org", LUNGS)
    world.join("carol@example.org", BELLS)
    return world


def test_each_member_gets_what_fits_them_and_who_fits_nothing_gets_nothing(world: World) -> None:
    report = world.run()
    assert report.state == "finished"
    assert (report.considered, report.digests, report.delivered) == (3, 2, 2)
    assert report.skipped == {"nothing_fits": 1}
    assert "Early supported discharge teams for stroke" in world.text("ann@example.org")
    assert "Pulmonary" not in world.text("ann@example.org")
    assert "Pulmonary rehabilitation by video" in world.text("bob@example.org")
    assert world.mails_to("carol@example.org") == []


def test_a_second_run_of_the_same_edition_sends_nothing(world: World) -> None:
    world.run()
    sent = len(world.accepted)
    report = world.run()
    assert report.nothing_to_do
    assert len(world.accepted) == sent


def test_no_member_gets_an_item_twice_in_later_editions(world: World) -> None:
    world.run()
    world.now += timedelta(days=7)
    report = world.run()
    assert report.digests == 0
    assert report.skipped == {"nothing_allowed": 2, "nothing_fits": 1}


def test_the_cap_holds_and_what_did_not_fit_is_recorded(world: World) -> None:
    report = world.run(items=1)
    assert report.sizes == {1: 2}
    with world.database.reading() as connection:
        reasons = connection.execute(editions.LEFT_OUT.select()).all()
    assert {row.reason for row in reasons} == {"carried_over"}


def test_a_member_may_ask_for_fewer_items_but_not_for_more(world: World) -> None:
    world.join("few@example.org", STROKE, items_per_digest=1)
    world.join("many@example.org", STROKE, items_per_digest=50)
    report = world.run(items=1)
    assert report.sizes == {1: 4}


def test_who_leaves_while_the_mail_waits_gets_nothing(world: World) -> None:
    with running(Sink(world.accepted.append)) as sink:
        services = world.services(sink.port)
        assert run_edition(services, world.network, at=NOW, send=False).queued == 2
        with world.database.writing() as connection:
            ann = members.find(connection, world.network_key, "ann@example.org")
            assert ann
            members.leave(connection, ann.key, NOW, "a test")
        send_due(services)
    assert world.mails_to("ann@example.org") == []
    assert len(world.mails_to("bob@example.org")) == 1
    with world.database.reading() as connection:
        edition = editions.latest(connection, world.network_key)[0]
        assert edition.state == "finished"
        assert editions.counts(connection, edition.key).balanced


def test_one_refused_recipient_does_not_stop_the_others(world: World) -> None:
    world.join("käthe@example.org", STROKE)
    with running(Sink(world.accepted.append)) as sink:
        report = run_edition(world.services(sink.port), world.network, at=NOW)
    assert report.delivered + report.failed == 3
    assert len(world.mails_to("bob@example.org")) == 1


def test_a_mail_server_that_is_down_loses_nothing(world: World) -> None:
    services = world.services(port=9)
    report = run_edition(services, world.network, at=NOW)
    assert report.mail_server_problem
    assert (report.state, report.queued) == ("released", 2)
    world.now += timedelta(hours=1)
    report = world.run(at=NOW)
    assert (report.state, report.delivered) == ("finished", 2)


def test_a_run_that_died_is_taken_up_where_it_stopped(world: World) -> None:
    from jobs.edition import open_edition

    with running(Sink(world.accepted.append)) as sink:
        services = world.services(sink.port, shard=1)
        open_edition(services, world.network, "2026-W47", NOW)
        with world.database.writing() as connection:
            edition = editions.find(connection, world.network_key, "2026-W47")
            assert edition
            editions.claim(connection, edition, "elsewhere:1", NOW - timedelta(hours=1), 120, dead=False)
        report = run_edition(services, world.network, at=NOW + timedelta(days=1))
    assert (report.state, report.considered, report.delivered) == ("finished", 3, 2)


def test_an_edition_that_a_living_process_holds_is_left_to_it(world: World) -> None:
    from jobs.edition import open_edition

    services = world.services(port=9)
    open_edition(services, world.network, "2026-W47", NOW)
    with world.database.writing() as connection:
        edition = editions.find(connection, world.network_key, "2026-W47")
        assert edition
        editions.claim(connection, edition, "elsewhere:1", NOW, 120, dead=False)
    with pytest.raises(EditionBusy, match="elsewhere:1"):
        run_edition(services, world.network, at=NOW)


def test_a_rehearsal_writes_nothing_and_comes_to_the_same(world: World) -> None:
    with world.database.reading() as connection:
        before = editions.latest(connection, world.network_key)
    rehearsed = rehearse(world.services(port=9), world.network, at=NOW)
    with world.database.reading() as connection:
        assert editions.latest(connection, world.network_key) == before == []
    report = world.run()
    assert (rehearsed.digests, rehearsed.skipped, rehearsed.sizes) == (report.digests, report.skipped, report.sizes)
    assert rehearsed.reach == report.reach


def test_every_mail_can_be_left_with_one_click_and_names_its_list(world: World) -> None:
    world.run()
    (mail,) = world.mails_to("ann@example.org")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "/leave/" in mail["List-Unsubscribe"]
    assert "mailto:" in mail["List-Unsubscribe"]
    assert mail["List-Id"].endswith("<digest.news.example.org>")


def test_the_reason_in_the_mail_names_words_of_the_item(world: World) -> None:
    world.run()
    text = " ".join(world.text("bob@example.org").split())
    assert "ulmonary rehabilitation" in text.partition("Why")[2]
