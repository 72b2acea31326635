"""What members said about items, what was learned from it, and what they want forgotten."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from profiles.address import normalise
from profiles.feedback import OPPOSITES, VERDICTS, Verdict
from store import tables
from store.database import insert_rows

TABLE = tables.Feedback.__table__  # type: ignore[attr-defined]
LEARNED = tables.LearnedTerm.__table__  # type: ignore[attr-defined]
FORGOTTEN = tables.ForgottenTerm.__table__  # type: ignore[attr-defined]
MEMBER = tables.Member.__table__  # type: ignore[attr-defined]
ITEM = tables.Item.__table__  # type: ignore[attr-defined]
DIGEST = tables.Digest.__table__  # type: ignore[attr-defined]
DIGEST_ITEM = tables.DigestItem.__table__  # type: ignore[attr-defined]
EDITION = tables.Edition.__table__  # type: ignore[attr-defined]
JUDGEMENT = tables.Judgement.__table__  # type: ignore[attr-defined]

TELLING = ("more", "can_help", "less")
"""Verdicts that say whether an item was rightly sent."""

ASKED_AT_ONCE = 400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Outcome = Literal["recorded", "known", "outdated"]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Word:
    """A member's word on an item; `ended` says why it does not stand any more, empty while it does. Key 0: not stored yet."""

    member_key: int
    item_key: int
    verdict: Verdict
    at: datetime
    source: str = ""
    ended: str = ""
    ended_at: datetime | None = None
    key: int = 0

    @property
    def last_event(self) -> datetime:
        """When it was said or, where the member took it back, when they did."""
        return self.ended_at if self.ended in {"undone", "forgotten"} and self.ended_at else self.at


@dataclass(frozen=True, slots=True)
class Listed:
    """A word as people read it."""

    member: str
    address: str
    item: str
    title: str
    verdict: str
    at: datetime
    source: str
    edition: str
    ended: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Words that stood at a moment, as parallel arrays ordered by member: keys, the index in VERDICTS, days since, and
    whether an edition had sent the item."""

    member: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    verdict: npt.NDArray[np.int64]
    age_days: npt.NDArray[np.float64]
    judged: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LearnedTerm:
    """A learned term with (public id, title) of the items it came from."""

    label: str
    weight: float
    items: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What became of pairs that were sent or judged by hand, as parallel arrays ordered by member: keys, the parts of the score
    that the pair had when it was sent (NaN where it was only judged; `rest` is all of it where no parts were kept), whether it
    was good, and whether somebody said so."""

    member: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    rest: npt.NDArray[np.float64]
    field: npt.NDArray[np.float64]
    share: npt.NDArray[np.float64]
    good: npt.NDArray[np.bool_]
    said: npt.NDArray[np.bool_]


LearnedRow = tuple[int, int, str, float, list[int]]
"""(member key, rank, label, weight, item keys)"""


def record(connection: Connection, words: Sequence[Word], *, once: bool = False) -> list[Outcome]:
    """Write down what members said: of words that exclude each other the latest stands, and one older than what the
    member said or took back since is kept as history ("outdated"). With `once` a word that was ever recorded with the
    same time is left alone ("known"), so that an import may be repeated; otherwise only one that stands."""
    if not words:
        return []
    _lock(connection, {word.member_key for word in words})
    pairs = {(word.member_key, word.item_key) for word in words}
    known = _known(connection, pairs)
    decided, added, ended = _decide(words, known, once=once)
    _end(connection, ended)
    editions = _editions(connection, {(word.member_key, word.item_key) for word in added})
    columns = ("member_id", "item_id", "edition_id", "verdict", "at", "source", "ended", "ended_at")
    insert_rows(connection, TABLE, columns, [_row(word, editions) for word in added])
    return decided


def outcomes(connection: Connection, words: Sequence[Word], *, once: bool = False) -> list[Outcome]:
    """What `record` would come to; nothing is written."""
    known = _known(connection, {(word.member_key, word.item_key) for word in words})
    return _decide(words, known, once=once)[0]


