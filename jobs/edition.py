"""Composing an edition: from what the store holds to digests and an outbox, shard by shard."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from digest.budgets import Allowance, Bounds, Room, Wished, burden, room
from digest.calibration import SENT_SPREAD, Calibration, Judged, calibrate
from digest.composition import NOTHING_HEARD, Batch, Composition, Heard, Wants, explained, gather
from digest.composition import Edition as Fitted
from digest.composition import decided as decide_all
from digest.decision import NO_LIMIT, NO_ROOM, NOTES, Decision, Reach, Shape, Shortfall
from digest.duplicates import Duplicates
from digest.eligibility import Block
from digest.feedback import PASSED_OVER, Rule, Said, Told
from digest.fitting import fit
from digest.interleaving import NO_TEAM, Comparison
from digest.items import Item
from digest.learned import Learned
from digest.order import OrderRule
from digest.pool import Pool
from digest.reach import reach_left, unused_words
from digest.reasons import Reason
from digest.vectors import VectorSpace
from jobs.due import due_at, is_due, start_of
from jobs.failpoints import reach as fail_point
from jobs.services import Services
from profiles.member import Preferences, Profile
from profiles.standing import NEVER_QUIET, Quiet, why_no_mail
from store import budgets, editions, feedback, items, members, suppression, topics
from store.budgets import Account
from store.database import StoreError
from store.editions import Decided, Edition, PlannedDigest
from store.feedback import Known, Standing
from store.networks import Network

Advance = Callable[[int], None]
Ints = npt.NDArray[np.int64]


def edition_settings(services: Services, network: Network) -> dict[str, Any]:
    """What an edition is composed with, kept beside it so that it can be composed again the same way."""
    settings = services.settings
    return {
        "threshold": network.threshold_for("", settings.matching.threshold),
        "kind_thresholds": network.kind_thresholds,
        "items_per_digest": network.items_per_digest or settings.digest.items,
        "candidates": settings.matching.candidates,
        "background_items": settings.matching.background_items,
        "max_item_age_days": settings.digest.max_item_age_days,
        "spread_min": settings.schedule.spread_min,
        "comparison": {"share": settings.matching.compare_share, "other": settings.matching.compare_with},
        "feedback": {name: getattr(settings.matching, name) for name in Rule.__slots__},
        "floor": settings.matching.floor,
        "policy": settings.digest.policy,
        "order": {name: getattr(settings.digest, name) for name in OrderRule.__slots__},
        "shape": {"per_poster": settings.digest.per_poster, "per_topic": settings.digest.per_topic},
        "reach": settings.reach.model_dump() | {"most_urgent": settings.urgent.most},
        "budget": settings.budget.model_dump(),
        "combine": not settings.matching.compare_share,  # what is compared is one network's
        "quiet": {"after": settings.digest.quiet_after, "most_weeks": settings.digest.quiet_most_weeks},
    }


def open_edition(services: Services, network: Network, slot: str, at: datetime, only: Item | None = None) -> bool:
    """Open the slot's edition and freeze its items and audience; False if it is open or done already.

    With `only` it is an urgent one, of that item alone, for those who take urgent mail.
    """
    settings = edition_settings(services, network) | {"start": start_of(network, at).isoformat()}
    oldest = at - timedelta(days=settings["max_item_age_days"])
    with services.database.writing() as connection:
        if editions.find(connection, network.key, slot):
            return False
        if suppression.any_in_force(connection):
            suppression.stop_members(connection, network.key, services.secret_key, at)
        items.close_answered(connection, network.key, settings["reach"]["answers_wanted"], at)
        keys = (
            [item.key for item in items.open_items(connection, network.key, at, oldest)] if only is None else [only.key]
        )
        kind = "weekly" if only is None else "urgent"
        if only is None and settings["combine"]:
            for other in editions.guest_networks(connection, network.key):
                keys += [item.key for item in items.open_items(connection, other, at, oldest)]
        opened = editions.open_once(
            connection, network_key=network.key, slot=slot, as_of=at, item_keys=keys, settings=settings, kind=kind
        )
        fail_point("run.opening")
    return opened


def fit_edition(
    services: Services,
    network: Network,
    settings: dict[str, Any],
    item_keys: Sequence[int],
    as_of: datetime,
    model: bytes | None,
    more: Sequence[Item] = (),
) -> Fitted:
    """What an edition needs to match: with a stored model the same vectors as when it was first composed. `more` are items to
    choose from that are not stored, or not published yet."""
    with services.database.reading() as connection:
        chosen = [*items.load(connection, network.key, item_keys), *more]
        known = topics.load(connection, network.key)
        past = items.background(connection, network.key, as_of, settings["background_items"])
    past = past[::-1]
    space = _restored(model) if model else _fitted(past, chosen, known)
    rows, past_rows = space.item_vectors(chosen), space.item_vectors(past)
    words = slice(0, space.first_topic)
    default, kinds = settings["threshold"], settings["kind_thresholds"]
    fitted = Fitted(
        items=chosen,
        topics=known,
        space=space,
        rows=rows,
        past=past_rows,
        thresholds=np.array([kinds.get(item.kind, default) for item in chosen], dtype=np.float64),
        most_items=settings["items_per_digest"],
        language=network.language,
        candidates=settings["candidates"],
        rule=Rule(**settings.get("feedback", {})),  # an edition of before there was feedback has none
        threshold=default,
        past_keys=tuple(item.key for item in past),
        comparison=_comparison(settings),
        floor=settings.get("floor", 100.0),
        shape=Shape(**settings.get("shape", {})),
        policy=settings.get("policy", "allocation"),
        order=OrderRule(**settings.get("order", {})),
        bridging=network.bridging and "order" in settings,
        as_of=as_of,
        duplicates=Duplicates.among(chosen, rows[:, words], past, past_rows[:, words]),
    )
    stored = settings.get("calibration")
    return replace(
        fitted, calibration=Calibration(tuple(stored)) if stored else _learnt(services, network, fitted, as_of)
    )


SPEAKERS = 5_000
"""Members, those last heard of, from whose words a network's calibration is learnt."""


