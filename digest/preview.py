"""Preview of one item before it is sent: whom it would reach, and what it would take the place of. All members at once.

What does not depend on the item is made ready once (`Readers`, `Standing`); an item then costs one product with all members. The
rest of the edition is held as it was decided: the item enters a digest where it is worth more than what it would push out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.calibration import Background, Calibration, Effects
from digest.composition import Edition, Wants
from digest.eligibility import Block, Codes
from digest.limits import NO_LIMIT
from digest.matching import Matcher, TfidfMatcher
from digest.thresholds import moved

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = sp.csr_matrix

BORDER = 20
"""Members nearest to their threshold that are shown."""
NOTHING = -1


@dataclass(frozen=True, slots=True)
class Readers:
    """What all members want, made ready to be matched with one item after another as `Edition.match` would."""

    matcher: Matcher
    calibration: Calibration
    rows: Rows | None
    """Of shape (n_members, n_columns), where another matcher than TF-IDF needs them whole."""
    terms: sp.csc_matrix
    """Of shape (n_members, n_terms): the members of each term."""
    latent: npt.NDArray[np.float32]
    """Of shape (n_members, n_dimensions), dense."""
    background: Background
    effects: Effects
    least: Floats
    """For each member the score under which a match is lower than what was asked for."""

    @classmethod
    def of(cls, edition: Edition, wants: Wants, least: float) -> "Readers":
        """`least` is the lowest match that is still of interest, 0 to 100."""
        n = edition.space.n_terms
        matcher = edition.matcher or TfidfMatcher(n, most=0)
        judged = edition.judged(wants)
        background, effects = judged.background, edition.calibration.effects(judged)
        scores = edition.calibration.least_scores(least, background, effects)
        latent, terms = wants.rows[:, n:].toarray(), sp.csc_matrix(wants.rows[:, :n])
        rows = None if isinstance(matcher, TfidfMatcher) else wants.rows
        return cls(matcher, edition.calibration, rows, terms, latent, background, effects, scores)

    @classmethod
    def joined(cls, parts: Sequence["Readers"]) -> "Readers":
        """One batch of members after the other, of the same edition; there must be one."""
        rows, effects = [part.rows for part in parts if part.rows is not None], [part.effects for part in parts]
        return cls(
            matcher=parts[0].matcher,
            calibration=parts[0].calibration,
            rows=sp.vstack(rows, format="csr") if rows else None,
            terms=sp.vstack([part.terms for part in parts], format="csc"),
            latent=np.concatenate([part.latent for part in parts]),
            background=Background.joined([part.background for part in parts]),
            effects=Effects(np.concatenate([e.intercept for e in effects]), np.concatenate([e.slope for e in effects])),
            least=np.concatenate([part.least for part in parts]),
        )

    @property
    def n_members(self) -> int:
        return len(self.least)

    def matches(self, item: Rows) -> tuple[Ints, Floats]:
        """Members whom the item (a row of the space) may interest, and its match with each, without those under the least."""
        score = self._scores(item)
        member = np.flatnonzero(score > np.maximum(self.least, 0))
        starts = np.zeros(len(member) + 1, np.int64)
        starts[1:] = np.arange(1, len(member) + 1)
        column = sp.csr_matrix((score[member], np.zeros(len(member), np.int64), starts), (len(member), 1))
        background = Background(self.background.mean[member], self.background.deviation[member])
        effects = Effects(self.effects.intercept[member], self.effects.slope[member])
        found = self.calibration.match(column, background, effects)
        return member, found.data.astype(np.float64)

    def _scores(self, item: Rows) -> npt.NDArray[np.float32]:
        if not isinstance(self.matcher, TfidfMatcher):
            assert self.rows is not None
            return np.asarray(self.matcher.score(self.rows, item).toarray(), np.float32).ravel()
        n = self.matcher.n_terms
        score: npt.NDArray[np.float32] = self.latent @ item[:, n:].toarray().ravel()
        terms = item[:, :n].tocsr()
        for column, weight in zip(terms.indices.tolist(), terms.data.tolist(), strict=True):
            span = slice(self.terms.indptr[column], self.terms.indptr[column + 1])
            score[self.terms.indices[span]] += self.terms.data[span] * np.float32(weight)
        return np.clip(score, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Standing:
    """What each member's digest would hold without the item: arrays of shape (n_members,).

    Pushed out would be the weakest item, or where no more requests fit the weakest request; one that would then miss the reach
    it needs stays. An item is told by its place, NOTHING for none, and infinitely strong where there is nothing to push out.
    """

    any_room: Bools
    ask_room: Bools
    weakest: Ints
    weakest_match: Floats
    weakest_ask: Ints
    weakest_ask_match: Floats
    burden: Floats
    """Points of match that asking them once more costs."""

    @classmethod
    def of(
        cls,
        member: Ints,
        item: Ints,
        worth: Floats,
        is_ask: Bools,
        spare: Ints,
        caps: Ints,
        asks: Ints,
        burden: Floats | None = None,
    ) -> "Standing":
        """From chosen pairs, each worth its match less what asking costs; over items whether it is a request and how many more
        members than it needs it goes to; over members how many items and requests fit in all, and what asking once more costs."""
        n = len(caps)
        asked = is_ask[item]
        burden = np.zeros(n) if burden is None else burden
        given = spare[item] > 0
        weakest, weakest_match = _weakest(n, member[given], item[given], worth[given])
        asked_too = given & asked
        weakest_ask, weakest_ask_match = _weakest(n, member[asked_too], item[asked_too], worth[asked_too])
        return cls(
            any_room=np.bincount(member, minlength=n) < caps,
            ask_room=np.bincount(member[asked], minlength=n) < asks,
            weakest=weakest,
            weakest_match=np.where(caps > 0, weakest_match, np.inf),
            weakest_ask=weakest_ask,
            weakest_ask_match=np.where((caps > 0) & (asks > 0), weakest_ask_match, np.inf),
            burden=burden,
        )

    def cost(self, member: Ints, is_ask: bool) -> tuple[Floats, Ints]:
        """For each of these members the match of what the item would push out, 0 where there is room, and what that is."""
        free = self.any_room[member]
        figure = np.where(free, 0.0, self.weakest_match[member])
        what = np.where(free, NOTHING, self.weakest[member])
        if is_ask:
            tired = ~self.ask_room[member]
            figure = np.where(tired, self.weakest_ask_match[member], figure)
            what = np.where(tired, self.weakest_ask[member], what)
        return figure, what


def _weakest(n: int, member: Ints, item: Ints, match: Floats) -> tuple[Ints, Floats]:
    order = np.lexsort((item, match, member))
    who, first = np.unique(member[order], return_index=True)
    found, figure = np.full(n, NOTHING, np.int64), np.full(n, np.inf)
    found[who], figure[who] = item[order][first], match[order][first]
    return found, figure


@dataclass(frozen=True, slots=True)
class Bars:
    """How high the match must be: `shifts` of shape (n_members,) move the threshold within `bounds`."""

    threshold: float
    floor: float
    shifts: Floats
    bounds: tuple[float, float]

    def own(self, member: Ints, threshold: float) -> Floats:
        return moved(threshold, self.shifts[member], *self.bounds)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the item is: whether a request, how many members it needs and may reach at most (NO_LIMIT for any number)."""

    is_ask: bool = False
    need: int = 0
    most: int = NO_LIMIT


