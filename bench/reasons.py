"""Whether the weights behind a reason's words sum to the score, on random pairs of real members and items.

`python -m bench.reasons [FOLDER]`: FOLDER, or the environment variable CORPORA, holds a folder for each corpus;
without one a made-up corpus is taken.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bench.comparison import VARIABLE, at_hand
from bench.corpora import Corpus
from bench.network import Network
from digest.reasons import explain
from digest.vectors import Rows, VectorSpace

Floats = npt.NDArray[np.float64]

PAIRS, LIKES = 1_000, 10


def distances(corpus: Corpus, pairs: int = PAIRS, seed: int = 0) -> Floats:
    """How far the sum of all weights is from the score by its definition, for pairs drawn from members with `LIKES` likes and
    items of the test rounds: of length `pairs`."""
    rng = np.random.default_rng(seed)
    members, items = corpus.members(LIKES), corpus.items_of(corpus.test_rounds)
    member, item = rng.integers(0, len(members), pairs), rng.integers(0, len(items), pairs)
    network = Network.fitted(corpus.archive)
    network = replace(network, space=network.space.with_damping(1.0))
    profiles = network.profiles(members)
    rows = network.beside(profiles).seen(network.rows(items))
    sums = [
        sum(weight for _, weight in explain(network.space, profiles[[m]], rows[[i]]))
        for m, i in zip(member.tolist(), item.tolist(), strict=True)
    ]
    return np.abs(np.array(sums) - exact_scores(network.space, profiles[member], rows[item]))


def exact_scores(space: VectorSpace, profiles: Rows, items: Rows) -> Floats:
    """Of each row of profiles with the same row of items, in double precision, from the definition: the items' terms, and the
    same terms seen through each latent block, made as long as the terms."""
    terms, wanted = space.lexical(items).astype(np.float64), profiles.astype(np.float64)
    scores = np.asarray(terms.multiply(space.lexical(wanted)).sum(axis=1)).ravel()
    length = np.sqrt(np.asarray(terms.multiply(terms).sum(axis=1)).ravel())
    latent = space.latent.astype(np.float64)
    for block in space.blocks[1:]:
        seen = terms @ latent[:, : block.stop - block.start]
        along = (seen * wanted[:, block].toarray()).sum(axis=1)
        scores += along * length / np.maximum(np.linalg.norm(seen, axis=1), 1e-6)
    return scores


def lines(given: str | None) -> Iterator[tuple[str, float]]:
    """Of each corpus its name and the largest distance."""
    with at_hand(given) as corpora:
        for corpus in corpora:
            yield corpus.name, float(distances(corpus).max())


def main(given: str | None = None) -> None:
    """Prints a line for each corpus."""
    from rich.console import Console

    console = Console()
    for name, largest in lines(given or os.environ.get(VARIABLE)):
        holds = "yes" if largest <= 1e-9 else "NO"
        console.print(
            f"Reasons, {PAIRS:,} pairs of {name}: weights sum to the score to {largest:.1e}, limit 1e-9: {holds}",
            soft_wrap=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:2])
