"""Accounts of persons over all networks, and what is drawn from them, exact under concurrent runs.

A draw counts until its mail was refused or cancelled: nothing has to be given back by hand.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Text, cast, exists, func, insert, literal, or_, select, update

from digest.budgets import MONTH_DAYS, YEAR_DAYS, Drawn, Wished
from store import tables
from store.database import insert_rows

ACCOUNT = tables.Account.__table__  # type: ignore[attr-defined]
DRAW = tables.Draw.__table__  # type: ignore[attr-defined]
NETWORK = tables.Network.__table__  # type: ignore[attr-defined]
MEMBER = tables.Member.__table__  # type: ignore[attr-defined]
OUTBOX = tables.Outbox.__table__  # type: ignore[attr-defined]

GIVEN_BACK = ("refused", "cancelled", "bounced")
"""States of the outbox in which a mail takes nothing from its reader."""

NewDraw = tuple[int, int, int | None, str, datetime, int, int, int, int]
"""(account_key, network_key, digest_key, what, at, day, mails, asks, items)"""
_COLUMNS = ("account_id", "network_id", "digest_id", "what", "at", "day", "mails", "asks", "items")


class Account(NamedTuple):
    """A person's account: what they want over all networks, what was drawn lately and is to come, how often they were asked for
    help in the last YEAR_DAYS."""

    key: int
    wished: Wished
    drawn: tuple[Drawn, ...]
    asked: int = 0


def open_accounts(connection: Connection, network_key: int) -> None:
    """Give every active or paused member of a network an account, if they have none."""
    missing = (
        select(MEMBER.c.address_key)
        .where(MEMBER.c.network_id == network_key, MEMBER.c.status.in_(("active", "paused")))
        .where(~exists().where(ACCOUNT.c.address_key == MEMBER.c.address_key))
        .order_by(MEMBER.c.id)
    )
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_new

        statement = insert_new(ACCOUNT).from_select(["address_key"], missing)
        connection.execute(statement.on_conflict_do_nothing())
    else:
        connection.execute(insert(ACCOUNT).from_select(["address_key"], missing))


def accounts(
    connection: Connection, network_key: int, first_member: int, last_member: int, day: int, *, lock: bool = False
) -> dict[int, Account]:
    """By member key the accounts of a network's members in the closed range, with draws from a month before `day` on.

    With `lock` nobody else can draw on them until the transaction ends: on PostgreSQL their rows are locked, in one order for
    everybody, and on SQLite there is one writer at a time.
    """
    mine = (
        (MEMBER.c.network_id == network_key)
        & MEMBER.c.id.between(first_member, last_member)
        & (MEMBER.c.address_key == ACCOUNT.c.address_key)
    )
    limits = (ACCOUNT.c[name] for name in Wished._fields)
    query = select(MEMBER.c.id, ACCOUNT.c.id, *limits).where(mine).order_by(ACCOUNT.c.id)
    query = query.with_for_update(of=ACCOUNT, key_share=False) if lock else query
    rows = connection.execute(query).all()
    drawn: dict[int, list[Drawn]] = {}
    for row in connection.execute(_draws(mine, day)):
        drawn.setdefault(row[0], []).append(Drawn(*tuple(row)[1:]))
    asked = {account: int(n) for account, n in connection.execute(_asked(mine, day))}
    return {
        row[0]: Account(row[1], Wished(*row[2:]), tuple(drawn.get(row[1], ())), asked.get(row[1], 0)) for row in rows
    }


def _draws(mine: ColumnElement[bool], day: int) -> Select[Any]:
    columns = (DRAW.c.account_id, DRAW.c.network_id, DRAW.c.at, DRAW.c.day, DRAW.c.mails, DRAW.c.asks)
    return _standing(mine, day - MONTH_DAYS, *columns).order_by(DRAW.c.id)


def _asked(mine: ColumnElement[bool], day: int) -> Select[Any]:
    columns = (DRAW.c.account_id, func.sum(DRAW.c.asks))
    found = _standing(mine, day - YEAR_DAYS, *columns).where(DRAW.c.asks > 0)
    return found.group_by(DRAW.c.account_id)


def _standing(mine: ColumnElement[bool], after_day: int, *columns: ColumnElement[Any]) -> Select[Any]:
    """Draws after a day that were not given back."""
    given_back = exists().where(OUTBOX.c.digest_id == DRAW.c.digest_id, OUTBOX.c.state.in_(GIVEN_BACK))
    return (
        select(*columns)
        .join_from(DRAW, ACCOUNT, ACCOUNT.c.id == DRAW.c.account_id)
        .join(MEMBER, MEMBER.c.address_key == ACCOUNT.c.address_key)
        .where(mine, DRAW.c.day > after_day, or_(DRAW.c.digest_id.is_(None), ~given_back))
    )


def draw(connection: Connection, draws: Sequence[NewDraw]) -> None:
    """Write down what mails take; in the transaction that composes them."""
    insert_rows(connection, DRAW, _COLUMNS, draws)


def wish(connection: Connection, address_key: str, wished: Wished) -> None:
    """Set what a person wants over all networks; they have an account from now on."""
    known = select(ACCOUNT.c.id).where(ACCOUNT.c.address_key == address_key)
    if connection.execute(known.with_for_update()).first() is None:
        connection.execute(insert(ACCOUNT).values(address_key=address_key, **wished._asdict()))
    else:
        changes = update(ACCOUNT).where(ACCOUNT.c.address_key == address_key)
        connection.execute(changes.values(**wished._asdict()))


def erase(connection: Connection, address_key: str) -> None:
    """Once nobody has the address any more the account, which stays for the sums, names nobody."""
    others = exists().where(MEMBER.c.address_key == address_key)
    gone = update(ACCOUNT).where(ACCOUNT.c.address_key == address_key, ~others)
    empty = dict.fromkeys(Wished._fields)
    connection.execute(gone.values(address_key=literal("erased:", Text) + cast(ACCOUNT.c.id, Text), **empty))


def wished_by(connection: Connection, member_key: int) -> Wished:
    """What a member set for themselves in their network."""
    columns = [MEMBER.c[name] for name in Wished._fields]
    return Wished(*connection.execute(select(*columns).where(MEMBER.c.id == member_key)).one())


def wished_overall(connection: Connection, address_key: str) -> Wished:
    """What a person set over all networks."""
    columns = [ACCOUNT.c[name] for name in Wished._fields]
    row = connection.execute(select(*columns).where(ACCOUNT.c.address_key == address_key)).first()
    return Wished(*row) if row else Wished()


def recent(connection: Connection, account_key: int, day: int) -> list[dict[str, Any]]:
    """What was drawn since a month before `day`, newest first, without what was given back."""
    given_back = exists().where(OUTBOX.c.digest_id == DRAW.c.digest_id, OUTBOX.c.state.in_(GIVEN_BACK))
    query = (
        select(DRAW.c.at, NETWORK.c.slug.label("network"), DRAW.c.what, DRAW.c.mails, DRAW.c.asks, DRAW.c["items"])
        .join_from(DRAW, NETWORK, NETWORK.c.id == DRAW.c.network_id)
        .where(DRAW.c.account_id == account_key, DRAW.c.day > day - MONTH_DAYS)
        .where(or_(DRAW.c.digest_id.is_(None), ~given_back))
        .order_by(DRAW.c.at.desc(), DRAW.c.id.desc())
    )
    return [dict(row) for row in connection.execute(query).mappings()]
