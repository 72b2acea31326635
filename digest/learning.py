"""What a profile becomes: stated interest, expanded by past items, and moved by feedback (Rocchio 1971)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.matching import TfidfMatcher
from digest.vectors import Floats, Interests, Rows, VectorSpace, unit_length

STRONG_TERM = 0.08
"""Weight in a past item's unit row from which a term takes part in expansion."""
LEAST_TERM = 0.01
"""Of a profile row's length: weaker terms are dropped, which makes matching many times cheaper and no worse."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Each ingredient with its strength; 0 switches it off."""

    expansion: float = 0.3
    """Share of the expansion in an interest without feedback."""
    expansion_items: int = 25
    """Past items that an interest is expanded with, at most."""
    expansion_share: float = 1 / 40
    """Of all past items, so that in a small network nothing is expanded with what merely happens to be nearest."""
    expansion_decay: float = 0.3
    """The share falls as 1 / (1 + decay * likes)."""
    like_weight: float = 0.25
    like_growth: float = 0.8
    """n likes together weigh like_weight * n ** like_growth against the stated interest's 1."""
    dislike_weight: float = 0.5
    """Of dislikes against likes; n dislikes without any like weigh as n likes would."""
    dislike_doubt: float = 1.0
    """Dislikes at which they have half of that weight: one alone may be about anything in its item."""
    stated_floor: float = 0.05
    """A stated or chosen term keeps at least this share of its weight, whatever is learned."""
    broad: float = 0.08
    """Weight of the broad latent block in the score against the terms' 1."""
    full: float = 0.15
    """The same of the full one."""
    earlier: float = 0.25
    """Of a word on an item that no digest had brought, against one on what a digest brought, for the match (`digest.earlier`)."""
    coverage: bool = True
    """Words of an interest that no item has count in its length."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """Weights of what members liked and disliked, both of shape (n_members, n_past). A weight of 1 is one fresh, plain word."""

    liked: Rows
    disliked: Rows


@dataclass(frozen=True, slots=True)
class Expansion:
    """What past items add to interests, whatever was said: for each one a unit row of terms, and dense ones in the latent blocks.
    `known` tells where there is anything to add."""

    known: npt.NDArray[np.bool_]
    terms: Rows
    latent: list[Floats]

    def only(self, interests: npt.NDArray[np.int64]) -> "Expansion":
        """That of some interests."""
        return Expansion(self.known[interests], self.terms[interests], [block[interests] for block in self.latent])


def expansion_of(space: VectorSpace, interests: Interests, past: Rows, settings: Settings | None = None) -> Expansion:
    """Pseudo-relevance feedback: each interest's nearest past items."""
    settings = settings or Settings()
    most = min(settings.expansion_items, int(past.shape[0] * settings.expansion_share))
    nearest = nearest_items(space, interests.rows, past, most)
    known = _totals(nearest) > 0
    nearest, near = _narrowed(nearest, past)
    latent = [unit_length(np.asarray(nearest @ near[:, block].toarray())) for block in space.blocks[1:]]
    return Expansion(known, _unit(_expansion(space, nearest, near)), latent)


def effective_profiles(
    space: VectorSpace,
    interests: Interests,
    past: Rows,
    feedback: Feedback | None = None,
    settings: Settings | None = None,
    forgotten: Rows | None = None,
    expansion: Expansion | None = None,
) -> Rows:
    """Rows of shape (n_profiles, n_columns) to be multiplied with item rows; a score is then 0 to 1.

    `past` are the rows of past items, of shape (n_past, n_columns), which expand and teach; `forgotten`, of shape
    (n_profiles, n_terms), has an entry for each term that must not be learned. What is stated never disappears under that.
    `expansion` is that of the interests, where it is at hand.
    """
    settings = settings or Settings()
    expansion = expansion or expansion_of(space, interests, past, settings)
    likes = _totals(feedback.liked) if feedback else np.zeros(interests.n_profiles, dtype=np.float32)
    share = settings.expansion * interests.coverage / (1.0 + settings.expansion_decay * likes[interests.owner])
    share = np.where(expansion.known, share, 0.0).astype(np.float32)
    learned = learned_rows(space, past, feedback, settings, forgotten) if feedback else None
    terms = _terms(space, interests, share, expansion.terms, learned, settings)
    blocks = zip(space.blocks[1:], expansion.latent, strict=True)
    latent = [_seen(interests, share, expanded, learned, block) for block, expanded in blocks]
    weighted = _weighted(space, terms, latent, settings)
    return _scaled(weighted, _coverage(interests, likes, settings)) if settings.coverage else weighted


