"""An edition as one decision: what was learnt once for all, and what each batch of members gets from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from digest.calibration import DEFAULT, Background, Calibration
from digest.duplicates import Duplicates
from digest.eligibility import Codes, Members, blocks
from digest.feedback import Rule, Said, shifts, weights
from digest.interleaving import MATCHERS, NO_TEAM, Comparison, Draws, interleaved
from digest.items import AUDIENCE_FACETS, Item, Topic
from digest.learned import Learned, forgotten_rows, learned_terms
from digest.learning import Feedback, effective_profiles, learned_rows
from digest.matching import Matcher, TfidfMatcher
from digest.reasons import Origins, Reason, reasons_for
from digest.selection import Selection, select
from digest.thresholds import moved
from digest.vectors import Rows, VectorSpace
from profiles.member import Preferences, Profile

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a batch of members said about past items, and the learned terms that they (by row) want forgotten."""

    said: Said = field(default_factory=Said.nothing)
    forgotten: Mapping[int, Sequence[str]] = field(default_factory=dict)


NOTHING_HEARD = Heard()


@dataclass(frozen=True, slots=True)
class Wants:
    """What a batch of members wants: `rows` of shape (n_members, n_columns) to be matched, and where their terms come from.
    `shifts` move their thresholds."""

    rows: Rows
    origins: Origins
    feedback: Feedback | None
    shifts: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Edition:
    """What is the same for every member: the items to choose from, their rows, and the space and past they are seen in.

    `rows` is of shape (n_items, n_columns), `past` of shape (n_past, n_columns), oldest first; `thresholds` of shape (n_items,)
    are those of the items' kinds, `threshold` the one for kinds that have none of their own.
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
    duplicates: Duplicates | None = None
    """Which items are the same thing; None where that was not looked into."""
    comparison: Comparison | None = None
    """With another matcher, on a share of the members; None without."""

    def wants(
        self, profiles: Sequence[Profile], preferences: Sequence[Preferences], heard: Heard = NOTHING_HEARD
    ) -> Wants:
        """What members want: stated, chosen, expanded by past items, and learned from what was heard of them."""
        n, interests, feedback, learned = len(profiles), self.space.interests(profiles), None, None
        forgotten = forgotten_rows(self.space, heard.forgotten, n)
        if len(heard.said.member):
            agreed = [wish.learn_from_opened for wish in preferences]
            feedback = weights(heard.said, n, self.past.shape[0], self.rule, agreed)
            learned = learned_rows(self.space, self.past, feedback, forgotten=forgotten)
        return Wants(
            rows=effective_profiles(self.space, interests, self.past, feedback, forgotten=forgotten),
            origins=Origins(interests.sum(interests.rows), self.space.chosen_topics(profiles), learned),
            feedback=feedback,
            shifts=shifts(heard.said, n, self.rule),
        )

    def match(self, wants: Wants, least: float = 0.0) -> tuple[Rows, Rows]:
        """(scores 0 to 1, matches 0 to 100), both of shape (n_members, n_items); pairs that surely stay under a match of
        `least` may be left out."""
        matcher = self.matcher or TfidfMatcher(self.space.n_terms, most=0)
        # The background is not told of likes: it would take an item that nobody spoke of for one that was turned down, and
        # members speak of few. A first "more like this" would then halve what reaches them.
        background = Background.of(matcher, wants.rows, self.past)
        least_scores = self.calibration.least_scores(least, background) if least > 0 else 0.0
        scores = matcher.score(wants.rows, self.rows, least_scores)
        return scores, self.calibration.match(scores, background)

    @property
    def least_threshold(self) -> float:
        """The lowest threshold that any member can have for any item."""
        return float(min(self.rule.threshold_floor, self.thresholds.min(initial=100.0)))

    @property
    def group(self) -> Ints:
        """For each item the column of the first one that is the same thing."""
        return np.arange(len(self.items)) if self.duplicates is None else self.duplicates.group

    @property
    def bounds(self) -> tuple[float, float]:
        """Floor and ceiling of a member's own threshold."""
        return self.rule.threshold_floor, self.rule.threshold_ceiling

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
class Composition:
    """What a batch of members gets: the selection, with score, match and reasons beside each of its pairs."""

    selection: Selection
    scores: npt.NDArray[np.float64]
    matches: npt.NDArray[np.float64]
    reasons: list[list[Reason]]
    left_scores: npt.NDArray[np.float64]
    left_matches: npt.NDArray[np.float64]
    thresholds: npt.NDArray[np.float64]
    """Each member's own, for kinds without one of their own: shape (n_members,)."""
    learned: list[Learned]
    team: Ints
    """Of each selected pair the team that picked it (see `interleaving`); NO_TEAM where nothing is compared."""


def match_members(
    edition: Edition,
    profiles: Sequence[Profile],
    preferences: Sequence[Preferences],
    names: Sequence[str],
    sent: tuple[Ints, Ints],
    heard: Heard = NOTHING_HEARD,
    least: float = 0.0,
) -> Matched:
    """Match a batch of members with the items; the arguments are those of `compose`, and `least` is that of `Edition.match`."""
    wants = edition.wants(profiles, preferences, heard)
    scores, matches = edition.match(wants, least)
    caps = [min(edition.most_items, wish.items_per_digest or edition.most_items) for wish in preferences]
    members = _columns(profiles, preferences, names)
    blocked = blocks(members, edition.items, edition.topics, edition.language, sent)
    return Matched(wants, scores, matches, blocked, np.array(caps, dtype=np.int64))


def compose(
    edition: Edition,
    profiles: Sequence[Profile],
    preferences: Sequence[Preferences],
    names: Sequence[str],
    sent: tuple[Ints, Ints],
    heard: Heard = NOTHING_HEARD,
    draws: Draws | None = None,
) -> Composition:
    """Match, select and explain for a batch of members; the first arguments are of length n_members.

    `sent` are pairs (row, column) that must not be sent again; `heard` is what these members said before; `draws`, an even
    random number for each member, settle who is compared.
    """
    least = 0.0 if edition.comparison else edition.least_threshold  # another matcher may pick from under the threshold
    matched = match_members(edition, profiles, preferences, names, sent, heard, least)
    wants, scores, matches = matched.wants, matched.scores, matched.matches
    found = select(
        matches,
        matched.blocked,
        edition.thresholds,
        matched.caps,
        edition.candidates,
        shifts=wants.shifts,
        bounds=edition.bounds,
        group=edition.group,
    )
    found, team = _compared(edition, matched, found, draws)
    reasons = reasons_for(edition.space, wants.rows, edition.rows, found.member, found.item, wants.origins)
    return Composition(
        selection=found,
        scores=_at(scores, found.member, found.item),
        matches=_at(matches, found.member, found.item),
        reasons=reasons,
        left_scores=_at(scores, found.left_member, found.left_item),
        left_matches=_at(matches, found.left_member, found.left_item),
        thresholds=moved(edition.threshold, wants.shifts, *edition.bounds),
        learned=edition.learned_terms(wants),
        team=team,
    )


def _compared(edition: Edition, matched: Matched, found: Selection, draws: Draws | None) -> tuple[Selection, Ints]:
    """The selection with the digests of those who are compared picked by both matchers, and who picked what."""
    if edition.comparison is None or draws is None:
        return found, np.full(len(found.member), NO_TEAM)
    space, chosen = edition.space, np.flatnonzero(edition.comparison.chosen(draws))
    other = MATCHERS[edition.comparison.other](space.lexical(matched.wants.origins.stated), space.lexical(edition.rows))
    return interleaved(found, matched.matches, other, matched.blocked, chosen, draws, edition.group)


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