def _learnt(services: Services, network: Network, fitted: Fitted, as_of: datetime) -> Calibration:
    """What a match means in this network, by what had become of its digests at that moment."""
    with services.database.reading() as connection:
        speakers = set(feedback.speakers(connection, network.key, as_of, SPEAKERS))
    judged, after = [], 0
    while speakers:
        with services.database.reading() as connection:
            batch = editions.audience(connection, network.key, after, services.settings.digest.shard)
            voices = listen(connection, batch[0].member_key, batch[-1].member_key, as_of) if batch else None
        if not batch:
            break
        speaking = [member for member in batch if member.member_key in speakers]
        if speaking:
            profiles, wishes = zip(*((profile_of(m), preferences_of(m)) for m in speaking), strict=True)
            judged.append(fitted.judged(fitted.wants(profiles, wishes, heard_of(speaking, fitted, voices))))
        after = batch[-1].member_key
    return calibrate(Judged.joined(judged), held=SENT_SPREAD) if judged else fitted.calibration


def _comparison(settings: dict[str, Any]) -> Comparison | None:
    comparison = Comparison(**settings.get("comparison", {"share": 0.0}))
    return comparison if comparison.share else None


def _restored(model: bytes) -> VectorSpace:
    try:
        return VectorSpace.from_bytes(model)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"the vectors stored with this edition cannot be read ({type(error).__name__}); "
            "finish it with the version of Germane that opened it"
        ) from error


def _fitted(past: list[Any], chosen: list[Any], known: list[Any]) -> VectorSpace:
    seen = {item.key for item in past}
    return fit([*past, *(item for item in chosen if item.key not in seen)], known)


class OtherNetworks(Protocol):
    """What joins an edition from other networks; see `jobs.combined.Company`."""

    def whole(self, fitted: Fitted) -> Fitted: ...
    def reach(self, home: Reach) -> Reach: ...
    def pooled(self, connection: Connection, able: Sequence[PlannedDigest], pool: Pool) -> Pool: ...
    def present(self, connection: Connection, batch: Sequence[PlannedDigest]) -> Sequence[Any]: ...
    @property
    def networks(self) -> Mapping[int, int]:
        """By item key the network that it comes from."""
        ...


GuestReasons = Mapping[int, tuple[int, str, list[Reason]]]
"""By place of a chosen pair that came from another network: the membership's key, the network's name, and the reasons."""
ExplainGuests = Callable[[Sequence[Any], Sequence[PlannedDigest], Decision], GuestReasons]


@dataclass(frozen=True, slots=True)
class Guests:
    """Who of a batch is in which other network, all items of the edition, and how a pair of theirs is explained."""

    present: Sequence[Any]
    items: Sequence[Item]
    explain: ExplainGuests | None


@dataclass(frozen=True, slots=True)
class Posted:
    """What budgets need to know of items, by key: those that ask for help, and those from other networks."""

    requests: frozenset[int]
    networks: Mapping[int, int]


def compose_edition(
    services: Services,
    network: Network,
    edition: Edition,
    owner: str,
    advance: Advance,
    company: OtherNetworks | None = None,
    explain_guests: ExplainGuests | None = None,
) -> None:
    """Decide the whole edition, then write down every digest that is still planned, shard by shard.

    What was decided is kept until all of it is written, so that a process that takes over after a crash writes the rest of the
    same decision. Raises NotMine when another process took the edition over.
    """
    fitted = _load_or_fit(services, network, edition, owner)
    found = _decide_once(services, network, edition, fitted, owner, company)
    whole = company.whole(fitted) if company else fitted
    requests, networks_of = requests_among(whole), company.networks if company else {}
    while True:
        with services.database.reading() as connection:
            batch = editions.planned(connection, edition.key, services.settings.digest.shard)
            if not batch:
                break
            part = found.of(connection, batch)
            voices = (
                None if part.wants else listen(connection, batch[0].member_key, batch[-1].member_key, edition.as_of)
            )
            guests = Guests(company.present(connection, batch), whole.items, explain_guests) if company else None
        decided = settled(fitted, network, edition, batch, part, voices, guests)
        try:
            _write(services, network, edition, owner, batch, decided, Posted(requests, networks_of))
        except members.DueMoved:
            continue  # another edition mailed some of them since they were read: they are read again
        advance(len(batch))
    with services.database.writing() as connection:
        editions.drop_decision(connection, edition.key)


