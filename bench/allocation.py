"""The allocation of one edition: how near to the exact optimum on small ones, and what time and memory large ones take."""

import resource
import sys
import time

import numpy as np
import scipy.sparse as sp

from bench.exact import Figures, breaches
from digest.allocation import NO_LIMIT, NOBODY, Candidates, Limits, allocate, greedy

DRAWN = 34
"""Items drawn for each member, of which about 30 differ."""


def edition(n_members: int, n_items: int = 1000, drawn: int = DRAWN, seed: int = 1) -> tuple[Candidates, Limits]:
    """A large edition from a seed: some items fit many members and some few, one in four is a request, a third of the candidates
    of requests are under the threshold, and as many members as not may still be asked once or not at all."""
    rng = np.random.default_rng(seed)
    weight = 1.0 / (np.arange(n_items) + 20.0)
    weight = rng.permutation(weight / weight.sum())
    row = rng.choice(n_items, (n_members, drawn), p=weight).astype(np.int16)
    row.sort(axis=1)
    first = np.ones(row.shape, np.bool_)
    first[:, 1:] = row[:, 1:] != row[:, :-1]
    item = row[first].astype(np.int32)
    member = np.repeat(np.arange(n_members, dtype=np.int32), first.sum(axis=1))
    del row, first
    is_ask = np.arange(n_items) % 4 == 0
    match = rng.gamma(4.0, 7.0, len(member)).astype(np.float32) + np.float32(24)
    np.minimum(match, 100, out=match)
    deep = match < 33
    kept = ~deep | is_ask[item]
    member, item, match, deep = member[kept], item[kept], match[kept], deep[kept]
    usual = max(2, n_members // 500)
    need = np.where(is_ask, rng.integers(1, usual, n_items, endpoint=True), 0)
    topic = rng.integers(0, 60, n_items)
    limits = Limits(
        items=rng.choice([0, 3, 6, 6, 6, 8], n_members),
        asks=rng.choice([0, 1, 1, 2, 3], n_members),
        is_ask=is_ask,
        need=need,
        most=np.where(is_ask, need * 3, NO_LIMIT),
        group=np.where(np.arange(n_items) % 40 == 1, np.arange(n_items) - 1, np.arange(n_items)),
        poster=np.where(rng.random(n_items) < 0.9, rng.integers(0, max(1, n_items // 5), n_items), NOBODY),
        per_poster=2,
        topics=sp.csr_matrix((np.ones(n_items), (np.arange(n_items), topic)), (n_items, 60)),
        per_topic=3,
    )
    return Candidates(member, item, match, deep), limits


def measured(n_members: int, n_items: int = 1000, drawn: int = DRAWN) -> dict[str, float]:
    """Seconds and memory of one allocation in this process, and what it comes to beside greedy."""
    pairs, limits = edition(n_members, n_items, drawn)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    found = allocate(pairs, limits)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    alone = greedy(pairs, limits)
    ours, theirs = Figures.of(pairs, limits, found.chosen), Figures.of(pairs, limits, alone.chosen)
    return {
        "members": n_members,
        "candidates": len(pairs),
        "seconds": seconds,
        "made_mb": before,
        "peak_mb": peak,
        "value": ours.value,
        "value_of_greedy": theirs.value,
        "deep": ours.deep,
        "short": ours.shortfall,
        "short_of_greedy": theirs.shortfall,
        "breaches": sum(breaches(pairs, limits, found.chosen).values()) if n_members <= 200_000 else -1,
    }


if __name__ == "__main__":
    for name, value in measured(*map(int, sys.argv[1:])).items():
        print(f"{name:24} {value:14,.3f}")