def members_named(connection: Connection, network_key: int, names: Iterable[str]) -> dict[str, tuple[int, str]]:
    """(key, status) of each name that is a member's address, however spelt, or public id."""
    wanted: dict[str, list[str]] = {}
    for name in set(names):
        try:
            wanted.setdefault(normalise(name).key, []).append(name)
        except ValueError:
            wanted.setdefault(name, []).append(name)
    query = select(MEMBER.c.id, MEMBER.c.status, MEMBER.c.address_key, MEMBER.c.public_id)
    found: dict[str, tuple[int, str]] = {}
    for part in _parts(sorted(wanted)):
        this = or_(MEMBER.c.address_key.in_(part), MEMBER.c.public_id.in_(part))
        for row in connection.execute(query.where(MEMBER.c.network_id == network_key, this)):
            names_of_row = (*wanted.get(row.address_key, ()), *wanted.get(row.public_id, ()))
            found |= dict.fromkeys(names_of_row, (row.id, row.status))
    return found


def items_named(connection: Connection, network_key: int, names: Iterable[str]) -> dict[str, int]:
    """The key of each name that is an item's public id, or else the external id that its poster gave it."""
    query = select(ITEM.c.id, ITEM.c.public_id, ITEM.c.external_id).where(ITEM.c.network_id == network_key)
    wanted = set(names)
    by_public: dict[str, int] = {}
    by_external: dict[str, int] = {}
    for part in _parts(sorted(wanted)):
        for row in connection.execute(query.where(or_(ITEM.c.public_id.in_(part), ITEM.c.external_id.in_(part)))):
            by_public[row.public_id], by_external[row.external_id] = row.id, row.id
    return {name: key for name, key in (by_external | by_public).items() if name in wanted}


def _decide(
    words: Sequence[Word], known: dict[Pair, list[Word]], *, once: bool
) -> tuple[list[Outcome], list[Word], list[Word]]:
    """(an outcome for each word, words to add, stored words that end). `known` is filled in on the way."""
    decided: list[Outcome] = []
    ended: dict[int, Word] = {}
    for word in words:
        rivals = known.setdefault((word.member_key, word.item_key), [])
        if any(_same(old, word) and (once or not old.ended) for old in rivals):
            decided.append("known")
            continue
        group = [n for n, old in enumerate(rivals) if _excludes(old.verdict, word.verdict)]
        latest = max((rivals[n].last_event for n in group), default=word.at)
        decided.append("recorded" if latest <= word.at else "outdated")
        if latest > word.at:
            rivals.append(replace(word, ended="replaced", ended_at=latest))
            continue
        for n in group:
            if not rivals[n].ended:
                rivals[n] = replace(rivals[n], ended="replaced", ended_at=word.at)
                ended[rivals[n].key] = rivals[n]
        rivals.append(word)
    added = [word for rivals in known.values() for word in rivals if not word.key]
    return decided, added, [word for key, word in ended.items() if key]


def _same(old: Word, new: Word) -> bool:
    return (old.verdict, old.at) == (new.verdict, new.at)


def _excludes(one: str, other: str) -> bool:
    return one == other or (one in OPPOSITES and other in OPPOSITES)


def _row(word: Word, editions: Mapping[Pair, int]) -> tuple[Any, ...]:
    pair = (word.member_key, word.item_key)
    return *pair, editions.get(pair), word.verdict, word.at, word.source, word.ended, word.ended_at


def undo(connection: Connection, member_key: int, item_key: int, now: datetime, *verdicts: str) -> int:
    """Take back what stands of these verdicts (none named: of all); returns how many words that were."""
    mine = and_(TABLE.c.member_id == member_key, TABLE.c.item_id == item_key, TABLE.c.ended == "")
    mine = and_(mine, TABLE.c.verdict.in_(verdicts)) if verdicts else mine
    return connection.execute(update(TABLE).where(mine).values(ended="undone", ended_at=now)).rowcount


def said(connection: Connection, member_key: int, item_key: int) -> list[Word]:
    """What stands between this member and item, latest first."""
    pair = (member_key, item_key)
    found = _known(connection, {pair}).get(pair, [])
    return sorted((word for word in found if not word.ended), key=lambda word: word.at, reverse=True)


