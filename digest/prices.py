"""Prices for items that too many or too few would get, and what each member picks when they hold.

An item that may reach only so many members costs each of them some match, one that must reach so many is paid for; then every
member picks for itself. The prices are found as in an auction: all of them move at once to where the item's demand, all others
held, would be what it may be (a Jacobi auction: Bertsekas 1988; as the dual of the assignment: Everett 1963).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digest.limits import ASKS, ROOM, Bools, Floats, Ints, Problem

DEEP_COST = 200.0
"""Points of match that a deep pair costs while prices are sought: any pair above the threshold goes before it."""
DEAREST = 900.0
"""No price goes beyond this, in points of match, up or down."""
TICK = 1e-3
"""A price goes so far beyond the figure at which a member is of two minds."""
KEY_BITS, PAIR_BITS = 26, 22
BARRED = np.float32(-2000.0)


@dataclass(frozen=True, slots=True)
class Swept:
    """What members picked: `chosen` over pairs, and by how much each pair was in (above 0) or out (below), in points of match."""

    chosen: Bools
    margin: npt.NDArray[np.float32]


def ordered(row: Ints, value: Floats) -> npt.NDArray[np.int64]:
    """Places sorted by row, then value from high to low, then place. Values are told apart to one part in 67 million of
    their range; at most 65,536 rows and 4,194,304 places."""
    if not len(row):
        return np.empty(0, np.int64)
    high, low = float(value.max()), float(value.min())
    scale = ((1 << KEY_BITS) - 1) / (high - low) if high > low else 0.0
    key = row.astype(np.uint64) << np.uint64(KEY_BITS + PAIR_BITS)
    key |= ((high - value.astype(np.float64)) * scale).astype(np.uint64) << np.uint64(PAIR_BITS)
    key |= np.arange(len(row), dtype=np.uint64)
    key.sort()
    return (key & np.uint64((1 << PAIR_BITS) - 1)).astype(np.int64)


def sweep(problem: Problem, value: Floats, held: Bools | None = None, open_pairs: Bools | None = None) -> Swept:
    """Each member's best pairs of `value` above 0 that their limits admit, best first.

    With `held` the limits have what it marks counted already, and none of that is picked again. With `open_pairs` only those may
    be picked. Time grows with the number of pairs.
    """
    chosen = np.zeros(len(problem), np.bool_)
    margin = np.zeros(len(problem), np.float32)
    for first, last in problem.chunks():
        span = slice(int(problem.start[first]), int(problem.start[last]))
        wanted = value[span] > 0
        if open_pairs is not None:
            wanted &= open_pairs[span]
        have = None
        if held is not None:
            wanted &= ~held[span]
            have = np.flatnonzero(held[span]) + span.start
        picks = np.flatnonzero(wanted)
        row = problem.member[span][picks] - first
        left = problem.room_left(first, last, have)
        order = ordered(row, value[span][picks])
        found = _pick(problem, row[order], picks[order] + span.start, value, left)
        chosen[found.picked] = True
        margin[span] = _margins(problem, span, first, value[span], chosen[span], left, found)
    return Swept(chosen, margin)


@dataclass(frozen=True, slots=True)
class _Found:
    picked: npt.NDArray[np.int64]
    room_in: npt.NDArray[np.float32]
    """Over members: what the next best pair is worth that only a full digest keeps out; 0 for none. The others alike: what keeps
    out is `asks`, and what the weakest pair (request) is worth that is in."""
    ask_in: npt.NDArray[np.float32]
    room_out: npt.NDArray[np.float32]
    ask_out: npt.NDArray[np.float32]


def _pick(
    problem: Problem, row: Ints, pair: npt.NDArray[np.int64], value: Floats, left: npt.NDArray[np.int16]
) -> _Found:
    """Walk down all members' sorted pairs at once, one place a step; `left` is counted down."""
    n, width = left.shape
    size = np.bincount(row, minlength=n)
    at, end = np.cumsum(size) - size, np.cumsum(size)
    room_in, ask_in, room_out, ask_out = (np.zeros(n, np.float32) for _ in range(4))
    flat, active, picked = left.ravel(), np.flatnonzero(size), []
    while len(active):
        now = pair[at[active]]
        item, worth = problem.item[now], value[now]
        places = active[:, None] * width + problem.classes.of_item[item]
        free = flat[places] > 0
        fits = free.all(axis=1)
        who, taken = active[fits], places[fits]
        flat[taken] -= 1
        picked.append(now[fits])
        room_out[who] = worth[fits]
        asked = problem.is_ask[item]
        ask_out[active[fits & asked]] = worth[fits & asked]
        full, tired = flat[active * width + ROOM] <= 0, flat[active * width + ASKS] <= 0
        others = (free | (problem.classes.of_item[item] == ROOM)).all(axis=1)
        first = ~fits & full & others & (room_in[active] == 0)
        room_in[active[first]] = worth[first]
        first = ~fits & asked & tired & (ask_in[active] == 0)
        ask_in[active[first]] = worth[first]
        at[active] += 1
        active = active[(at[active] < end[active]) & ~(full & (room_in[active] > 0))]
    return _Found(np.concatenate(picked) if picked else np.empty(0, np.int64), room_in, ask_in, room_out, ask_out)


