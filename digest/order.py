"""The order and the shape of a digest: what comes first, how varied the rest is, and the one item from next door.

First come requests that the member is one of few to be able to answer, then what fits best, with a near deadline counted and
variety by maximal marginal relevance (MMR: Carbonell and Goldstein, SIGIR 1998).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from digest.items import Topic
from digest.limits import Bools, Candidates, Floats, Ints, Limits, Problem
from digest.prices import more

AT_ONCE = 65_536
"""Members whose digests are put in order at one time."""


@dataclass(frozen=True, slots=True)
class OrderRule:
    """What the order depends on; each has its key in the settings."""

    mmr_lambda: float = 0.8
    """From 0 to 1, the one parameter of MMR: 1 counts only how well an item fits, 0 only how unlike it is to those before it."""
    few: int = 10
    """A request with so many candidates or fewer comes first: each of them is one of few who could answer."""
    near_days: float = 14.0
    """Days before its deadline from which an item gains."""
    near_match: float = 10.0
    """Points of match that an item has gained when its deadline has come; half of them half-way there."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the order of items depends on besides the match; arrays of shape (n_items,)."""

    few: Bools
    """Whether it is a request that few could answer."""
    gain: Floats
    """Points of match for a near deadline."""
    alike: npt.NDArray[np.float32]
    """Of shape (n_items, n_items), 0 to 1: how alike two items are."""


def shape(
    is_ask: Bools,
    candidates: Ints,
    days_left: Floats,
    topics: sp.csr_matrix,
    texts: sp.csr_matrix | None = None,
    rule: OrderRule | None = None,
) -> Shape:
    """For each item: whether it is a request, how many candidates it has (members whom it fits at or above the floor), days until
    its deadline (or event; infinite for none), its topics (n_items, n_topics) and, if likeness of texts is to count too, its
    row of terms."""
    rule = rule or OrderRule()
    nearness = np.clip(1 - np.maximum(days_left, 0) / rule.near_days, 0, 1)
    alike = _cosine(topics)
    if texts is not None:
        alike = np.maximum(alike, _cosine(texts))
    return Shape(is_ask & (candidates <= rule.few), rule.near_match * nearness, alike)


def _cosine(rows: sp.csr_matrix) -> npt.NDArray[np.float32]:
    rows = sp.csr_matrix(rows, dtype=np.float32)
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1))).ravel()
    unit = sp.diags(1 / np.where(length > 0, length, 1)) @ rows
    cosine: npt.NDArray[np.float32] = np.clip((unit @ unit.T).toarray(), 0, 1).astype(np.float32)
    return cosine


def ranks(member: Ints, item: Ints, match: Floats, look: Shape, rule: OrderRule | None = None) -> npt.NDArray[np.int64]:
    """For each chosen pair its place in its member's digest, 1 for the first. The pairs are sorted by member.

    Requests that few could answer come first, best first. Then always that item for which lambda * fit - (1 - lambda) *
    likeness is largest: fit is the match with what a near deadline gains, of 100, likeness that to the most alike of those
    before it. Ties keep the order of the pairs. Raises ValueError for pairs that are not sorted.
    """
    rule = rule or OrderRule()
    if len(member) and (member[1:] < member[:-1]).any():
        raise ValueError("pairs must be sorted by member")
    found = np.zeros(len(member), np.int64)
    for pairs, table in _tables(member):
        found[pairs] = _ranked(item[pairs], match[pairs], table, look, rule)
    return found


def _tables(member: Ints) -> Iterator[tuple[slice, npt.NDArray[np.int64]]]:
    """Runs of pairs of whole members, and where each member's pairs stand in the run, as rows filled up with -1."""
    starts = np.flatnonzero(np.r_[True, member[1:] != member[:-1]]) if len(member) else np.empty(0, np.int64)
    ends = np.r_[starts[1:], len(member)]
    for at in range(0, len(starts), AT_ONCE):
        begin, end = starts[at : at + AT_ONCE], ends[at : at + AT_ONCE]
        place = begin[:, None] + np.arange(int((end - begin).max()))
        yield slice(int(begin[0]), int(end[-1])), np.where(place < end[:, None], place - begin[0], -1)