def _write(
    services: Services,
    network: Network,
    edition: Edition,
    owner: str,
    batch: Sequence[PlannedDigest],
    decided: Decided,
    posted: Posted,
) -> None:
    """One transaction: digests, outbox and what they draw from accounts, which nobody else can draw on meanwhile."""
    now = services.now()
    span = (batch[0].member_key, batch[-1].member_key)
    with services.database.writing() as connection:
        editions.renew(connection, edition.key, owner, now, services.settings.schedule.lease_s)
        accounts = budgets.accounts(connection, network.key, *span, _day(edition.as_of, network), lock=True)
        within = within_budgets(decided, batch, accounts, network, edition, posted)
        _claim_dues(connection, edition, batch, within)
        editions.write(connection, edition, within, now)
        feedback.write_learned(connection, within.learned_of, within.learned)
        fail_point("run.shard_writing")
    fail_point("run.shard_written")


def _claim_dues(connection: Connection, edition: Edition, batch: Sequence[PlannedDigest], decided: Decided) -> None:
    """Move each mailed member's last due moment on, if it is still the one that this was decided by. Raises DueMoved."""
    if edition.kind == "weekly":
        last = {member.member_key: member.last_due_at for member in batch}
        members.claim_due(connection, [(member, last[member], at) for _, member, _, at in decided.outbox])


