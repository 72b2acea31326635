from datetime import timedelta

from profiles.feedback import Verdict
from store import comparisons, feedback
from store.comparisons import Draft
from store.database import Database, insert_rows
from store.feedback import Word
from tests.builders import NOW, stored_digest, stored_edition, stored_item, stored_member, stored_network


def test_words_count_for_the_team_that_picked_the_item(database: Database) -> None:
    with database.writing() as connection:
        network, other = stored_network(connection), stored_network(connection)
        ann, bob, carol = (stored_member(connection, network) for _ in range(3))
        items = [stored_item(connection, network) for _ in range(3)]
        first, second = (stored_edition(connection, network, slot=slot) for slot in ("2026-W46", "2026-W47"))
        for edition, member in ((first, ann), (first, bob), (second, carol)):
            stored_digest(connection, edition, member, tuple(items))
        digests = {row.member_id: row.id for row in connection.execute(comparisons.DIGEST.select())}
        teams = [(digests[ann], items[0], 0), (digests[ann], items[1], 1), (digests[ann], items[2], 0)]
        teams += [(digests[carol], items[0], 1)]
        insert_rows(connection, comparisons.PICKED, ("digest_id", "item_id", "team"), teams)
        words: list[tuple[int, int, Verdict]] = [
            (ann, items[0], "more"),
            (ann, items[0], "can_help"),
            (ann, items[1], "less"),
            (ann, items[2], "opened"),
            (bob, items[0], "less"),
            (carol, items[0], "can_help"),
            (carol, items[0], "less"),
        ]
        feedback.record(connection, [Word(*word, NOW, "a test") for word in words])
        won, lost = Draft(2, 1, 1, 0, 0, 1), Draft(0, 1, 0, 0, 1, 0)
        assert comparisons.drafts(connection, network) == [won, lost]
        assert [draft.margin for draft in (won, lost)] == [2, -1]
        assert comparisons.drafts(connection, network, "2026-W47") == [lost]
        assert comparisons.drafts(connection, other) == []
        feedback.undo(connection, ann, items[1], NOW + timedelta(days=1))
        assert comparisons.drafts(connection, network, "2026-W46") == [Draft(2, 1, 1, 0, 0, 0)]
