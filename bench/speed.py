"""What matching costs at the sizes that are promised: fitting, reading profiles, scoring and learning, all on one core."""

import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import scipy.sparse as sp

from bench import synthetic
from digest.calibration import Background, Judged, calibrate
from digest.earlier import earlier_pairs
from digest.feedback import Said, Told
from digest.fitting import fit
from digest.learned import learned_terms
from digest.learning import Feedback, effective_profiles, expansion_of, learned_rows
from digest.matching import TfidfMatcher
from profiles.feedback import VERDICTS

NOW = datetime(2026, 11, 16, 7, 30, tzinfo=UTC)
PAST, MEMBERS, ITEMS, WORDS = 20_000, 15_000, 500, 100_000


def cpu(act: Callable[[], Any]) -> tuple[Any, float]:
    """(what it returned, CPU seconds of this process)"""
    started = time.process_time()
    done = act()
    return done, time.process_time() - started


def feedback(members: int, past: int, words: int, seed: int = 1) -> Feedback:
    """So many words of members on past items, two of three for them."""
    rng = np.random.default_rng(seed)
    row, column, likes = rng.integers(0, members, words), rng.integers(0, past, words), rng.random(words) < 2 / 3

    def rows(which: Any) -> sp.csr_matrix:
        ones = np.ones(int(which.sum()), dtype=np.float32)
        return sp.csr_matrix((ones, (row[which], column[which])), shape=(members, past))

    return Feedback(rows(likes), rows(~likes))


def main(past: int = PAST, members: int = MEMBERS, n_items: int = ITEMS, words: int = WORDS) -> dict[str, float]:
    """CPU seconds of each step, and what the matrices hold."""
    import sklearn.decomposition  # noqa: F401  # so that no step has to pay for the import

    items, profiles = synthetic.items(past, NOW), synthetic.profiles(members)
    space, fit_s = cpu(lambda: fit(items, []))
    rows, items_s = cpu(lambda: space.item_vectors(items))
    interests, profiles_s = cpu(lambda: space.interests(profiles))
    cold, effective_s = cpu(lambda: effective_profiles(space, interests, rows))
    said = feedback(members, past, words)
    warm, warm_s = cpu(lambda: effective_profiles(space, interests, rows, said))
    _, learn_s = cpu(lambda: learned_terms(space, learned_rows(space, rows, said), rows, said))
    expansion, elsewhere = expansion_of(space, interests, rows), _elsewhere(said)
    _, earlier_s = cpu(
        lambda: earlier_pairs(space, interests, rows, elsewhere, Told.nothing(), said, expansion=expansion)
    )
    matcher = TfidfMatcher(space.n_terms, most=32)
    scores, score_s = cpu(lambda: matcher.score(cold, rows[-n_items:]))
    background = Background.of(TfidfMatcher(space.n_terms, most=0), warm[:5000], rows[-200:])
    judged = _judged(warm[:5000], rows, said, background)
    _, calibrate_s = cpu(lambda: calibrate(judged).effects(judged))
    return {
        "fit_s": fit_s,
        "item_vectors_s": items_s,
        "profiles_per_s": members / profiles_s,
        "effective_s": effective_s,
        "effective_with_feedback_s": warm_s,
        "learn_s": learn_s + calibrate_s,
        "earlier_s": earlier_s,
        "score_s": score_s,
        "bytes_per_entry": (warm.data.nbytes + warm.indices.nbytes) / max(1, warm.nnz),
        "entries_per_member": warm.nnz / members,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "pairs": float(scores.nnz),
    }


def _elsewhere(feedback: Feedback) -> Said:
    """All of these words, as if no digest had brought their items."""
    liked, disliked = feedback.liked.tocoo(), feedback.disliked.tocoo()
    member, item = (np.concatenate([getattr(liked, x), getattr(disliked, x)]).astype(np.int64) for x in ("row", "col"))
    verdict = np.repeat([VERDICTS.index("more"), VERDICTS.index("less")], [liked.nnz, disliked.nnz])
    return Said(member, item, verdict, np.zeros(len(member)), np.zeros(len(member), np.bool_))


def _judged(profiles: sp.csr_matrix, past: sp.csr_matrix, said: Feedback, background: Background) -> Judged:
    n = profiles.shape[0]
    liked, disliked = said.liked[:n].tocoo(), said.disliked[:n].tocoo()
    member, item = np.concatenate([liked.row, disliked.row]), np.concatenate([liked.col, disliked.col])
    score = np.asarray(profiles[member].multiply(past[item]).sum(axis=1), dtype=np.float64).ravel()
    good = np.arange(len(member)) < liked.nnz
    return Judged(member.astype(np.int64), score, good.astype(np.float64), np.ones(len(member)), background)


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name:24} {value:12.3f}")
