"""The outbox's states, on both databases: every change says what it expects, and whoever comes too late changes nothing."""

from datetime import datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import Connection, select, update

from store import editions, outbox
from store.database import Database
from store.outbox import BEFORE, TRANSITIONS, Claim, Scope, Settled
from store.tables import OUTBOX_STATES, Delivery, Edition, Member, Outbox
from tests.builders import (
    NOW,
    stored_digest,
    stored_edition,
    stored_edition_to_send,
    stored_item,
    stored_member,
    stored_network,
)

OUTBOX = Outbox.__table__  # type: ignore[attr-defined]
DELIVERY = Delivery.__table__  # type: ignore[attr-defined]
MEMBER = Member.__table__  # type: ignore[attr-defined]
EDITION = Edition.__table__  # type: ignore[attr-defined]
LEASE = NOW + timedelta(minutes=15)


def _claim(
    connection: Connection, edition: int, owner: str = "me", *, limit: int = 100, now: datetime = NOW
) -> list[Claim]:
    return outbox.claim(connection, owner, [edition], now=now, lease_until=LEASE, limit=limit)


def _states(connection: Connection) -> list[str]:
    return list(connection.execute(select(OUTBOX.c.state).order_by(OUTBOX.c.id)).scalars())


def _filled(database: Database, messages: int = 3) -> int:
    with database.writing() as connection:
        return stored_edition_to_send(connection, messages)[0]


def test_a_claim_brings_what_the_envelope_and_the_greeting_need(database: Database) -> None:
    edition = _filled(database)
    with database.writing() as connection:
        claims = _claim(connection, edition)
        chosen = outbox.chosen_items(connection, [claim.digest_key for claim in claims])
        message_ids = set(connection.execute(select(OUTBOX.c.message_id)).scalars())
    assert [claim.address for claim in claims] == [f"m{n:03d}@example.example.org" for n in range(3)]
    assert {claim.message_id for claim in claims} == message_ids
    assert {(claim.status, claim.attempts, claim.languages) for claim in claims} == {("active", 0, ("en",))}
    assert all([one.match for one in digest] == [60.0, 59.0] for digest in chosen.values())


def test_what_one_claims_another_cannot_claim(database: Database) -> None:
    edition = _filled(database)
    with database.writing() as connection:
        assert len(_claim(connection, edition, "first", limit=2)) == 2
        assert len(_claim(connection, edition, "second")) == 1
        assert _claim(connection, edition, "third") == []


@pytest.mark.postgres
def test_two_transactions_at_once_claim_different_rows_without_waiting(postgres_database: Database) -> None:
    edition = _filled(postgres_database, 6)
    with postgres_database.writing() as one, postgres_database.writing() as other:
        first, second = _claim(one, edition, "one", limit=3), _claim(other, edition, "other", limit=6)
    assert len(first) == len(second) == 3
    assert not {claim.key for claim in first} & {claim.key for claim in second}


def test_only_what_is_due_in_a_released_edition_is_found(database: Database) -> None:
    edition = _filled(database)
    with database.writing() as connection:
        network = stored_network(connection)
        stored_edition(connection, network, state="released")
        assert [found.key for found in outbox.open_editions(connection, NOW, Scope())] == [edition]
        assert outbox.due(connection, NOW, Scope()) == 3
        assert outbox.due(connection, NOW, Scope(network_key=network)) == 0
        assert outbox.due(connection, NOW - timedelta(seconds=1), Scope()) == 0
        assert _claim(connection, edition, now=NOW - timedelta(seconds=1)) == []


def test_a_dot_is_marked_once_and_only_by_the_owner_of_the_claim(database: Database) -> None:
    edition = _filled(database)
    with database.writing() as connection:
        keys = [claim.key for claim in _claim(connection, edition)]
        assert outbox.mark_dots(connection, "another", dict.fromkeys(keys, 1)) == set()
        assert outbox.mark_dots(connection, "me", dict.fromkeys(keys, 1)) == set(keys)
        assert outbox.mark_dots(connection, "me", dict.fromkeys(keys, 1)) == set()


@pytest.mark.parametrize("status", ["left", "paused", "bounced", "erased", "pending"])
def test_the_dot_of_a_member_who_is_not_active_any_more_is_not_marked(database: Database, status: str) -> None:
    edition = _filled(database)
    with database.writing() as connection:
        keys = [claim.key for claim in _claim(connection, edition)]
        gone = connection.execute(select(OUTBOX.c.member_id).where(OUTBOX.c.id == keys[1])).scalar_one()
        connection.execute(update(MEMBER).where(MEMBER.c.id == gone).values(status=status))
        assert outbox.mark_dots(connection, "me", dict.fromkeys(keys, 1)) == {keys[0], keys[2]}
        assert outbox.member_states(connection, keys)[keys[1]] == status