def _ranked(
    item: Ints, match: Floats, table: npt.NDArray[np.int64], look: Shape, rule: OrderRule
) -> npt.NDArray[np.int64]:
    here, items = table >= 0, item[np.maximum(table, 0)]
    fit = np.clip((match + look.gain[item])[np.maximum(table, 0)] / 100, 0, 1.5)
    few = look.few[items] & here
    likest = np.zeros(table.shape)
    rank, everyone = np.zeros(len(item), np.int64), np.arange(len(table))
    for place in range(1, table.shape[1] + 1):
        figure = np.where(few, 10 + fit, rule.mmr_lambda * fit - (1 - rule.mmr_lambda) * likest)
        best = np.where(here, figure, -np.inf).argmax(axis=1)
        going = here[everyone, best]
        rank[table[going, best[going]]] = place
        here[everyone, best] = False
        likest = np.maximum(likest, look.alike[items[everyone, best][:, None], items])
    return rank


def fields(chosen: Sequence[Sequence[str]], topics: Sequence[Topic]) -> sp.csr_matrix:
    """Each member's usual field, of shape (n_members, n_topics): the topics they chose, all below them and all above."""
    place = {topic.key: n for n, topic in enumerate(topics)}
    lines = [(n, above) for n in range(len(topics)) for above in _above(n, topics, place)]
    up = _held(lines, (len(topics), len(topics)))
    rows = [(row, place[key]) for row, keys in enumerate(chosen) for key in keys if key in place]
    return sp.csr_matrix((_held(rows, (len(chosen), len(topics))) @ (up + up.T)) > 0)


def _held(pairs: Sequence[tuple[int, int]], shape: tuple[int, int]) -> sp.csr_matrix:
    places = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return sp.csr_matrix((np.ones(len(places)), (places[:, 0], places[:, 1])), shape)


def _above(start: int, topics: Sequence[Topic], place: dict[str, int]) -> list[int]:
    """A topic and all above it."""
    line = [start]
    while (parent := place.get(topics[line[-1]].parent, -1)) >= 0 and parent not in line:
        line.append(parent)
    return line


def outside(member: Ints, item: Ints, topics: sp.csr_matrix, field: sp.csr_matrix) -> Bools:
    """For each pair whether the item lies outside the member's usual field: it has topics, the member has a field (see `fields`),
    and they share nothing. `topics` is of shape (n_items, n_topics)."""
    has_topics, has_field = np.diff(topics.indptr) > 0, np.diff(field.indptr) > 0
    found = has_topics[item] & has_field[member]
    places = np.flatnonzero(found)
    for at in range(0, len(places), AT_ONCE):
        part = places[at : at + AT_ONCE]
        shared = field[member[part]].multiply(topics[item[part]].astype(np.bool_))
        found[part] = np.diff(sp.csr_matrix(shared).indptr) == 0
    return found


def bridges(
    candidates: Candidates, limits: Limits, chosen: Bools, is_outside: Bools, allowed: Bools
) -> npt.NDArray[np.int64]:
    """At most one bridging item for each member: from outside their usual field but near it. Places of pairs, sorted.

    It is the best-matching candidate that is outside (see `outside`) and was not chosen: no request, at or above the floor as all
    candidates are, within every limit that holds for the digest. A member gets one only where `allowed` (of shape
    (n_members,): the network and the member wish it), beside at least one other item, and where there is still room: it takes
    nobody's place and fills no empty digest.
    """
    problem, chosen = Problem.of(candidates, limits), chosen.copy()
    before = chosen.copy()
    size = np.bincount(problem.member[before], minlength=problem.n_members)
    one_more = np.where(allowed & (size > 0), np.minimum(problem.room, size + 1), size).astype(np.int8)
    problem = replace(problem, room=one_more)
    able = is_outside & ~problem.is_ask[problem.item]
    while True:
        picked = np.flatnonzero(chosen)
        spare = problem.most - problem.reach(picked)
        roomy = np.bincount(problem.member[picked], minlength=problem.n_members) < problem.room
        new = more(problem, problem.value, chosen, able & ~chosen & roomy[problem.member] & (spare > 0)[problem.item])
        new = new[np.lexsort((new, -problem.value[new], problem.item[new]))]
        place = np.arange(len(new)) - np.searchsorted(problem.item[new], problem.item[new])
        new = new[place < spare[problem.item[new]]]
        if not len(new):
            return np.flatnonzero(chosen & ~before)
        chosen[new] = True
