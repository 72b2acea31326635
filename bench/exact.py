"""Small allocations solved exactly with HiGHS, to measure ours against; and the instances themselves, made from a seed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from digest.limits import NO_LIMIT, NOBODY, Candidates, Limits, Problem


@dataclass(frozen=True, slots=True)
class Figures:
    """What is sought, in this order: the least shortfall, the fewest deep pairs, the greatest value."""

    shortfall: int
    deep: int
    value: float

    @classmethod
    def of(cls, candidates: Candidates, limits: Limits, chosen: Any) -> "Figures":
        problem = Problem.of(candidates, limits)
        picked = np.flatnonzero(chosen)
        short = np.maximum(problem.need - problem.reach(picked), 0).sum()
        return cls(int(short), int(problem.deep[picked].sum()), float(problem.value[picked].sum(dtype=np.float64)))


def exact(candidates: Candidates, limits: Limits) -> Figures:
    """The optimum, one aim after the other, each held while the next is sought."""
    problem = Problem.of(candidates, limits)
    n, n_items = len(problem), problem.n_items
    if not n:
        return Figures(int(problem.need.sum()), 0, 0.0)
    matrix, upper = _constraints(problem)
    short = np.r_[np.zeros(n), np.ones(n_items)]
    deep = np.r_[problem.deep.astype(float), np.zeros(n_items)]
    value = np.r_[-problem.value.astype(float), np.zeros(n_items)]
    rows, bounds = [matrix], [upper]
    found: Any = None
    for aim in (short, deep, value):
        found = milp(
            aim,
            constraints=LinearConstraint(sp.vstack(rows), -np.inf, np.concatenate(bounds)),
            integrality=np.ones(n + n_items, np.int64),
            bounds=Bounds(0, np.r_[np.ones(n), np.maximum(problem.need, 0)]),
            options={"mip_rel_gap": 0.0},
        )
        assert found.success, found.message
        rows.append(sp.csr_matrix(aim))
        bounds.append(np.array([found.fun + 0.5 if aim is not value else np.inf]))
    picked = np.round(found.x[:n]) > 0.5
    return Figures.of(candidates, limits, picked)


def least_shortfall(candidates: Candidates, limits: Limits) -> float:
    """A bound from below, by linear programming: fits of parts of pairs. For editions that are too large for `exact`."""
    problem = Problem.of(candidates, limits)
    matrix, upper = _constraints(problem)
    aim = np.r_[np.zeros(len(problem)), np.ones(problem.n_items)]
    most = np.r_[np.ones(len(problem)), problem.need.astype(float)]
    found = linprog(aim, A_ub=matrix, b_ub=upper, bounds=np.c_[np.zeros(len(aim)), most], method="highs")
    return float(found.fun or 0)


def _constraints(problem: Problem) -> tuple[Any, Any]:
    """Rows over (pairs, missing readers of items): what each member's classes hold, and reach from above and below."""
    n, n_items, classes = len(problem), problem.n_items, problem.classes
    pair, code = np.nonzero(classes.holds[problem.item])
    row = problem.member[pair] * len(classes.caps) + code
    within = sp.csr_matrix((np.ones(len(pair)), (row, pair)), (problem.n_members * len(classes.caps), n + n_items))
    caps = problem.room_left(0, problem.n_members).ravel().astype(float)
    binding = np.diff(within.indptr) > caps
    within, caps = within[np.flatnonzero(binding)], caps[binding]
    by_item = sp.csr_matrix((np.ones(n), (problem.item, np.arange(n))), (n_items, n))
    most = sp.hstack([by_item, sp.csr_matrix((n_items, n_items))])
    need = sp.hstack([-by_item, -sp.eye(n_items)])
    return sp.vstack([within, most, need]), np.r_[caps, problem.most.astype(float), -problem.need.astype(float)]


def instance(seed: int) -> tuple[Candidates, Limits]:
    """A small allocation of a random shape: tight or loose in each of its limits, with needs that may be out of reach."""
    rng = np.random.default_rng(seed)
    n_members, n_items = int(rng.integers(2, 26)), int(rng.integers(2, 17))
    density = rng.uniform(0.15, 0.9)
    member, item = np.nonzero(rng.random((n_members, n_items)) < density)
    popular = rng.random(n_items) * rng.choice([0.0, 30.0])
    match = np.clip(rng.gamma(3.0, 14.0, len(member)) + popular[item], 20, 100)
    if rng.random() < 0.3:
        match = np.round(match / 5) * 5  # many ties
    threshold = rng.choice([20.0, 33.0, 45.0])
    is_ask = rng.random(n_items) < rng.uniform(0.1, 0.9)
    need = np.where(is_ask, rng.integers(0, rng.integers(1, 9), n_items, endpoint=True), 0)
    most = np.where(is_ask | (rng.random(n_items) < 0.2), need + rng.integers(0, 6, n_items), NO_LIMIT)
    n_topics = int(rng.integers(1, 6))
    limits = Limits(
        items=rng.integers(0, rng.integers(1, 7), n_members, endpoint=True),
        asks=rng.integers(0, rng.integers(1, 4), n_members, endpoint=True),
        is_ask=is_ask,
        need=need,
        most=most,
        group=_some_alike(rng, n_items) if rng.random() < 0.5 else np.arange(n_items),
        poster=np.where(rng.random(n_items) < 0.8, rng.integers(0, max(1, n_items // 3), n_items), NOBODY),
        per_poster=int(rng.integers(0, 3)),
        topics=sp.csr_matrix(rng.random((n_items, n_topics)) < 0.35),
        per_topic=int(rng.integers(0, 4)),
    )
    burden = None
    if rng.random() < 0.3:
        burden = rng.choice([0.0, 0.0, 5.0, 15.0, 40.0, 90.0], n_members)[member] * is_ask[item]
    return Candidates(member, item, match, match < threshold, burden), limits


def _some_alike(rng: np.random.Generator, n_items: int) -> Any:
    group = np.arange(n_items)
    for _ in range(int(rng.integers(1, 4))):
        one, other = rng.integers(0, n_items, 2)
        group[group == group[other]] = group[one]
    return group


def breaches(candidates: Candidates, limits: Limits, chosen: Any) -> dict[str, int]:
    """How often each limit is broken, counted from the limits as given and not through the classes of the solver."""
    member, item = candidates.member[chosen], candidates.item[chosen]
    n_members, n_items = limits.n_members, limits.n_items
    given = sp.csr_matrix((np.ones(len(member)), (member, item)), (n_members, n_items))
    total = np.asarray(given.sum(axis=1)).ravel()
    asks = np.asarray(given[:, np.flatnonzero(limits.is_ask)].sum(axis=1)).ravel()
    posters = np.where(limits.poster >= 0, limits.poster, limits.poster.max(initial=0) + 1 + np.arange(n_items))
    per_topic = (given @ sp.csr_matrix(limits.topics).astype(float)).toarray()
    return {
        "items": int((total > limits.items).sum()),
        "asks": int((asks > limits.asks).sum()),
        "reach": int((np.asarray(given.sum(axis=0)).ravel() > limits.most).sum()),
        "duplicates": int((_per(given, limits.group) > 1).sum()),
        "poster": int((_per(given, posters) > limits.per_poster).sum()) if limits.per_poster else 0,
        "topic": int((per_topic > limits.per_topic).sum()) if limits.per_topic else 0,
    }


def _per(given: Any, codes: Any) -> Any:
    found, label = np.unique(codes, return_inverse=True)
    to = sp.csr_matrix((np.ones(len(label)), (np.arange(len(label)), label)), (len(label), len(found)))
    return (given @ to).toarray()
