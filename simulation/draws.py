"""Chance that depends on what it is about, never on the order in which it is asked for.

What a member does with an item is the same under every policy that sends it to them, so policies are compared on the same lives.
"""

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]


def uniform(seed: int, purpose: str, *about: npt.ArrayLike) -> Floats:
    """Numbers in [0, 1), one for each entry of the arrays in `about` (all of one shape, or plain numbers)."""
    mixed = _mixed(np.uint64(seed & 0xFFFFFFFFFFFFFFFF) ^ _named(purpose))
    for values in about:
        mixed = _mixed(mixed ^ np.asarray(values, dtype=np.int64).astype(np.uint64))
    return np.asarray(mixed >> np.uint64(11), dtype=np.float64) * 2.0**-53


def _named(purpose: str) -> np.uint64:
    """FNV-1a of the word (Fowler, Noll and Vo)."""
    value = 0xCBF29CE484222325
    for octet in purpose.encode():
        value = (value ^ octet) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return np.uint64(value)


def _mixed(value: npt.ArrayLike) -> Words:
    """One step of SplitMix64 (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        word = np.asarray(value, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(word ^ (word >> np.uint64(31)))
