"""Items seen beside the network's members: what is near to many of them says less of each.

In a space of many dimensions some items are hubs, near to many members at once whatever each of these wants (Radovanović,
Nanopoulos and Ivanović 2010). A member's scores are seen against the member's background of past items; in the same way an
item is seen against its own, its scores with a crowd of members. Where these spread wider than is usual, every score with it is
damped, all by the same share: a reason's weights still sum to the score.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.calibration import USUAL_DEVIATION, Background
from digest.feedback import Told
from digest.matching import TfidfMatcher
from digest.vectors import Rows, VectorSpace

Floats = npt.NDArray[np.float64]

SOFTNESS = 0.05
"""How slowly the share falls with the deviation: the most probable one on the development corpora's calibration rounds."""
WORDS = 300.0
"""Words of feedback on what was sent from which on half of the damping holds."""


def crowd_of(space: VectorSpace, profiles: Rows) -> Rows:
    """As many profiles as the settings say, evenly taken; members who want nothing yet are no part of it. They should go by the
    field as is usual, so that what was learnt of it does not change how items are seen."""
    known = np.flatnonzero(np.diff(profiles.indptr))
    taken = np.linspace(0, len(known) - 1, min(len(known), space.settings.crowd)).astype(np.int64)
    crowd: Rows = profiles[known[taken]]
    return crowd


def shares(space: VectorSpace, rows: Rows, crowd: Rows) -> Floats:
    """What is left of each item beside these members: (SOFTNESS + usual d) / (SOFTNESS + d), at most 1, where d is the deviation
    of its scores. In a small crowd d leans on the usual one; without any it is that. Of shape (n_items,)."""
    if not rows.shape[0] or not crowd.shape[0]:
        return np.ones(rows.shape[0])
    deviation = Background.of(TfidfMatcher(space.n_terms, most=0), rows, crowd).deviation
    return np.minimum(1.0, (SOFTNESS + USUAL_DEVIATION) / (SOFTNESS + deviation))


def shares_of(kept: Mapping[int, float], keys: Iterable[int]) -> Floats:
    """The shares of items by their keys; of those that are not kept all is left."""
    return np.array([kept.get(key, 1.0) for key in keys], dtype=np.float64)


def damping(told: Told) -> float:
    """How much of the damping holds, 0 to 1: half of it at `WORDS` on pairs whose parts were kept. What a match means is learnt
    together with it, so where little was said of what was sent, items are seen nearly as they are."""
    words = float(told.weight[np.isfinite(told.share)].sum())
    return words / (words + WORDS)


def held(space: VectorSpace, share: Floats) -> Floats:
    """What is left of items of these shares where the space's damping holds; NaN counts as 1, for nobody wrote it down."""
    return 1.0 - space.damping * (1.0 - np.where(np.isnan(share), 1.0, share))


def damped(space: VectorSpace, rows: Rows, share: Floats) -> Rows:
    """The rows of items, each times what is left of it."""
    data = rows.data * np.repeat(held(space, share).astype(np.float32), np.diff(rows.indptr))
    return sp.csr_matrix((data, rows.indices, rows.indptr), rows.shape)
