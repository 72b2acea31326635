"""Previewing items: all about the members is loaded once, through the code that composes editions, then item after item."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from digest.asking import Requests
from digest.composition import Batch, Wants, decided, gather
from digest.composition import Edition as Fitted
from digest.decision import Reach, asking, cause_of
from digest.eligibility import Block, Codes
from digest.items import Item
from digest.limits import NO_LIMIT
from digest.pool import MUTED, NEVER, SEEN, Pool
from digest.preview import NOTHING, Bars, Preview, Readers, Standing, Wish, preview
from digest.reach import unused_words
from jobs.considering import batch_of, due_members, is_combined
from jobs.deciding import KEPT_WANTS, reach_of
from jobs.fitting import edition_settings, fit_edition
from jobs.rehearsal import audience, imagined
from jobs.services import Services
from jobs.shortfalls import told
from store import items
from store.considered import PlannedDigest
from store.decisions import Shortfall
from store.editions import Edition
from store.networks import Network

GRID = tuple(range(20, 65, 5))
"""Other thresholds that are looked at, beside the one in force."""
FACETS = ("profession", "region", "organisation_type")
PUSHED_OUT = 10
"""Items that would lose most places that are shown."""
LEAST = float(min(GRID))
"""The lowest match that is looked at, unless the floor or a threshold is lower."""
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Person:
    """A member as told in a preview: with a name only to those entitled to it."""

    profession: str
    setting: str
    organisation_type: str
    region: str
    name: str = ""
    organisation: str = ""


@dataclass(frozen=True, slots=True)
class BorderCase:
    """A member near to their threshold, and what the item has in common with their interests."""

    member: Person
    match: float
    threshold: float
    reached: bool
    reason: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reached:
    member: Person
    match: float
    deep: bool


@dataclass(frozen=True, slots=True)
class ItemPreview:
    """Whom one item would reach if the edition opened now. Counts are of members."""

    title: str
    kind: str
    public_id: str
    urgent: bool
    considered: int
    threshold: float
    floor: float
    needed: int
    most: int | None
    reached: int
    deep: int
    """Of the reached, those under their threshold: the item needs readers."""
    elsewhere: int
    """Of the reached, those who get it in the mail of another network of theirs."""
    fits: int
    full: int
    over_reach: int
    lacking: int
    blocked: dict[str, int]
    same_as: list[str]
    """Titles of items in the same edition that are the same thing."""
    who: dict[str, dict[str, int]]
    """By facet, then value, "" for none: how many are reached."""
    histogram: list[tuple[int, int]]
    """(lower edge of five points of match, members who may receive it)"""
    border: list[BorderCase]
    pushed_out: list[tuple[str, int]]
    """(title, members who would lose it), most first."""
    others: list[tuple[float, int, int]]
    """(threshold, members who fit, members reached)"""
    shortfall: dict[str, Any] | None = None
    """Where it lacks readers: why, and what would help, as `jobs.shortfalls.told` has it."""
    members: list[Reached] = field(default_factory=list)
    """Who they are, best match first; only for those entitled to names."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network's members and the edition that would open without the items previewed: item after item costs little."""

    edition: Edition
    fitted: Fitted
    reach: Reach
    columns: tuple[int, ...]
    """Of the previewed items, where they stand in the edition."""
    members: list[PlannedDigest]
    readers: Readers
    codes: Codes
    """Blocks of shape (n_members, n_previewed)."""
    standing: Standing
    shifts: Any
    wants: list[Wants]
    """Batch after batch of members, for reasons; empty of a large audience."""


