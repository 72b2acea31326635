"""Composing an edition: from what the store holds to digests and an outbox, shard by shard."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from digest.composition import Edition as Fitted
from digest.items import Item
from jobs.budgeting import Posted, day_of, requests_among, within_budgets
from jobs.combined import Present
from jobs.considering import listen, sent_before
from jobs.deciding import OtherNetworks, decide_once, lost_readers
from jobs.due import start_of
from jobs.failpoints import reach as fail_point
from jobs.fitting import edition_settings, fit_edition, learnt_settings
from jobs.services import Services
from jobs.settling import ExplainGuests, Guests, settled
from store import budgets, considered, decisions, editions, feedback, items, members, suppression
from store.considered import PlannedDigest
from store.editions import Decided, Edition
from store.networks import Network

Advance = Callable[[int], None]
Ints = npt.NDArray[np.int64]


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
            for other in considered.guest_networks(connection, network.key):
                keys += [item.key for item in items.open_items(connection, other, at, oldest)]
        opened = editions.open_once(
            connection, network_key=network.key, slot=slot, as_of=at, item_keys=keys, settings=settings, kind=kind
        )
        fail_point("run.opening")
    return opened


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
    same decision; then the edition is `composed`. Raises NotMine when another process took the edition over.
    """
    fitted = _load_or_fit(services, network, edition, owner)
    found = decide_once(services, network, edition, fitted, owner, company)
    whole = company.whole(fitted) if company else fitted
    requests, networks_of = requests_among(whole), company.networks if company else {}
    while True:
        with services.database.reading() as connection:
            batch = considered.planned(connection, edition.key, services.settings.digest.shard)
            if not batch:
                break
            part, sent = found.of(connection, batch), sent_before(connection, fitted, batch)
            voices = (
                None if part.wants else listen(connection, batch[0].member_key, batch[-1].member_key, edition.as_of)
            )
            guests = Guests(company.present(connection, batch), whole.items, explain_guests) if company else None
        decided = settled(fitted, network, edition, batch, part, sent, voices, guests)
        try:
            present = guests.present if guests else ()
            _write(services, network, edition, owner, batch, decided, Posted(requests, networks_of), present)
        except members.DueMoved:
            continue  # another edition mailed some of them since they were read: they are read again
        advance(len(batch))
    with services.database.writing() as connection:  # one transaction: an edition without a decision is decided, once
        decisions.save_shortfalls(connection, edition.key, lost_readers(connection, edition, fitted))
        decisions.drop_decision(connection, edition.key)
        editions.move(connection, edition.key, owner, "opened", "composed")
    fail_point("run.composed")


def _write(
    services: Services,
    network: Network,
    edition: Edition,
    owner: str,
    batch: Sequence[PlannedDigest],
    decided: Decided,
    posted: Posted,
    present: Sequence[Present],
) -> None:
    """One transaction: digests, outbox and what they draw from accounts, which nobody else can draw on meanwhile."""
    now = services.now()
    span = (batch[0].member_key, batch[-1].member_key)
    with services.database.writing() as connection:
        editions.renew(connection, edition.key, owner, now, services.settings.schedule.lease_s)
        accounts = budgets.accounts(connection, network.key, *span, day_of(edition.as_of, network), lock=True)
        within = within_budgets(decided, batch, accounts, network, edition, posted, present)
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
            settings = edition.settings | learnt_settings(fitted)
            editions.save_model(connection, edition.key, fitted.space.to_bytes(), settings)
        fail_point("run.model_saved")
    return fitted