def _load_or_fit(services: Services, network: Network, edition: Edition, owner: str) -> Fitted:
    with services.database.reading() as connection:
        keys, model = editions.item_keys(connection, edition.key), editions.load_model(connection, edition.key)
    fitted = fit_edition(services, network, edition.settings, keys, edition.as_of, model)
    if model is None:
        with services.database.writing() as connection:
            editions.renew(connection, edition.key, owner, services.now(), services.settings.schedule.lease_s)
            settings = edition.settings | {"calibration": list(fitted.calibration.weights)}
            editions.save_model(connection, edition.key, fitted.space.to_bytes(), settings)
        fail_point("run.model_saved")
    return fitted


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that an edition is decided from: the members matched, in the order of their keys, and their pool."""

    member_keys: list[int]
    pool: Pool
    wants: dict[int, Wants]
    """By the first member key of a shard; kept of a small audience only, so that its reasons need no second matching."""
    sample: list[tuple[Wants, list[str]]]
    """What members of the first shards want, as it is matched and in their own words: for what would bring an item to more."""


@dataclass(frozen=True, slots=True)
class Part:
    """What was decided for some members, by member key and place, with what they want where that is still at hand."""

    member_keys: list[int]
    decision: Decision
    wants: Wants | None = None


KEPT_WANTS = 20_000
"""Members whose wants are kept in memory between matching and explaining (some 6 KB each)."""


def gather_edition(
    services: Services,
    network: Network,
    edition: Edition,
    fitted: Fitted,
    reach: Reach,
    batches: Iterable[list[PlannedDigest]],
    company: OtherNetworks | None = None,
) -> Gathered:
    """Match everybody who is due a digest, shard by shard, and keep the pairs that the edition can choose from.

    `company` brings the items of members' other networks, after those of this one.
    """
    keys: list[int] = []
    pools: list[Pool] = []
    wants: dict[int, Wants] = {}
    sample: list[tuple[Wants, list[str]]] = []
    for batch in batches:
        able = due_members(batch, network, edition)
        if not able:
            continue
        with services.database.reading() as connection:
            asked = batch_of(connection, network, edition, fitted, able)
        wanted, pool = gather(fitted, asked, reach)
        if company:
            with services.database.reading() as connection:
                pool = company.pooled(connection, able, pool)
        pools.append(pool)
        keys += [member.member_key for member in able]
        if len(keys) <= KEPT_WANTS:
            wants[able[0].member_key] = wanted
            sample.append((wanted, [member.stated for member in able]))
    width = len(company.whole(fitted).items) if company else len(fitted.items)
    return Gathered(keys, Pool.joined(pools, width), wants if len(keys) <= KEPT_WANTS else {}, sample)


def batch_of(
    connection: Connection, network: Network, edition: Edition, fitted: Fitted, able: Sequence[PlannedDigest]
) -> Batch:
    """Members who are due a digest as the edition sees them: wishes, history, feedback and what is left of their budgets."""
    first, last = able[0].member_key, able[-1].member_key
    profiles, wishes, names = zip(*((profile_of(m), preferences_of(m), m.name) for m in able), strict=True)
    day = _day(edition.as_of, network)
    accounts = budgets.accounts(connection, network.key, first, last, day)
    rooms = _rooms(able, accounts, network, edition)
    asked = [accounts[m.member_key].asked if m.member_key in accounts else 0 for m in able]
    items_left = [fitted.most_items if room.mails else 0 for room in rooms]
    carried = editions.carried_pairs(connection, first, last, [item.key for item in fitted.items])
    again, spent = (_pairs_at(able, fitted, pairs) for pairs in carried)
    return Batch(
        profiles=profiles,
        preferences=wishes,
        names=names,
        sent=sent_places(able, fitted, already_sent(connection, fitted, first, last)),
        heard=heard_of(able, fitted, listen(connection, first, last, edition.as_of)),
        draws=np.array([_draw(network, edition, member) for member in able], dtype=np.uint64),
        room=np.array(items_left, dtype=np.int64),
        asks=np.array([room.asks for room in rooms], dtype=np.int64),
        burden=burden(np.array(asked, dtype=np.int64), edition.settings.get("budget", {}).get("ask_burden", 0.0)),
        carried=again,
        spent=spent,
    )


def _pairs_at(members: Sequence[PlannedDigest], fitted: Fitted, pairs: Ints) -> tuple[Ints, Ints]:
    """Rows and columns of pairs of keys, of those that are here."""
    row, mine = _places(pairs[:, 0], [member.member_key for member in members])
    column, here = _places(pairs[:, 1], [item.key for item in fitted.items])
    return row[mine & here], column[mine & here]


def reach_of(connection: Connection, settings: dict[str, Any], fitted: Fitted, as_of: datetime) -> Reach:
    """What is left of the reach that each item needs and may have, after the editions before."""
    rules = settings.get("reach", {})
    keys = [item.key for item in fitted.items]
    got, offers = editions.reach_so_far(connection, keys), editions.offers(connection, keys)
    pairs = [reach_left(item, rules, got.get(item.key, 0), offers.get(item.key, 0), as_of) for item in fitted.items]
    needed, most = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Reach(needed, most)


@dataclass(frozen=True, slots=True)
class Found:
    """A decision, in memory if this process made it, else in the store."""

    edition_key: int
    whole: Part | None = None
    wants: dict[int, Wants] = field(default_factory=dict)

    def of(self, connection: Connection, batch: Sequence[PlannedDigest]) -> Part:
        """What was decided for the members of a batch."""
        first, last = batch[0].member_key, batch[-1].member_key
        if self.whole:
            return _cut(self.whole, first, last, self.wants)
        stored = editions.load_decision(connection, self.edition_key, first, last)
        return _joined([_cut(_part_from(data), first, last, {}) for data in stored])


def _cut(part: Part, first: int, last: int, wants: dict[int, Wants]) -> Part:
    start, stop = bisect_left(part.member_keys, first), bisect_right(part.member_keys, last)
    keys = part.member_keys[start:stop]
    at_hand = wants.get(keys[0]) if keys else None
    complete = at_hand is not None and at_hand.rows.shape[0] == len(keys)
    return Part(keys, part.decision.part(start, stop), at_hand if complete else None)


def _joined(parts: Sequence[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    keys = [key for part in parts for key in part.member_keys]
    return Part(keys, Decision.joined([part.decision for part in parts]))


def _part_to(part: Part) -> bytes:
    keys = np.array(part.member_keys, dtype=np.int64).tobytes()
    return len(keys).to_bytes(8) + keys + part.decision.to_bytes()


def _part_from(data: bytes) -> Part:
    end = 8 + int.from_bytes(data[:8])
    try:
        return Part(np.frombuffer(data[8:end], dtype=np.int64).tolist(), Decision.from_bytes(data[end:]))
    except ValueError as error:
        raise StoreError(
            "the decision stored with this edition cannot be read; finish it with the version of Germane that opened it"
        ) from error


def _decide_once(
    services: Services,
    network: Network,
    edition: Edition,
    fitted: Fitted,
    owner: str,
    company: OtherNetworks | None = None,
) -> Found:
    """The decision that an earlier process made, or a new one, kept in one transaction with what it could not reach."""
    with services.database.reading() as connection:
        if editions.is_decided(connection, edition.key):
            return Found(edition.key)
        reach = reach_of(connection, edition.settings, fitted, edition.as_of)
    batches = _planned(services, edition.key)
    gathered = gather_edition(services, network, edition, fitted, reach, batches, company)
    decision, short = decide_whole(fitted, gathered, reach, company)
    whole = Part(gathered.member_keys, decision)
    stored = [stored_shortfall(fitted, gathered, one) for one in short if one.item < len(fitted.items)]
    size = services.settings.digest.shard
    with services.database.writing() as connection:
        editions.renew(connection, edition.key, owner, services.now(), services.settings.schedule.lease_s)
        editions.save_decision(connection, edition.key, _parts(whole, size))
        editions.save_shortfalls(connection, edition.key, stored)
    fail_point("run.decided")
    return Found(edition.key, whole, gathered.wants)


def decide_whole(
    fitted: Fitted, gathered: Gathered, reach: Reach, company: OtherNetworks | None
) -> tuple[Decision, list[Shortfall]]:
    """One decision over the items of all networks."""
    if company is None:
        return decide_all(fitted, gathered.pool, reach)
    return decide_all(company.whole(fitted), gathered.pool, company.reach(reach))


def _parts(whole: Part, size: int) -> Iterator[tuple[int, int, bytes]]:
    """Runs of members; one at least, so that a decision for nobody is one all the same."""
    for start in range(0, max(1, len(whole.member_keys)), size):
        keys = whole.member_keys[start : start + size]
        part = Part(keys, whole.decision.part(start, start + len(keys)))
        yield (keys[0], keys[-1], _part_to(part)) if keys else (0, 0, _part_to(part))


def _planned(services: Services, edition_key: int) -> Iterator[list[PlannedDigest]]:
    after = 0
    while True:
        with services.database.reading() as connection:
            batch = editions.planned(connection, edition_key, services.settings.digest.shard, after)
        if not batch:
            return
        yield batch
        after = batch[-1].member_key


def stored_shortfall(fitted: Fitted, gathered: Gathered, short: Shortfall) -> editions.Shortfall:
    wants, stated = [some for some, _ in gathered.sample], [text for _, texts in gathered.sample for text in texts]
    words = unused_words(fitted, wants, stated, short.item)
    return editions.Shortfall(fitted.items[short.item].key, short.needed, short.got, short.cause, short.counts, words)


@dataclass(frozen=True, slots=True)
class Voices:
    """What some members said about items, which learned terms they want forgotten, and what became of what they were sent, by
    their keys."""

    standing: Standing
    forgotten: dict[int, list[str]]
    known: Known


def listen(connection: Connection, first_member: int, last_member: int, moment: datetime) -> Voices:
    """What members in the closed range of keys had said by `moment`, and what they want forgotten now."""
    return Voices(
        standing=feedback.standing(connection, first_member, last_member, moment),
        forgotten=feedback.forgotten_by(connection, first_member, last_member),
        known=feedback.known_pairs(connection, first_member, last_member, moment),
    )


def heard_of(members: Sequence[PlannedDigest], fitted: Fitted, voices: Voices | None) -> Heard:
    """What these members said, as rows and columns of the edition."""
    if voices is None:
        return NOTHING_HEARD
    row, mine = _places(voices.standing.member, [member.member_key for member in members])
    column, known = _places(voices.standing.item, fitted.past_keys)
    said = Said(
        member=row[mine],
        item=np.where(known, column, -1)[mine],
        verdict=voices.standing.verdict[mine],
        age_days=voices.standing.age_days[mine],
        judged=voices.standing.judged[mine],
    )
    gone = {n: voices.forgotten[m.member_key] for n, m in enumerate(members) if m.member_key in voices.forgotten}
    return Heard(said, gone, _told(members, fitted, voices.known))


def _told(members: Sequence[PlannedDigest], fitted: Fitted, known: Known) -> Told:
    row, mine = _places(known.member, [member.member_key for member in members])
    column, _ = _places(known.item, fitted.past_keys)
    weight = np.where(known.said, 1.0, PASSED_OVER)
    return Told(row[mine], column[mine], known.score[mine], known.good[mine], weight[mine])


def _places(wanted: Ints, keys: Sequence[int]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Where each wanted value stands among the keys, and whether it is there at all."""
    place = {key: n for n, key in enumerate(keys)}
    found = np.array([place.get(key, -1) for key in wanted.tolist()], dtype=np.int64)
    return found, found >= 0


