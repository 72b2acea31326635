import json
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from profiles.reachability import Rule
from store import bounces, budgets, feedback, members, tables, thresholds
from store.access import everything_about
from store.bounces import Report
from store.feedback import Word
from store.thresholds import Judgement
from tests import builders
from tests.builders import NOW


@pytest.fixture
def held(database):
    """Everything about a member who has something in every table, beside another member with the same."""
    with database.writing() as connection:
        network = builders.stored_network(connection)
        keys = [builders.stored_member(connection, network, name=f"canary-name-{n}") for n in (1, 2)]
        items = [builders.stored_item(connection, network, title=f"canary-item-{n}") for n in (1, 2)]
        edition = builders.stored_edition(connection, network, slot="2026-W47")
        for key in keys:
            fill(connection, key, edition, items)
        return everything_about(connection, keys[0])


def fill(connection, key, edition, items):
    members.change(connection, key, NOW, status="paused", basis=f"canary-consent-{key}")
    outbox = builders.stored_digest(connection, edition, key, (items[0],))
    digest = connection.execute(
        select(tables.Outbox.__table__.c.digest_id).where(tables.Outbox.__table__.c.id == outbox)
    ).scalar_one()
    chosen = tables.DigestItem.__table__
    connection.execute(
        update(chosen).where(chosen.c.member_id == key).values(reason=[[f"canary-reason-{key}", 0.5, "stated"]])
    )
    left = {"digest_id": digest, "item_id": items[1], "reason": f"canary-left-{key}", "score": 0.1, "match": 20.0}
    connection.execute(insert(tables.LeftOut.__table__).values(**left))
    feedback.record(connection, [Word(key, items[0], "more", NOW, f"canary-feedback-{key}")])
    feedback.write_learned(connection, [key], [(key, 1, f"canary-learned-{key}", 0.5, [items[0]])])
    feedback.forget(connection, key, f"canary-forgotten-{key}", NOW)
    thresholds.judge(connection, [Judgement(key, items[0], True, 61.0, "somebody", NOW)])
    network = connection.execute(select(tables.Edition.__table__.c.network_id)).scalar()
    budgets.open_accounts(connection, network)
    account = budgets.accounts(connection, network, key, key, NOW.toordinal())[key].key
    budgets.draw(connection, [(account, network, digest, f"canary-draw-{key}", NOW, NOW.toordinal(), 1, 0, 1)])
    sent = {"outbox_id": outbox, "attempt": 1, "at": NOW + timedelta(hours=1), "outcome": "handed_over"}
    rest = {"code": 250, "enhanced_status": "2.0.0", "reply": f"canary-reply-{key}", "route": "", "elapsed_ms": 1}
    connection.execute(insert(tables.Delivery.__table__).values(**sent, **rest))
    report = Report("bounce", "hard", NOW, signed=True, status="5.1.1", said=f"canary-bounce-{key}")
    bounces.record(connection, report, b"a secret of thirty-two characters", Rule(), message=outbox)


def test_what_is_held_in_every_table_is_in_the_file_and_nobody_elses(held):
    text = json.dumps(held)
    for word in ("name", "consent", "reason", "left", "reply", "feedback", "learned", "forgotten", "bounce", "draw"):
        assert f"canary-{word}-1" in text
        assert f"canary-{word}-2" not in text


def test_every_table_that_names_a_member_has_its_part(held):
    named = {"digest", "digest_item", "consent", "outbox", "feedback", "learned_term", "forgotten_term", "judgement"}
    named |= {"came_back", "reachability"}
    assert named == {t.name for t in tables.metadata.sorted_tables if "member_id" in t.c}
    assert [name for name in held if held[name]] == list(held)
    assert held["items_sent"][0]["title"] == "canary-item-1"
    assert held["items_left_out"][0]["title"] == "canary-item-2"
    assert held["digests"][0]["slot"] == "2026-W47"


def test_each_member_has_every_field_but_internal_numbers(held):
    fields = {column.name for column in tables.Member.__table__.c} - {"id", "network_id"}
    assert set(held["member"]) == fields | {"network"}
