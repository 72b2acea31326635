from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from digest.items import Audience, Item
from store import feedback, items, outbox
from store.database import Database
from store.feedback import Word
from tests.builders import (
    NOW,
    an_item,
    stored_digest,
    stored_edition,
    stored_item,
    stored_member,
    stored_network,
)

EVERY_FIELD = frozenset(items.CONTENT)
OLDEST = NOW - timedelta(days=28)


def save(connection: Connection, network: int, *found: Item, given: frozenset[str] = EVERY_FIELD) -> items.Saved:
    return items.save(connection, network, [(item, given) for item in found], NOW)


def an_item_with_everything(**changes: Any) -> Item:
    values = {
        "summary": "In short",
        "url": "https://example.org/a",
        "poster": "Ann Example",
        "topics": ("stroke", "copd"),
        "audience": Audience(profession=("nurse", "GP"), topics=("stroke",), languages=("en", "cy")),
        "deadline": NOW + timedelta(days=9),
        "event_at": NOW + timedelta(days=20),
        "expires_at": NOW + timedelta(days=30),
    }
    return an_item(**values | changes)


def test_an_item_comes_back_as_it_was_saved(database: Database) -> None:
    item = an_item_with_everything(title="Strôc ‘quoted’ \\ tab\there", body="line\nbreak\\.")
    with database.writing() as connection:
        network = stored_network(connection)
        assert [change.before for change in save(connection, network, item).added] == [None]
    with database.reading() as connection:
        (found,) = items.load(connection, network)
    assert found == replace(item, key=found.key, public_id=found.public_id)
    assert len(found.public_id) == 16


def test_saving_the_same_again_changes_nothing(database: Database) -> None:
    found = [an_item_with_everything(), an_item(state="draft", published_at=None), an_item(published_at=None)]
    with database.writing() as connection:
        network = stored_network(connection)
        save(connection, network, *found)
        before = items.load(connection, network)
        saved = items.save(
            connection, network, [(i, EVERY_FIELD - {"published_at"}) for i in found], NOW + timedelta(days=1)
        )
        assert (saved.added, saved.changed, saved.unchanged) == ((), (), 3)
        assert items.load(connection, network) == before


def test_a_changed_item_is_updated_and_keeps_its_public_id(database: Database) -> None:
    item = an_item_with_everything()
    changed = replace(item, title="New", audience=Audience(), topics=(), deadline=None, kind="event")
    with database.writing() as connection:
        network = stored_network(connection)
        save(connection, network, item, an_item())
        before = items.find(connection, network, item.external_id)
        (change,) = save(connection, network, changed).changed
        after = items.find(connection, network, item.external_id)
    assert before
    assert after == replace(changed, key=before.key, public_id=before.public_id)
    assert set(change.names) == {"title", "audience", "topics", "deadline", "kind"}


def test_a_field_that_the_source_did_not_give_stays_as_it_is_stored(database: Database) -> None:
    item = an_item_with_everything(kind="job")
    with database.writing() as connection:
        network = stored_network(connection)
        save(connection, network, item)
        save(connection, network, Item("New", external_id=item.external_id), given=frozenset({"title", "url"}))
        found = items.find(connection, network, item.external_id)
    assert found
    assert (found.title, found.url, found.kind, found.body) == ("New", "", "job", item.body)


@pytest.mark.parametrize("state", ["closed", "withdrawn", "expired"])
def test_an_import_never_changes_the_state_of_an_item_that_is_over(database: Database, state: str) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
        key = stored_item(connection, network, item := an_item(state=state))
        save(connection, network, replace(item, state="published", title="New"))
        (found,) = items.load(connection, network, [key])
    assert (found.state, found.title) == (state, "New")


def test_an_import_may_publish_a_draft_and_withdraw_what_is_published(database: Database) -> None:
    draft, published = an_item(state="draft", published_at=None), an_item()
    with database.writing() as connection:
        network = stored_network(connection)
        save(connection, network, draft, published)
        assert items.load(connection, network)[0].published_at is None
        save(connection, network, replace(draft, state="published"), replace(published, state="withdrawn"))
        first, second = items.load(connection, network)
    assert (first.state, first.published_at, second.state) == ("published", NOW, "withdrawn")


