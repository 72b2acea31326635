"""Prices for items that too many or too few would get, and what each member picks when they hold.

An item that may reach only so many members costs each of them some match, one that must reach so many is paid for; then every
member picks for itself. The prices are found as in an auction: all of them move at once to where the item's demand, all others
held, would be what it may be (a Jacobi auction: Bertsekas 1988; as the dual of the assignment: Everett 1963).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digest.limits import ASKS, ROOM, Bools, Floats, Ints, Problem

Prices = npt.NDArray[np.float64]

DEEP_COST = 200.0
"""Points of match that a deep pair costs while prices are sought: any pair above the threshold goes before it."""
DEAREST = 900.0
"""No price goes beyond this, in points of match, up or down."""
TICK = 1e-3
"""A price goes so far beyond the figure at which a member is of two minds."""
SAMPLE = 1_000_000
"""Pairs from whose members prices are found where there are at least twice as many."""
LAST_ROUNDS = 2
KEY_BITS, PAIR_BITS = 26, 22
BARRED = np.float32(-2000.0)


@dataclass(frozen=True, slots=True)
class Swept:
    """What members picked, and what they would take or give up for something else."""

    chosen: Bools
    """Over pairs."""
    edges: npt.NDArray[np.float32]
    """Of shape (4, n_members), in points of match, 0 for nothing: the best that only a full digest keeps out, the best request
    that only the requests of the month keep out, the weakest pair and the weakest request that are in."""
    full: Bools
    """Over members: the digest is full."""
    tired: Bools
    """Over members: no more requests this month."""

    def margins(self, problem: Problem, pairs: npt.NDArray[np.int64], value: Floats) -> npt.NDArray[np.float32]:
        """By how much each of these pairs, of such value, is in (above 0) or out (below)."""
        member, asked, chosen = problem.member[pairs], problem.is_ask[problem.item[pairs]], self.chosen[pairs]
        room_in, ask_in, room_out, ask_out = self.edges
        any_in, any_out = np.where(self.full, room_in, 0), np.where(self.full, room_out, 0)
        tired_in, tired_out = (
            np.maximum(np.where(self.tired, ask_in, 0), any_in),
            np.where(self.tired, ask_out, any_out),
        )
        instead = np.where(asked, tired_in[member], any_in[member])
        weakest = np.where(asked, tired_out[member], any_out[member])
        margin = (value - np.where(chosen, instead, weakest)).astype(np.float32)
        blocked = ~chosen & (margin > 0)  # by a poster, a topic or a copy: hard to say by how much
        margin[blocked] = -np.abs(value[blocked])
        margin[(problem.room[member] <= 0) | (asked & (problem.asks[member] <= 0))] = BARRED
        return margin


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


def sweep(problem: Problem, value: Floats) -> Swept:
    """Each member's best pairs of `value` above 0 that their limits admit, best first. Time grows with the number of pairs."""
    chosen = np.zeros(len(problem), np.bool_)
    edges = np.zeros((4, problem.n_members), np.float32)
    full, tired = np.zeros(problem.n_members, np.bool_), np.zeros(problem.n_members, np.bool_)
    for first, last in problem.chunks():
        span, left = slice(int(problem.start[first]), int(problem.start[last])), problem.room_left(first, last)
        row = problem.member[span] - np.int32(first)
        pair = ordered(row, value[span])
        chosen[_pick(problem, row[pair], pair + span.start, value, left, edges[:, first:last])] = True
        full[first:last], tired[first:last] = left[:, ROOM] <= 0, left[:, ASKS] <= 0
    return Swept(chosen, edges, full, tired)


def more(problem: Problem, value: Floats, held: Bools, open_pairs: Bools) -> npt.NDArray[np.int64]:
    """The best of the open pairs that the limits admit beside what is held already: places of pairs."""
    found = []
    for first, last in problem.chunks():
        span = slice(int(problem.start[first]), int(problem.start[last]))
        wanted = np.flatnonzero(open_pairs[span])
        if len(wanted):
            left = problem.room_left(first, last, np.flatnonzero(held[span]) + span.start)
            row = problem.member[span][wanted] - np.int32(first)
            order = ordered(row, value[span][wanted])
            pair, edges = wanted[order] + span.start, np.zeros((4, last - first), np.float32)
            found.append(_pick(problem, row[order], pair, value, left, edges))
    return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)


