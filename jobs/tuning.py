"""What `germane thresholds tune` finds out: an edition's matching, recorded or imagined, and what each threshold makes of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from digest.composition import Edition as Fitted
from digest.composition import match_members
from digest.items import KINDS, Item
from digest.tuning import Allowed, Labels, Point, border, curve, proposed
from jobs.considering import already_sent, due_members, heard_of, listen, preferences_of, profile_of, sent_places
from jobs.fitting import edition_settings, fit_edition
from jobs.rehearsal import fitted_at, imagined
from jobs.services import Services
from jobs.terminal import advancing, several
from store import considered, editions, thresholds
from store.considered import PlannedDigest
from store.database import WrongName
from store.editions import Edition
from store.networks import Network
from store.thresholds import Label

LOWEST, HIGHEST = 5, 80
FEW_LABELS = 20
FEW_MEMBERS = 5
"""Members with an item that is known to be good from which on T11SU is shown."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BorderPair:
    """A pair near the threshold, with what somebody needs to judge it. `name` is empty unless names were asked for."""

    member: str
    name: str
    profession: str
    setting: str
    organisation_type: str
    region: str
    stated: str
    chosen: tuple[str, ...]
    item: str
    kind: str
    title: str
    match: float
    threshold: float
    reason: tuple[str, ...]
    member_key: int
    item_key: int


@dataclass(frozen=True, slots=True)
class Report:
    """What tuning shows. `members` are those who are due a digest, of whom `known_good` have an item that is known to be good for
    them; `labels` counts all pairs of the network that are known."""

    network: str
    edition: str
    kind: str
    members: int
    items: int
    requests: int
    labels: int
    known_good: int
    utility_w: float
    points: list[Point]
    in_force: float
    proposed: float
    why: str
    border: list[BorderPair]


@dataclass(frozen=True)
class Matching:
    """An edition's members matched with its items once, from which every threshold is told.

    `member_keys` are in the order of the rows of `allowed`; `blocked` holds the pairs of keys that may not be sent.
    """

    network: Network
    edition: Edition
    fitted: Fitted
    member_keys: list[int]
    allowed: Allowed
    blocked: set[tuple[int, int]]

    def labels(self, known: Sequence[Label]) -> Labels:
        """What is known, as rows and columns of this matching."""
        row = {key: n for n, key in enumerate(self.member_keys)}
        column = {item.key: n for n, item in enumerate(self.fitted.items)}
        free = [(one.member_key, one.item_key) not in self.blocked for one in known]
        return Labels(
            member=np.array([row.get(one.member_key, -1) for one in known], dtype=np.int64),
            item=np.array(
                [column.get(one.item_key, -1) if ok else -1 for one, ok in zip(known, free, strict=True)],
                dtype=np.int64,
            ),
            match=np.array([one.match for one in known], dtype=np.float64),
            good=np.array([one.good for one in known], dtype=np.bool_),
        )


def match_edition(services: Services, network: Network, slot: str, lowest: float, progress: Any = None) -> Matching:
    """Match the members with the items of the edition that would open now, or of a recorded one; pairs under `lowest` are left
    out. Raises WrongName for a slot that has no edition, or one that is still being composed."""
    edition = (
        _recorded(services, network, slot)
        if slot
        else imagined(network, services.now(), edition_settings(services, network))
    )
    fitted = (
        _fitted(services, network, edition) if slot else fitted_at(services, network, edition.settings, edition.as_of)
    )
    with services.database.reading() as connection:
        known = {(one.member_key, one.item_key) for one in thresholds.labels(connection, network.key)}
    parts, keys, blocked = [], list[int](), set[tuple[int, int]]()
    least = min(lowest, fitted.rule.threshold_floor, *fitted.thresholds.tolist())
    with advancing(progress, "Matching", _audience_size(services, network, edition)) as advance:
        for batch in _batches(services, network, edition):
            due = batch if slot else due_members(batch, network, edition)
            if due:
                parts.append(_match(services, fitted, edition, due, known, blocked, least))
                keys.extend(member.member_key for member in due)
            advance(len(batch))
    return Matching(network, edition, fitted, keys, Allowed.joined(parts) if parts else _nobody(fitted), blocked)


