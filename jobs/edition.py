"""Composing an edition: from what the store holds to digests and an outbox, shard by shard."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from digest.composition import NOTHING_HEARD, Composition, Heard, compose
from digest.composition import Edition as Fitted
from digest.duplicates import Duplicates
from digest.eligibility import Block
from digest.feedback import Rule, Said
from digest.interleaving import NO_TEAM, Comparison
from digest.learned import Learned
from digest.slots import preferred_instant
from digest.vectors import VectorSpace, fit
from jobs.failpoints import reach
from jobs.services import Services
from profiles.member import Preferences, Profile
from profiles.standing import why_no_mail
from store import editions, feedback, items, suppression, topics
from store.database import StoreError
from store.editions import Decided, Edition, PlannedDigest
from store.feedback import Standing
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
        "comparison": {"share": settings.matching.compare_share, "other": settings.matching.compare_with},
        "feedback": {name: getattr(settings.matching, name) for name in Rule.__slots__},
    }


def open_edition(services: Services, network: Network, slot: str, at: datetime) -> bool:
    """Open the slot's edition and freeze its items and audience; False if it is open or done already."""
    settings = edition_settings(services, network)
    oldest = at - timedelta(days=settings["max_item_age_days"])
    with services.database.writing() as connection:
        if editions.find(connection, network.key, slot):
            return False
        if suppression.any_in_force(connection):
            suppression.stop_members(connection, network.key, services.secret_key, at)
        keys = [item.key for item in items.open_items(connection, network.key, at, oldest)]
        opened = editions.open_once(
            connection, network_key=network.key, slot=slot, as_of=at, item_keys=keys, settings=settings
        )
        reach("run.opening")
    return opened


def fit_edition(
    services: Services,
    network: Network,
    settings: dict[str, Any],
    item_keys: Sequence[int],
    as_of: datetime,
    model: bytes | None,
) -> Fitted:
    """What an edition needs to match: with a stored model the same vectors as when it was first composed."""
    with services.database.reading() as connection:
        chosen = items.load(connection, network.key, item_keys)
        known = topics.load(connection, network.key)
        past = items.background(connection, network.key, as_of, settings["background_items"])
    past = past[::-1]
    space = _restored(model) if model else _fitted(past, chosen, known)
    rows, past_rows = space.item_vectors(chosen), space.item_vectors(past)
    words = slice(0, space.first_topic)
    default, kinds = settings["threshold"], settings["kind_thresholds"]
    return Fitted(
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
        duplicates=Duplicates.among(chosen, rows[:, words], past, past_rows[:, words]),
    )


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


def compose_edition(services: Services, network: Network, edition: Edition, owner: str, advance: Advance) -> None:
    """Decide every digest that is still planned. Raises NotMine when another process took the edition over."""
    fitted = _load_or_fit(services, network, edition, owner)
    while True:
        with services.database.reading() as connection:
            batch = editions.planned(connection, edition.key, services.settings.digest.shard)
            if not batch:
                return
            span = (batch[0].member_key, batch[-1].member_key)
            sent = already_sent(connection, fitted, *span)
            voices = listen(connection, *span, edition.as_of)
        decided = decide(fitted, network, edition, batch, sent, voices)
        now = services.now()
        with services.database.writing() as connection:
            editions.renew(connection, edition.key, owner, now, services.settings.schedule.lease_s)
            editions.write(connection, edition, decided, now)
            feedback.write_learned(connection, decided.learned_of, decided.learned)
            reach("run.shard_writing")
        reach("run.shard_written")
        advance(len(batch))


def _load_or_fit(services: Services, network: Network, edition: Edition, owner: str) -> Fitted:
    with services.database.reading() as connection:
        keys, model = editions.item_keys(connection, edition.key), editions.load_model(connection, edition.key)
    fitted = fit_edition(services, network, edition.settings, keys, edition.as_of, model)
    if model is None:
        with services.database.writing() as connection:
            editions.renew(connection, edition.key, owner, services.now(), services.settings.schedule.lease_s)
            editions.save_model(connection, edition.key, fitted.space.to_bytes())
        reach("run.model_saved")
    return fitted


@dataclass(frozen=True, slots=True)
class Voices:
    """What some members said about items, and which learned terms they want forgotten, by their keys."""

    standing: Standing
    forgotten: dict[int, list[str]]


def listen(connection: Connection, first_member: int, last_member: int, moment: datetime) -> Voices:
    """What members in the closed range of keys had said by `moment`, and what they want forgotten now."""
    standing = feedback.standing(connection, first_member, last_member, moment)
    return Voices(standing, feedback.forgotten_by(connection, first_member, last_member))


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
    return Heard(said, gone)