def load(
    services: Services, network: Network, at: datetime, previewed: Sequence[Item], advance: Advance = lambda _n: None
) -> Loaded:
    """Match everybody due a digest with what is open at this moment, and decide the edition without the items previewed.

    An urgent item that waits for its approval goes by itself to those who take urgent mail.
    """
    urgent = any(item.urgent and item.state == "held" for item in previewed)
    fitted, settings = _fitted(services, network, at, previewed, alone=urgent)
    edition = imagined(network, at, settings | {"combine": False}, urgent=urgent)  # wherever their mail comes from
    keys = {item.key for item in previewed}
    columns = tuple(n for n, item in enumerate(fitted.items) if item.key in keys)
    with services.database.reading() as connection:
        reach = reach_of(connection, settings, fitted, at)
    needed = reach.needed.copy()
    needed[list(columns)] = 0
    pools: list[Pool] = []
    parts: list[Readers] = []
    codes: list[Codes] = []
    wants: list[Wants] = []
    shifts: list[Any] = []
    members: list[PlannedDigest] = []
    for able in _due(services, network, edition, advance):
        with services.database.reading() as connection:
            batch = batch_of(connection, network, edition, fitted, able)
        wanted, pool = gather(fitted, batch, Reach(needed, reach.most))
        if len(members) + len(able) <= KEPT_WANTS:
            wants.append(wanted)
        shifts.append(wanted.shifts)
        pools.append(_without(pool, columns))
        parts.append(Readers.of(fitted, wanted, _least(fitted)))
        codes.append(_blocked(fitted, batch, columns))
        members += able
    if not members:
        lacking = "takes urgent mail" if urgent else "is due a digest"
        raise NobodyDue(f"{network.slug} has no member who {lacking}; `germane members list` shows who there is")
    return Loaded(
        edition=replace(edition, settings=settings),
        fitted=fitted,
        reach=reach,
        columns=columns,
        members=members,
        readers=Readers.joined(parts),
        codes=np.concatenate(codes),
        standing=_standing(fitted, Pool.joined(pools, len(fitted.items)), Reach(needed, reach.most)),
        shifts=np.concatenate(shifts),
        wants=wants if len(members) <= KEPT_WANTS else [],
    )


def _standing(fitted: Fitted, pool: Pool, reach: Reach) -> Standing:
    """What each member gets without the items previewed."""
    decision, _ = decided(fitted, pool, reach)
    item, member = decision.item.astype(np.int64), decision.member.astype(np.int64)
    asks, everybody = np.flatnonzero(fitted.asks[item]), np.arange(pool.n_members)
    _, level = asking(pool, fitted.asks, reach.most, fitted.shape.ask_cost)
    given = Requests(member[asks], decision.match[asks], np.zeros(len(asks), np.bool_))
    worth = decision.match.astype(np.float64)
    worth[asks] -= pool.asked.burden(given.member, level, given.before)
    return Standing.of(
        member,
        item,
        worth,
        fitted.asks,
        np.bincount(item, minlength=len(fitted.items)) - reach.needed,
        pool.caps,
        pool.asks,
        pool.asked.burden(everybody, level, np.bincount(given.member, minlength=pool.n_members)),
    )


class NobodyDue(ValueError):
    """There is nobody to preview for; the message says what to do."""


def _fitted(
    services: Services, network: Network, at: datetime, previewed: Sequence[Item], *, alone: bool
) -> tuple[Fitted, dict[str, Any]]:
    settings = edition_settings(services, network)
    oldest = at - timedelta(days=settings["max_item_age_days"])
    with services.database.reading() as connection:
        keys = [] if alone else [item.key for item in items.open_items(connection, network.key, at, oldest)]
    new = [item for item in previewed if item.key not in keys]
    return fit_edition(services, network, settings, keys, at, None, new), settings


def _due(services: Services, network: Network, edition: Edition, advance: Advance) -> Iterator[list[PlannedDigest]]:
    for batch in audience(services, network):
        if able := due_members(batch, network, edition):
            yield able
        advance(len(batch))


def _without(pool: Pool, columns: Sequence[int]) -> Pool:
    kept = ~np.isin(pool.item, columns)
    over_pairs = ("member", "item", "match", "score", "deep", "beside", "code", "again")
    return replace(pool, **{name: getattr(pool, name)[kept] for name in over_pairs})


def _blocked(fitted: Fitted, batch: Batch, columns: Sequence[int]) -> Codes:
    place = {column: n for n, column in enumerate(columns)}
    row, column = batch.sent
    here = np.isin(column, columns)
    places = np.array([place[one] for one in column[here].tolist()], dtype=np.int64)
    some = replace(batch, sent=(row[here], places))
    return some.blocked(replace(fitted, items=[fitted.items[column] for column in columns]))


