"""What members said of digests that two matchers picked in turn."""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, func, select, true

from digest.interleaving import OURS
from store import tables
from store.feedback import TELLING

PICKED = tables.PickedItem.__table__  # type: ignore[attr-defined]
DIGEST = tables.Digest.__table__  # type: ignore[attr-defined]
EDITION = tables.Edition.__table__  # type: ignore[attr-defined]
FEEDBACK = tables.Feedback.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Draft:
    """One digest: items that each team picked, and the good and bad words that the member said of them."""

    ours: int
    other: int
    ours_good: int
    ours_bad: int
    other_good: int
    other_bad: int

    @property
    def margin(self) -> int:
        """By how much ours won, in good words less bad ones; below 0 where the other one did."""
        return (self.ours_good - self.ours_bad) - (self.other_good - self.other_bad)


def drafts(connection: Connection, network_key: int, slot: str = "") -> list[Draft]:
    """Every digest of a network (of one edition, where a slot is given) that two matchers picked, in the order of composing.

    A member who wants more of an item and can help said one good word of it; one who said that it was not for them a bad one.
    """
    word = and_(
        FEEDBACK.c.member_id == DIGEST.c.member_id,
        FEEDBACK.c.item_id == PICKED.c.item_id,
        FEEDBACK.c.ended == "",
        FEEDBACK.c.verdict.in_(TELLING),
    )
    good = func.max(case((FEEDBACK.c.verdict == "less", -1), (FEEDBACK.c.verdict.is_(None), 0), else_=1))
    items = (
        select(PICKED.c.digest_id, PICKED.c.team, good.label("word"))
        .join_from(PICKED, DIGEST, DIGEST.c.id == PICKED.c.digest_id)
        .join(EDITION, EDITION.c.id == DIGEST.c.edition_id)
        .outerjoin(FEEDBACK, word)
        .where(EDITION.c.network_id == network_key, EDITION.c.slot == slot if slot else true())
        .group_by(PICKED.c.digest_id, PICKED.c.item_id, PICKED.c.team)
        .subquery()
    )
    mine = items.c.team == OURS
    counts = [
        func.count().filter(team, *words)
        for words in ((), (items.c.word > 0,), (items.c.word < 0,))
        for team in (mine, ~mine)
    ]
    query = select(*counts).group_by(items.c.digest_id).order_by(items.c.digest_id)
    return [Draft(row[0], row[1], row[2], row[4], row[3], row[5]) for row in connection.execute(query)]