def _margins(
    problem: Problem, span: slice, first: int, value: Floats, chosen: Bools, left: npt.NDArray[np.int16], found: _Found
) -> npt.NDArray[np.float32]:
    """By how much each pair is in or out: against what would take its place, or whose place it would take."""
    row, asked = problem.member[span] - first, problem.is_ask[problem.item[span]]
    full, tired = left[:, ROOM] <= 0, left[:, ASKS] <= 0
    room_in = np.where(full, found.room_in, 0)
    ask_in = np.maximum(np.where(tired, found.ask_in, 0), room_in)
    room_out = np.where(full, found.room_out, 0)
    ask_out = np.where(tired, found.ask_out, room_out)
    instead = np.where(asked, ask_in[row], room_in[row])
    weakest = np.where(asked, ask_out[row], room_out[row])
    margin = value - np.where(chosen, instead, weakest)
    blocked = ~chosen & (margin > 0)
    margin[blocked] = -np.abs(value[blocked])
    never = (problem.room[problem.member[span]] <= 0) | (asked & (problem.asks[problem.member[span]] <= 0))
    margin[never] = BARRED
    return margin.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Scarce:
    """The items whose reach is bound from above or below; the pairs of `items[n]` are `pairs[start[n]:start[n + 1]]`."""

    items: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]

    @classmethod
    def of(cls, problem: Problem) -> "Scarce":
        size = np.bincount(problem.item, minlength=problem.n_items)
        items = np.flatnonzero(((problem.need > 0) | (problem.most < size)) & (size > 0))
        is_bound = np.zeros(problem.n_items, np.bool_)
        is_bound[items] = True
        pairs = np.flatnonzero(is_bound[problem.item])
        small = problem.n_items <= np.iinfo(np.int16).max
        code = problem.item[pairs].astype(np.int16) if small else problem.item[pairs]
        pairs = pairs[np.argsort(code, kind="stable")]
        return cls(items, pairs, np.r_[0, np.cumsum(size[items])])

    def moves(self, problem: Problem, margin: npt.NDArray[np.float32], price: Floats) -> Floats:
        """For each item the price at which its demand, all others held, would be what it may be. Of shape (n_items,)."""
        wanted = price.copy()
        for n, item in enumerate(self.items.tolist()):
            own = margin[self.pairs[self.start[n] : self.start[n + 1]]]
            upper = _nth_largest(own, int(problem.need[item])) - TICK if problem.need[item] else np.inf
            lower = _nth_largest(own, int(problem.most[item]) + 1) + TICK
            wanted[item] = np.clip(0.0, price[item] + lower, max(price[item] + upper, price[item] + lower))
        return np.clip(wanted, -DEAREST, DEAREST)


def _nth_largest(own: npt.NDArray[np.float32], n: int) -> float:
    """The nth largest figure, 1 for the largest; where there are fewer, less than the least: so much that all would be in."""
    n_own = int((own > BARRED).sum())
    if n > n_own:
        return -np.inf
    return float(np.partition(own, len(own) - n)[len(own) - n])


def priced(problem: Problem, rounds: int) -> tuple[Swept, Scarce]:
    """What members pick once prices have settled, or after so many rounds; what is bound may still be missed by a few."""
    worth = problem.value - problem.value.dtype.type(DEEP_COST) * problem.deep
    scarce, price, step = Scarce.of(problem), np.zeros(problem.n_items), 1.0
    swept = sweep(problem, worth)
    for _ in range(rounds if len(scarce.items) else 0):
        wanted = scarce.moves(problem, swept.margin, price)
        if np.abs(wanted - price).max() <= 2 * TICK:
            break
        price += step * (wanted - price)
        step = max(0.5, step * 0.85)
        swept = sweep(problem, worth - price.astype(worth.dtype)[problem.item])
    return swept, scarce