def _terms(
    space: VectorSpace, interests: Interests, share: Floats, expanded: Rows, learned: Rows | None, settings: Settings
) -> Rows:
    """The lexical block of profiles, of unit length."""
    stated = _unit(space.lexical(interests.rows))
    rows = _unit(interests.sum(_unit(_scaled(stated, 1 - share) + _scaled(expanded, share))))
    if learned is None:
        return _unit(_pruned(rows))
    rows = _pruned(rows + space.lexical(learned))
    return _unit(_with_floor(rows, _unit(interests.sum(stated)), settings.stated_floor))


def _seen(interests: Interests, share: Floats, expanded: Floats, learned: Rows | None, block: slice) -> Floats:
    """A latent block of profiles, of unit length: shape (n_profiles, n_dimensions)."""
    stated = unit_length(interests.rows[:, block].toarray())
    rows = unit_length(interests.sum(unit_length(stated * (1 - share)[:, None] + expanded * share[:, None])))
    return rows if learned is None else unit_length(rows + learned[:, block].toarray())


def _coverage(interests: Interests, likes: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """How much of what a member wants the items can speak of at all: of length n_profiles, 0 to 1. Likes are known in full."""
    count = np.bincount(interests.owner, minlength=interests.n_profiles)
    total = np.bincount(interests.owner, weights=interests.coverage, minlength=interests.n_profiles)
    stated = np.where(count > 0, total / np.maximum(count, 1), 1.0)
    learned = _weight(likes, settings)
    return np.asarray((stated + learned) / (1.0 + learned), dtype=np.float32)


def _expansion(space: VectorSpace, nearest: Rows, past: Rows) -> Rows:
    """The past items' weighted sums of terms. Of their terms only the strong ones count: the rest costs and says little.

    Their topics count like a word: nobody chose them here.
    """
    strong = space.lexical(past).copy()
    strong.data[strong.indices >= space.first_topic] /= max(1.0, space.settings.topic_weight)
    strong = _unit(strong)
    strong.data[strong.data < STRONG_TERM] = 0.0
    strong.eliminate_zeros()
    expansion: Rows = nearest @ strong
    return expansion


def _pruned(rows: Rows) -> Rows:
    """Rows without what is next to nothing beside their length."""
    rows.data[np.abs(rows.data) < np.repeat(LEAST_TERM * _lengths(rows), np.diff(rows.indptr))] = 0.0
    rows.eliminate_zeros()
    return rows


def learned_rows(
    space: VectorSpace,
    past: Rows,
    feedback: Feedback,
    settings: Settings | None = None,
    forgotten: Rows | None = None,
) -> Rows:
    """What feedback adds to interests of unit length, below 0 where less is wanted: shape (n_profiles, n_columns)."""
    settings = settings or Settings()
    likes, dislikes = _totals(feedback.liked), _totals(feedback.disliked)
    weight = _weight(np.where(likes > 0, likes, dislikes), settings)
    against = settings.dislike_weight * weight * dislikes / (dislikes + settings.dislike_doubt)
    shares = sp.csr_matrix(_scaled(_mean(feedback.liked), weight) - _scaled(_mean(feedback.disliked), against))
    shares, spoken_of = _narrowed(shares, past)
    blocks = [shares @ space.lexical(spoken_of), *(_mixed(shares, spoken_of, block) for block in space.blocks[1:])]
    rows: Rows = sp.hstack(blocks, format="csr", dtype=np.float32)
    return rows if forgotten is None else _without(space, rows, forgotten)


def _weight(words: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """What so many words of one kind weigh together, against the stated interest's 1."""
    return np.asarray(settings.like_weight * words**settings.like_growth, dtype=np.float32)


def _narrowed(shares: Rows, past: Rows) -> tuple[Rows, Rows]:
    """Shares of the past items that have any, and the rows of these items alone."""
    used, column = np.unique(shares.indices, return_inverse=True)
    return sp.csr_matrix((shares.data, column, shares.indptr), shape=(shares.shape[0], len(used))), past[used]


def _mixed(shares: Rows, past: Rows, block: slice) -> Rows:
    """A latent block of the past items' weighted sums: dense, as these blocks are but for their form."""
    return sp.csr_matrix(shares @ past[:, block].toarray())


def _without(space: VectorSpace, rows: Rows, forgotten: Rows) -> Rows:
    """Rows without some of their terms; the latent blocks of those that lose any are made anew from the terms that are left."""
    lexical = space.lexical(rows)
    removed = lexical.multiply(forgotten).tocsr()
    removed.eliminate_zeros()
    touched = np.flatnonzero(np.diff(removed.indptr))
    if not len(touched):
        return rows
    kept = (lexical - removed)[touched]
    kept.eliminate_zeros()
    share = _lengths(kept) / _lengths(lexical[touched])
    anew = space.with_latent(kept)
    blocks = [kept]
    for block in space.blocks[1:]:
        blocks.append(_scaled(anew[:, block], share * _lengths(rows[touched][:, block])))
    place = sp.csr_matrix(
        (np.ones(len(touched), np.float32), (touched, range(len(touched)))), (rows.shape[0], len(touched))
    )
    untouched = np.ones(rows.shape[0], dtype=np.float32)
    untouched[touched] = 0.0
    changed: Rows = place @ sp.hstack(blocks, format="csr", dtype=np.float32)
    return sp.csr_matrix(_scaled(rows, untouched) + changed)


def _with_floor(rows: Rows, stated: Rows, share: float) -> Rows:
    """Rows in which each stated term has at least that share of its stated weight, as seen at the rows' unit length."""
    least = _scaled(stated, share * np.maximum(_lengths(rows), 1.0))
    lacking = least - rows.multiply(stated > 0)
    return sp.csr_matrix(rows + lacking.maximum(0))


def _lengths(rows: Rows) -> npt.NDArray[np.float32]:
    squares = sp.csr_matrix((rows.data**2, rows.indices, rows.indptr), shape=rows.shape)
    return np.sqrt(np.asarray(squares.sum(axis=1), dtype=np.float32)).ravel()


def block_weights(space: VectorSpace, settings: Settings | None = None, field_weight: float | None = None) -> Floats:
    """What the terms, the field and the full latent block count in a score, at the space's weight of the field or another one.

    They sum to 1, so that no score is above 1.
    """
    settings, field_weight = settings or Settings(), space.field_weight if field_weight is None else field_weight
    latent = [settings.broad * field_weight, settings.full] if space.latent.shape[1] else [0.0, 0.0]
    weights = np.array([1.0, *latent], dtype=np.float32)
    return np.asarray(weights / weights.sum(), dtype=np.float32)


def _weighted(space: VectorSpace, terms: Rows, latent: list[Floats], settings: Settings) -> Rows:
    """The blocks side by side in their weights."""
    broad, full = latent
    if not full.shape[1]:
        return terms
    weights = block_weights(space, settings)
    dense = np.hstack([broad * weights[1], space.whitened(full) * weights[2]])
    rows: Rows = sp.hstack([terms * weights[0], sp.csr_matrix(dense)], format="csr", dtype=np.float32)
    return rows


def nearest_items(space: VectorSpace, rows: Rows, past: Rows, most: int) -> Rows:
    """For each row the weights of its `most` nearest past items by their terms, summing to 1: shape (n_rows, n_past)."""
    if most < 1:
        return sp.csr_matrix(([], ([], [])), shape=(rows.shape[0], past.shape[0]), dtype=np.float32)
    matcher = TfidfMatcher(space.n_terms, most=most)
    return _mean(matcher.score(space.lexical(rows), space.lexical(past)))


def _totals(weights: Rows) -> npt.NDArray[np.float32]:
    return np.asarray(weights.sum(axis=1), dtype=np.float32).ravel()


def _mean(weights: Rows) -> Rows:
    totals = _totals(weights)
    return _scaled(weights, 1.0 / np.where(totals > 0, totals, 1.0))


def _scaled(rows: Rows, by: npt.ArrayLike) -> Rows:
    by = np.broadcast_to(np.asarray(by, dtype=np.float32), rows.shape[0])
    data = rows.data * np.repeat(by, np.diff(rows.indptr))
    return sp.csr_matrix((data, rows.indices, rows.indptr), shape=rows.shape)


def _unit(rows: Rows) -> Rows:
    lengths = _lengths(rows)
    return _scaled(rows, 1.0 / np.where(lengths > 0, lengths, 1.0))
