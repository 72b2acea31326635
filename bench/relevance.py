"""The yardstick's interface over the production functions, and nothing else."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.corpora import Record
from bench.network import Learnt, Network, Week, learnt
from digest.calibration import default_threshold
from digest.selection import select
from digest.vectors import Rows

UTILITY = 2.0
"""What a good item is worth against the cost of another: the network's default."""


class GermaneMatcher:
    """What `harness.py` calls: one member at a time, plain dictionaries in, plain numbers out.

    `score` knows what it is given of a member. What `calibrate` is told of some rounds is feedback on past digests, as in
    `germane run`: profiles learn from it as the match does, and `select` goes by both.
    """

    name = "germane"

    def fit(self, archive: Sequence[Record]) -> None:
        self.network = self.later = Network.fitted(archive)
        self.learnt: Learnt | None = None
        self.row: dict[str, int] = {}
        self.seen: tuple[Any, Rows] | None = None
        self.matches: dict[tuple[str, ...], Rows] = {}

    def score(self, member: Record, items: Sequence[Record]) -> Any:
        return self.network.scores(self.network.profiles([member]), self._rows(items)).ravel()

    def calibrate(self, examples: Sequence[tuple[Record, Sequence[Record], Any, Any]]) -> None:
        members, rounds, grades = {}, {}, {}
        for member, items, _, judged in examples:
            members[member["id"]], rounds[items[0]["round"]] = member, items
            grades[member["id"], items[0]["round"]] = judged
        weeks = [Week(rounds[r], np.stack([grades[m, r] for m in members])) for r in sorted(rounds)]
        posted = [*self.network.posted, *(item for week in weeks for item in week.items)]
        if [item["id"] for item in posted] != list(self.later.place):  # the same rounds come for every number of likes
            self.later = Network.fitted(posted)
        self.learnt = learnt(self.network, self.later, list(members.values()), weeks)
        self.row = {name: row for row, name in enumerate(members)}
        self.matches = {}

    def select(self, member: Record, items: Sequence[Record], scores: Any, cap: int) -> list[int]:
        match = self._matches(items)[self.row[member["id"]]]
        return [int(item) for item in select(match, None, default_threshold(UTILITY), cap).item]

    def _matches(self, items: Sequence[Record]) -> Rows:
        """Of all members at once: the yardstick asks for one after the other."""
        if self.learnt is None:
            raise ValueError("calibrate() comes before select()")
        key = tuple(item["id"] for item in items)
        if key not in self.matches:
            self.matches[key] = self.learnt.match(items)
        return self.matches[key]

    def _rows(self, items: Sequence[Record]) -> Rows:
        if self.seen is None or self.seen[0] is not items:
            self.seen = (items, self.network.rows(items))
        return self.seen[1]
