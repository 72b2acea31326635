"""What is learnt once for an edition: vectors of its items, and what a match means in its network."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import scipy.sparse as sp

from digest.calibration import SAMPLE, SENT_SPREAD, Calibration, Judged, calibrate
from digest.composition import Edition as Fitted
from digest.composition import Heard, Wants
from digest.decision import Shape
from digest.duplicates import Duplicates
from digest.feedback import Rule, Told
from digest.field import taught
from digest.fitting import fit
from digest.hubness import crowd_of, damped, shares, shares_of
from digest.interleaving import Comparison
from digest.items import Item
from digest.order import OrderRule
from digest.vectors import Rows, VectorSpace
from jobs.considering import heard_of, listen, preferences_of, profile_of
from jobs.services import Services
from store import considered, feedback, items, topics
from store.considered import PlannedDigest
from store.database import StoreError
from store.networks import Network


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
        "shape": {
            "per_poster": settings.digest.per_poster,
            "per_topic": settings.digest.per_topic,
            "ask_cost": settings.budget.ask_cost,
        },
        "reach": settings.reach.model_dump() | {"most_urgent": settings.urgent.most},
        "budget": settings.budget.model_dump(),
        "combine": not settings.matching.compare_share,  # what is compared is one network's
        "quiet": {"after": settings.digest.quiet_after, "most_weeks": settings.digest.quiet_most_weeks},
    }


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
    if "calibration" in settings:
        return _as_learnt(fitted, settings)
    spoken = _spoken(services, network, fitted, as_of)
    if not model:
        told = Told.joined([heard.told for _, heard in spoken], [len(members) for members, _ in spoken])
        fitted = replace(fitted, space=taught(space, told))
    fitted = _beside_members(services, network, fitted, as_of)
    judged = [fitted.judged(_wants(members, fitted, heard)) for members, heard in spoken]
    return replace(fitted, calibration=calibrate(Judged.joined(judged), held=SENT_SPREAD)) if judged else fitted


def learnt_settings(fitted: Fitted) -> dict[str, Any]:
    """What was learnt for an edition, kept beside its settings so that its items are seen the same again. What is kept of the
    members beside whom they are seen is one figure for each item."""
    kept = {str(key): share for key, share in fitted.shares.items()}
    learnt = fitted.calibration
    return {"calibration": list(learnt.weights), "earlier": learnt.earlier, "shares": kept}


def _as_learnt(fitted: Fitted, settings: dict[str, Any]) -> Fitted:
    kept = {int(key): share for key, share in settings.get("shares", {}).items()}
    share = shares_of(kept, (item.key for item in fitted.items))
    rows, weights = damped(fitted.space, fitted.rows, share), tuple(settings["calibration"])
    calibration = Calibration(weights, settings.get("earlier", 0.0))
    return replace(fitted, rows=rows, shares=kept, calibration=calibration)


def _beside_members(services: Services, network: Network, fitted: Fitted, as_of: datetime) -> Fitted:
    """With its items, and the newest past ones, seen beside the network's members."""
    space, keys = fitted.space, [*(item.key for item in fitted.items), *fitted.past_keys[-SAMPLE:]]
    crowd = _crowd(services, network, replace(fitted, space=space.with_field(1.0)), as_of)
    rows = sp.vstack([fitted.rows, fitted.past[-SAMPLE:]], format="csr")
    share = np.round(shares(space, rows, crowd), 6)
    kept = {key: left for key, left in zip(keys, share.tolist(), strict=True) if left < 1.0}
    return replace(fitted, rows=damped(space, fitted.rows, share[: len(fitted.items)]), shares=kept)


SPEAKERS = 5_000
"""Members, those last heard of, from whose words is learnt what a score and a match mean in a network."""


def _spoken(
    services: Services, network: Network, fitted: Fitted, as_of: datetime
) -> list[tuple[list[PlannedDigest], Heard]]:
    """Members who spoke, in batches, with what they had said and what had become of their digests at that moment."""
    with services.database.reading() as connection:
        speakers = set(feedback.speakers(connection, network.key, as_of, SPEAKERS))
    spoken, after = [], 0
    while speakers:
        with services.database.reading() as connection:
            batch = considered.audience(connection, network.key, after, services.settings.digest.shard)
            voices = listen(connection, batch[0].member_key, batch[-1].member_key, as_of) if batch else None
        if not batch:
            break
        speaking = [member for member in batch if member.member_key in speakers]
        if speaking:
            spoken.append((speaking, heard_of(speaking, fitted, voices)))
        after = batch[-1].member_key
    return spoken


CROWD_PAGES = 10
"""The crowd is read in so many pages of members, spread evenly over the network."""


def _crowd(services: Services, network: Network, fitted: Fitted, as_of: datetime) -> Rows:
    """Profiles of the members beside whom the edition's items are seen."""
    with services.database.reading() as connection:
        first, last = considered.first_and_last(connection, network.key)
    crowd, after = [], 0
    for page in range(CROWD_PAGES):
        after = max(after, first - 1 + page * (last - first + 1) // CROWD_PAGES)
        with services.database.reading() as connection:
            batch = considered.audience(connection, network.key, after, fitted.space.settings.crowd // CROWD_PAGES)
            voices = listen(connection, batch[0].member_key, batch[-1].member_key, as_of) if batch else None
        if batch:
            crowd.append(_wants(batch, fitted, heard_of(batch, fitted, voices)).rows)
            after = batch[-1].member_key
    return crowd_of(fitted.space, sp.vstack(crowd, format="csr")) if crowd else fitted.past[:0]


def _wants(members: Sequence[PlannedDigest], fitted: Fitted, heard: Heard) -> Wants:
    profiles, wishes = zip(*((profile_of(m), preferences_of(m)) for m in members), strict=True)
    return fitted.wants(profiles, wishes, heard)


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