def _recorded(services: Services, network: Network, slot: str) -> Edition:
    with services.database.reading() as connection:
        found = editions.find(connection, network.key, slot)
        slots = ", ".join(edition.slot for edition in editions.latest(connection, network.key)) or "none yet"
    if found is None:
        raise WrongName(f"{network.slug} has no edition {slot!r}; there are: {slots}")
    if found.state == "opened":
        raise WrongName(f"edition {slot} of {network.slug} is still being composed; `germane run` finishes it")
    return found


def _fitted(services: Services, network: Network, edition: Edition) -> Fitted:
    with services.database.reading() as connection:
        keys, model = editions.item_keys(connection, edition.key), editions.load_model(connection, edition.key)
    return fit_edition(services, network, edition.settings, keys, edition.as_of, model)


def _audience_size(services: Services, network: Network, edition: Edition) -> int:
    with services.database.reading() as connection:
        if edition.key:
            skipped = editions.skipped_reasons(connection, edition.key)
            matched = sum(skipped.get(reason, 0) for reason in editions.MATCHED_REASONS)
            return editions.counts(connection, edition.key).digests + matched
        return considered.audience_size(connection, network.key)


def _batches(services: Services, network: Network, edition: Edition) -> Iterator[list[PlannedDigest]]:
    after, shard = 0, services.settings.digest.shard
    while True:
        with services.database.reading() as connection:
            if edition.key:
                batch = considered.matched_audience(connection, edition.key, after, shard)
            else:
                batch = considered.audience(connection, network.key, after, shard)
        if not batch:
            return
        yield batch
        after = batch[-1].member_key


def _match(
    services: Services,
    fitted: Fitted,
    edition: Edition,
    due: list[PlannedDigest],
    known: set[tuple[int, int]],
    blocked: set[tuple[int, int]],
    least: float,
) -> Allowed:
    """The allowed pairs of a shard; `known` pairs that are not allowed are added to `blocked`."""
    span = (due[0].member_key, due[-1].member_key)
    with services.database.reading() as connection:
        sent = already_sent(connection, fitted, *span, before=edition.as_of if edition.key else None)
        voices = listen(connection, *span, edition.as_of)
    profiles, wishes, names = zip(*((profile_of(m), preferences_of(m), m.name) for m in due), strict=True)
    heard = heard_of(due, fitted, voices)
    matched = match_members(fitted, profiles, wishes, names, sent_places(due, fitted, sent), heard, least)
    row = {member.member_key: n for n, member in enumerate(due)}
    column = {item.key: n for n, item in enumerate(fitted.items)}
    here = [(m, i) for m, i in known if m in row and i in column]
    blocked.update((m, i) for m, i in here if matched.blocked[row[m], column[i]])
    shifts, group = matched.wants.shifts, fitted.group
    return Allowed.of(matched.matches, matched.blocked, matched.caps, shifts, fitted.bounds, group, least)


def _nobody(fitted: Fitted) -> Allowed:
    none = np.empty(0, dtype=np.int64)
    return Allowed(none, none, np.empty(0), none, np.empty(0), fitted.bounds, fitted.group)


def tune(services: Services, matching: Matching, kind: str, step: float, *, names: bool) -> Report:
    """What each threshold would send, for one kind or (empty) for those without a threshold of their own, and which of them
    is proposed."""
    network, fitted = matching.network, matching.fitted
    with services.database.reading() as connection:
        known = thresholds.labels(connection, network.key)
    labels, w = matching.labels(known), services.settings.matching.utility_w
    in_force = network.threshold_for(kind, services.settings.matching.threshold)
    own = matching.edition.settings.get("kind_thresholds", network.kind_thresholds)
    varied = np.array([item.kind == kind if kind else item.kind not in own for item in fitted.items], dtype=np.bool_)
    of_items = np.where(varied, in_force, fitted.thresholds)
    requests = np.array([item.kind == "request" for item in fitted.items], dtype=np.bool_)
    grid = _grid(step, in_force, services.settings.matching.floor)
    points = curve(matching.allowed, grid, of_items, varied, requests, labels, w)
    best = proposed(points, in_force)
    return Report(
        network=network.slug,
        edition=matching.edition.slot if matching.edition.key else "",
        kind=kind,
        members=len(matching.member_keys),
        items=len(fitted.items),
        requests=int(requests.sum()),
        labels=len(known),
        known_good=points[0].known_good,
        utility_w=w,
        points=points,
        in_force=in_force,
        proposed=best.threshold,
        why=_why(points, in_force, best, len(known), w),
        border=_border(services, matching, of_items, varied, labels, names=names),
    )


