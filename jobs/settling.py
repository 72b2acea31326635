"""From the decision to the rows of digests: what each member of a shard gets, with reasons."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from digest.composition import Batch, Composition, Parts, Wants, explained
from digest.composition import Edition as Fitted
from digest.decision import NO_ROOM, NOTES, Decision
from digest.eligibility import Block
from digest.interleaving import NO_TEAM
from digest.items import Item
from digest.learned import Learned
from digest.reasons import Reason
from jobs.considering import Voices, draw_of, heard_of, preferences_of, profile_of, quiet_of, sent_places, why_nothing
from jobs.deciding import Part
from jobs.due import due_at
from store.considered import PlannedDigest
from store.editions import ChosenItem, Decided, Edition
from store.networks import Network

GuestReasons = Mapping[int, tuple[int, str, list[Reason], Parts]]
"""By place of a chosen pair that came from another network: the membership's key, the network's name, the reasons, and the parts
of the score."""
ExplainGuests = Callable[[Sequence[Any], Sequence[PlannedDigest], Decision], GuestReasons]


@dataclass(frozen=True, slots=True)
class Guests:
    """Who of a batch is in which other network, all items of the edition, and how a pair of theirs is explained."""

    present: Sequence[Any]
    items: Sequence[Item]
    explain: ExplainGuests | None


def settled(
    fitted: Fitted,
    network: Network,
    edition: Edition,
    batch: Sequence[PlannedDigest],
    part: Part,
    sent: npt.NDArray[np.int64],
    voices: Voices | None = None,
    guests: Guests | None = None,
) -> Decided:
    """What each member of a shard gets, as rows: pure, the same in gives the same out. `sent` is what `sent_before` finds.

    Whoever may not be mailed any more since the edition was decided gets nothing, and so does who only may since then.
    """
    today = edition.as_of.astimezone(ZoneInfo(network.time_zone)).date()
    place = {key: n for n, key in enumerate(part.member_keys)}
    decided = Decided(digests=[], chosen=[], left_out=[], outbox=[])
    able: list[PlannedDigest] = []
    for member in batch:
        reason = why_nothing(member, network, edition, today)
        if reason is None and member.member_key in place:
            able.append(member)
        else:
            decided.digests.append((member.digest_key, "skipped", reason or "changed_meanwhile", 0, 0, None))
    if not able:
        return decided
    rows = np.array([place[member.member_key] for member in able], dtype=np.int64)
    profiles, wishes, names = zip(*((profile_of(m), preferences_of(m), m.name) for m in able), strict=True)
    draws = np.array([draw_of(network, edition, member) for member in able], dtype=np.uint64)
    asked = Batch(profiles, wishes, names, sent_places(able, fitted, sent), draws=draws)
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
    of_own = zip(found.reasons, found.parts, strict=True)
    pairs = [theirs[n][2:] if n in theirs else next(of_own) for n in range(len(decision.item))]
    reasons, parts = [why for why, _ in pairs], [part for _, part in pairs]
    return Composition(decision, reasons, parts, found.learned, np.full(len(reasons), NO_TEAM))


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
        membership, elsewhere = theirs[n][:2] if n in theirs else (members[row].member_key, "")
        why = [[elsewhere, 0.0, "network"], *why] if elsewhere else why
        facts = (float(decision.score[n]), float(decision.match[n]), *found.parts[n], why, NOTES[decision.note[n]])
        member = members[row]
        decided.chosen.append(ChosenItem(member.digest_key, rank, membership, items_of[column].key, *facts))
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


_FULL = (*NO_ROOM, Block.CARRIED_OVER, Block.NO_REQUESTS)


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