def previewed(loaded: Loaded, number: int, *, names: bool = False) -> ItemPreview:
    """What is told of the previewed item of this number, with `names` only to those entitled."""
    fitted, column = loaded.fitted, loaded.columns[number]
    item, threshold = fitted.items[column], float(fitted.thresholds[column])
    member, match = loaded.readers.matches(fitted.rows[column])
    need, most = int(loaded.reach.needed[column]), int(loaded.reach.most[column])
    bars = Bars(threshold, min(fitted.floor, threshold), loaded.shifts, fitted.bounds)
    wish = Wish(bool(fitted.asks[column]), need, most)
    codes = loaded.codes[member, number]
    found = preview(member, match, codes, bars, loaded.standing, wish, sorted({*GRID, threshold}))
    return ItemPreview(
        title=item.title,
        kind=item.kind,
        public_id=item.public_id,
        urgent=loaded.edition.kind == "urgent",
        considered=len(loaded.members),
        threshold=threshold,
        floor=bars.floor,
        needed=need,
        most=None if most == NO_LIMIT else most,
        reached=len(found.reached),
        deep=int(found.deep.sum()),
        elsewhere=sum(is_combined(loaded.members[row], loaded.edition) for row in found.reached.tolist()),
        fits=found.fits,
        full=found.full,
        over_reach=found.over_reach,
        lacking=found.lacking,
        blocked={block.word: n for block, n in found.blocked.items()},
        same_as=_same(fitted, column),
        who={name: _counted(loaded, found, name) for name in FACETS},
        histogram=[
            (int(edge), int(n))
            for edge, n in zip(found.bins[:-1], found.histogram, strict=True)
            if edge + 5 > _least(loaded.fitted)
        ],
        border=_border(loaded, found, column, names=names),
        pushed_out=_pushed_out(fitted, found),
        others=found.others,
        shortfall=_shortfall(loaded, number, found, need, most) if found.lacking else None,
        members=_reached(loaded, found) if names else [],
    )


def _shortfall(loaded: Loaded, number: int, found: Preview, need: int, most: int) -> dict[str, Any]:
    """Why it lacks readers, as an edition would tell; whom it fits and who does not get it has no room for it."""
    codes, column, got = loaded.codes[:, number], loaded.columns[number], len(found.reached)
    eligible, had_it, muted = (
        int(np.count_nonzero(those))
        for those in (~np.isin(codes, NEVER), codes == Block.ALREADY_SENT, np.isin(codes, MUTED))
    )
    seen = (eligible, had_it, muted, found.fitting - got, got, found.fitting)
    cause: str = cause_of(seen, got, most)
    if loaded.edition.kind == "urgent" and cause in {"nobody_eligible", "too_few"}:
        cause = "not_urgent"
    stated = [member.stated for member in loaded.members]
    words = unused_words(loaded.fitted, loaded.wants, stated, column) if loaded.wants else []
    item = loaded.fitted.items[column]
    counts = dict(zip(SEEN, seen, strict=True))
    return told([item], Shortfall(item.key, min(need, most), got, cause, counts, words))


def _least(fitted: Fitted) -> float:
    """The lowest match that is looked at."""
    return min(LEAST, fitted.floor, fitted.least_threshold)


def _same(fitted: Fitted, column: int) -> list[str]:
    alike = np.flatnonzero(fitted.group == fitted.group[column])
    return [fitted.items[other].title for other in alike.tolist() if other != column]


def _counted(loaded: Loaded, found: Preview, facet: str) -> dict[str, int]:
    return dict(Counter(getattr(loaded.members[row], facet) for row in found.reached.tolist()).most_common())


def _pushed_out(fitted: Fitted, found: Preview) -> list[tuple[str, int]]:
    lost = Counter(found.pushed_out[found.pushed_out != NOTHING].tolist())
    return [(fitted.items[column].title, n) for column, n in lost.most_common(PUSHED_OUT)]


def _reached(loaded: Loaded, found: Preview) -> list[Reached]:
    rows = zip(found.reached.tolist(), found.match.tolist(), found.deep.tolist(), strict=True)
    return [Reached(person(loaded.members[row], names=True), round(match, 1), deep) for row, match, deep in rows]


def _border(loaded: Loaded, found: Preview, column: int, *, names: bool) -> list[BorderCase]:
    goes = set(found.reached.tolist())
    rows = zip(found.border.tolist(), found.border_match.tolist(), found.border_threshold.tolist(), strict=True)
    return [
        BorderCase(
            member=person(loaded.members[row], names=names),
            match=round(match, 1),
            threshold=round(threshold, 1),
            reached=row in goes,
            reason=_reason(loaded, row, column),
        )
        for row, match, threshold in rows
    ]


def _reason(loaded: Loaded, row: int, column: int) -> tuple[str, ...]:
    for wants in loaded.wants:
        if row < wants.rows.shape[0]:
            (found,) = loaded.fitted.reasons(wants, [row], [column])
            return tuple(reason.label for reason in found)
        row -= wants.rows.shape[0]
    return ()


def person(member: PlannedDigest, *, names: bool) -> Person:
    told = {name: getattr(member, name) for name in ("profession", "setting", "organisation_type", "region")}
    return Person(**told, name=member.name, organisation=member.organisation) if names else Person(**told)
