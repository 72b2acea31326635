"""An edition as one decision: what was learnt once for all, and what each batch of members gets from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from digest.asking import Asked
from digest.calibration import DEFAULT, SAMPLE, Background, Calibration, Judged
from digest.decision import NO_LIMIT, Decision, Look, Policy, Reach, Shape, Shortfall, decide, limits_of, topic_rows
from digest.duplicates import Duplicates
from digest.earlier import Earlier, earlier_pairs
from digest.eligibility import Block, Codes, Members, blocks
from digest.feedback import Rule, Said, Told, shifts, weights
from digest.field import joined, parts
from digest.hubness import damped, shares_of
from digest.interleaving import MATCHERS, NO_TEAM, Comparison, Draws, interleaved
from digest.items import AUDIENCE_FACETS, Item, Topic
from digest.learned import Learned, forgotten_rows, learned_terms
from digest.learning import Feedback, effective_profiles, expansion_of, learned_rows
from digest.matching import Matcher, TfidfMatcher
from digest.order import OrderRule, fields, outside, shape
from digest.pool import Bar, Beside, Pool, pooled, raised
from digest.reasons import Origins, Reason, reasons_for
from digest.selection import Selection, place_within
from digest.thresholds import moved
from digest.vectors import Rows, VectorSpace, unit_rows
from profiles.member import Preferences, Profile

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Parts = tuple[float, float | None, float | None]
"""Of a score (rest, field, share)."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a batch of members said about past items, the learned terms that they (by row) want forgotten, and what became of
    what they were sent."""

    said: Said = field(default_factory=Said.nothing)
    forgotten: Mapping[int, Sequence[str]] = field(default_factory=dict)
    told: Told = field(default_factory=Told.nothing)


NOTHING_HEARD = Heard()


@dataclass(frozen=True, slots=True)
class Wants:
    """What a batch of members wants: `rows` of shape (n_members, n_columns) to be matched, and where their terms come from.
    `shifts` move their thresholds."""

    rows: Rows
    origins: Origins
    feedback: Feedback | None
    shifts: npt.NDArray[np.float64]
    told: Told = field(default_factory=Told.nothing)
    earlier: Earlier = field(default_factory=Earlier.nothing)


@dataclass(frozen=True)
class Edition:
    """What is the same for every member: the items to choose from, their rows, and the space and past they are seen in.

    `rows` is of shape (n_items, n_columns), as seen beside the members (`hubness`), `past` of shape (n_past, n_columns), oldest
    first, as they are; `thresholds` of shape (n_items,) are those of the items' kinds, `threshold` the one for kinds that
    have none of their own.
    """

    items: Sequence[Item]
    topics: Sequence[Topic]
    space: VectorSpace
    rows: Rows
    past: Rows
    thresholds: npt.NDArray[np.float64]
    most_items: int
    language: str
    candidates: int = 32
    calibration: Calibration = DEFAULT
    rule: Rule = field(default_factory=Rule)
    threshold: float = 33.0
    past_keys: tuple[int, ...] = ()
    """Keys of the past items, in the order of `past`."""
    matcher: Matcher | None = None
    """What scores; None stands for TF-IDF similarity in the space."""
    shares: Mapping[int, float] = field(default_factory=dict)
    """By key what is left of the items that are damped (`hubness`): of those of `rows` and of the newest past ones."""
    duplicates: Duplicates | None = None
    """Which items are the same thing; None where that was not looked into."""
    comparison: Comparison | None = None
    """With another matcher, on a share of the members; None without."""
    floor: float = 100.0
    """The match down to which readers are looked for where an item needs more; 100 looks no deeper than the thresholds."""
    shape: Shape = field(default_factory=Shape)
    policy: Policy = "allocation"
    order: OrderRule = field(default_factory=OrderRule)
    bridging: bool = False
    """Whether the network allows one item from beside a member's usual field in their digest."""
    as_of: datetime | None = None
    """The moment it is composed for: how near deadlines are; None looks at none."""

    def wants(
        self, profiles: Sequence[Profile], preferences: Sequence[Preferences], heard: Heard = NOTHING_HEARD
    ) -> Wants:
        """What members want: stated, chosen, expanded by past items, and learned from what was heard of them."""
        n, interests, feedback, learned = len(profiles), self.space.interests(profiles), None, None
        expansion, earlier = expansion_of(self.space, interests, self.past), Earlier.nothing()
        forgotten = forgotten_rows(self.space, heard.forgotten, n)
        if len(heard.said.member):
            agreed = [wish.learn_from_opened for wish in preferences]
            feedback = weights(heard.said, n, self.past.shape[0], self.rule, agreed)
            learned = learned_rows(self.space, self.past, feedback, forgotten=forgotten)
            earlier = earlier_pairs(
                self.space, interests, self.past, heard.said, heard.told, feedback, None, forgotten, expansion
            )
        return Wants(
            rows=effective_profiles(self.space, interests, self.past, feedback, None, forgotten, expansion),
            origins=Origins(interests.sum(interests.rows), self.space.chosen_topics(profiles), learned),
            feedback=feedback,
            shifts=shifts(heard.said, n, self.rule),
            told=heard.told,
            earlier=earlier,
        )

    def match(self, wants: Wants, least: float = 0.0) -> tuple[Rows, Rows]:
        """(scores 0 to 1, matches 0 to 100), both of shape (n_members, n_items); pairs that surely stay under a match of
        `least` may be left out."""
        judged = self.judged(wants)
        effects, background = self.calibration.effects(judged), judged.background
        least_scores = self.calibration.least_scores(least, background, effects) if least > 0 else 0.0
        scores = self._matcher.score(wants.rows, self.rows, least_scores)
        return scores, self.calibration.match(scores, background, effects)

    def judged(self, wants: Wants) -> Judged:
        """What members judged of the items they know, by the score that these had; the score that they have now where nobody
        wrote that one down."""
        told, rows = wants.told, wants.rows
        known = np.flatnonzero(~np.isnan(told.rest) | (told.item >= 0))
        member, score = told.member[known], joined(self.space, *(x[known] for x in (told.rest, told.field, told.share)))
        lacking = np.flatnonzero(np.isnan(score))
        items, place = np.unique(told.item[known][lacking], return_inverse=True)
        pairs = rows[member[lacking]].multiply(damped(self.space, self.past[items], self._shares(items))[place])
        score[lacking] = np.asarray(pairs.sum(axis=1)).ravel()
        background = Background.of(self._matcher, rows, self._newest)
        good = told.good[known].astype(np.float64)
        return Judged(member, score, good, told.weight[known], background).anchored(DEFAULT).beside(wants.earlier)

    @cached_property
    def _newest(self) -> Rows:
        newest = np.arange(self.past.shape[0])[-SAMPLE:]
        return damped(self.space, self.past[newest], self._shares(newest))

    def _shares(self, past: Ints) -> Floats:
        if not self.shares:
            return np.ones(len(past))
        return shares_of(self.shares, (self.past_keys[place] for place in past.tolist()))

    @property
    def _matcher(self) -> Matcher:
        return self.matcher or TfidfMatcher(self.space.n_terms, most=0)

    @property
    def least_threshold(self) -> float:
        """The lowest threshold that any member can have for any item."""
        return float(min(self.rule.threshold_floor, self.thresholds.min(initial=100.0)))

    def least_match(self, needed: npt.NDArray[np.bool_]) -> float:
        """The lowest match that any pair can be chosen with: `needed` items, and those beside a field, go down to the floor."""
        deeper = needed.any() or (self.bridging and self.policy == "allocation")
        return min(self.floor, self.least_threshold) if deeper else self.least_threshold

    def at_threshold(self, threshold: float) -> "Edition":
        """The same with another threshold; kinds that have one of their own keep it."""
        thresholds = np.where(self.thresholds == self.threshold, threshold, self.thresholds)
        return replace(self, threshold=threshold, thresholds=thresholds)

    @property
    def asks(self) -> npt.NDArray[np.bool_]:
        """Which items ask for help."""
        return np.array([item.kind == "request" for item in self.items], dtype=np.bool_)

    @property
    def no_reach(self) -> Reach:
        """Nothing needed and no limit."""
        return Reach(np.zeros(len(self.items), np.int64), np.full(len(self.items), NO_LIMIT, np.int64))

    @property
    def group(self) -> Ints:
        """For each item the column of the first one that is the same thing."""
        return np.arange(len(self.items)) if self.duplicates is None else self.duplicates.group

    @property
    def bounds(self) -> tuple[float, float]:
        """Floor and ceiling of a member's own threshold."""
        return self.rule.threshold_floor, self.rule.threshold_ceiling

    def reasons(self, wants: Wants, rows: Sequence[int] | Ints, columns: Sequence[int] | Ints) -> list[list[Reason]]:
        """Why the items of these columns fit the members of these rows, pair by pair."""
        return reasons_for(self.space, wants.rows, self.items, self.rows, rows, columns, wants.origins)

    def parts_of_scores(self, wants: Wants, rows: Ints, columns: Ints, score: Floats) -> list[Parts]:
        """(rest, field, share) of the scores of these pairs, see `digest.field`; another matcher's scores are all rest."""
        if self.matcher is not None:
            return [(one, None, None) for one in score.tolist()]
        share = shares_of(self.shares, (item.key for item in self.items))[columns]
        found = parts(self.space, wants.rows[rows], self.rows[columns], score, share)
        return list(zip(*(part.tolist() for part in (*found, share)), strict=True))

    def learned_terms(self, wants: Wants) -> list[Learned]:
        """What was learned about each member, in words; see there."""
        if wants.origins.learned is None or wants.feedback is None:
            return []
        return learned_terms(self.space, wants.origins.learned, self.past, wants.feedback)


