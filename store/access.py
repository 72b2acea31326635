"""Everything held about one member, for the member (UK GDPR articles 15 and 20)."""

from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, select

from store import tables

MEMBER = tables.Member.__table__  # type: ignore[attr-defined]
NETWORK = tables.Network.__table__  # type: ignore[attr-defined]
CONSENT = tables.Consent.__table__  # type: ignore[attr-defined]
EDITION = tables.Edition.__table__  # type: ignore[attr-defined]
DIGEST = tables.Digest.__table__  # type: ignore[attr-defined]
DIGEST_ITEM = tables.DigestItem.__table__  # type: ignore[attr-defined]
LEFT_OUT = tables.LeftOut.__table__  # type: ignore[attr-defined]
ITEM = tables.Item.__table__  # type: ignore[attr-defined]
OUTBOX = tables.Outbox.__table__  # type: ignore[attr-defined]
FEEDBACK = tables.Feedback.__table__  # type: ignore[attr-defined]
LEARNED = tables.LearnedTerm.__table__  # type: ignore[attr-defined]
FORGOTTEN = tables.ForgottenTerm.__table__  # type: ignore[attr-defined]
JUDGEMENT = tables.Judgement.__table__  # type: ignore[attr-defined]
ACCOUNT = tables.Account.__table__  # type: ignore[attr-defined]
DRAW = tables.Draw.__table__  # type: ignore[attr-defined]
DELIVERY = tables.Delivery.__table__  # type: ignore[attr-defined]

REACHABILITY = tables.Reachability.__table__  # type: ignore[attr-defined]
CAME_BACK = tables.CameBack.__table__  # type: ignore[attr-defined]

HIDDEN = frozenset({"id", "network_id", "member_id", "edition_id", "digest_id", "outbox_id", "item_id", "account_id"})
"""Numbers that only join rows to each other."""


def everything_about(connection: Connection, member_key: int) -> dict[str, Any]:
    """The rows of every table that are about this member, as values that JSON can hold, oldest first."""
    one = select(MEMBER, NETWORK.c.name.label("network")).join(NETWORK).where(MEMBER.c.id == member_key)
    digests = select(DIGEST, EDITION.c.slot, EDITION.c.as_of).join(EDITION).where(DIGEST.c.member_id == member_key)
    chosen = select(DIGEST_ITEM, ITEM.c.title, ITEM.c.kind, ITEM.c.public_id, EDITION.c.slot)
    left_out = select(LEFT_OUT, ITEM.c.title, ITEM.c.kind, ITEM.c.public_id, EDITION.c.slot)
    deliveries = select(DELIVERY, OUTBOX.c.message_id).join(OUTBOX).where(OUTBOX.c.member_id == member_key)
    feedback = select(FEEDBACK, ITEM.c.title, ITEM.c.public_id).join(ITEM, ITEM.c.id == FEEDBACK.c.item_id)
    learned = select(LEARNED.c.label, LEARNED.c.weight).where(LEARNED.c.member_id == member_key)
    judged = select(JUDGEMENT.c.good, JUDGEMENT.c.match, JUDGEMENT.c.at, ITEM.c.title, ITEM.c.public_id)
    judged = judged.join(ITEM, ITEM.c.id == JUDGEMENT.c.item_id).where(JUDGEMENT.c.member_id == member_key)
    names = ("at", "kind", "fault", "status", "said", "signed", "action", "reason", "undone_at")
    came_back = select(*(CAME_BACK.c[name] for name in names)).where(CAME_BACK.c.member_id == member_key)
    reachability = select(REACHABILITY).where(REACHABILITY.c.member_id == member_key)
    account = (select(ACCOUNT).join(MEMBER, MEMBER.c.address_key == ACCOUNT.c.address_key)).where(
        MEMBER.c.id == member_key
    )
    draws = (
        select(DRAW, EDITION.c.slot)
        .join(DIGEST, DIGEST.c.id == DRAW.c.digest_id)
        .join(EDITION, EDITION.c.id == DIGEST.c.edition_id)
        .where(DIGEST.c.member_id == member_key)
    )
    forgotten = select(FORGOTTEN).where(FORGOTTEN.c.member_id == member_key)
    return {
        "member": _rows(connection, one)[0],
        "consent": _rows(connection, select(CONSENT).where(CONSENT.c.member_id == member_key).order_by(CONSENT.c.id)),
        "digests": _rows(connection, digests.order_by(DIGEST.c.id)),
        "items_sent": _rows(
            connection,
            chosen.join(ITEM, ITEM.c.id == DIGEST_ITEM.c.item_id)
            .join(DIGEST, DIGEST.c.id == DIGEST_ITEM.c.digest_id)
            .join(EDITION, EDITION.c.id == DIGEST.c.edition_id)
            .where(DIGEST_ITEM.c.member_id == member_key)
            .order_by(DIGEST_ITEM.c.digest_id, DIGEST_ITEM.c.rank),
        ),
        "items_left_out": _rows(
            connection,
            left_out.join(ITEM, ITEM.c.id == LEFT_OUT.c.item_id)
            .join(DIGEST, DIGEST.c.id == LEFT_OUT.c.digest_id)
            .join(EDITION, EDITION.c.id == DIGEST.c.edition_id)
            .where(DIGEST.c.member_id == member_key)
            .order_by(LEFT_OUT.c.digest_id, LEFT_OUT.c.item_id),
        ),
        "feedback": _rows(
            connection, feedback.where(FEEDBACK.c.member_id == member_key).order_by(FEEDBACK.c.at, FEEDBACK.c.id)
        ),
        "learned": _rows(connection, learned.order_by(LEARNED.c.rank)),
        "forgotten": _rows(connection, forgotten.order_by(FORGOTTEN.c.at)),
        "judgements": _rows(connection, judged.order_by(JUDGEMENT.c.at, JUDGEMENT.c.item_id)),
        "messages": _rows(connection, select(OUTBOX).where(OUTBOX.c.member_id == member_key).order_by(OUTBOX.c.id)),
        "budget": _rows(connection, account),
        "draws": _rows(connection, draws.order_by(DRAW.c.id)),
        "deliveries": _rows(connection, deliveries.order_by(DELIVERY.c.id)),
        "came_back": _rows(connection, came_back.order_by(CAME_BACK.c.id)),
        "reachability": _rows(connection, reachability),
    }


def _rows(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    rows = connection.execute(query).mappings()
    return [{str(name): _plain(value) for name, value in row.items() if name not in HIDDEN} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