def settled(
    fitted: Fitted,
    network: Network,
    edition: Edition,
    batch: Sequence[PlannedDigest],
    part: Part,
    voices: Voices | None = None,
    guests: Guests | None = None,
) -> Decided:
    """What each member of a shard gets, as rows: pure, the same in gives the same out.

    Whoever may not be mailed any more since the edition was decided gets nothing, and so does who only may since then.
    """
    today = edition.as_of.astimezone(ZoneInfo(network.time_zone)).date()
    place = {key: n for n, key in enumerate(part.member_keys)}
    decided = Decided(digests=[], chosen=[], left_out=[], outbox=[])
    able: list[PlannedDigest] = []
    for member in batch:
        reason = _why_no_mail(member, network, edition, today)
        if reason is None and member.member_key in place:
            able.append(member)
        else:
            decided.digests.append((member.digest_key, "skipped", reason or "changed_meanwhile", 0, 0, None))
    if not able:
        return decided
    rows = np.array([place[member.member_key] for member in able], dtype=np.int64)
    profiles, wishes, names = zip(*((profile_of(m), preferences_of(m), m.name) for m in able), strict=True)
    draws = np.array([_draw(network, edition, member) for member in able], dtype=np.uint64)
    nothing = np.empty(0, dtype=np.int64)
    asked = Batch(profiles, wishes, names, (nothing, nothing), draws=draws)
    if part.wants is not None and len(able) == len(part.member_keys):
        wants = part.wants
    else:
        wants = fitted.wants(profiles, wishes, heard_of(able, fitted, voices))
    decision = part.decision.of_members(rows)
    if guests is None or guests.explain is None or not guests.present:
        own = decision.item < len(fitted.items)
        decision = decision if own.all() else decision.only(own)  # without those of networks that all of them have left
        found = explained(fitted, asked, wants, decision)
        _add_composed(decided, found, able, fitted, fitted.items, network, edition)
        return decided
    theirs = guests.explain(guests.present, able, decision)
    decision, theirs = _still_there(decision, theirs, len(fitted.items))
    found = _explained_with(fitted, asked, wants, decision, theirs)
    _add_composed(decided, found, able, fitted, guests.items, network, edition, theirs)
    return decided


