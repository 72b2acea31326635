"""Selection: of what matches, what is sent, and why the rest is not. All members at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse as sp

from digest.eligibility import Block
from digest.thresholds import moved

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen and what was left out, as parallel arrays of row (member) and column (item) indices.

    Chosen pairs are sorted by member, then rank (1 is best). Left-out pairs passed the threshold; `left_block` is a
    Block. `below` of shape (n_members,) counts the allowed items under the threshold.
    """

    member: Ints
    item: Ints
    rank: Ints
    left_member: Ints
    left_item: Ints
    left_block: npt.NDArray[np.uint8]
    below: Ints


def select(
    matches: sp.csr_matrix,
    blocked: npt.NDArray[np.uint8] | None,
    thresholds: npt.NDArray[np.floating] | float,
    caps: npt.NDArray[np.integer] | int,
    most_left_out: int = 32,
    shifts: npt.NDArray[np.floating] | float = 0.0,
    bounds: tuple[float, float] = (0.0, 100.0),
    group: Ints | None = None,
) -> Selection:
    """For each member the best-matching allowed items at or above the threshold, at most the member's cap.

    `matches` is sparse of shape (n_members, n_items), values 0 to 100; `blocked` dense of the same shape (None: all
    allowed); `thresholds` one figure or one for each item, its lower end is in; `caps` one figure or one for each member.
    `shifts` move the thresholds of each member, within `bounds` (see `thresholds.moved`). Of items of the same `group`, one
    figure for each item, a member gets the best-matching one that they may have.
    Equal matches keep the order of the items. Of the left-out pairs each member's `most_left_out` best are kept.
    """
    n_members, n_items = matches.shape
    matches = matches.tocsr()
    row = np.repeat(np.arange(n_members), np.diff(matches.indptr))
    column, match = matches.indices.astype(np.int64), matches.data.astype(np.float64)
    code = np.zeros(len(row), np.uint8) if blocked is None else blocked[row, column]
    base = np.broadcast_to(np.asarray(thresholds, dtype=np.float64), n_items)[column]
    if np.any(shifts):
        base = moved(base, np.broadcast_to(np.asarray(shifts, dtype=np.float64), n_members)[row], *bounds)
    passes = match >= base
    allowed_items = np.full(n_members, n_items) if blocked is None else (blocked == Block.NONE).sum(axis=1)
    below = allowed_items - np.bincount(row[passes & (code == Block.NONE)], minlength=n_members)

    row, column, match, code = row[passes], column[passes], match[passes], code[passes]
    order = np.lexsort((column, -match, row))
    row, column, code = row[order], column[order], code[order]
    if group is not None:
        free = np.flatnonzero(code == Block.NONE)
        code[free[repeats(row[free], group[column[free]])]] = Block.DUPLICATE
    allowed = code == Block.NONE
    rank = place_within(row[allowed])
    fits = rank <= np.broadcast_to(np.asarray(caps), n_members)[row[allowed]]
    code[np.flatnonzero(allowed)[~fits]] = Block.OVER_BUDGET
    left = np.flatnonzero(code != Block.NONE)
    left = left[place_within(row[left]) <= most_left_out]
    return Selection(
        member=row[allowed][fits],
        item=column[allowed][fits],
        rank=rank[fits],
        left_member=row[left],
        left_item=column[left],
        left_block=code[left],
        below=below,
    )


def repeats(member: Ints, group: Ints) -> Ints:
    """Places of the pairs whose member has a pair of the same group before them."""
    pair = member * (group.max(initial=0) + 1) + group
    return np.delete(np.arange(len(pair)), np.unique(pair, return_index=True)[1])


def place_within(groups: npt.NDArray[np.integer]) -> Ints:
    """1, 2, 3, ... within each run of equal values; `groups` is sorted."""
    if not len(groups):
        return np.empty(0, dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    lengths = np.diff(np.r_[starts, len(groups)])
    return np.arange(1, len(groups) + 1) - np.repeat(starts, lengths)
