"""What members say about items, and what it comes to: weights to learn from, and a threshold moved within bounds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.learning import Feedback
from profiles.feedback import VERDICTS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FADED = 1e-6
"""A word that weighs less than this is not heard any more."""

PASSED_OVER = 0.25
"""What it counts against an item that a member said nothing of it, but something of another one in the same digest."""

GOOD = np.isin(VERDICTS, ("more", "can_help"))
BAD = np.isin(VERDICTS, ("less",))
_OPENED = VERDICTS.index("opened")


@dataclass(frozen=True, slots=True)
class Rule:
    """What feedback counts for; see `matching.*` in config.toml for each."""

    half_life_days: float = 90.0
    opened_weight: float = 0.2
    utility_w: float = 2.0
    threshold_floor: float = 25.0
    threshold_ceiling: float = 60.0
    threshold_step: float = 1.0


@dataclass(frozen=True, slots=True)
class Said:
    """Feedback that stands, of a batch of members: parallel arrays.

    `member` is the row; `item` the column among past items, -1 where it is not among them; `verdict` the index in VERDICTS;
    `judged` is True where the item came in a digest, so that it says something about the threshold.
    """

    member: Ints
    item: Ints
    verdict: Ints
    age_days: Floats
    judged: npt.NDArray[np.bool_]

    @classmethod
    def nothing(cls) -> "Said":
        none = np.empty(0, dtype=np.int64)
        return cls(none, none, none, np.empty(0), np.empty(0, dtype=np.bool_))


@dataclass(frozen=True, slots=True)
class Told:
    """What became of pairs that were sent or judged by hand, of a batch of members: parallel arrays, to calibrate the match with.

    `member` is the row; `item` the column among past items, -1 where it is not among them; `rest` and `field` are the parts of
    the score that the pair had when it was sent (see `digest.field`), both NaN where nobody wrote it down, `field` alone where
    `rest` is all of it; `share` is what damping leaves of the item (see `digest.hubness`), NaN where `field` is; `weight` is 1
    for a word, less for an item passed over beside one.
    """

    member: Ints
    item: Ints
    rest: Floats
    field: Floats
    share: Floats
    good: npt.NDArray[np.bool_]
    weight: Floats

    @classmethod
    def nothing(cls) -> "Told":
        none = np.empty(0, dtype=np.int64)
        return cls(none, none, np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=np.bool_), np.empty(0))

    def only(self, rows: Ints) -> "Told":
        """Of some members, whose rows are given in ascending order, as if these were the batch."""
        kept = np.isin(self.member, rows)
        others = {name: getattr(self, name)[kept] for name in self.__slots__ if name != "member"}
        return Told(member=np.searchsorted(rows, self.member[kept]), **others)

    @classmethod
    def joined(cls, parts: Sequence["Told"], sizes: Sequence[int]) -> "Told":
        """One batch of members after the other, of so many members each."""
        starts = np.cumsum([0, *sizes])[:-1]
        if not parts:
            return cls.nothing()
        found = {name: np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__}
        found["member"] = np.concatenate([part.member + start for part, start in zip(parts, starts, strict=True)])
        return cls(**found)


def decay(age_days: Floats, half_life_days: float) -> Floats:
    """1 for something said now, a half after each half-life; what is dated later than now counts as said now."""
    return np.asarray(0.5 ** (np.maximum(age_days, 0.0) / half_life_days), dtype=np.float64)


def weights(said: Said, n_members: int, n_past: int, rule: Rule, learns_from_opened: Sequence[bool]) -> Feedback:
    """What was liked and disliked, as sparse rows over the past items.

    *More like this* and *I can help* weigh 1, *not for me* weighs 1 against, each less with age; having opened an item weighs
    `opened_weight`, only for members who agreed to that, and only where they said nothing else of it.
    """
    known = said.item >= 0
    weight = decay(said.age_days, rule.half_life_days)
    liked = np.where(GOOD[said.verdict] & known, weight, 0.0)
    opened = (said.verdict == _OPENED) & np.asarray(learns_from_opened, dtype=np.bool_)[said.member] & known
    opened &= ~np.isin(_pair(said, n_past), _pair(said, n_past)[GOOD[said.verdict] | BAD[said.verdict]])
    liked = np.where(opened, rule.opened_weight * weight, liked)
    disliked = np.where(BAD[said.verdict] & known, weight, 0.0)
    shape = (n_members, n_past)
    return Feedback(_greatest(said, liked, shape), _greatest(said, disliked, shape))


def _pair(said: Said, n_past: int) -> Ints:
    """One number for each member and item."""
    return said.member * (n_past + 1) + said.item


def _greatest(said: Said, weight: Floats, shape: tuple[int, int]) -> sp.csr_matrix:
    """Rows of the greatest weight for each pair: somebody who wants more of an item and can help said one thing, not two."""
    order = np.argsort(-weight, kind="stable")
    order = order[weight[order] > FADED]
    _, first = np.unique(_pair(said, shape[1])[order], return_index=True)
    at = order[np.sort(first)]
    return sp.csr_matrix((weight[at].astype(np.float32), (said.member[at], said.item[at])), shape=shape)


def utilities(said: Said, n_members: int, rule: Rule) -> Floats:
    """Of what was sent to each member: +w for an item they found good, -1 for one they did not, less with age.

    Linear utility of the TREC filtering tracks (Robertson and Soboroff 2002, T11U). Items that nobody judged count nothing.
    """
    gain = np.where(GOOD[said.verdict], rule.utility_w, np.where(BAD[said.verdict], -1.0, 0.0))
    gain = np.where(said.judged, gain, 0.0) * decay(said.age_days, rule.half_life_days)
    return np.bincount(said.member, gain, n_members).astype(np.float64)


def shifts(said: Said, n_members: int, rule: Rule) -> Floats:
    """How far each member's threshold moves, of shape (n_members,): `threshold_step` of match down for each unit of utility,
    and up for each unit lost. `thresholds.moved` keeps it within bounds."""
    return -rule.threshold_step * utilities(said, n_members, rule)
