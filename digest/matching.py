"""Profiles against items: which fit, and how well."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Rows = sp.csr_matrix
Least = npt.NDArray[np.floating] | float

CHUNK_CELLS = 4_000_000
"""Profiles times items that are held densely at one time (16 MB)."""


class Matcher(Protocol):
    """Anything that tells how well items fit profiles. Give the job another one and nothing else changes."""

    def score(self, profiles: Rows, items: Rows, least: Least = 0.0) -> Rows:
        """Scores of shape (n_profiles, n_items), 0 to 1; those not above `least`, one figure or one for each profile, and
        pairs that do not fit at all are left out."""
        ...


@dataclass(frozen=True, slots=True)
class TfidfMatcher:
    """Weighted cosine of terms and of their latent semantics, `n_terms` columns of the first kind, the rest of the second."""

    n_terms: int
    most: int = 64
    """Best items kept for each profile; 0 keeps all."""

    def score(self, profiles: Rows, items: Rows, least: Least = 0.0) -> Rows:
        """See `Matcher`. Memory grows with what is kept, not with profiles times items."""
        if not profiles.shape[0] or not items.shape[0]:
            return sp.csr_matrix(np.zeros((profiles.shape[0], items.shape[0]), dtype=np.float32))
        if self.most and items.shape[1] == self.n_terms and np.ndim(least) == 0:
            return self._sparse(profiles, items, float(least))
        bounds, start, kept = np.broadcast_to(np.asarray(least, dtype=np.float32), profiles.shape[0]), 0, []
        for block in self.blocks(profiles, items):
            kept.append(self._best(block, bounds[start : start + len(block)]))
            start += len(block)
        scores: Rows = sp.vstack(kept, format="csr", dtype=np.float32)
        return scores

    def blocks(self, profiles: Rows, items: Rows) -> Iterator[npt.NDArray[np.float32]]:
        """Dense scores, `CHUNK_CELLS` at a time, of consecutive profiles; below 0 where an item is unlike what was liked."""
        item_terms = items[:, : self.n_terms].T.tocsr()
        item_latent = items[:, self.n_terms :].toarray().T
        size = max(1, CHUNK_CELLS // items.shape[0])
        for start in range(0, profiles.shape[0], size):
            chunk = profiles[start : start + size]
            block = (chunk[:, : self.n_terms] @ item_terms).toarray()
            if item_latent.shape[0]:
                block += chunk[:, self.n_terms :].toarray() @ item_latent
            yield block

    def _sparse(self, profiles: Rows, items: Rows, least: float) -> Rows:
        """The same without latent blocks: nothing is ever held densely."""
        from sparse_dot_topn import sp_matmul_topn

        found: Rows = sp_matmul_topn(sp.csr_matrix(profiles), sp.csr_matrix(items.T), top_n=self.most, threshold=least)
        np.minimum(found.data, 1.0, out=found.data)
        found.sort_indices()
        return found

    def _best(self, block: npt.NDArray[np.float32], least: npt.NDArray[np.float32]) -> Rows:
        np.clip(block, 0.0, 1.0, out=block)
        if self.most and self.most < block.shape[1]:
            nth = np.partition(block, -self.most, axis=1)[:, -self.most]
            block[block < nth[:, None]] = 0.0
        row, column = np.nonzero(block > np.maximum(least, 0.0)[:, None])
        starts = np.searchsorted(row, np.arange(len(block) + 1))
        return sp.csr_matrix((block[row, column], column, starts), shape=block.shape)