def _still_there(decision: Decision, theirs: GuestReasons, own: int) -> tuple[Decision, GuestReasons]:
    """Without the pairs of networks that a member has left since."""
    kept = np.array([item < own or n in theirs for n, item in enumerate(decision.item.tolist())], dtype=np.bool_)
    if kept.all():
        return decision, theirs
    place = np.cumsum(kept) - 1
    return decision.only(kept), {int(place[n]): found for n, found in theirs.items()}


def _explained_with(
    fitted: Fitted, asked: Batch, wants: Wants, decision: Decision, theirs: GuestReasons
) -> Composition:
    """The reasons of this network's pairs beside those of the others."""
    own = np.array([n not in theirs for n in range(len(decision.item))], dtype=np.bool_)
    found = explained(fitted, asked, wants, decision.only(own))
    of_own = iter(found.reasons)
    reasons = [theirs[n][2] if n in theirs else next(of_own) for n in range(len(decision.item))]
    return Composition(decision, reasons, found.learned, np.full(len(reasons), NO_TEAM))


def _draw(network: Network, edition: Edition, member: PlannedDigest) -> int:
    """A number of 64 bits for a member in an edition: looks random, and is the same whenever it is asked for."""
    name = f"{network.public_id}.{edition.slot}.{member.member_public_id}"
    return int.from_bytes(sha256(name.encode()).digest()[:8])


def due_members(batch: Sequence[PlannedDigest], network: Network, edition: Edition) -> list[PlannedDigest]:
    """Those who get a digest in this edition if anything fits them."""
    today = edition.as_of.astimezone(ZoneInfo(network.time_zone)).date()
    return [member for member in batch if _why_no_mail(member, network, edition, today) is None]


def _why_no_mail(member: PlannedDigest, network: Network, edition: Edition, today: Any) -> str | None:
    """How often somebody wants the digest says nothing of urgent mail, which they agreed to by itself."""
    urgent = edition.kind == "urgent"
    if urgent and not member.urgent:
        return "not_urgent"
    combined = "combined" if member.home and not urgent and edition.settings.get("combine") else None
    reason = combined or why_no_mail(
        status=member.status,  # type: ignore[arg-type]
        paused_until=member.paused_until,
        cadence="weekly" if urgent else member.cadence,  # type: ignore[arg-type]
        last_digest_at=None if urgent else member.last_digest_at,
        has_profile=bool(member.stated.strip() or member.chosen),
        now=edition.as_of,
        today=today,
        unanswered=member.unanswered,
        quiet=NEVER_QUIET if urgent else quiet_of(edition),
    )
    return reason or (None if is_due(member, network, edition) else "cadence")


def quiet_of(edition: Edition) -> Quiet:
    return Quiet(**edition.settings.get("quiet", {}))


def profile_of(member: PlannedDigest) -> Profile:
    return Profile(**{name: getattr(member, name) for name in Profile.__slots__})


def preferences_of(member: PlannedDigest) -> Preferences:
    return Preferences(**{name: getattr(member, name) for name in _WISHES})


_WISHES = [name for name in Preferences.__slots__ if name in PlannedDigest.__slots__]


def already_sent(
    connection: Connection, fitted: Fitted, first_member: int, last_member: int, before: datetime | None = None
) -> Ints:
    """Pairs (member key, item key) that editions (those of `before` a moment) have sent, of shape (n, 2), for members in the
    closed range: of the edition's items and of earlier ones that are the same thing."""
    return editions.sent_pairs(connection, first_member, last_member, _known_keys(fitted), before)


def _known_keys(fitted: Fitted) -> list[int]:
    return list(fitted.duplicates.columns) if fitted.duplicates else [item.key for item in fitted.items]