def _places(wanted: Ints, keys: Sequence[int]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Where each wanted value stands among the keys, and whether it is there at all."""
    place = {key: n for n, key in enumerate(keys)}
    found = np.array([place.get(key, -1) for key in wanted.tolist()], dtype=np.int64)
    return found, found >= 0


def decide(
    fitted: Fitted,
    network: Network,
    edition: Edition,
    batch: Sequence[PlannedDigest],
    sent: Any,
    voices: Voices | None = None,
) -> Decided:
    """What each member of a shard gets, as rows: pure, the same in gives the same out."""
    today = edition.as_of.astimezone(ZoneInfo(network.time_zone)).date()
    reasons = [_why_no_mail(member, edition.as_of, today) for member in batch]
    able = [member for member, reason in zip(batch, reasons, strict=True) if reason is None]
    decided = Decided(digests=[], chosen=[], left_out=[], outbox=[])
    decided.digests.extend(
        (m.digest_key, "skipped", reason, 0, 0, None) for m, reason in zip(batch, reasons, strict=True) if reason
    )
    if able:
        profiles, wishes, names = zip(*((profile_of(m), preferences_of(m), m.name) for m in able), strict=True)
        heard = heard_of(able, fitted, voices)
        draws = np.array([_draw(network, edition, member) for member in able], dtype=np.uint64)
        found = compose(fitted, profiles, wishes, names, sent_places(able, fitted, sent), heard, draws)
        _add_composed(decided, found, able, fitted, network, edition)
    return decided


def _draw(network: Network, edition: Edition, member: PlannedDigest) -> int:
    """A number of 64 bits for a member in an edition: looks random, and is the same whenever it is asked for."""
    name = f"{network.public_id}.{edition.slot}.{member.member_public_id}"
    return int.from_bytes(sha256(name.encode()).digest()[:8])


def due_members(batch: Sequence[PlannedDigest], network: Network, edition: Edition) -> list[PlannedDigest]:
    """Those who get a digest in this edition if anything fits them."""
    today = edition.as_of.astimezone(ZoneInfo(network.time_zone)).date()
    return [member for member in batch if _why_no_mail(member, edition.as_of, today) is None]


def _why_no_mail(member: PlannedDigest, now: datetime, today: Any) -> str | None:
    return why_no_mail(
        status=member.status,  # type: ignore[arg-type]
        paused_until=member.paused_until,
        cadence=member.cadence,  # type: ignore[arg-type]
        last_digest_at=member.last_digest_at,
        has_profile=bool(member.stated.strip() or member.chosen),
        now=now,
        today=today,
    )


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
    network: Network,
    edition: Edition,
) -> None:
    pick = found.selection
    for n, (row, column) in enumerate(zip(pick.member.tolist(), pick.item.tolist(), strict=True)):
        why = [[reason.label, round(reason.weight, 6), reason.source] for reason in found.reasons[n]]
        facts = (float(found.scores[n]), float(found.matches[n]), why)
        member = members[row]
        decided.chosen.append(
            (member.digest_key, int(pick.rank[n]), member.member_key, fitted.items[column].key, *facts)
        )
        if found.team[n] != NO_TEAM:
            decided.picked.append((member.digest_key, fitted.items[column].key, int(found.team[n])))
    for n, (row, column) in enumerate(zip(pick.left_member.tolist(), pick.left_item.tolist(), strict=True)):
        reason = Block(pick.left_block[n]).word
        facts_left = (float(found.left_scores[n]), float(found.left_matches[n]))
        decided.left_out.append((members[row].digest_key, fitted.items[column].key, reason, *facts_left))
    _add_learned(decided, found.learned, members, fitted)
    chosen = np.bincount(pick.member, minlength=len(members))
    left = np.bincount(pick.left_member, minlength=len(members))
    domain = network.sender_address.partition("@")[2]
    for row, member in enumerate(members):
        below, threshold = int(pick.below[row]), float(found.thresholds[row])
        if not chosen[row]:
            reason = "nothing_allowed" if left[row] else "nothing_fits"
            decided.digests.append((member.digest_key, "skipped", reason, 0, below, threshold))
            continue
        decided.digests.append((member.digest_key, "composed", "", int(chosen[row]), below, threshold))
        message_id = f"<{edition.public_id}.{member.member_public_id}@{domain}>"
        decided.outbox.append((member.digest_key, member.member_key, message_id, _not_before(member, network, edition)))


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


def _not_before(member: PlannedDigest, network: Network, edition: Edition) -> datetime:
    if member.weekday is None and member.hour is None:
        return edition.as_of
    return preferred_instant(edition.as_of, member.time_zone or network.time_zone, member.weekday, member.hour)