@dataclass(frozen=True, slots=True)
class Matched:
    """A batch of members against all items, before anything is chosen: matrices of shape (n_members, n_items).

    `blocked` holds a Block for each pair, `caps` the most items of each member's digest.
    """

    wants: Wants
    scores: Rows
    matches: Rows
    blocked: Codes
    caps: Ints


@dataclass(frozen=True, slots=True)
class Batch:
    """Some members as an edition sees them: all of length n_members.

    `sent` are pairs (row, column) that must not be sent again; `heard` is what these members said before. `room` (items) and
    `asks` are what their budgets leave, None where nothing limits them, `asked` how often they were asked lately, and
    `no_requests` says who allows none at all. `carried` are pairs that the last edition carried over, `spent` those that it
    gave up.
    """

    profiles: Sequence[Profile]
    preferences: Sequence[Preferences]
    names: Sequence[str]
    sent: tuple[Ints, Ints]
    heard: Heard = NOTHING_HEARD
    draws: Draws | None = None
    """An even random number for each member: settles who is compared."""
    room: Ints | None = None
    asks: Ints | None = None
    asked: Asked | None = None
    no_requests: npt.NDArray[np.bool_] | None = None
    carried: tuple[Ints, Ints] | None = None
    spent: tuple[Ints, Ints] | None = None

    def __len__(self) -> int:
        return len(self.profiles)

    def only(self, rows: Ints) -> "Batch":
        """Some of the members, as far as eligibility goes."""
        kept, places = np.isin(self.sent[0], rows), rows.tolist()
        return Batch(
            [self.profiles[row] for row in places],
            [self.preferences[row] for row in places],
            [self.names[row] for row in places],
            (np.searchsorted(rows, self.sent[0][kept]), self.sent[1][kept]),
        )

    def blocked(self, edition: Edition) -> Codes:
        """A Block for each member and item."""
        members = _columns(self.profiles, self.preferences, self.names)
        codes = blocks(members, edition.items, edition.topics, edition.language, self.sent)
        if self.no_requests is not None and self.no_requests.any():
            theirs = np.ix_(self.no_requests, edition.asks)
            codes[theirs] = np.where(codes[theirs] == Block.NONE, Block.NO_REQUESTS, codes[theirs])
        return codes