def _pick(
    problem: Problem,
    row: Ints,
    pair: npt.NDArray[np.int64],
    value: Floats,
    left: npt.NDArray[np.int8],
    edges: npt.NDArray[np.float32],
) -> npt.NDArray[np.int64]:
    """Walk down all members' sorted pairs at once, one place a step; `left` is counted down and `edges` (see `Swept`) noted."""
    n, width = left.shape
    size = np.bincount(row, minlength=n)
    at, end = np.cumsum(size) - size, np.cumsum(size)
    room_in, ask_in, room_out, ask_out = edges
    flat, active, picked = left.reshape(-1), np.flatnonzero(size), []
    while len(active):
        now = pair[at[active]]
        item, worth = problem.item[now], value[now]
        classes = problem.classes.of_item[item]
        places = active[:, None] * width + classes
        free = flat[places] > 0
        fits = free.all(axis=1) & (worth > 0)
        who, asked = active[fits], problem.is_ask[item]
        flat[places[fits]] -= 1
        picked.append(now[fits])
        room_out[who] = worth[fits]
        ask_out[active[fits & asked]] = worth[fits & asked]
        full, tired = flat[active * width + ROOM] <= 0, flat[active * width + ASKS] <= 0
        first = ~fits & full & (room_in[active] == 0) & (free | (classes == ROOM)).all(axis=1)
        room_in[active[first]] = worth[first]
        first = ~fits & asked & tired & (ask_in[active] == 0)
        ask_in[active[first]] = worth[first]
        at[active] += 1
        active = active[(worth > 0) & (at[active] < end[active]) & ~(full & (room_in[active] > 0))]
    np.maximum(edges, 0, out=edges)
    return np.concatenate(picked) if picked else np.empty(0, np.int64)


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

    def moves(self, problem: Problem, swept: Swept, value: Floats, price: Prices) -> Prices:
        """For each item the price at which its demand, all others held, would be what it may be. Of shape (n_items,)."""
        wanted = price.copy()
        margin = swept.margins(problem, self.pairs, value[self.pairs])
        for n, item in enumerate(self.items.tolist()):
            own = margin[self.start[n] : self.start[n + 1]]
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


@dataclass(frozen=True, slots=True)
class Settled:
    """Where prices came to rest: what members picked, the scarce items, and the margins of their pairs (in their order)."""

    swept: Swept
    scarce: Scarce
    margin: npt.NDArray[np.float32]


def priced(problem: Problem, rounds: int) -> Settled:
    """What members pick once prices have settled, or after so many rounds; what is bound may still be missed by a few.

    Of many members a sample finds the prices, and all only the last of them.
    """
    worth = problem.value - problem.value.dtype.type(DEEP_COST) * problem.deep
    scarce, price, step = Scarce.of(problem), np.zeros(problem.n_items), 1.0
    every = len(problem) // SAMPLE
    if every > 1 and len(scarce.items):
        part, places = problem.sample(every)
        price = _prices(part, Scarce.of(part), worth[places], price, rounds, step)
        rounds, step = LAST_ROUNDS, 0.7
    price = _prices(problem, scarce, worth, price, rounds, step)
    value = worth - price.astype(worth.dtype)[problem.item]
    swept = sweep(problem, value)
    return Settled(swept, scarce, swept.margins(problem, scarce.pairs, value[scarce.pairs]))


def _prices(problem: Problem, scarce: Scarce, worth: Floats, price: Prices, rounds: int, step: float) -> Prices:
    for _ in range(rounds if len(scarce.items) else 0):
        value = worth - price.astype(worth.dtype)[problem.item]
        wanted = scarce.moves(problem, sweep(problem, value), value, price)
        if np.abs(wanted - price).max() <= 2 * TICK:
            break
        price = price + step * (wanted - price)
        step = max(0.5, step * 0.85)
    return price