def test_settling_records_the_attempt_and_its_reply(database: Database) -> None:
    edition = _filled(database)
    later = NOW + timedelta(minutes=30)
    with database.writing() as connection:
        keys = [claim.key for claim in _claim(connection, edition)]
        outbox.mark_dots(connection, "me", dict.fromkeys(keys, 1))
        settled = [
            Settled(
                keys[0], "handed_over", 1, NOW, code=250, enhanced_status="2.0.0", reply="250 2.0.0 ok", route="h:25"
            ),
            Settled(keys[1], "deferred", 1, NOW, reason="451 later", not_before=later, code=451, reply="451 later"),
            Settled(keys[2], "cancelled", 0, NOW, reason="left"),
        ]
        assert outbox.settle(connection, "me", settled) == set(keys)
    with database.reading() as connection:
        assert _states(connection) == ["handed_over", "deferred", "cancelled"]
        columns = (OUTBOX.c.attempts, OUTBOX.c.not_before, OUTBOX.c.dot_sent, OUTBOX.c.settled_at, OUTBOX.c.reason)
        rows = [tuple(row) for row in connection.execute(select(*columns).order_by(OUTBOX.c.id))]
        replies = [
            tuple(row) for row in connection.execute(select(DELIVERY.c.outcome, DELIVERY.c.reply, DELIVERY.c.code))
        ]
    assert rows == [
        (1, NOW, True, NOW, ""),
        (1, later, False, None, "451 later"),
        (0, NOW, False, NOW, "left"),
    ]
    assert replies == [("handed_over", "250 2.0.0 ok", 250), ("deferred", "451 later", 451), ("cancelled", "left", 0)]


def test_a_deferred_message_is_claimed_again_when_it_is_due(database: Database) -> None:
    edition = _filled(database, 1)
    later = NOW + timedelta(minutes=30)
    with database.writing() as connection:
        (first,) = _claim(connection, edition)
        outbox.settle(connection, "me", [Settled(first.key, "deferred", 1, NOW, not_before=later)])
        assert _claim(connection, edition) == []
        (second,) = _claim(connection, edition, now=later)
    assert (second.key, second.attempts, second.message_id) == (first.key, 1, first.message_id)


def test_a_message_whose_claim_was_lost_cannot_be_settled(database: Database) -> None:
    edition = _filled(database, 1)
    with database.writing() as connection:
        (claim,) = _claim(connection, edition, "slow")
        outbox.release_stale(connection, LEASE + timedelta(seconds=1), lambda _owner: False)
        (again,) = _claim(connection, edition, "quick")
        assert (again.key, again.number) == (claim.key, claim.number + 1)
        assert outbox.mark_dots(connection, "slow", dict.fromkeys([claim.key], 1)) == set()
        assert outbox.settle(connection, "slow", [Settled(claim.key, "handed_over", 1, NOW)]) == set()
        assert _states(connection) == ["claimed"]
        assert connection.execute(select(DELIVERY.c.id)).all() == []


def test_what_was_made_from_an_earlier_claim_of_the_same_owner_is_neither_completed_nor_settled(
    database: Database,
) -> None:
    """As when an item is withdrawn: the claim is taken back, given up, and taken anew by whoever has the old letter still."""
    with database.writing() as connection:
        network = stored_network(connection)
        item, edition = stored_item(connection, network), stored_edition(connection, network, state="released")
        stored_digest(connection, edition, stored_member(connection, network), (item,))
        (old,) = _claim(connection, edition)
        assert outbox.take_back(connection, [item], NOW) == 1
        outbox.release_stale(connection, NOW, lambda _owner: False)
        (new,) = _claim(connection, edition)
        assert new.key == old.key
        assert outbox.mark_dots(connection, "me", {old.key: old.number}) == set()
        assert outbox.mark_dots(connection, "me", {new.key: new.number}) == {new.key}
        late = Settled(old.key, "deferred", 1, NOW, not_before=NOW, number=old.number)
        assert outbox.settle(connection, "me", [late]) == set()
        settled = Settled(new.key, "handed_over", 1, NOW, number=new.number)
        assert outbox.settle(connection, "me", [settled]) == {new.key}


