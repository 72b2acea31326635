"""An edition as one decision: what was learnt once for all, and what each batch of members gets from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digest.calibration import DEFAULT, Background, Calibration
from digest.eligibility import Members, blocks
from digest.items import AUDIENCE_FACETS, Item, Topic
from digest.learning import effective_profiles
from digest.matching import TfidfMatcher
from digest.reasons import Reason, reasons_for
from digest.selection import Selection, select
from digest.vectors import Rows, VectorSpace
from profiles.member import Preferences, Profile

BACKGROUND_ITEMS = 2000
"""Newest past items over which a member's scores are standardised."""


@dataclass(frozen=True)
class Edition:
    """What is the same for every member: the items to choose from, their rows, and the space and past they are seen in.

    `rows` is of shape (n_items, n_columns), `past` of shape (n_past, n_columns), oldest first; `thresholds` of shape (n_items,).
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

    def profile_rows(self, profiles: Sequence[Profile]) -> Rows:
        """What members want, as rows of shape (n_profiles, n_columns) to be matched: stated, chosen, expanded."""
        return effective_profiles(self.space, self.space.interests(profiles), self.past)

    def match(self, profile_rows: Rows) -> tuple[Rows, Rows]:
        """(scores 0 to 1, matches 0 to 100), both of shape (n_profiles, n_items)."""
        matcher = TfidfMatcher(self.space.n_terms, most=0)
        scores = matcher.score(profile_rows, self.rows)
        background = Background.of(matcher, profile_rows, self.past[-BACKGROUND_ITEMS:])
        return scores, self.calibration.match(scores, background)


@dataclass(frozen=True, slots=True)
class Composition:
    """What a batch of members gets: the selection, with score, match and reasons beside each of its pairs."""

    selection: Selection
    scores: npt.NDArray[np.float64]
    matches: npt.NDArray[np.float64]
    reasons: list[list[Reason]]
    left_scores: npt.NDArray[np.float64]
    left_matches: npt.NDArray[np.float64]


def compose(
    edition: Edition,
    profiles: Sequence[Profile],
    preferences: Sequence[Preferences],
    names: Sequence[str],
    sent: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
) -> Composition:
    """Match, select and explain for a batch of members; the first arguments are of length n_members.

    `sent` are pairs (row, column) that must not be sent again.
    """
    blocked = blocks(_columns(profiles, preferences, names), edition.items, edition.topics, edition.language, sent)
    rows = edition.profile_rows(profiles)
    scores, matches = edition.match(rows)
    caps = np.array(
        [min(edition.most_items, p.items_per_digest or edition.most_items) for p in preferences], dtype=np.int64
    )
    found = select(matches, blocked, edition.thresholds, caps, edition.candidates)
    return Composition(
        selection=found,
        scores=_at(scores, found.member, found.item),
        matches=_at(matches, found.member, found.item),
        reasons=reasons_for(edition.space, rows, edition.rows, found.member.tolist(), found.item.tolist()),
        left_scores=_at(scores, found.left_member, found.left_item),
        left_matches=_at(matches, found.left_member, found.left_item),
    )


def _at(values: Rows, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
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