def sent_places(members: Sequence[PlannedDigest], fitted: Fitted, sent: Ints) -> tuple[Ints, Ints]:
    """Rows and columns of all that was sent, and of all that is the same thing as something sent."""
    row = {member.member_key: n for n, member in enumerate(members)}
    columns = fitted.duplicates.columns if fitted.duplicates else {i.key: (n,) for n, i in enumerate(fitted.items)}
    found = [(row[m], column) for m, i in sent.tolist() if m in row for column in columns[i]]
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _add_composed(
    decided: Decided,
    found: Composition,
    members: Sequence[PlannedDigest],
    fitted: Fitted,
    items_of: Sequence[Item],
    network: Network,
    edition: Edition,
    theirs: GuestReasons | None = None,
) -> None:
    theirs = theirs or {}
    decision = found.decision
    pairs = zip(decision.member.tolist(), decision.item.tolist(), decision.rank.tolist(), strict=True)
    for n, (row, column, rank) in enumerate(pairs):
        why = [[reason.label, round(reason.weight, 6), reason.source] for reason in found.reasons[n]]
        membership, elsewhere, _ = theirs.get(n, (members[row].member_key, "", ()))
        why = [[elsewhere, 0.0, "network"], *why] if elsewhere else why
        facts = (float(decision.score[n]), float(decision.match[n]), why, NOTES[decision.note[n]])
        member = members[row]
        decided.chosen.append((member.digest_key, rank, membership, items_of[column].key, *facts))
        if found.team[n] != NO_TEAM:
            decided.picked.append((member.digest_key, items_of[column].key, int(found.team[n])))
    left = zip(decision.left_member.tolist(), decision.left_item.tolist(), decision.left_because.tolist(), strict=True)
    for n, (row, column, because) in enumerate(left):
        word = Block(decision.left_code[n]).word
        facts_left = (float(decision.left_score[n]), float(decision.left_match[n]))
        because_of = items_of[because].key if because >= 0 else None
        decided.left_out.append((members[row].digest_key, items_of[column].key, word, *facts_left, because_of))
    _add_learned(decided, found.learned, members, fitted)
    _add_digests(decided, decision, members, network, edition)


def _add_digests(
    decided: Decided, decision: Decision, members: Sequence[PlannedDigest], network: Network, edition: Edition
) -> None:
    chosen = np.bincount(decision.member, minlength=len(members)).tolist()
    left = np.bincount(decision.left_member, minlength=len(members)).tolist()
    full = np.isin(decision.left_code, _FULL)
    no_room = np.bincount(decision.left_member[full], minlength=len(members)).tolist()
    domain, quiet = network.sender_address.partition("@")[2], quiet_of(edition)
    for row, member in enumerate(members):
        below, threshold = int(decision.below[row]), float(decision.threshold[row])
        if not chosen[row]:
            spent = no_room[row] or not decision.room[row]
            reason = "over_budget" if spent and left[row] else "nothing_allowed" if left[row] else "nothing_fits"
            decided.digests.append((member.digest_key, "skipped", reason, 0, below, threshold))
            continue
        decided.digests.append((member.digest_key, "composed", "", chosen[row], below, threshold))
        if edition.kind == "weekly" and quiet.asks(member.unanswered, member.asked_at, member.heard_at):
            decided.asking.append((member.digest_key, member.member_key))
        message_id = f"<{edition.public_id}.{member.member_public_id}@{domain}>"
        decided.outbox.append((member.digest_key, member.member_key, message_id, due_at(member, network, edition)))


_FULL = (*NO_ROOM, Block.CARRIED_OVER)


def _add_learned(
    decided: Decided, learned: Sequence[Learned], members: Sequence[PlannedDigest], fitted: Fitted
) -> None:
    """Terms with their rank; whoever was considered and has none any more loses those of the last edition."""
    decided.learned_of.extend(member.member_key for member in members)
    ranks = Counter[int]()
    for term in learned:
        ranks[term.member] += 1
        items = [fitted.past_keys[column] for column in term.items]
        key = members[term.member].member_key
        decided.learned.append((key, ranks[term.member], term.label, round(term.weight, 6), items))


def _day(moment: datetime, network: Network) -> int:
    """The ordinal of a moment's day by the network's calendar."""
    return moment.astimezone(ZoneInfo(network.time_zone)).toordinal()


