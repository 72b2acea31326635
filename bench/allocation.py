"""The allocation of one edition: how near to the exact optimum on small ones, and what time and memory large ones take.

`python -m bench.allocation` prints all of it and draws bench/allocation.svg and .png; with a number of members it measures one
edition of that size.
"""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from bench.exact import Figures, breaches, exact, instance, least_shortfall
from digest.allocation import NO_LIMIT, NOBODY, Candidates, Limits, allocate, greedy
from digest.asking import Asked, Requests, costs
from jobs.charts import Chart, Line, bar, png, svg

DRAWN = 34
"""Items drawn for each member, of which about 30 differ."""
SIZES = (125_000, 250_000, 500_000, 1_000_000)
INSTANCES = 200


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


def scarce() -> tuple[Candidates, Limits]:
    """15,000 members and 150 items, where requests need three times as many readers as may be asked."""
    pairs, limits = edition(15_000, 150, 20)
    need = np.where(limits.is_ask, 600, 0)
    most = np.where(limits.is_ask, 1800, limits.most)
    return pairs, replace(limits, need=need, most=most, asks=np.minimum(limits.asks, 1))


def with_burden(pairs: Candidates, limits: Limits, asked: Asked, ask_cost: float = 0.05) -> Candidates:
    """The same with what asking costs, as an edition has it."""
    asks = np.flatnonzero(limits.is_ask[pairs.item])
    requests = Requests(pairs.member[asks], pairs.match[asks], pairs.deep[asks])
    burden = np.zeros(len(pairs), np.float32)
    burden[asks], _ = costs(
        asked, limits.asks, requests, ask_cost * float(pairs.match[~pairs.deep].sum(dtype=np.float64))
    )
    return replace(pairs, burden=burden)


def peak_mb() -> float:
    """The most memory this process has had. `ru_maxrss` would be no less than that of the process which started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(status.partition("VmHWM:")[2].split()[0]) / 1024


def measured(n_members: int, n_items: int = 1000, drawn: int = DRAWN) -> dict[str, float]:
    """Seconds and memory of one allocation in this process, with what asking costs, and what it comes to beside greedy."""
    pairs, limits = edition(n_members, n_items, drawn)
    asked = Asked(np.random.default_rng(2).integers(0, 30, n_members), np.full(n_members, 4))
    before = peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    found = allocate(with_burden(pairs, limits, asked), limits)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = peak_mb()
    alone = greedy(pairs, limits)
    ours, theirs = Figures.of(pairs, limits, found.chosen), Figures.of(pairs, limits, alone.chosen)
    return {
        "members": n_members,
        "candidates": len(pairs),
        "seconds": wall,
        "cpu_s": cpu,
        "made_mb": before,
        "peak_mb": peak,
        "value": ours.value,
        "value_of_greedy": theirs.value,
        "deep": ours.deep,
        "short": ours.shortfall,
        "short_of_greedy": theirs.shortfall,
    }


def alone(n_members: int) -> dict[str, float]:
    """`measured` in a process of its own, so that memory is its own."""
    command = [sys.executable, "-m", "bench.allocation", str(n_members), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def exactness(n: int = INSTANCES) -> dict[str, float]:
    """Ours against the optimum on `n` small instances."""
    found = []
    for seed in range(n):
        pairs, limits = instance(seed)
        chosen = allocate(pairs, limits).chosen
        best, ours = exact(pairs, limits), Figures.of(pairs, limits, chosen)
        found.append((best, ours, sum(breaches(pairs, limits, chosen).values())))
    shares = [1.0 - (best.value - ours.value) / abs(best.value) if best.value else 1.0 for best, ours, _ in found]
    return {
        "instances": n,
        "least_share": min(shares),
        "optimal": sum(share > 1 - 1e-9 for share in shares),
        "same_shortfall": sum(best.shortfall == ours.shortfall for best, ours, _ in found),
        "same_deep": sum(best.deep == ours.deep for best, ours, _ in found),
        "out_of_reach": sum(best.shortfall > 0 for best, _, _ in found),
        "with_deep": sum(best.deep > 0 for best, _, _ in found),
        "breaches": sum(broken for _, _, broken in found),
    }


def scarcity() -> dict[str, float]:
    """Ours and greedy where not all requests can be heard, beside the bound that no allocation can beat."""
    pairs, limits = scarce()
    started = time.process_time()
    found = allocate(pairs, limits)
    return {
        "cpu_s": time.process_time() - started,
        "least_shortfall": least_shortfall(pairs, limits),
        "shortfall": float(found.shortfall.sum()),
        "breaches": sum(breaches(pairs, limits, found.chosen).values()),
    }


def drawing(rows: list[dict[str, float]]) -> Chart:
    """Time and memory against candidates, all in percent of the largest."""
    last = rows[-1]
    share = [100 * row["candidates"] / last["candidates"] for row in rows]
    return Chart(
        title=f"Allocation: {last['candidates'] / 1e6:.1f} M candidates in {last['cpu_s']:.0f} s of one core",
        x_label="candidates, % of the most",
        xs=[0.0, *share],
        lines=[
            Line("time (one core), % of the longest", [0.0, *(100 * row["cpu_s"] / last["cpu_s"] for row in rows)]),
            Line("memory, % of the most", [None, *(100 * row["peak_mb"] / last["peak_mb"] for row in rows)]),
            Line("in proportion", [0.0, *share]),
        ],
    )


def main() -> None:
    print(f"{INSTANCES} small instances against HiGHS")
    for name, value in exactness().items():
        print(f"  {name:20} {value:12,.5g}")
    print("15,000 x 150, requests for three times the readers there are")
    for name, value in scarcity().items():
        print(f"  {name:20} {value:12,.5g}")
    rows = [alone(n) for n in SIZES]
    _draw(rows)


def _draw(rows: list[dict[str, float]]) -> None:
    """In the terminal, and as bench/allocation.svg and .png."""
    print(f"\n{'members':>10} {'candidates':>11} {'wall s':>7} {'core s':>7} {'MB':>6}  seconds of one core")
    for row in rows:
        drawn = bar(row["cpu_s"] / rows[-1]["cpu_s"], 40)
        figures = f"{row['members']:10,} {row['candidates']:11,} {row['seconds']:7.1f} {row['cpu_s']:7.1f}"
        print(f"{figures} {row['peak_mb']:6,.0f}  {drawn} {1e6 * row['cpu_s'] / row['candidates']:.2f} a million")
    for ending, content in (("svg", svg(drawing(rows)).encode()), ("png", png(drawing(rows)))):
        Path(__file__).with_suffix(f".{ending}").write_bytes(content)


if __name__ == "__main__":
    if not sys.argv[1:]:
        main()
    elif "--json" in sys.argv:
        print(json.dumps(measured(int(sys.argv[1])), default=float))
    else:
        for name, value in measured(int(sys.argv[1])).items():
            print(f"{name:20} {value:14,.3f}")
