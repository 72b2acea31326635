import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from profiles import verp
from store import bounces, suppression, tables
from store.database import Database
from tests.builders import NOW, stored_digest, stored_edition
from tests.web.pages import KEY, Pages, client_of, open_pages
from web.bounces import MOST_SECONDS_OLD, signature

SECRET = b"a secret that only the sender and we know"
OUTBOX = tables.Outbox.__table__  # type: ignore[attr-defined]
EDITION = tables.Edition.__table__  # type: ignore[attr-defined]


@pytest.fixture
def pages(sqlite_database: Database) -> Pages:
    found = open_pages(sqlite_database, address="jo@example.org")
    context = replace(found.context, webhook_secret=SECRET)
    return replace(found, context=context, client=client_of(context))


def sent(pages: Pages) -> tuple[int, str]:
    """A digest that was handed over: its key and its return path."""
    with pages.database.writing() as connection:
        edition = stored_edition(connection, pages.network)
        key = stored_digest(connection, edition, pages.member, ())
        values = {"state": "handed_over", "attempts": 1, "settled_at": NOW}
        connection.execute(update(OUTBOX).where(OUTBOX.c.id == key).values(**values))
        public_id = connection.execute(select(EDITION.c.public_id).where(EDITION.c.id == edition)).scalar_one()
    return key, verp.return_path(KEY, pages.public_id, public_id, "news.example.org")


def post(pages: Pages, *events: Any, secret: bytes = SECRET, at: float | None = None, body: bytes = b"") -> Any:
    body = body or json.dumps({"events": events}).encode()
    timestamp = str(int(NOW.timestamp() if at is None else at))
    headers = {"X-Germane-Timestamp": timestamp, "X-Germane-Signature": signature(secret, timestamp, body)}
    return pages.client.post("/hooks/bounces", content=body, headers=headers)


HARD = {"type": "bounce", "address": "Jo@Example.org", "kind": "hard", "status": "5.1.1", "reason": "no such user"}
COMPLAINT = {"type": "complaint", "address": "jo@example.org"}


def test_f40_without_a_secret_there_is_no_webhook(pages: Pages) -> None:
    bare = replace(pages, client=client_of(replace(pages.context, webhook_secret=b"")))
    assert post(bare, COMPLAINT).status_code == 404
    assert post(bare, COMPLAINT, secret=b"").status_code == 404
    assert pages.now().member.status == "active"


@pytest.mark.parametrize("secret", [b"", b"wrong", SECRET + b"x", KEY])
def test_f40_a_wrong_signature_changes_nothing(pages: Pages, secret: bytes) -> None:
    before = pages.everything()
    answer = post(pages, COMPLAINT, secret=secret)
    assert (answer.status_code, answer.json()) == (403, {"error": "the signature is wrong"})
    body = json.dumps({"events": [COMPLAINT]}).encode()
    for headers in ({}, {"X-Germane-Signature": "sha256="}, {"X-Germane-Timestamp": "x", "X-Germane-Signature": "é"}):
        answer = pages.client.post("/hooks/bounces", content=body, headers={n: v.encode() for n, v in headers.items()})
        assert answer.status_code == 403
    assert pages.everything() == before


@pytest.mark.parametrize("seconds", [-MOST_SECONDS_OLD - 1, MOST_SECONDS_OLD + 1])
def test_an_old_request_cannot_be_sent_again(pages: Pages, seconds: int) -> None:
    answer = post(pages, COMPLAINT, at=NOW.timestamp() + seconds)
    assert (answer.status_code, answer.json()) == (403, {"error": "the timestamp is too far from now"})


def test_a_complaint_suppresses_at_once(pages: Pages) -> None:
    assert post(pages, COMPLAINT).json() == {"taken": 1, "ignored": 0}
    assert pages.now().member.status == "left"
    with pages.database.reading() as connection:
        assert suppression.find(connection, "jo@example.org", KEY)


def test_two_dead_bounces_of_two_messages_hold_and_the_ledger_knows(pages: Pages) -> None:
    for expected in ("active", "bounced"):
        key, path = sent(pages)
        event = HARD | {"return_path": path}
        assert post(pages, event, event, event).json()["taken"] == 3
        assert pages.now().member.status == expected
        with pages.database.reading() as connection:
            assert connection.execute(select(OUTBOX.c.state).where(OUTBOX.c.id == key)).scalar_one() == "bounced"


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        ({"kind": "soft"}, "soft"),
        ({"kind": "permanent", "status": "", "reason": ""}, "unknown"),
        ({"kind": "", "status": "9.9.9", "reason": "code 799 from the server"}, "unknown"),
        ({"kind": "", "status": "5.2.2", "reason": "full"}, "soft"),
        ({"kind": "hard", "status": "5.7.1", "reason": "blocked as spam"}, ""),
        ({"kind": 7, "status": None, "reason": ["x"]}, "unknown"),
    ],
)
def test_unknown_kinds_and_codes_are_unknown_and_policy_is_nobodys_fault(pages: Pages, event: Any, fault: str) -> None:
    _, path = sent(pages)
    post(pages, {"type": "bounce", "return_path": path} | event)
    with pages.database.reading() as connection:
        assert [one.fault for one in bounces.latest(connection, 9)] == [fault]


def test_what_is_about_nobody_or_of_an_unknown_type_is_ignored_and_counted(pages: Pages) -> None:
    events = [{"type": "opened"}, {"type": "bounce", "address": "nobody@example.org"}, {"type": "bounce"}, {}, HARD]
    assert post(pages, *events).json() == {"taken": 1, "ignored": 4}


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"events": 7}', b'{"events": [7]}', b'{"events": {}}', b"[" * 9000, b"\xff"]
)
def test_what_is_no_such_json_is_refused(pages: Pages, body: bytes) -> None:
    before = pages.everything()
    assert post(pages, body=body).status_code == 400
    assert pages.everything() == before


def test_a_body_without_end_is_refused(pages: Pages) -> None:
    assert post(pages, body=b'{"events": []}' + b" " * 1_100_000).status_code == 413


def test_the_return_path_of_another_key_is_no_proof_but_the_signature_is(pages: Pages) -> None:
    forged = verp.return_path(b"another key that is thirty-two...", pages.public_id, "a" * 16, "news.example.org")
    assert post(pages, {"type": "bounce", "return_path": forged, "kind": "hard"}).json() == {"taken": 0, "ignored": 1}
