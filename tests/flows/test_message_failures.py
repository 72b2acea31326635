"""What goes wrong with the message itself: F18, F24, F42 and F43 of the failures that mailers are known for."""

import random
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from delivery.sink import running
from digest.items import KINDS, Item
from digest.message import DigestPress, Entry, MailParts, Recipient
from jobs.send import send_due
from profiles.links import sign, sign_feedback
from store import outbox
from store.database import Database
from store.tables import Outbox
from tests.builders import some_services, stored_digest, stored_edition, stored_item, stored_member, stored_network
from tests.digest.keys import some_keys, verified
from tests.digest.mails import (
    DATE,
    FEEDBACK_TOKEN,
    MESSAGE_ID,
    TERMS,
    a_masthead,
    a_recipient,
    an_entry,
    an_environment,
    parts,
    read,
    the_press,
)
from tests.faults.misbehaving import Misbehaving

OUTBOX = Outbox.__table__  # type: ignore[attr-defined]

EVIL = (
    "x\r\nX-Injected: yes",
    "x\nBcc: evil@attacker.example",
    "x\rX-Injected: yes",
    "x\u2028X-Injected: yes",
    "x\u2029Bcc: evil@attacker.example",
    "x\x85X-Injected: yes",
    "x\x0bX-Injected: yes\x0c\x00",
    "=?utf-8?q?hello=0D=0ABcc=3A_evil=40attacker.example?=",
    "=?utf-8?b?aGVsbG8NCkJjYzogZXZpbEBhdHRhY2tlci5leGFtcGxl?=",
    'Ann" <evil@attacker.example>, "x',
    "Ann <evil@attacker.example>,",
    "a\r\n\r\n<h1>a body of my own</h1>",
    "\u202eevil\u2066\u200e" + "x" * 2000,
    "%(n)s %b {{ 7 * 7 }} \ue000token\ue001",
)


def _everything(evil: str) -> tuple[DigestPress, Recipient, list[Entry]]:
    """The same text wherever somebody may have written one."""
    names = ("network_name", "sender_name", "postal_address", "slot", "edition_id", "network_slug")
    masthead = a_masthead(**dict.fromkeys(names, evil))
    item = Item(
        title=evil, kind="request", body=evil, summary=evil, url=evil, poster=evil, language=evil, public_id=evil
    )
    press = DigestPress(an_environment(), masthead, {"copd": evil}, some_keys())
    entry = Entry(item, 50.0, ((evil, "stated"), ("copd", "topic"), (evil, "learned")), FEEDBACK_TOKEN)
    return press, a_recipient(name=evil, language=evil), [entry]


@pytest.mark.parametrize("evil", EVIL)
def test_f24_no_name_title_or_tag_adds_a_header_field_or_a_recipient(evil: str) -> None:
    press, recipient, entries = _everything(evil)
    octets = press.message(recipient, entries, MESSAGE_ID, DATE)
    message = read(octets)
    ordinary = the_press().message(a_recipient(), [an_entry()], MESSAGE_ID, DATE)
    assert Counter(message.keys()) == Counter(read(ordinary).keys()) + Counter({"DKIM-Signature": 2})
    assert [address.addr_spec for address in message["To"].addresses] == ["ann@example.org"]
    assert [address.addr_spec for address in message["From"].addresses] == ["digest@news.example.org"]
    assert not message.defects
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert octets.count(b"\r") == octets.count(b"\n") == octets.count(b"\r\n")
    assert octets.isascii()
    assert verified(octets, *some_keys()) == [True, True]


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.org\r\nBcc: evil@attacker.example",
        '"x\r\nRCPT TO:<z>"@example.org',
        "ann@example.org, evil@attacker.example",
        "ann@example.org> <evil@attacker.example",
        "ann@good.example\x00.evil.example",
        "a@good.example <b@evil.example>",
        "",
        "@example.org",
        "ann@",
    ],
)
def test_f24_an_address_that_would_be_more_than_one_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="e-mail address"):
        the_press().message(a_recipient(address=address), [an_entry()], MESSAGE_ID, DATE)