def test_of_an_id_that_comes_twice_the_last_one_holds(database: Database) -> None:
    item = an_item()
    with database.writing() as connection:
        network = stored_network(connection)
        saved = save(connection, network, item, replace(item, title="Last"))
        assert (len(saved.added), saved.repeated) == (1, 1)
        assert [found.title for found in items.load(connection, network)] == ["Last"]


def test_two_networks_may_have_the_same_external_id(database: Database) -> None:
    item = an_item()
    with database.writing() as connection:
        one, two = stored_network(connection), stored_network(connection)
        save(connection, one, item)
        save(connection, two, replace(item, title="Other"))
        assert [i.title for i in items.load(connection, one) + items.load(connection, two)] == [item.title, "Other"]


def test_comparing_writes_nothing(database: Database) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
    with database.reading() as connection:
        assert len(items.compare(connection, network, [(an_item(), EVERY_FIELD)], NOW).added) == 1
        assert items.load(connection, network) == []


def test_items_come_in_the_order_of_the_keys_that_were_asked_for(database: Database) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
        keys = [stored_item(connection, network) for _ in range(3)]
        other = stored_item(connection, stored_network(connection))
        asked = [keys[2], other, keys[0], 10**9]
        assert [item.key for item in items.load(connection, network, asked)] == [keys[2], keys[0]]


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "draft"},
        {"state": "withdrawn"},
        {"state": "closed"},
        {"published_at": NOW + timedelta(seconds=1)},
        {"published_at": OLDEST},
        {"deadline": NOW},
        {"event_at": NOW - timedelta(days=1)},
        {"expires_at": NOW},
    ],
)
def test_what_may_not_be_sent_is_not_open(database: Database, changes: dict[str, Any]) -> None:
    soon = NOW + timedelta(seconds=1)
    with database.writing() as connection:
        network = stored_network(connection)
        stored_item(connection, network, **changes)
        key = stored_item(connection, network, deadline=soon, event_at=soon, expires_at=soon, published_at=NOW)
        stored_item(connection, stored_network(connection))
        (found,) = items.open_items(connection, network, NOW, OLDEST)
    assert found.key == key
    assert found.is_open(NOW)


def test_the_background_is_the_most_recent_items_that_members_could_see(database: Database) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
        keys = [stored_item(connection, network, published_at=NOW - timedelta(days=d)) for d in (9, 3, 5)]
        for state in ("draft", "held", "withdrawn"):
            stored_item(connection, network, state=state)
        closed = stored_item(connection, network, state="closed", published_at=NOW - timedelta(days=4))
        stored_item(connection, network, published_at=NOW)
        found = items.background(connection, network, NOW, 3)
    assert [item.key for item in found] == [keys[1], closed, keys[2]]


def test_an_item_is_found_by_public_id_before_external_id(database: Database) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
        key = stored_item(connection, network, external_id="a")
        (item,) = items.load(connection, network)
        stored_item(connection, network, external_id=item.public_id)
        found = [items.find(connection, network, who) for who in (item.public_id, "a", "nothing")]
    assert [i and i.key for i in found] == [key, key, None]


def _claimed(connection: Connection, network: int, *keys: int) -> list[outbox.Claim]:
    """A message for each item, claimed and, for all that anybody knows, made."""
    edition = stored_edition(connection, network, state="released")
    for key in keys:
        stored_digest(connection, edition, stored_member(connection, network), (key,))
    lease = NOW + timedelta(minutes=15)
    return outbox.claim(connection, "me", [edition], now=NOW, lease_until=lease, limit=len(keys))