@dataclass(frozen=True, slots=True)
class Composition:
    """What a batch of members gets: its part of the decision, with the reasons beside each chosen pair."""

    decision: Decision
    reasons: list[list[Reason]]
    parts: list[Parts]
    learned: list[Learned]
    team: Ints
    """Of each chosen pair the team that picked it (see `interleaving`); NO_TEAM where nothing is compared."""


def match_members(
    edition: Edition,
    profiles: Sequence[Profile],
    preferences: Sequence[Preferences],
    names: Sequence[str],
    sent: tuple[Ints, Ints],
    heard: Heard = NOTHING_HEARD,
    least: float = 0.0,
) -> Matched:
    """Match a batch of members with the items; the arguments are those of `Batch`, and `least` is that of `Edition.match`."""
    return _matched(edition, Batch(profiles, preferences, names, sent, heard), least)


def _matched(edition: Edition, batch: Batch, least: float) -> Matched:
    wants = edition.wants(batch.profiles, batch.preferences, batch.heard)
    scores, matches = edition.match(wants, least)
    caps = [min(edition.most_items, wish.items_per_digest or edition.most_items) for wish in batch.preferences]
    return Matched(wants, scores, matches, batch.blocked(edition), np.array(caps, dtype=np.int64))


def gather(edition: Edition, batch: Batch, reach: Reach) -> tuple[Wants, Pool]:
    """What a batch of members wants, and the pairs of theirs that an edition can choose from."""
    needed = reach.needed > 0
    matched = _matched(edition, batch, edition.least_match(needed))
    if batch.spent is not None:
        given_up = matched.blocked[batch.spent] == Block.NONE
        given_up &= ~needed[batch.spent[1]]  # who can still help a request that needs readers is asked again
        matched.blocked[batch.spent[0][given_up], batch.spent[1][given_up]] = Block.OVER_BUDGET
    caps = matched.caps if batch.room is None else np.minimum(matched.caps, batch.room)
    shifts = matched.wants.shifts
    pool = pooled(
        matched.scores,
        matched.matches,
        matched.blocked,
        _bar(edition, shifts, needed),
        caps,
        np.full(len(batch), NO_LIMIT, np.int64) if batch.asks is None else batch.asks,
        moved(edition.threshold, shifts, *edition.bounds),
        batch.carried,
        _beside(edition, batch),
        edition.candidates,
        batch.asked,
    )
    return matched.wants, pool