@dataclass(frozen=True, slots=True)
class Preview:
    """Whom one item would go to, and what else there is to know before it does. Members are told by their places."""

    reached: Ints
    """Sorted by match, best first."""
    match: Floats
    deep: Bools
    """Over the reached: under their threshold, because the item needs readers."""
    pushed_out: Ints
    """Over the reached: the item that would make room, NOTHING for none."""
    fits: int
    """Members at or above their threshold who may receive it."""
    fitting: int
    """Those at or above the floor, as far as it needs readers."""
    full: int
    """Those of them whose digests hold only what matches better, or are needed elsewhere, or who were asked too much lately."""
    over_reach: int
    """Those who would have it, were it not for the reach it may have."""
    lacking: int
    """How many more members it needs."""
    blocked: dict[Block, int]
    """Members at or above their threshold who may not receive it, by why."""
    border: Ints
    """Members nearest to their threshold on both sides, nearest first; their `border_match` and `border_threshold` beside."""
    border_match: Floats
    border_threshold: Floats
    histogram: Ints
    """Members who may receive it, by match: counts of `bins`; those under the least that was looked at are left out."""
    bins: Floats
    """Edges, one more than counts; the lower edge is in."""
    others: list[tuple[float, int, int]]
    """What would happen at other thresholds: (threshold, members who fit, members reached)."""


