"""The journal of a run: what it could not write is not sent, and what was sent is written as soon as it can be."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from jobs.journal import CLAIM_LOST, Journal
from store import outbox
from store.database import Database, StoreError
from store.outbox import Settled
from tests.builders import NOW, stored_edition_to_send


def _claimed(database: Database, messages: int) -> list[int]:
    with database.writing() as connection:
        edition, _ = stored_edition_to_send(connection, messages)
        lease = NOW + timedelta(minutes=15)
        return [c.key for c in outbox.claim(connection, "me", [edition], now=NOW, lease_until=lease, limit=messages)]


def _handed_over(key: int) -> Settled:
    return Settled(key, "handed_over", 1, NOW, code=250, reply="250 2.0.0 ok")


def _rename(database: Database, before: str, after: str) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {before} RENAME TO {after}")


def test_dots_and_receipts_of_many_connections_share_one_commit(database: Database) -> None:
    keys = _claimed(database, 6)

    async def main() -> int:
        with ThreadPoolExecutor(1) as thread:
            async with Journal(database, "me", thread, parties=3) as journal:
                assert await asyncio.gather(*(journal.dot(key, 1) for key in keys[:3])) == ["", "", ""]
                for key in keys[:3]:
                    journal.settle(_handed_over(key))
                assert await asyncio.gather(*(journal.dot(key, 1) for key in keys[3:])) == ["", "", ""]
            return journal.commits

    assert asyncio.run(main()) == 2
    with database.reading() as connection:
        assert outbox.counts(connection) == {"claimed": 3, "handed_over": 3}


def test_a_dot_of_a_claim_that_was_lost_is_forbidden(database: Database) -> None:
    (key,) = _claimed(database, 1)
    with database.writing() as connection:
        outbox.release(connection, "me", NOW)

    async def main() -> str:
        with ThreadPoolExecutor(1) as thread:
            async with Journal(database, "me", thread, parties=1) as journal:
                return await journal.dot(key, 1)

    assert asyncio.run(main()) == CLAIM_LOST


def test_a_database_that_fails_forbids_the_dot_and_gets_the_receipts_when_it_is_back(sqlite_database: Database) -> None:
    keys = _claimed(sqlite_database, 2)

    async def main() -> None:
        with ThreadPoolExecutor(1) as thread:
            async with Journal(sqlite_database, "me", thread, parties=1) as journal:
                assert await journal.dot(keys[0], 1) == ""
                _rename(sqlite_database, "outbox", "away")
                journal.settle(_handed_over(keys[0]))
                with pytest.raises(StoreError):
                    await journal.dot(keys[1], 1)
                _rename(sqlite_database, "away", "outbox")

    asyncio.run(main())
    with sqlite_database.reading() as connection:
        assert outbox.counts(connection) == {"claimed": 1, "handed_over": 1}