def _bar(edition: Edition, shifts: npt.NDArray[np.float64], needed: npt.NDArray[np.bool_]) -> Bar:
    return Bar(edition.thresholds, shifts, edition.bounds, edition.floor, needed, edition.asks)


def at_threshold(edition: Edition, pool: Pool, reach: Reach) -> Pool:
    """The pool of this edition, from one that was gathered with a lower threshold; see `raised`."""
    bar = _bar(edition, pool.shift, reach.needed > 0)
    return raised(pool, bar, moved(edition.threshold, pool.shift, *edition.bounds))


def _beside(edition: Edition, batch: Batch) -> Beside | None:
    """Who may get an item from beside their usual field, and which items are beside it; None where nobody may."""
    wish = np.array([wish.bridging for wish in batch.preferences], dtype=np.bool_)
    if not edition.bridging or edition.policy == "greedy" or not wish.any():
        return None
    field_of = fields([profile.chosen for profile in batch.profiles], edition.topics)
    topics = topic_rows(edition.items, edition.topics)
    return Beside(wish, lambda member, item: outside(member, item, topics, field_of))


def decided(edition: Edition, pool: Pool, reach: Reach) -> tuple[Decision, list[Shortfall]]:
    """The decision for all members of the pool, and what it could not bring to as many as it should."""
    limits = limits_of(edition.items, reach, edition.shape, edition.group, pool)
    look = None
    if edition.policy == "allocation":
        free = (pool.code == Block.NONE) & ~pool.beside
        candidates = np.bincount(pool.item[free], minlength=len(edition.items))
        days = np.array([_days_left(item, edition.as_of) for item in edition.items])
        topics = topic_rows(edition.items, edition.topics, with_above=True)
        look = shape(limits.is_ask, candidates, days, topics, rule=edition.order)
    return decide(pool, limits, edition.policy, Look(look, edition.order), edition.candidates, edition.shape.ask_cost)


def _days_left(item: Item, now: datetime | None) -> float:
    """Until its deadline or, for one without, until it takes place; infinite for neither."""
    end = item.deadline or item.event_at
    return float("inf") if end is None or now is None else (end - now).total_seconds() / 86400


def explained(edition: Edition, batch: Batch, wants: Wants, decision: Decision) -> Composition:
    """A batch's part of the decision, with reasons. Where two matchers are compared they pick some digests in turn."""
    decision, team = _compared(edition, batch, wants, decision)
    member, item = decision.member.astype(np.int64), decision.item.astype(np.int64)
    reasons = edition.reasons(wants, member, item)
    both = edition.parts_of_scores(wants, member, item, decision.score.astype(np.float64))
    return Composition(decision, reasons, both, edition.learned_terms(wants), team)


def compose(edition: Edition, batch: Batch, reach: Reach | None = None) -> Composition:
    """All of it at once, for members who are the whole audience."""
    reach = reach or edition.no_reach
    wants, pool = gather(edition, batch, reach)
    return explained(edition, batch, wants, decided(edition, pool, reach)[0])


