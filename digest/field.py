"""How much a network goes by the field of an item: learnt from what its members found good.

The broad latent block tells what field an item is in. In a network of clear topics it counts for less than usual, for a member of
one field wants few of its items; where people answer each other about anything in their field it counts for several times as
much. So a score is kept in two parts, both at the usual weight, from which the score at any weight can be had; and what
members judged tells the weight, as the odds of being good rise with either part.
"""

import numpy as np
import numpy.typing as npt

from digest.calibration import CENTRE, DEFAULT, MEMBER_SPREAD
from digest.feedback import Told
from digest.hubness import damping, held
from digest.learning import block_weights
from digest.mixed import Mixed, Pairs
from digest.vectors import Rows, VectorSpace

Floats = npt.NDArray[np.float64]

LEAST, MOST = 0.25, 4.0
"""Of the usual weight: ends of the range. Mailing lists would go a little beyond, and gain nothing by it."""
USUAL_SLOPE = 17.0
"""Of the logit over the score where nothing is known."""
SPREAD = (1.5, 12.0, 50.0)
"""Standard deviations about a usual network of the logit's intercept, its slope over the score, and the part of the slope that is
the field's alone."""
SENT_SPREAD = (1.0, 4.0, 25.0)
"""The same where only pairs that were sent are judged, which are alike in both parts and so tell less."""


def parts(space: VectorSpace, profiles: Rows, items: Rows, score: Floats, share: Floats) -> tuple[Floats, Floats]:
    """(rest, field) of scores, at the usual weight of the field and undamped. Profiles and items, as they are seen, are parallel
    rows, all of length n; `share` is that of each item (`hubness`)."""
    field = profiles[:, space.blocks[1]].multiply(items[:, space.blocks[1]]).sum(axis=1)
    return split(space, score, np.asarray(field, dtype=np.float64).ravel(), share)


def split(space: VectorSpace, score: Floats, field: Floats, share: Floats) -> tuple[Floats, Floats]:
    """The same of scores of which so much comes from the field, of any shape."""
    rest_weight, field_weight = _weights(space)
    left = held(space, share)
    return (score - field) / (rest_weight * left), field / (field_weight * left)


def joined(space: VectorSpace, rest: Floats, field: Floats, share: Floats) -> Floats:
    """The score of these parts as the space weighs and damps them; of a rest whose field is NaN, that itself."""
    rest_weight, field_weight = _weights(space)
    return np.where(np.isnan(field), rest, (rest * rest_weight + field * field_weight) * held(space, share))


def _weights(space: VectorSpace) -> tuple[float, float]:
    """What either part counts in the space, against what it usually does."""
    now, usual = block_weights(space), block_weights(space, field_weight=1.0)
    return float(now[0] / usual[0]), float(now[1] / usual[1]) if usual[1] else 1.0


def field_weight(told: Told, spread: tuple[float, float, float] = SENT_SPREAD) -> float:
    """How much the field counts against the usual weight, `LEAST` to `MOST`; 1 where nothing is known of any pair's parts."""
    known = np.flatnonzero(np.isfinite(told.field))
    if not len(known):
        return 1.0
    field, one = told.field[known] * told.share[known], np.ones(len(known))
    score = told.rest[known] * told.share[known] + field
    pairs = Pairs(
        member=told.member[known],
        design=np.stack([one, score, field], axis=1),
        own=np.stack([one, score - CENTRE], axis=1),
        good=told.good[known].astype(np.float64),
        weight=told.weight[known],
    )
    prior = np.array([DEFAULT.weights[0], USUAL_SLOPE, 0.0])
    _, slope, more = Mixed(pairs, prior, np.asarray(spread), np.asarray(MEMBER_SPREAD)).found()
    return float(np.clip(1.0 + more / slope, LEAST, MOST)) if slope > 0 else 1.0


def taught(space: VectorSpace, told: Told, spread: tuple[float, float, float] = SENT_SPREAD) -> VectorSpace:
    """The space as a network sees it by what became of these pairs: how much its field counts, and how much hubs are damped."""
    weight = field_weight(told, spread) if space.settings.learn_field else 1.0
    return space.with_damping(damping(told)).with_field(weight)
