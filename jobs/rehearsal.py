"""An edition that would be composed at some moment, through the same code as a real one; nothing is written."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from digest.composition import Edition as Fitted
from digest.composition import at_threshold
from digest.decision import Decision, Reach
from digest.items import Item
from digest.overview import Outcome, outcome
from digest.slots import week_of
from jobs.combined import Company, company_of, explain_guests
from jobs.considering import listen, sent_before
from jobs.deciding import Found, Gathered, Part, decide_whole, gather_edition, reach_of, stored_shortfall
from jobs.fitting import edition_settings, fit_edition
from jobs.services import Services
from jobs.settling import Guests, settled
from store import considered, items
from store.considered import PlannedDigest
from store.decisions import Shortfall
from store.editions import Decided, Edition
from store.networks import Network


@dataclass(frozen=True)
class Rehearsal:
    """What would be decided, and what it is decided from: a batch of members and their rows for each shard.

    The pool of what was `gathered` is that of the lowest threshold looked at.
    """

    edition: Edition
    fitted: Fitted
    reach: Reach
    gathered: Gathered
    decision: Decision
    batches: list[list[PlannedDigest]]
    decided: list[Decided]
    shortfalls: list[Shortfall]
    items: Sequence[Item]
    """Those of the edition, and after them those that join its mails from other networks."""
    others: list[Outcome]
    """What it would come to at the other thresholds that were asked for, and at the one in force; lowest first."""


def imagined(network: Network, at: datetime, settings: dict[str, Any], *, urgent: bool = False) -> Edition:
    """An edition that is not stored."""
    slot, kind = week_of(at, network.time_zone), "urgent" if urgent else "weekly"
    return Edition(0, "preview", network.key, slot, "opened", at, "", None, settings, kind)


def fitted_at(services: Services, network: Network, settings: dict[str, Any], at: datetime) -> Fitted:
    """What an edition opened at this moment would choose from and match with."""
    oldest = at - timedelta(days=settings["max_item_age_days"])
    with services.database.reading() as connection:
        keys = [item.key for item in items.open_items(connection, network.key, at, oldest)]
    return fit_edition(services, network, settings, keys, at, None)


def rehearsed(
    services: Services,
    network: Network,
    at: datetime,
    *,
    only: PlannedDigest | None = None,
    thresholds: Sequence[float] = (),
    watch: Callable[[int], AbstractContextManager[Callable[[int], None]]] = lambda _: nullcontext(lambda _: None),
) -> Rehearsal:
    """Decide the edition that would open at this moment for everybody in its audience, and write down nothing.

    With `only` there are rows for that one member alone. What is under the floor is not looked at, whatever other `thresholds`
    are asked for. `watch` is given the number of members, and told of those matched.
    """
    settings = edition_settings(services, network)
    edition, fitted = imagined(network, at, settings), fitted_at(services, network, settings, at)
    others = [other for other in thresholds if fitted.floor <= other != fitted.threshold]
    lowest = fitted.at_threshold(min([fitted.threshold, *others]))
    with services.database.reading() as connection:
        reach = reach_of(connection, settings, fitted, at)
        size = considered.audience_size(connection, network.key)
    company = company_of(services, network, edition, len(fitted.items))
    batches: list[list[PlannedDigest]] = []
    with watch(size) as advance:
        everybody = _watched(services, network, batches, advance)
        gathered = gather_edition(services, network, edition, lowest, reach, everybody, company)
    exact = _exactly(fitted, gathered, reach)
    decision, short = decide_whole(fitted, exact, reach, company)
    found = Found(0, Part(gathered.member_keys, decision), gathered.wants)
    batches = [[only]] if only else batches
    return Rehearsal(
        edition=edition,
        fitted=fitted,
        reach=reach,
        gathered=gathered,
        decision=decision,
        batches=batches,
        decided=[_settled(services, network, edition, fitted, found, batch, company) for batch in batches],
        shortfalls=[stored_shortfall(edition, fitted, gathered, one) for one in short if one.item < len(fitted.items)],
        items=company.whole(fitted).items,
        others=sorted(
            [
                outcome(fitted, exact.pool, (decision, short), company.reach(reach)),
                *(_outcome(fitted.at_threshold(other), gathered, reach, company) for other in others),
            ]
        ),
    )


def _exactly(fitted: Fitted, gathered: Gathered, reach: Reach) -> Gathered:
    """From what was gathered with a lower threshold what would have been with that of this edition."""
    return replace(gathered, pool=at_threshold(fitted, gathered.pool, reach))


def _outcome(fitted: Fitted, gathered: Gathered, reach: Reach, company: Company) -> Outcome:
    exact = _exactly(fitted, gathered, reach)
    return outcome(fitted, exact.pool, decide_whole(fitted, exact, reach, company), company.reach(reach))


def _settled(
    services: Services,
    network: Network,
    edition: Edition,
    fitted: Fitted,
    found: Found,
    batch: list[PlannedDigest],
    company: Company,
) -> Decided:
    with services.database.reading() as connection:
        part, sent = found.of(connection, batch), sent_before(connection, fitted, batch)
        voices = listen(connection, batch[0].member_key, batch[-1].member_key, edition.as_of)
        guests = Guests(company.present(connection, batch), company.whole(fitted).items, explain_guests)
    return settled(fitted, network, edition, batch, part, sent, voices, guests)


def _watched(
    services: Services, network: Network, batches: list[list[PlannedDigest]], advance: Callable[[int], None]
) -> Iterator[list[PlannedDigest]]:
    for batch in audience(services, network):
        batches.append(batch)
        yield batch
        advance(len(batch))


def audience(services: Services, network: Network) -> Iterator[list[PlannedDigest]]:
    """Everybody who would be considered, shard by shard; their `digest_key` is their member key, as there is no digest yet."""
    after = 0
    while True:
        with services.database.reading() as connection:
            batch = considered.audience(connection, network.key, after, services.settings.digest.shard)
        if not batch:
            return
        yield batch
        after = batch[-1].member_key