@pytest.mark.parametrize(
    ("changes", "may_go"),
    [
        ({"state": "withdrawn"}, False),
        ({"state": "closed"}, False),
        ({"expires_at": NOW}, False),
        ({"title": "Another title"}, True),
        ({"expires_at": NOW + timedelta(days=1)}, True),
    ],
)
def test_a_message_that_was_made_with_an_item_which_an_import_ends_is_not_completed(
    database: Database, changes: dict[str, Any], may_go: bool
) -> None:
    first, second = an_item(), an_item()
    with database.writing() as connection:
        network = stored_network(connection)
        save(connection, network, first, second)
        one, other = items.load(connection, network)
        claims = _claimed(connection, network, one.key, other.key)
        save(connection, network, replace(one, **changes), other)
        allowed = outbox.mark_dots(connection, "me", {claim.key: claim.number for claim in claims})
    assert allowed == {claim.key for claim in (claims if may_go else claims[1:])}


def test_a_message_that_was_made_with_a_request_which_is_answered_now_is_not_completed(database: Database) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
        answered, other = (stored_item(connection, network, kind="request") for _ in range(2))
        claims = _claimed(connection, network, answered, other)
        helper = stored_member(connection, network)
        feedback.record(connection, [Word(helper, answered, "can_help", NOW, "a test")])
        assert items.close_answered(connection, network, 1, NOW) == 1
        allowed = outbox.mark_dots(connection, "me", {claim.key: claim.number for claim in claims})
    assert allowed == {claims[1].key}


def test_withdrawing_holds_once_and_keeps_the_reason(database: Database) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
        key = stored_item(connection, network)
        assert items.withdraw(connection, key, NOW, "posted twice")
        assert not items.withdraw(connection, key, NOW, "again")
        assert items.state_reason(connection, key) == "posted twice"
        assert items.load(connection, network)[0].state == "withdrawn"


@pytest.mark.parametrize("state", ["draft", "held"])
def test_a_draft_is_published_from_now_on_or_from_its_later_date(database: Database, state: str) -> None:
    later = NOW + timedelta(days=2)
    with database.writing() as connection:
        network = stored_network(connection)
        dates = (None, NOW - timedelta(days=40), later)
        keys = [stored_item(connection, network, state=state, published_at=date) for date in dates]
        assert all(items.publish(connection, key, NOW) for key in keys)
        found = items.load(connection, network)
    assert [(item.state, item.published_at) for item in found] == [("published", at) for at in (NOW, NOW, later)]


@pytest.mark.parametrize("state", ["published", "closed", "withdrawn", "expired"])
def test_what_is_no_draft_is_not_published(database: Database, state: str) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
        key = stored_item(connection, network, state=state)
        assert not items.publish(connection, key, NOW)
        assert items.load(connection, network)[0].state == state


def test_the_list_passes_every_filter_newest_first(database: Database) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
        old = stored_item(connection, network, kind="job", published_at=NOW - timedelta(days=9), topics=("a", "stroke"))
        new = stored_item(connection, network, kind="job", topics=("stroke-unit",), deadline=NOW)
        draft = stored_item(connection, network, state="draft", published_at=None, topics=())

        def keys(**filters: Any) -> list[int]:
            return [item.key for item in items.listing(connection, network, **filters)]

        assert keys() == [draft, new, old]
        assert keys(limit=1) == [draft]
        assert keys(kind="job") == [new, old]
        assert keys(state="draft") == [draft]
        assert keys(topics=("stroke",)) == [old]
        assert keys(topics=("stroke", "stroke-unit")) == [new, old]
        assert keys(open_at=NOW) == [old]


def test_the_reach_counts_digests_and_those_handed_over(database: Database) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
        key, edition = stored_item(connection, network), stored_edition(connection, network)
        outbox = [stored_digest(connection, edition, stored_member(connection, network), (key,)) for _ in range(3)]
        done = items.OUTBOX.update().where(items.OUTBOX.c.id.in_(outbox[:2])).values(state="handed_over")
        connection.execute(done)
        assert items.reach(connection, key) == items.Reach(chosen=3, handed_over=2)
        assert items.reach(connection, 10**9) == items.Reach(0, 0)


def test_a_posted_item_comes_back_as_stored(database: Database) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
        item = items.add(connection, network, an_item(published_at=None), NOW)
        assert item.published_at == NOW
        assert items.load(connection, network) == [item]