def preview(
    member: Ints, match: Floats, codes: Codes, bars: Bars, standing: Standing, wish: Wish, thresholds: Sequence[float]
) -> Preview:
    """`member` and `match` are those of `Readers.matches`, `codes` a Block for each of these members."""
    own = bars.own(member, bars.threshold)
    free = codes == Block.NONE
    passes = match >= own
    stopped = codes[passes & ~free]
    able, able_match = member[free], match[free]
    found = _reached(able, able_match, own[free], bars, standing, wish)
    near = np.argsort(np.abs(able_match - own[free]), kind="stable")[:BORDER]
    bins = np.arange(0.0, 105.0, 5.0)
    return Preview(
        reached=able[found.places],
        match=able_match[found.places],
        deep=found.deep,
        pushed_out=found.pushed_out,
        fits=int((passes & free).sum()),
        fitting=int((free & (passes | (match >= bars.floor))).sum()),
        full=found.full,
        over_reach=found.over_reach,
        lacking=max(0, min(wish.need, wish.most) - len(found.places)),
        blocked={block: n for block in Block if (n := int((stopped == block).sum()))},
        border=able[near],
        border_match=able_match[near],
        border_threshold=own[free][near],
        histogram=np.histogram(np.minimum(able_match, 99.999), bins)[0],
        bins=bins,
        others=[_at(threshold, able, able_match, bars, standing, wish) for threshold in thresholds],
    )


@dataclass(frozen=True, slots=True)
class _Reached:
    places: Ints
    deep: Bools
    pushed_out: Ints
    full: int
    over_reach: int


def _reached(member: Ints, match: Floats, own: Floats, bars: Bars, standing: Standing, wish: Wish) -> _Reached:
    """Where it is worth more than what it pushes out, best first, up to the reach it may have; and as far as it needs more, where
    it costs least: first above the threshold, then down to the floor."""
    cost, what = standing.cost(member, wish.is_ask)
    worth = match - standing.burden[member] if wish.is_ask else match
    gain, possible, passes = worth - cost, np.isfinite(cost), match >= own
    enters = np.flatnonzero(passes & possible & (worth > 0) & (gain > 0))
    enters = enters[np.lexsort((member[enters], -gain[enters]))]
    kept = enters[: wish.most]
    if len(kept) < min(wish.need, wish.most):
        more = np.flatnonzero(possible & (passes | (match >= bars.floor)))
        more = np.setdiff1d(more, kept)
        deeper = ~passes | (worth <= 0)
        more = more[np.lexsort((member[more], -gain[more], deeper[more]))]
        kept = np.r_[kept, more[: min(wish.need, wish.most) - len(kept)]]
    kept = kept[np.lexsort((member[kept], -match[kept]))]
    for_its_need = int(passes[kept].sum()) - min(len(enters), wish.most)
    full = int(passes.sum()) - len(enters) - for_its_need
    return _Reached(kept, ~passes[kept], what[kept], full, max(0, len(enters) - len(kept)))


def _at(
    threshold: float, member: Ints, match: Floats, bars: Bars, standing: Standing, wish: Wish
) -> tuple[float, int, int]:
    own = bars.own(member, threshold)
    found = _reached(member, match, own, bars, standing, wish)
    return threshold, int((match >= own).sum()), len(found.places)