def standing(connection: Connection, first_member: int, last_member: int, moment: datetime) -> Standing:
    """What members in the closed range of keys had said by `moment` and not taken back by then. What was forgotten with
    everything else stays forgotten, whenever that was."""
    query = (
        select(TABLE.c.member_id, TABLE.c.item_id, TABLE.c.verdict, TABLE.c.at, TABLE.c.edition_id)
        .where(TABLE.c.member_id.between(first_member, last_member), TABLE.c.at <= moment, _stood(moment))
        .order_by(TABLE.c.member_id, TABLE.c.id)
    )
    rows = connection.execute(query).all()
    place = {verdict: n for n, verdict in enumerate(VERDICTS)}
    return Standing(
        member=np.array([row[0] for row in rows], dtype=np.int64),
        item=np.array([row[1] for row in rows], dtype=np.int64),
        verdict=np.array([place[row[2]] for row in rows], dtype=np.int64),
        age_days=np.array([(moment - row[3]).total_seconds() / 86400 for row in rows], dtype=np.float64),
        judged=np.array([row[4] is not None for row in rows], dtype=np.bool_),
    )


def known_pairs(connection: Connection, first_member: int, last_member: int, moment: datetime) -> Known:
    """What was known by `moment` of pairs of members in the closed range of keys: what members said of items that they were sent,
    the other items of those digests, which they passed over, and what was judged by hand. A member's word goes before a
    judgement, a good word before a bad one."""
    good = func.max(case((TABLE.c.verdict == "less", 0), else_=1))
    here = TABLE.c.member_id.between(first_member, last_member) & TABLE.c.verdict.in_(TELLING) & (TABLE.c.at <= moment)
    standing = select(TABLE.c.member_id, TABLE.c.item_id, good.label("good")).where(here, _stood(moment))
    words = standing.group_by(TABLE.c.member_id, TABLE.c.item_id).subquery()
    same = (words.c.member_id == DIGEST_ITEM.c.member_id) & (words.c.item_id == DIGEST_ITEM.c.item_id)
    heard = select(DIGEST_ITEM.c.digest_id).join(words, same)
    parts = func.coalesce(DIGEST_ITEM.c.rest, DIGEST_ITEM.c.score), DIGEST_ITEM.c.field, DIGEST_ITEM.c.share
    sent = (
        select(DIGEST_ITEM.c.member_id, DIGEST_ITEM.c.item_id, *parts, words.c.good)
        .join_from(DIGEST_ITEM, words, same, isouter=True)
        .where(DIGEST_ITEM.c.digest_id.in_(heard))
    )
    judged = select(JUDGEMENT.c.member_id, JUDGEMENT.c.item_id, JUDGEMENT.c.good).where(
        JUDGEMENT.c.member_id.between(first_member, last_member), JUDGEMENT.c.at <= moment
    )
    rows = {(row[0], row[1]): (np.nan, np.nan, np.nan, row[2], True) for row in connection.execute(judged)}
    rows |= {
        (row[0], row[1]): (*row[2:5], row[5] == 1, row[5] is not None)
        for row in connection.execute(sent)
        if row[5] is not None or (row[0], row[1]) not in rows
    }
    pairs = sorted(rows)
    values = [rows[pair] for pair in pairs]
    return Known(
        member=np.array([member for member, _ in pairs], dtype=np.int64),
        item=np.array([item for _, item in pairs], dtype=np.int64),
        rest=np.array([value[0] for value in values], dtype=np.float64),
        field=np.array([value[1] for value in values], dtype=np.float64),
        share=np.array([value[2] for value in values], dtype=np.float64),
        good=np.array([value[3] for value in values], dtype=np.bool_),
        said=np.array([value[4] for value in values], dtype=np.bool_),
    )


def _stood(moment: datetime) -> ColumnElement[bool]:
    return or_(TABLE.c.ended == "", and_(TABLE.c.ended.in_(("replaced", "undone")), TABLE.c.ended_at > moment))


def speakers(connection: Connection, network_key: int, moment: datetime, most: int) -> list[int]:
    """Keys of the members of whom it is known by `moment` whether something was good for them, those last heard of where there
    are more than `most`, by key."""
    mine = select(MEMBER.c.id).where(MEMBER.c.network_id == network_key)
    said = select(TABLE.c.member_id, TABLE.c.at).where(
        TABLE.c.member_id.in_(mine), TABLE.c.verdict.in_(TELLING), TABLE.c.at <= moment, _stood(moment)
    )
    judged = select(JUDGEMENT.c.member_id, JUDGEMENT.c.at).where(
        JUDGEMENT.c.member_id.in_(mine), JUDGEMENT.c.at <= moment
    )
    both = said.union_all(judged).subquery()
    last = func.max(both.c.at)
    query = select(both.c.member_id).group_by(both.c.member_id).order_by(last.desc(), both.c.member_id).limit(most)
    return sorted(row[0] for row in connection.execute(query))


