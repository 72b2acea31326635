import numpy as np
import pytest
import scipy.sparse as sp

from digest import matching
from digest.matching import TfidfMatcher


def rows(n: int, columns: int, seed: int) -> sp.csr_matrix:
    dense = np.random.default_rng(seed).random((n, columns)).astype(np.float32)
    dense[dense < 0.7] = 0
    dense /= np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-9)
    return sp.csr_matrix(dense)


def test_scores_are_the_product_of_the_rows() -> None:
    profiles, items = rows(30, 12, 0), rows(20, 12, 1)
    found = TfidfMatcher(n_terms=8, most=0).score(profiles, items).toarray()
    np.testing.assert_allclose(found, (profiles @ items.T).toarray(), atol=1e-6)


def test_only_the_best_items_are_kept() -> None:
    profiles, items = rows(30, 12, 0), rows(20, 12, 1)
    everything = (profiles @ items.T).toarray()
    found = TfidfMatcher(n_terms=12, most=3).score(profiles, items)
    assert np.diff(found.indptr).max() <= 3
    np.testing.assert_allclose(np.sort(found.toarray(), axis=1)[:, -3:], np.sort(everything, axis=1)[:, -3:], atol=1e-6)


def test_terms_alone_and_with_latent_blocks_score_alike() -> None:
    profiles, items = rows(30, 12, 0), rows(20, 12, 1)
    found = TfidfMatcher(n_terms=12, most=5).score(profiles, items)
    assert abs(found - TfidfMatcher(n_terms=11, most=5).score(profiles, items)).max() < 1e-6


def test_chunks_do_not_change_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles, items = rows(30, 12, 0), rows(20, 12, 1)
    whole = TfidfMatcher(n_terms=8).score(profiles, items)
    monkeypatch.setattr(matching, "CHUNK_CELLS", 45)
    assert abs(TfidfMatcher(n_terms=8).score(profiles, items) - whole).max() < 1e-6


def test_what_a_member_disliked_has_no_score_rather_than_one_below_zero() -> None:
    found = TfidfMatcher(n_terms=2).score(sp.csr_matrix([[-1.0, 0.0]]), sp.csr_matrix([[1.0, 0.0]]))
    assert found.nnz == 0


@pytest.mark.parametrize(("n_profiles", "n_items"), [(0, 3), (3, 0), (0, 0)])
def test_nobody_or_nothing_has_an_empty_matrix(n_profiles: int, n_items: int) -> None:
    found = TfidfMatcher(n_terms=4).score(rows(n_profiles, 4, 0), rows(n_items, 4, 1))
    assert found.shape == (n_profiles, n_items)
