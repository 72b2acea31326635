from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from store import considered, editions, records
from store.database import Database, StoreError
from store.editions import ChosenItem, Counts, Decided, Edition, NotMine
from tests.builders import NOW, stored_item, stored_member, stored_network

SETTINGS = {"threshold": 33.0}
SLOT = "2026-W47"


def a_choice(digest: int, member: int, item: int) -> ChosenItem:
    why = [["stroke", 0.4, "stated"]]
    return ChosenItem(
        digest, 1, member, item, score=0.4, match=61.5, rest=0.38, field=0.02, share=1.0, reason=why, note=""
    )


class Scene:
    """A network of three members and one item, and its edition."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.writing() as connection:
            self.network = stored_network(connection)
            self.members = [stored_member(connection, self.network) for _ in range(3)]
            self.item = stored_item(connection, self.network)

    def open(self) -> bool:
        with self.database.writing() as connection:
            return editions.open_once(
                connection,
                network_key=self.network,
                slot=SLOT,
                as_of=NOW,
                item_keys=[self.item],
                settings=SETTINGS,
            )

    @property
    def edition(self) -> Edition:
        with self.database.reading() as connection:
            found = editions.find(connection, self.network, SLOT)
        assert found
        return found

    def claim(self, owner: str, *, dead: bool = False, later_s: float = 0) -> bool:
        now = NOW + timedelta(seconds=later_s)
        with self.database.writing() as connection:
            return editions.claim(connection, self.edition, owner, now, 120, dead=dead)

    def write(self, *, chosen: int, skipped: int) -> None:
        """The first `chosen` planned digests get the item, the next `skipped` nothing."""
        with self.database.writing() as connection:
            batch = considered.planned(connection, self.edition.key, 10)
            decided = Decided([], [], [], [])
            for n, member in enumerate(batch[: chosen + skipped]):
                key = member.digest_key
                if n >= chosen:
                    decided.digests.append((key, "skipped", "nothing_fits", 0, 1, 33.0))
                    continue
                decided.digests.append((key, "composed", "", 1, 0, 33.0))
                decided.chosen.append(a_choice(key, member.member_key, self.item))
                decided.outbox.append((key, member.member_key, f"<{member.member_key}@example.org>", NOW))
            editions.write(connection, self.edition, decided, NOW)

    def counts(self) -> Counts:
        with self.database.reading() as connection:
            return editions.counts(connection, self.edition.key)


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def test_a_slot_is_opened_once(scene: Scene) -> None:
    assert scene.open()
    assert not scene.open()


def test_opening_freezes_who_is_active_or_paused_and_nobody_else(scene: Scene) -> None:
    with scene.database.writing() as connection:
        for status in ("pending", "bounced", "left", "erased"):
            stored_member(connection, scene.network, status=status)
        stored_member(connection, scene.network, status="paused")
        stored_member(connection, stored_network(connection))
    scene.open()
    assert scene.counts() == Counts(considered=4, planned=4)
    with scene.database.writing() as connection:
        stored_member(connection, scene.network)
    assert scene.counts().considered == 4


def test_only_one_process_holds_an_edition(scene: Scene) -> None:
    scene.open()
    assert scene.claim("host:1")
    assert not scene.claim("host:2")
    assert scene.claim("host:1")


def test_an_edition_is_taken_over_when_its_lease_ran_out_or_its_owner_is_dead(scene: Scene) -> None:
    scene.open()
    assert scene.claim("host:1")
    assert scene.claim("host:2", dead=True)
    assert not scene.claim("host:3", later_s=119)
    assert scene.claim("host:3", later_s=121)


def test_who_lost_an_edition_is_told_before_anything_is_written(scene: Scene) -> None:
    scene.open()
    scene.claim("host:1")
    scene.claim("host:2", dead=True)
    with scene.database.writing() as connection, pytest.raises(NotMine):
        editions.renew(connection, scene.edition.key, "host:1", NOW, 120)
    with scene.database.writing() as connection, pytest.raises(NotMine):
        editions.move(connection, scene.edition.key, "host:1", "opened", "composed")


def test_the_counts_balance_at_every_step(scene: Scene) -> None:
    scene.open()
    assert scene.counts().balanced
    scene.write(chosen=1, skipped=1)
    assert scene.counts() == Counts(considered=3, planned=1, digests=1, skipped=1, queued=1)
    assert scene.counts().balanced
    assert not scene.counts().done


def test_a_digest_is_decided_once(scene: Scene) -> None:
    scene.open()
    with scene.database.reading() as connection:
        batch = considered.planned(connection, scene.edition.key, 1)
    decided = Decided([(batch[0].digest_key, "skipped", "nothing_fits", 0, 0, None)], [], [], [])
    with scene.database.writing() as connection:
        editions.write(connection, scene.edition, decided, NOW)
    with pytest.raises(NotMine), scene.database.writing() as connection:
        editions.write(connection, scene.edition, decided, NOW)


def test_an_edition_is_finished_only_when_nothing_is_planned_or_queued(scene: Scene) -> None:
    scene.open()
    scene.claim("host:1")
    scene.write(chosen=1, skipped=2)
    with scene.database.writing() as connection:
        editions.move(connection, scene.edition.key, "host:1", "opened", "composed")
        editions.move(connection, scene.edition.key, "host:1", "composed", "released")
        editions.settle(connection, scene.edition.key, NOW)
    assert scene.edition.state == "released"
    with scene.database.writing() as connection:
        connection.execute(update(editions.OUTBOX).values(state="handed_over"))
        editions.settle(connection, scene.edition.key, NOW)
    assert scene.edition.state == "finished"
    assert scene.edition.owner == ""


def test_an_item_goes_to_a_member_once_whatever_the_code_does(scene: Scene) -> None:
    from sqlalchemy.exc import IntegrityError

    scene.open()
    scene.write(chosen=1, skipped=0)
    with scene.database.reading() as connection:
        member = connection.execute(select(editions.DIGEST_ITEM.c.member_id)).scalar_one()
        pairs = considered.sent_pairs(connection, 0, 10**9, [scene.item])
        other = connection.execute(select(func.max(editions.DIGEST.c.id))).scalar_one()
    assert pairs.tolist() == [[member, scene.item]]
    again = Decided([], [a_choice(other, member, scene.item)], [], [])
    with pytest.raises(IntegrityError), scene.database.writing() as connection:
        editions.write(connection, scene.edition, again, NOW)


def test_a_crash_in_the_middle_of_a_shard_leaves_nothing_of_it(scene: Scene) -> None:
    def crash() -> None:
        with scene.database.writing() as connection:
            member = considered.planned(connection, scene.edition.key, 1)[0]
            decided = Decided(
                [(member.digest_key, "composed", "", 1, 0, 33.0)],
                [a_choice(member.digest_key, member.member_key, scene.item)],
                [],
                [(member.digest_key, member.member_key, "<a@example.org>", NOW)],
            )
            editions.write(connection, scene.edition, decided, NOW)
            raise RuntimeError("the power fails")

    scene.open()
    with pytest.raises(RuntimeError, match="power"):
        crash()
    assert scene.counts() == Counts(considered=3, planned=3)


def test_a_pause_that_is_over_ends_when_the_edition_opens(scene: Scene) -> None:
    with scene.database.writing() as connection:
        stored_member(connection, scene.network, status="paused")
        values = {"status": "paused", "paused_until": NOW.date()}
        connection.execute(update(editions.MEMBER).where(editions.MEMBER.c.id == scene.members[0]).values(**values))
    scene.open()
    with scene.database.reading() as connection:
        statuses = [member.status for member in considered.planned(connection, scene.edition.key, 10)]
    assert sorted(statuses) == ["active", "active", "active", "paused"]


def test_a_slow_cadence_sees_when_the_last_digest_was(scene: Scene) -> None:
    with scene.database.writing() as connection:
        connection.execute(update(editions.MEMBER).values(cadence="monthly"))
    scene.open()
    scene.write(chosen=1, skipped=2)
    with scene.database.reading() as connection:
        last = [m.last_digest_at for m in considered.audience(connection, scene.network, 0, 10)]
    assert last == [NOW, None, None]


def test_the_model_comes_back_as_it_was_and_damage_is_noticed(scene: Scene) -> None:
    scene.open()
    with scene.database.writing() as connection:
        assert editions.load_model(connection, scene.edition.key) is None
        editions.save_model(connection, scene.edition.key, b"model")
        assert editions.load_model(connection, scene.edition.key) == b"model"
        connection.execute(update(editions.MODEL).values(model=b"other"))
        with pytest.raises(StoreError, match="checksum"):
            editions.load_model(connection, scene.edition.key)


def test_reach_counts_the_digests_an_item_is_in(scene: Scene) -> None:
    scene.open()
    scene.write(chosen=2, skipped=1)
    with scene.database.reading() as connection:
        assert records.reaches(connection, scene.edition.key) == [(scene.item, 2)]
        assert records.digest_sizes(connection, scene.edition.key) == {1: 2}
        assert editions.skipped_reasons(connection, scene.edition.key) == {"nothing_fits": 1}