def listing(
    connection: Connection,
    network_key: int,
    *,
    member_key: int | None = None,
    item_key: int | None = None,
    verdict: str = "",
    limit: int | None = None,
) -> Iterator[Listed]:
    """Everything that was said, taken back or not, newest first, in constant memory."""
    columns = (MEMBER.c.public_id, MEMBER.c.address, ITEM.c.public_id, ITEM.c.title, TABLE.c.verdict, TABLE.c.at)
    query = (
        select(*columns, TABLE.c.source, func.coalesce(EDITION.c.slot, ""), TABLE.c.ended, TABLE.c.ended_at)
        .join_from(TABLE, MEMBER, MEMBER.c.id == TABLE.c.member_id)
        .join(ITEM, ITEM.c.id == TABLE.c.item_id)
        .outerjoin(EDITION, EDITION.c.id == TABLE.c.edition_id)
        .where(MEMBER.c.network_id == network_key)
        .order_by(TABLE.c.at.desc(), TABLE.c.id.desc())
        .limit(limit)
    )
    for column, wanted in (("member_id", member_key), ("item_id", item_key), ("verdict", verdict or None)):
        query = query if wanted is None else query.where(TABLE.c[column] == wanted)
    rows = connection.execute(query.execution_options(stream_results=True, yield_per=1000))
    return (Listed(*tuple(row)) for row in rows)


def learned(connection: Connection, member_key: int) -> list[LearnedTerm]:
    """What was learned about a member by the last edition, heaviest first, without what they want forgotten."""
    query = select(LEARNED.c.label, LEARNED.c.weight, LEARNED.c["items"]).where(LEARNED.c.member_id == member_key)
    rows = connection.execute(query.order_by(LEARNED.c.rank)).all()
    gone = {label.casefold() for label in forgotten(connection, member_key)}
    keys = sorted({key for row in rows for key in row[2]})
    titles: dict[int, tuple[str, str]] = {}
    for part in _parts(keys):
        found = select(ITEM.c.id, ITEM.c.public_id, ITEM.c.title).where(ITEM.c.id.in_(part))
        titles |= {row.id: (row.public_id, row.title) for row in connection.execute(found)}
    return [
        LearnedTerm(label, weight, tuple(titles[key] for key in items if key in titles))
        for label, weight, items in rows
        if label.casefold() not in gone
    ]


def write_learned(connection: Connection, members: Sequence[int], rows: Sequence[LearnedRow]) -> None:
    """Replace what was learned about these members, by their keys; there may be rows of only some of them."""
    for part in _parts(members):
        connection.execute(delete(LEARNED).where(LEARNED.c.member_id.in_(part)))
    insert_rows(connection, LEARNED, ("member_id", "rank", "label", "weight", "items"), rows)


def forgotten(connection: Connection, member_key: int) -> list[str]:
    """The terms that a member wants not to be learned, in the order in which they said so."""
    return forgotten_by(connection, member_key, member_key).get(member_key, [])


def forgotten_by(connection: Connection, first_member: int, last_member: int) -> dict[int, list[str]]:
    """The same for all members in the closed range of keys who have some."""
    query = select(FORGOTTEN.c.member_id, FORGOTTEN.c.label)
    query = query.where(FORGOTTEN.c.member_id.between(first_member, last_member))
    rows = connection.execute(query.order_by(FORGOTTEN.c.member_id, FORGOTTEN.c.at, FORGOTTEN.c.label)).all()
    return {key: [row.label for row in own] for key, own in groupby(rows, key=lambda row: int(row.member_id))}


def forget(connection: Connection, member_key: int, label: str, now: datetime) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = {"member_id": member_key, "label": label, "at": now}
    connection.execute(dialect.insert(FORGOTTEN).values(**row).on_conflict_do_nothing())