def _rooms(
    members: Sequence[PlannedDigest], accounts: Mapping[int, Account], network: Network, edition: Edition
) -> list[Room]:
    """What each member's budgets leave for a mail of this edition."""
    limits = edition.settings.get("budget")
    if limits is None:  # an edition of before there were budgets
        return [Room(1, NO_LIMIT, edition.as_of)] * len(members)
    bounds, overall = bounds_of(limits)
    zone, of_network = ZoneInfo(network.time_zone), Wished(*(getattr(network, name) for name in Wished._fields))
    greedy = edition.settings.get("policy") == "greedy"
    found = []
    for member in members:
        at, account = due_at(member, network, edition), accounts.get(member.member_key)
        own = bounds.allowance(of_network, Wished(*(getattr(member, name) for name in Wished._fields)))
        altogether = overall.allowance(Wished(), account.wished) if account else overall.usual
        day = at.astimezone(zone).toordinal()
        left = room(account.drawn if account else (), network.key, own, altogether, at, day)
        if edition.kind == "urgent" and left.not_before > at:
            left = left._replace(mails=0)  # it does not wait: it goes to others
        found.append(left._replace(asks=NO_LIMIT) if greedy else left)
    return found


def bounds_of(limits: dict[str, int]) -> tuple[Bounds, Bounds]:
    """Of one network and over all, from the section `budget` of the settings."""
    one = Allowance(limits["mails_per_week"], limits["hours_between_mails"], limits["asks_per_month"])
    most = Allowance(limits["most_mails_per_week"], limits["least_hours_between_mails"], limits["most_asks_per_month"])
    over_all = Allowance(
        limits["overall_mails_per_week"], limits["overall_hours_between_mails"], limits["overall_asks_per_month"]
    )
    return Bounds(one, most), Bounds(over_all, over_all)


def within_budgets(
    decided: Decided,
    batch: Sequence[PlannedDigest],
    accounts: Mapping[int, Account],
    network: Network,
    edition: Edition,
    posted: Posted,
) -> Decided:
    """The same with what each mail draws, and without what another process has drawn for since it was decided.

    What does not fit any more is recorded as over budget, the last of a digest first.
    """
    members = {member.digest_key: member for member in batch}
    mailed = [members[row[0]] for row in decided.outbox]
    rooms = {m.digest_key: left for m, left in zip(mailed, _rooms(mailed, accounts, network, edition), strict=True)}
    asks = _counted(decided, posted.requests)
    most = {key: left.asks if left.mails else -1 for key, left in rooms.items()}
    if any(asks[key] > most[key] for key in rooms):
        decided = _cut_down(decided, most, posted.requests)
    drawn = _drawn(decided, posted, network.key)
    zone, what = ZoneInfo(network.time_zone), "urgent" if edition.kind == "urgent" else "digest"
    outbox = []
    for digest, member, message_id, _ in decided.outbox:
        at, account = rooms[digest].not_before, accounts.get(member)
        outbox.append((digest, member, message_id, at))
        if account:
            day = at.astimezone(zone).toordinal()
            decided.draws.extend(
                (account.key, key, digest, what, at, day, int(key == network.key), n_asks, n_items)
                for key, (n_asks, n_items) in drawn[digest].items()
            )
    return replace(decided, outbox=outbox)


def _drawn(decided: Decided, posted: Posted, home: int) -> dict[int, dict[int, tuple[int, int]]]:
    """For each digest what it takes in each network of which it holds something: (requests, items)."""
    found: dict[int, dict[int, tuple[int, int]]] = {row[0]: {home: (0, 0)} for row in decided.outbox}
    for digest, _, _, item, *_ in decided.chosen:
        key = posted.networks.get(item, home)
        asks, number = found[digest].get(key, (0, 0))
        found[digest][key] = (asks + (item in posted.requests), number + 1)
    return found


def requests_among(fitted: Fitted) -> frozenset[int]:
    """Keys of the items that ask for help."""
    return frozenset(item.key for item in fitted.items if item.kind == "request")


def _counted(decided: Decided, requests: frozenset[int]) -> Counter[int]:
    """Requests in each digest."""
    return Counter(row[0] for row in decided.chosen if row[3] in requests)


def _cut_down(decided: Decided, most: Mapping[int, int], requests: frozenset[int]) -> Decided:
    """Without the digests that may hold -1 requests, and without each other's last requests beyond the most."""
    kept, out, asked, places = [], [], Counter[int](), Counter[int]()
    for digest, _, member, item, score, match, why, note in sorted(decided.chosen, key=lambda row: row[:2]):
        limit = most.get(digest, NO_LIMIT)
        asked[digest] += item in requests
        if limit < 0 or (item in requests and asked[digest] > limit):
            out.append((digest, item, Block.OVER_BUDGET.word, score, match, None))
            continue
        places[digest] += 1
        kept.append((digest, places[digest], member, item, score, match, why, note))
    digests = [
        row if row[1] != "composed" else (row[0], *_as_composed(places[row[0]]), *row[4:]) for row in decided.digests
    ]
    return replace(
        decided,
        digests=digests,
        chosen=kept,
        left_out=[*decided.left_out, *out],
        outbox=[row for row in decided.outbox if places[row[0]]],
        picked=[row for row in decided.picked if places[row[0]]],
        asking=[row for row in decided.asking if places[row[0]]],
    )


def _as_composed(items: int) -> tuple[str, str, int]:
    return ("composed", "", items) if items else ("skipped", "over_budget", 0)