def test_a_reply_that_comes_after_the_lease_ran_out_still_settles_the_message(database: Database) -> None:
    edition = _filled(database, 1)
    with database.writing() as connection:
        (claim,) = _claim(connection, edition, "slow")
        outbox.mark_dots(connection, "slow", dict.fromkeys([claim.key], 1))
        assert outbox.release_stale(connection, LEASE + timedelta(seconds=1), lambda _owner: False) == (0, 1)
        assert _states(connection) == ["uncertain"]
        assert outbox.settle(connection, "slow", [Settled(claim.key, "handed_over", 1, NOW)]) == {claim.key}
        assert _states(connection) == ["handed_over"]


def test_stale_claims_are_planned_again_before_the_dot_and_uncertain_after_it(database: Database) -> None:
    edition = _filled(database)
    with database.writing() as connection:
        keys = [claim.key for claim in _claim(connection, edition, "dead", limit=2)]
        _claim(connection, edition, "alive")
        outbox.mark_dots(connection, "dead", dict.fromkeys(keys[:1], 1))
        assert outbox.release_stale(connection, NOW, lambda owner: owner == "dead") == (1, 1)
        assert _states(connection) == ["uncertain", "planned", "claimed"]
        attempts = connection.execute(select(DELIVERY.c.outbox_id, DELIVERY.c.outcome, DELIVERY.c.reply)).all()
    assert [tuple(row) for row in attempts] == [(keys[0], "uncertain", outbox.STOPPED)]


def test_a_claim_that_is_renewed_does_not_go_stale(database: Database) -> None:
    edition = _filled(database, 1)
    with database.writing() as connection:
        _claim(connection, edition)
        outbox.renew(connection, "me", LEASE + timedelta(hours=1))
        assert outbox.release_stale(connection, LEASE + timedelta(seconds=1), lambda _owner: False) == (0, 0)


def test_an_uncertain_message_is_never_claimed_again(database: Database) -> None:
    edition = _filled(database, 1)
    with database.writing() as connection:
        (claim,) = _claim(connection, edition)
        outbox.mark_dots(connection, "me", dict.fromkeys([claim.key], 1))
        assert outbox.release(connection, "me", NOW) == (0, 1)
        assert _claim(connection, edition, now=NOW + timedelta(days=365)) == []


def test_only_waiting_messages_can_be_cancelled(database: Database) -> None:
    edition = _filled(database)
    with database.writing() as connection:
        (claim,) = _claim(connection, edition, limit=1)
        keys = list(connection.execute(select(OUTBOX.c.id)).scalars())
        assert outbox.cancel(connection, keys, "by the operator", NOW) == 2
        assert outbox.counts(connection) == {"cancelled": 2, "claimed": 1}
        assert outbox.counts(connection, Scope(edition_key=edition + 1)) == {}
        assert claim.key in keys


def _in_state(connection: Connection, state: str) -> int:
    """A message of our own in this state, as if everything before had happened."""
    stored_edition_to_send(connection, 1, slug=state)
    key = int(connection.execute(select(OUTBOX.c.id)).scalar_one())
    connection.execute(update(OUTBOX).values(state=state, claimed_by="me", lease_until=LEASE, attempts=1))
    return key


def _attempt(connection: Connection, key: int, after: str) -> None:
    """Ask for this state in every way there is."""
    edition = connection.execute(select(OUTBOX.c.edition_id)).scalar_one()
    if after == "claimed":
        _claim(connection, edition)
    elif after in {"bounced", "complained"}:
        outbox.came_back(connection, key, after, NOW)  # type: ignore[arg-type]
    elif after == "cancelled":
        outbox.cancel(connection, [key], "by the operator", NOW)
    elif after != "planned":
        outbox.settle(connection, "me", [Settled(key, after, 1, NOW)])  # type: ignore[arg-type]


@pytest.mark.parametrize(("before", "after"), list(product(OUTBOX_STATES, OUTBOX_STATES)))
def test_only_the_states_of_the_table_of_transitions_may_follow_one_another(
    sqlite_database: Database, before: str, after: str
) -> None:
    with sqlite_database.writing() as connection:
        key = _in_state(connection, before)
        _attempt(connection, key, after)
        (found,) = _states(connection)
        if after not in TRANSITIONS[before]:
            assert found == before
        elif after == "cancelled" and before == "claimed":
            assert found == before, "a claimed message is cancelled by its owner alone"
        elif after != "planned":
            assert found == after