def _compared(edition: Edition, batch: Batch, wants: Wants, decision: Decision) -> tuple[Decision, Ints]:
    """The decision with the digests of those who are compared picked by both matchers, and who picked what.

    Requests, of which budgets and reach were decided for everybody at once, stay as they are.
    """
    none = np.full(len(decision.member), NO_TEAM)
    if edition.comparison is None or batch.draws is None:
        return decision, none
    rows = np.flatnonzero(edition.comparison.chosen(batch.draws))
    if not len(rows):
        return decision, none
    limited = edition.asks
    space, other = edition.space, MATCHERS[edition.comparison.other]
    theirs = replace(wants, rows=wants.rows[rows], told=wants.told.only(rows))
    scores, matches = edition.match(theirs)  # the other may pick from under the threshold
    rival = other(space.lexical(wants.origins.stated[rows]), unit_rows(space.lexical(edition.rows)))
    blocked = batch.only(rows).blocked(edition)
    blocked[:, limited] = Block.OVER_BUDGET
    mine = np.isin(decision.member, rows) & ~limited[decision.item]
    passed = np.isin(decision.left_member, rows) & ~limited[decision.left_item]
    before = Selection(
        member=np.searchsorted(rows, decision.member[mine]),
        item=decision.item[mine].astype(np.int64),
        rank=decision.rank[mine].astype(np.int64),
        left_member=np.searchsorted(rows, decision.left_member[passed]),
        left_item=decision.left_item[passed].astype(np.int64),
        left_block=np.where(
            decision.left_code[passed] == Block.CARRIED_OVER, Block.OVER_BUDGET, decision.left_code[passed]
        ).astype(np.uint8),
        below=decision.below[rows],
    )
    everybody = np.arange(len(rows))
    found, team = interleaved(before, matches, rival, blocked, everybody, batch.draws[rows], edition.group)
    return _merged(decision, mine, passed, rows, found, team, scores, matches)


def _merged(
    decision: Decision,
    mine: npt.NDArray[np.bool_],
    passed: npt.NDArray[np.bool_],
    rows: Ints,
    found: Selection,
    team: Ints,
    scores: Rows,
    matches: Rows,
) -> tuple[Decision, Ints]:
    """The decision with the pairs at `mine` and `passed` replaced by those of the selection."""

    def joined(name: str, kept: npt.NDArray[np.bool_], new: npt.NDArray[Any]) -> npt.NDArray[Any]:
        old = getattr(decision, name)
        return np.concatenate([old[~kept], new.astype(old.dtype)])

    pairs, left = (found.member, found.item), (found.left_member, found.left_item)
    values = {
        "member": joined("member", mine, rows[found.member]),
        "item": joined("item", mine, found.item),
        "rank": joined("rank", mine, found.rank + 1000),  # after the requests
        "match": joined("match", mine, _at(matches, *pairs)),
        "score": joined("score", mine, _at(scores, *pairs)),
        "note": joined("note", mine, np.zeros(len(found.member))),
        "left_member": joined("left_member", passed, rows[found.left_member]),
        "left_item": joined("left_item", passed, found.left_item),
        "left_code": joined("left_code", passed, found.left_block),
        "left_match": joined("left_match", passed, _at(matches, *left)),
        "left_score": joined("left_score", passed, _at(scores, *left)),
        "left_because": joined("left_because", passed, np.full(len(found.left_member), -1)),
    }
    teams = np.concatenate([np.full(int((~mine).sum()), NO_TEAM), team])
    order = np.lexsort((values["rank"], values["member"]))
    for name in ("member", "item", "rank", "match", "score", "note"):
        values[name] = values[name][order]
    values["rank"] = place_within(values["member"]).astype(np.int32)
    by_member = np.argsort(values["left_member"], kind="stable")
    for name in [name for name in values if name.startswith("left_")]:
        values[name] = values[name][by_member]
    return replace(decision, **values), teams[order]


def _at(values: Rows, rows: Ints, columns: Ints) -> npt.NDArray[np.float64]:
    return np.asarray(values[rows, columns], dtype=np.float64).ravel() if len(rows) else np.empty(0)


def _columns(profiles: Sequence[Profile], preferences: Sequence[Preferences], names: Sequence[str]) -> Members:
    return Members(
        names=names,
        facets={name: [getattr(profile, name) for profile in profiles] for name in AUDIENCE_FACETS},
        chosen=[profile.chosen for profile in profiles],
        languages=[profile.languages for profile in profiles],
        muted_kinds=[wish.muted_kinds for wish in preferences],
        muted_topics=[wish.muted_topics for wish in preferences],
        muted_posters=[wish.muted_posters for wish in preferences],
    )
