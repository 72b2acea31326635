"""The yardstick's interface over the production functions, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from digest.calibration import DEFAULT, Background, Effects, Judged, calibrate, default_threshold
from digest.fitting import fit
from digest.items import Item
from digest.learning import Feedback, effective_profiles
from digest.matching import TfidfMatcher
from digest.selection import select
from profiles.member import Profile

UTILITY = 2.0
"""What a good item is worth against the cost of another: the network's default."""


def item_of(record: Mapping[str, Any]) -> Item:
    """A corpus's item as the product has it."""
    return Item(title=record["title"], body=record["text"], topics=tuple(record.get("tags") or ()))


class GermaneMatcher:
    """What `harness.py` calls: one member at a time, plain dictionaries in, plain numbers out."""

    name = "germane"

    def fit(self, archive: Sequence[Mapping[str, Any]]) -> None:
        items = [item_of(record) for record in archive]
        self.space = fit(items, [])
        self.past = self.space.item_vectors(items)
        self.row = {record["id"]: number for number, record in enumerate(archive)}
        self.matcher = TfidfMatcher(self.space.n_terms, most=0)
        self.calibration = DEFAULT
        self.effects: dict[str, Effects] = {}
        self.backgrounds: dict[tuple[str, int], Background] = {}
        self.seen: tuple[Any, sp.csr_matrix] | None = None

    def calibrate(self, examples: Sequence[tuple[Mapping[str, Any], Any, Any, Any]]) -> None:
        by_member: dict[str, list[tuple[Mapping[str, Any], Any, Any, Any]]] = {}
        for example in examples:
            by_member.setdefault(example[0]["id"], []).append(example)
        judged = {name: self.judged(rounds[0][0], rounds) for name, rounds in by_member.items()}
        self.calibration = calibrate(Judged.joined(list(judged.values()))) if judged else DEFAULT
        self.effects = {name: self.calibration.effects(one) for name, one in judged.items()}

    def judged(self, member: Mapping[str, Any], rounds: Sequence[tuple[Any, Any, Any, Any]]) -> Judged:
        """What one member judged in some rounds."""
        scores, grades = (np.concatenate([one[part] for one in rounds]) for part in (2, 3))
        rows = sp.csr_matrix(np.asarray(scores)[None, :])
        return Judged.of(rows, np.asarray(grades)[rows.indices] > 0, self._background(member))

    def select(self, member: Mapping[str, Any], items: Sequence[Mapping[str, Any]], scores: Any, cap: int) -> list[int]:
        rows = sp.csr_matrix(np.asarray(scores)[None, :])
        match = self.calibration.match(rows, self._background(member), self.effects.get(member["id"]))
        return [int(item) for item in select(match, None, default_threshold(UTILITY), cap).item]

    def _profile(self, member: Mapping[str, Any]) -> sp.csr_matrix:
        interests = self.space.interests([Profile(stated=member["interest"])])
        feedback = Feedback(self._weights(member["liked"]), self._weights(member["disliked"]))
        return effective_profiles(self.space, interests, self.past, feedback)

    def _background(self, member: Mapping[str, Any]) -> Background:
        key = (member["id"], len(member["liked"]))
        if key not in self.backgrounds:
            self.backgrounds[key] = Background.of(self.matcher, self._profile(member), self.past)
        return self.backgrounds[key]

    def _weights(self, records: Sequence[Mapping[str, Any]]) -> sp.csr_matrix:
        columns = [self.row[record["id"]] for record in records]
        ones = np.ones(len(columns), dtype=np.float32)
        return sp.csr_matrix((ones, ([0] * len(columns), columns)), shape=(1, self.past.shape[0]))

    def score(self, member: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Any:
        return next(self.matcher.blocks(self._profile(member), self._rows(items))).ravel()

    def _rows(self, items: Sequence[Mapping[str, Any]]) -> sp.csr_matrix:
        if self.seen is None or self.seen[0] is not items:
            self.seen = (items, self.space.item_vectors([item_of(record) for record in items]))
        return self.seen[1]