def test_the_table_of_transitions_names_every_state_both_ways() -> None:
    assert set(TRANSITIONS) == set(BEFORE) == set(OUTBOX_STATES)
    assert {after for follow in TRANSITIONS.values() for after in follow} == set(OUTBOX_STATES)
    assert TRANSITIONS["complained"] == TRANSITIONS["cancelled"] == ()


def test_what_comes_back_is_recorded_once_with_its_status(database: Database) -> None:
    edition = _filled(database, 1)
    with database.writing() as connection:
        (claim,) = _claim(connection, edition)
        assert not outbox.came_back(connection, claim.key, "bounced", NOW), "it was never handed over"
        outbox.settle(connection, "me", [Settled(claim.key, "handed_over", 1, NOW)])
        key = outbox.find(connection, message_id=claim.message_id)
        assert key == claim.key
        assert outbox.came_back(connection, key, "bounced", LEASE, status="5.1.1", detail="no such user")
        assert not outbox.came_back(connection, key, "bounced", LEASE)
        rows = connection.execute(select(DELIVERY.c.outcome, DELIVERY.c.enhanced_status, DELIVERY.c.attempt)).all()
        assert connection.execute(select(OUTBOX.c.came_back_at)).scalar_one() == LEASE
    assert [tuple(row) for row in rows] == [("handed_over", "", 1), ("bounced", "5.1.1", 1)]


def test_a_bounce_settles_a_message_that_was_in_doubt(database: Database) -> None:
    edition = _filled(database, 1)
    with database.writing() as connection:
        (claim,) = _claim(connection, edition)
        outbox.mark_dots(connection, "me", dict.fromkeys([claim.key], 1))
        outbox.release(connection, "me", NOW)
        assert _states(connection) == ["uncertain"]
        assert outbox.came_back(connection, claim.key, "bounced", LEASE)
        assert _states(connection) == ["bounced"]


def test_a_message_is_found_by_edition_and_member(database: Database) -> None:
    edition = _filled(database)
    with database.writing() as connection:
        claims = _claim(connection, edition)
        public_id = connection.execute(select(EDITION.c.public_id)).scalar_one()
        member = claims[1].member_public_id
        assert outbox.find(connection, edition=public_id, member=member) == claims[1].key
        assert outbox.find(connection, edition=public_id, member="nobody") is None


def test_a_probe_goes_to_a_held_address_and_to_no_other(database: Database) -> None:
    _filled(database)
    with database.writing() as connection:
        members = list(connection.execute(select(MEMBER.c.id).order_by(MEMBER.c.id)).scalars())
        connection.execute(update(MEMBER).where(MEMBER.c.id == members[0]).values(status="bounced"))
        held, active = (outbox.add(connection, "probe", m, f"<probe-{m}@example.org>", now=NOW) for m in members[:2])
        assert outbox.due(connection, NOW, Scope()) == 5
        claims = outbox.claim(connection, "me", [None], now=NOW, lease_until=LEASE, limit=10)
        assert {(claim.key, claim.kind, claim.edition_key) for claim in claims} == {
            (held, "probe", None), (active, "probe", None)
        }  # fmt: skip
        assert outbox.mark_dots(connection, "me", dict.fromkeys([held, active], 1)) == {held}


def test_the_date_of_a_message_stays_that_of_its_first_claim(database: Database) -> None:
    edition = _filled(database, 1)
    later = NOW + timedelta(minutes=30)
    with database.writing() as connection:
        (first,) = _claim(connection, edition)
        outbox.settle(connection, "me", [Settled(first.key, "deferred", 1, NOW, not_before=later)])
        (second,) = _claim(connection, edition, now=later)
    assert first.dated_at == second.dated_at == NOW


def test_a_late_reply_that_puts_a_message_off_opens_its_finished_edition_again(database: Database) -> None:
    """Found by schedule 517 of tests/faults: the message stayed in the outbox of an edition that nobody sends any more."""
    with database.writing() as connection:
        edition, _ = stored_edition_to_send(connection, 1)
        (claim,) = outbox.claim(connection, "slow", [edition], now=NOW, lease_until=NOW, limit=1)
        outbox.mark_dots(connection, "slow", dict.fromkeys([claim.key], 1))
        outbox.release_stale(connection, NOW + timedelta(minutes=5), lambda owner: False)
        assert editions.settle(connection, edition, NOW).done
        late = Settled(claim.key, "deferred", 1, NOW, reason="451 try later", not_before=NOW + timedelta(hours=1))
        assert outbox.settle(connection, "slow", [late]) == {claim.key}
        assert [one.key for one in outbox.open_editions(connection, NOW + timedelta(hours=2), Scope())] == [edition]
