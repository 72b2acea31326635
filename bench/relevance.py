"""The yardstick's interface over the production functions, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from digest.calibration import DEFAULT, Background, default_threshold
from digest.items import Item
from digest.learning import Feedback, effective_profiles
from digest.matching import TfidfMatcher
from digest.vectors import fit
from profiles.member import Profile

BACKGROUND_ITEMS = 2000


def _item(record: Mapping[str, Any]) -> Item:
    return Item(title=record["title"], body=record["text"], topics=tuple(record.get("tags") or ()))


class GermaneMatcher:
    """What `harness.py` calls: one member at a time, plain dictionaries in, plain numbers out."""

    name = "germane"

    def fit(self, archive: Sequence[Mapping[str, Any]]) -> None:
        items = [_item(record) for record in archive]
        self.space = fit(items, [])
        self.past = self.space.item_vectors(items)
        self.row = {record["id"]: number for number, record in enumerate(archive)}
        self.matcher = TfidfMatcher(self.space.n_terms, most=0)
        self.calibration = DEFAULT
        self._seen: tuple[Any, Any] = (None, None)

    def profile(self, member: Mapping[str, Any]) -> sp.csr_matrix:
        interests = self.space.interests([Profile(stated=member["interest"])])
        feedback = Feedback(self._weights(member["liked"]), self._weights(member["disliked"]))
        return effective_profiles(self.space, interests, self.past, feedback)

    def _weights(self, records: Sequence[Mapping[str, Any]]) -> sp.csr_matrix:
        columns = [self.row[record["id"]] for record in records]
        return sp.csr_matrix(
            (np.ones(len(columns)), ([0] * len(columns), columns)), shape=(1, self.past.shape[0]), dtype=np.float32
        )

    def score(self, member: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Any:
        return next(self.matcher.blocks(self.profile(member), self._rows(items))).ravel()

    def _rows(self, items: Sequence[Mapping[str, Any]]) -> sp.csr_matrix:
        if self._seen[0] is not items:
            self._seen = (items, self.space.item_vectors([_item(record) for record in items]))
        return self._seen[1]

    def select(self, member: Mapping[str, Any], items: Sequence[Mapping[str, Any]], scores: Any, cap: int) -> list[int]:
        background = Background.of(self.matcher, self.profile(member), self.past[-BACKGROUND_ITEMS:])
        match = self.calibration.match(sp.csr_matrix(np.asarray(scores)[None, :]), background).toarray().ravel()
        order = np.argsort(-match, kind="stable")[:cap]
        return [int(i) for i in order if match[i] >= default_threshold(2.0)]
