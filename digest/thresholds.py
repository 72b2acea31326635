"""Thresholds: the match below which an item is not sent, moved for each member within bounds."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def moved(
    threshold: npt.NDArray[np.floating] | float, shift: npt.NDArray[np.floating] | float, floor: float, ceiling: float
) -> Floats:
    """The threshold that holds: moved by feedback it never goes below the floor or above the ceiling.

    A threshold that was set outside these bounds stays where it was set, or moves towards them.
    """
    base = np.asarray(threshold, dtype=np.float64)
    return np.clip(base + shift, np.minimum(base, floor), np.maximum(base, ceiling))