def remember(connection: Connection, member_key: int, label: str) -> bool:
    """The reverse of `forget`; False where the term was not forgotten."""
    this = delete(FORGOTTEN).where(FORGOTTEN.c.member_id == member_key, FORGOTTEN.c.label == label)
    return bool(connection.execute(this).rowcount)


def forget_everything(connection: Connection, member_key: int, now: datetime) -> int:
    """From now on nothing that was said so far teaches anything; returns how many words that were."""
    mine = and_(TABLE.c.member_id == member_key, TABLE.c.ended == "")
    done = connection.execute(update(TABLE).where(mine).values(ended="forgotten", ended_at=now))
    connection.execute(delete(LEARNED).where(LEARNED.c.member_id == member_key))
    return done.rowcount


def forgotten_words(connection: Connection, member_key: int) -> int:
    """How many words `restore_everything` would bring back, or would find replaced by later ones."""
    query = select(TABLE.c.id).where(TABLE.c.member_id == member_key, TABLE.c.ended == "forgotten")
    return len(connection.execute(query).all())


def restore_everything(connection: Connection, member_key: int, now: datetime) -> int:
    """Bring back what `forget_everything` took, but for words that something said since has replaced."""
    _lock(connection, {member_key})
    lost = select(TABLE.c.item_id).where(TABLE.c.member_id == member_key, TABLE.c.ended == "forgotten")
    pairs = {(member_key, row.item_id) for row in connection.execute(lost)}
    back = {}
    for rivals in _known(connection, pairs).values():
        for word in sorted((w for w in rivals if w.ended == "forgotten"), key=lambda w: (w.at, w.key), reverse=True):
            taken = [w for w in rivals if _excludes(w.verdict, word.verdict) and (not w.ended or w.key in back)]
            back[word.key] = (
                replace(word, ended="replaced", ended_at=now) if taken else replace(word, ended="", ended_at=None)
            )
    _end(connection, list(back.values()))
    return sum(not word.ended for word in back.values())


def erase(connection: Connection, member_key: int) -> None:
    """Delete what a member said and all that came of it."""
    for table in (TABLE, LEARNED, FORGOTTEN):
        connection.execute(delete(table).where(table.c.member_id == member_key))


def _lock(connection: Connection, members: Iterable[int]) -> None:
    """On PostgreSQL two who record for the same member do so one after the other; SQLite has one writer anyway."""
    for part in _parts(sorted(members)):
        found = select(MEMBER.c.id).where(MEMBER.c.id.in_(part)).order_by(MEMBER.c.id)
        connection.execute(found.with_for_update(key_share=True))


def _known(connection: Connection, pairs: Iterable[Pair]) -> dict[Pair, list[Word]]:
    """Everything ever said between these members and items, in the order of recording."""
    columns = [TABLE.c[name] for name in ("member_id", "item_id", "verdict", "at", "source", "ended", "ended_at", "id")]
    query = select(*columns).order_by(TABLE.c.id)
    found: dict[Pair, list[Word]] = {}
    for part in _parts(sorted(pairs)):
        for row in connection.execute(query.where(tuple_(TABLE.c.member_id, TABLE.c.item_id).in_(part))):
            found.setdefault((row[0], row[1]), []).append(Word(*row))
    return found


def _end(connection: Connection, words: Sequence[Word]) -> None:
    if words:
        this = update(TABLE).where(TABLE.c.id == bindparam("k")).values(ended=bindparam("e"), ended_at=bindparam("t"))
        connection.execute(this, [{"k": word.key, "e": word.ended, "t": word.ended_at} for word in words])


def _editions(connection: Connection, pairs: Iterable[Pair]) -> dict[Pair, int]:
    """The edition that sent each item to each member, where one did."""
    chosen = (DIGEST_ITEM.c.member_id, DIGEST_ITEM.c.item_id)
    query = select(*chosen, DIGEST.c.edition_id).join_from(DIGEST_ITEM, DIGEST, DIGEST.c.id == DIGEST_ITEM.c.digest_id)
    return {
        (row[0], row[1]): row[2]
        for part in _parts(sorted(pairs))
        for row in connection.execute(query.where(tuple_(*chosen).in_(part)))
    }


def _parts(values: Sequence[Any]) -> Iterator[list[Any]]:
    return (list(values[start : start + ASKED_AT_ONCE]) for start in range(0, len(values), ASKED_AT_ONCE))