def test_f18_a_template_that_fails_for_one_member_stops_nobody_else(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failing card has a title that no trial could foresee."""
    broken = (
        "{% if card.title == 'Poison' %}{{ card.title / 0 }}{% endif %}"
        '<h3>{{ card.title }} {{ card.url }}</h3><p class="why">{{ why }}</p>{{ feedback_url }}'
    )
    sound = "{{ card.title|wrap }} {{ card.url }}\n{{ why|wrap }}{{ feedback_url }}\n"
    environment = an_environment(digest_card_html=broken, digest_card_txt=sound)
    monkeypatch.setattr("jobs.press.mail_environment", lambda: environment)
    hostile = ["Ann\u2028Bcc: x@y.example", "x" * 10_000, "", "\x00", '"', "مرحبا \u202e"]
    with sqlite_database.writing() as connection:
        network = stored_network(connection)
        edition = stored_edition(connection, network, state="released")
        sound_item, poison = stored_item(connection, network), stored_item(connection, network, title="Poison")
        for n, name in enumerate(hostile):
            member = stored_member(connection, network, address=f"m{n}@example.org", name=name)
            stored_digest(connection, edition, member, (sound_item,))
        unlucky = stored_member(connection, network, address="unlucky@example.org")
        stored_digest(connection, edition, unlucky, (poison,))
    with running(Misbehaving()) as server:
        assert isinstance(server, Misbehaving)
        report = send_due(some_services(sqlite_database, smtp={"host": server.host, "port": server.port}))
        assert sorted(server.recipients()) == [f"m{n}@example.org" for n in range(len(hostile))]
    assert (report.of("handed_over"), report.of("refused"), report.errors) == (len(hostile), 1, 0)
    with sqlite_database.reading() as connection:
        reason = connection.execute(select(OUTBOX.c.reason).where(OUTBOX.c.state == "refused")).scalar_one()
        assert reason == "the mail could not be composed (TemplateError)"
        assert outbox.counts(connection) == {"handed_over": len(hostile), "refused": 1}


def _crowd(n: int) -> list[tuple[Recipient, list[Entry], str]]:
    """Members with digests of their own, whose tokens and Message-IDs tell them apart."""
    chance = random.Random(42)
    items = [
        Item(f"Item {k}", chance.choice(KINDS), body=f"Body {k}. " * 20, public_id=f"item{k:012d}") for k in range(30)
    ]
    crowd = []
    for number in range(n):
        who = f"member{number:010d}".translate(str.maketrans("0189", "abcd"))
        chosen = chance.sample(items, chance.randint(1, 6))
        entries = [Entry(item, 50.0, ((f"interest {number}", "stated"),), sign_feedback(b"k" * 32, who, item.public_id))
                   for item in chosen]  # fmt: skip
        tokens = sign(b"k" * 32, "leave", who), sign(b"k" * 32, "preferences", who)
        language = chance.choice(["en", "cy", "fr", "es", "it"])
        recipient = Recipient(f"{who}@example.org", f"Name {number}", language, *tokens)
        crowd.append((recipient, entries, f"<edition.{who}@news.example.org>"))
    return crowd


def test_f42_a_mail_depends_on_its_member_alone_in_any_order_and_in_parallel() -> None:
    crowd = _crowd(150)

    def press() -> DigestPress:
        return DigestPress(an_environment(), a_masthead(), {}, some_keys()[1:])

    def printed(one: DigestPress, member: tuple[Recipient, list[Entry], str]) -> bytes:
        return one.message(*member, DATE)

    alone = press()
    first = {member[2]: printed(alone, member) for member in crowd}
    shuffled = random.Random(7).sample(crowd, len(crowd))
    shared = press()
    with ThreadPoolExecutor(8) as threads:
        parallel = list(threads.map(lambda member: printed(shared, member), shuffled))
    assert {member[2]: octets for member, octets in zip(shuffled, parallel, strict=True)} == first
    for recipient, entries, message_id in crowd:
        message = read(first[message_id])
        readable = str(message.items()) + "".join(part.get_content() for part in message.iter_parts())
        for name in (recipient.address, recipient.leave_token, recipient.preferences_token):
            assert name in readable
        assert all(entry.feedback_token in readable for entry in entries)
        for part in message.iter_parts():
            links = set(re.findall(r"/(leave|preferences)/(\w+)", part.get_content()))
            assert links == {("leave", recipient.leave_token), ("preferences", recipient.preferences_token)}
        others = (other for other in crowd if other[2] != message_id)
        assert not any(other.leave_token in readable or other.address in readable for other, _, _ in others)


def _long(n: int, title: str = "A title that says at some length what this is about, number {}") -> list[Entry]:
    body = "Teams describe what worked, what did not, and what they would do again. " * 40
    return [
        Entry(
            Item(title.format(k), KINDS[k % len(KINDS)], body=body, summary=body, url=f"https://example.org/{k}",
                 poster="Someone, Somewhere", public_id=f"item{k:012d}", deadline=DATE, event_at=DATE),
            50.0, TERMS, FEEDBACK_TOKEN,
        )
        for k in range(n)
    ]  # fmt: skip


def _footer_is_in(made: MailParts, recipient: Recipient) -> bool:
    links = (
        f"/leave/{recipient.leave_token}",
        f"/preferences/{recipient.preferences_token}",
        "1 Example Street, Cardiff",
    )
    return all(link in part for link in links for part in (made.text, made.html))


@pytest.mark.parametrize("language", ["en", "cy", "fr", "es", "it"])
@pytest.mark.parametrize("n", [12, 30, 50])
def test_f43_a_member_whom_everything_fits_gets_a_short_mail_with_its_footer(n: int, language: str) -> None:
    recipient, entries = a_recipient(language=language), _long(n)
    octets = the_press().message(recipient, entries, MESSAGE_ID, DATE)
    made = parts(read(octets))
    assert len(octets) < (60_000 if n < 20 else 100_000)
    assert len(made.html.encode()) < 80_000
    assert _footer_is_in(made, recipient)
    assert all(entry.item.title in made.html and entry.item.title in " ".join(made.text.split()) for entry in entries)
    plain = the_press().parts(recipient, entries)
    assert (made.text.split(), made.html.split()) == (plain.text.split(), plain.html.split())


def test_f43_what_is_left_out_for_its_size_is_counted() -> None:
    recipient, entries = a_recipient(), _long(50, "😀" * 195 + " {}")
    press = DigestPress(an_environment(), a_masthead(), {})  # of its own: a press keeps the room it was made with
    octets = press.message(recipient, entries, MESSAGE_ID, DATE)
    made = parts(read(octets))
    shown = sum(f"item{k:012d}" in made.text or f"example.org/{k}\n" in made.text for k in range(50))
    assert 5 < shown < 50
    assert f"{50 - shown} more, without room in this mail" in made.html
    assert len(octets) < 102_000
    assert _footer_is_in(made, recipient)


def test_f43_six_items_of_the_longest_kind_are_told_whole() -> None:
    octets = the_press().message(a_recipient(), _long(6), MESSAGE_ID, DATE)
    assert len(octets) < 60_000
    assert "in brief" not in parts(read(octets)).html
