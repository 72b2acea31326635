"""Why an item is in a digest: the terms that made its score, in words that people use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from digest.vectors import Rows, VectorSpace

Source = Literal["stated", "topic", "related", "learned"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One term of a reason, what it gave to the score, and where it came from."""

    label: str
    weight: float
    source: Source = "stated"


def contributions(
    space: VectorSpace, profile: Rows, item: Rows
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The item's columns, and what each gives to the score: through itself, and through the latent semantics it stands for."""
    lexical = space.lexical(item)
    columns, values = lexical.indices.astype(np.int64), lexical.data.astype(np.float64)
    dense = np.zeros(space.n_terms)
    own = space.lexical(profile)
    dense[own.indices] = own.data
    given = values * dense[columns]
    for block in space.blocks[1:]:
        smooth = space.latent[columns, : block.stop - block.start].astype(np.float64)
        length = np.linalg.norm(values @ smooth)
        towards = profile[:, block].toarray().ravel().astype(np.float64)
        given += values * (smooth @ towards) / (length if length > 1e-6 else 1.0)
    return columns, given


def explain(space: VectorSpace, profile: Rows, item: Rows) -> list[tuple[str, float]]:
    """Every term of the item with its weight, greatest first; they sum to the score (in double precision; float32's is within 1e-5)."""
    columns, given = contributions(space, profile, item)
    order = np.argsort(-given, kind="stable")
    return [(space.labels[columns[i]], float(given[i])) for i in order]


def reasons_for(
    space: VectorSpace, profiles: Rows, items: Rows, rows: Sequence[int], columns: Sequence[int], most: int = 3
) -> list[list[Reason]]:
    """For each pair (profiles[rows[i]], items[columns[i]]) at most `most` terms, the strongest first."""
    found = []
    for row, column in zip(rows, columns, strict=True):
        terms = explain(space, profiles[row], items[column])
        found.append([Reason(label, weight) for label, weight in terms[:most] if weight > 0])
    return found
