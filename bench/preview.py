"""The preview of one item: seconds from a text to whom it would reach, when everything about the members is loaded."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from bench import synthetic
from bench.weekly import NOW
from digest.calibration import Background, Effects
from digest.composition import Edition
from digest.eligibility import Eligibility, Members
from digest.fitting import fit
from digest.items import AUDIENCE_FACETS, Item
from digest.preview import Bars, Preview, Readers, Standing, Wish, preview
from profiles.member import Preferences

BASE, LEAST = 15_000, 15.0
PLACES = ("Nurse", "Physiotherapist", "Manager", "Researcher")
THRESHOLDS = [20.0, 25, 30, 33, 35, 40, 45, 50, 55, 60]


class Loaded:
    """A network of `n` members: 15,000 as in an edition, and those again and again up to `n`."""

    def __init__(self, n: int) -> None:
        items = synthetic.items(500, NOW)
        space = fit(items, [])
        rows = space.item_vectors(items)
        self.edition = Edition(
            items=items, topics=[], space=space, rows=rows, past=rows, thresholds=np.full(500, 33.0), most_items=6,
            language="en",
        )  # fmt: skip
        base = min(n, BASE)
        wants = self.edition.wants(synthetic.profiles(base), [Preferences()] * base)
        self.readers = _again(Readers.of(self.edition, wants, LEAST), n)
        self.members = Members(
            names=[f"Member {number}" for number in range(n)],
            facets={name: [PLACES[number % 4] for number in range(n)] for name in AUDIENCE_FACETS},
            chosen=[()] * n,
            languages=[("en",)] * n,
            muted_kinds=[("job",) if number % 10 == 0 else () for number in range(n)],
            muted_topics=[()] * n,
            muted_posters=[()] * n,
        )
        self.eligibility = Eligibility.of(self.members, [], "en")
        rng = np.random.default_rng(1)
        member = np.repeat(np.arange(n), 6)
        self.standing = Standing.of(
            member, rng.integers(0, 500, len(member)), rng.uniform(33, 70, len(member)), np.arange(500) % 7 == 0,
            np.full(500, 9), rng.integers(6, 8, n), np.full(n, 4),
        )  # fmt: skip
        self.bars = Bars(33, LEAST, np.zeros(n), (25, 60))

    def preview(self, item: Item) -> Preview:
        row = self.edition.space.item_vectors([item])
        member, match = self.readers.matches(row)
        none = np.empty(0, np.int64)
        codes = self.eligibility.blocks([item], (none, none))[member, 0]
        return preview(member, match, codes, self.bars, self.standing, Wish(item.kind == "request"), THRESHOLDS)


def _again(readers: Readers, n: int) -> Readers:
    """The same members again and again, up to `n`."""
    have = readers.n_members
    terms = sp.vstack([readers.terms.tocsr()] * -(-n // have), format="csr")[:n].tocsc()
    return replace(
        readers,
        terms=terms,
        latent=np.resize(readers.latent, (n, readers.latent.shape[1])),
        background=Background(np.resize(readers.background.mean, n), np.resize(readers.background.deviation, n)),
        effects=Effects(np.resize(readers.effects.intercept, n), np.resize(readers.effects.slope, n)),
        least=np.resize(readers.least, n),
    )


def main(n: int, items: Sequence[Item] | None = None) -> dict[str, float]:
    """Seconds an item, the median and the worst of twenty, and whom it reached at the median."""
    loaded, took, reached = Loaded(n), [], []
    for item in items or synthetic.items(520, NOW)[500:]:
        started = time.perf_counter()
        reached.append(len(loaded.preview(item).reached))
        took.append(time.perf_counter() - started)
    return {"median_s": float(np.median(took)), "worst_s": max(took), "reached": float(np.median(reached))}


def alone(n: int) -> dict[str, float]:
    """`main` in a process of its own, so that its memory is given back."""
    command = [sys.executable, "-m", "bench.preview", str(n), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__" and "--json" in sys.argv:
    print(json.dumps(main(int(sys.argv[1]))))
elif __name__ == "__main__":
    for name, value in main(int(sys.argv[1])).items():
        print(f"{name:12} {value:10.4f}")
