"""Whole mails, octet for octet.

After a change on purpose: `GOLDEN_UPDATE=1 .venv/bin/pytest tests/golden`, then read the diff.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.items import Item
from digest.message import Entry, Recipient
from tests.digest.mails import DATE, a_recipient, the_press

FOLDER = Path(__file__).parent

REQUEST = Item(
    title="Job descriptions for a respiratory early supported discharge coordinator",
    kind="request",
    body="Dear all,\n\nWe are setting up early supported discharge for people with COPD in three community hospitals. "
    "We look for **job descriptions** and banding. Examples from rural areas are very welcome.\n\nMany thanks, Ann",
    poster="Sioned Prys, Dyffryn Arian University Health Board",
    language="en",
    deadline=datetime(2026, 12, 4, 17, 0, tzinfo=UTC),
    public_id="aaaabbbbccccdddd",
)
EVENT = Item(
    title="Webinaire : réhabilitation respiratoire à domicile, premiers résultats",
    kind="event",
    body="Trois équipes présentent leurs résultats après un an. L'inscription est gratuite.",
    url="https://souffle.example.org/webinaire?an=2026&mois=12",
    poster="Réseau Souffle",
    language="fr",
    event_at=datetime(2026, 12, 10, 14, 0, tzinfo=UTC),
    public_id="bbbbccccddddeeee",
)
NEWS = Item(
    title="Tîm Adsefydlu'r Fenai yn ennill gwobr <b>genedlaethol</b> & mwy",
    body="Enillodd y tîm wobr am ei waith gyda 12 000 o gleifion.",
    language="cy",
    public_id="ccccddddeeeeffff",
)
ARABIC = Item(
    "إعادة التأهيل الرئوي في المنزل", "resource", "دليل قصير للمرضى.", language="ar", public_id="ddddeeeeffffgggg"
)
TERMS = (("pulmonary rehabilitation", "stated"), ("home oxygen", "stated"), ("COPD", "topic"))
RELATED = (("réadaptation", "related"), ("people & places", "learned"))

TOKEN = "feedback" + "c" * 50


def entry(item: Item, match: float, terms: tuple[tuple[str, str], ...]) -> Entry:
    return Entry(item, match, terms, TOKEN)


MAILS: dict[str, tuple[Recipient, list[Entry]]] = {
    "english": (a_recipient(), [entry(NEWS, 40.0, RELATED), entry(REQUEST, 81.5, TERMS), entry(EVENT, 44.0, TERMS)]),
    "welsh": (
        a_recipient(address="rhodri@dŵr.example", name="Rhodri Siôn Pŵ", language="cy"),
        [entry(NEWS, 60.0, TERMS), entry(EVENT, 50.0, TERMS), entry(ARABIC, 45.0, RELATED)],
    ),
    "french": (
        a_recipient(name='Anne, "Docteur"', language="fr"),
        [entry(REQUEST, 70.0, TERMS), entry(EVENT, 55.0, ())],
    ),
    "spanish": (a_recipient(name="", language="es", keep_token="keep" + "k" * 38), [entry(ARABIC, 50.0, TERMS)]),
    "italian": (a_recipient(language="it"), [entry(REQUEST, 70.0, RELATED), entry(NEWS, 51.0, TERMS)]),
}


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_is_as_it_was(name: str) -> None:
    recipient, entries = MAILS[name]
    octets = the_press().message(recipient, entries, f"<edition0.{name}@news.example.org>", DATE)
    file = FOLDER / f"{name}.eml"
    if os.environ.get("GOLDEN_UPDATE"):
        file.write_bytes(octets)
    assert octets == file.read_bytes()