def lowest_of(step: float, in_force: float, floor: float) -> float:
    return _grid(step, in_force, floor)[0]


def _grid(step: float, in_force: float, floor: float) -> list[float]:
    """The one in force, and in steps those that can be set: none under the floor."""
    steps = np.arange(LOWEST, HIGHEST + step / 2, step).tolist()
    return sorted({*(round(value, 2) for value in steps if value >= floor), in_force})


def _why(points: Sequence[Point], in_force: float, best: Point, n_labels: int, w: float) -> str:
    """The proposal in a sentence or two, and what it rests on."""
    now = next(point for point in points if point.threshold == in_force)
    rests = (
        f"This rests on {several(n_labels, 'label')} and, where there are few, on the match figures."
        if n_labels >= FEW_LABELS
        else f"This rests on the match figures and only {several(n_labels, 'label')}: judge the border pairs with --judge first."
    )
    if best is now:
        return f"Keep {in_force:g}: no other threshold is worth over 2 % more, a good item counting {w:g}, any other -1. {rests}"
    more = best.digests - now.digests
    share = "" if best.precision is None else f", {best.precision:.0%} of what is sent being good"
    return (
        f"Set {best.threshold:g}: it is worth an estimated {best.utility:.0f} where {in_force:g} is worth {now.utility:.0f}, "
        f"a good item counting {w:g}, any other -1. {abs(more)} {'more' if more >= 0 else 'fewer'} would get a "
        f"digest{share}. {rests}"
    )


def _border(
    services: Services, matching: Matching, of_items: Floats, varied: Any, labels: Labels, *, names: bool
) -> list[BorderPair]:
    allowed, items = matching.allowed, matching.fitted.items
    width = max(len(items), 1)
    codes = labels.member * width + labels.item
    known = np.isin(allowed.member * width + allowed.item, codes[(labels.member >= 0) & (labels.item >= 0)])
    kinds = np.array([KINDS.index(item.kind) for item in items], dtype=np.int64)
    at = border(allowed, of_items, kinds, known | ~varied[allowed.item])
    limits = allowed.thresholds(of_items)[at].tolist()
    return [
        _pair(
            services,
            matching,
            int(allowed.member[n]),
            int(allowed.item[n]),
            float(allowed.match[n]),
            limit,
            names=names,
        )
        for n, limit in zip(at.tolist(), limits, strict=True)
    ]


def _pair(
    services: Services, matching: Matching, row: int, column: int, match: float, threshold: float, *, names: bool
) -> BorderPair:
    key, item = matching.member_keys[row], matching.fitted.items[column]
    with services.database.reading() as connection:
        member = considered.audience(connection, matching.network.key, 0, 1, member_key=key)[0]
    return BorderPair(
        member=member.member_public_id,
        name=member.name if names else "",
        profession=member.profession,
        setting=member.setting,
        organisation_type=member.organisation_type,
        region=member.region,
        stated=member.stated,
        chosen=member.chosen,
        item=item.public_id,
        kind=item.kind,
        title=item.title,
        match=round(match, 1),
        threshold=round(threshold, 1),
        reason=_reason(services, matching, member, item, matching.edition.as_of),
        member_key=key,
        item_key=item.key,
    )


def _reason(
    services: Services, matching: Matching, member: PlannedDigest, item: Item, moment: datetime
) -> tuple[str, ...]:
    fitted = matching.fitted
    with services.database.reading() as connection:
        voices = listen(connection, member.member_key, member.member_key, moment)
    wants = fitted.wants([profile_of(member)], [preferences_of(member)], heard_of([member], fitted, voices))
    column = [one.key for one in fitted.items].index(item.key)
    (reasons,) = fitted.reasons(wants, [0], [column])
    return tuple(reason.label for reason in reasons)
