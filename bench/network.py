"""A labelled corpus's members as a network that `germane run` keeps: fitted to what was posted, learning from what was said.

Nothing is decided here: vectors, profiles, scores and the match are those of the production functions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from bench.corpora import Record
from digest.calibration import LEAST_TOLD, SAMPLE, SENT_SPREAD, Background, Calibration, Effects, Judged, calibrate
from digest.earlier import Earlier, earlier_pairs
from digest.feedback import Said, Told
from digest.field import SPREAD, joined, split, taught
from digest.fitting import fit
from digest.hubness import crowd_of, damped, shares
from digest.items import Item
from digest.learning import Feedback, effective_profiles
from digest.learning import Settings as LearningSettings
from digest.matching import TfidfMatcher
from digest.vectors import Interests, Rows, VectorSpace
from digest.vectors import Settings as SpaceSettings
from profiles.feedback import VERDICTS
from profiles.member import Profile

Floats = npt.NDArray[np.float64]


VERDICT_OF = {"liked": VERDICTS.index("more"), "disliked": VERDICTS.index("less")}


def item_of(record: Record) -> Item:
    """A corpus's item as the product has it."""
    return Item(title=record["title"], body=record["text"], topics=tuple(record.get("tags") or ()))


@dataclass(frozen=True)
class Network:
    """What was posted so far, oldest first, and the space that it is seen in. Members are records with what they `liked`."""

    posted: Sequence[Record]
    space: VectorSpace
    past: Rows
    learning: LearningSettings
    crowd: Rows | None = None
    """Profiles of the members beside whom items are seen."""

    @classmethod
    def fitted(
        cls, posted: Sequence[Record], space: SpaceSettings | None = None, learning: LearningSettings | None = None
    ) -> "Network":
        """With a space fitted to all that was posted."""
        items = [item_of(record) for record in posted]
        found = fit(items, [], space)
        return cls(posted, found, found.item_vectors(items), learning or LearningSettings())

    def joined_by(self, posted: Sequence[Record]) -> "Network":
        """With more that was posted, in the same space."""
        past = sp.vstack([self.past, self.rows(posted)], format="csr")
        return replace(self, posted=[*self.posted, *posted], past=past)

    @cached_property
    def place(self) -> dict[str, int]:
        """Of each item that was posted."""
        return {record["id"]: number for number, record in enumerate(self.posted)}

    def rows(self, records: Sequence[Record]) -> Rows:
        """Items as rows of the space."""
        return self.space.item_vectors([item_of(record) for record in records])

    def profiles(self, members: Sequence[Record]) -> Rows:
        """What members want by what they stated, liked and disliked."""
        return effective_profiles(self.space, self._interests(members), self.past, self._heard(members), self.learning)

    def earlier(self, members: Sequence[Record], before: Sequence[Record]) -> Earlier:
        """What the same members had said before the first week, which no digest had brought."""
        said, interests, told = self._said(members, before), self._interests(members), Told.nothing()
        return earlier_pairs(self.space, interests, self.past, said, told, self._heard(members), self.learning)

    def _interests(self, members: Sequence[Record]) -> Interests:
        return self.space.interests([Profile(stated=member["interest"]) for member in members])

    def _heard(self, members: Sequence[Record]) -> Feedback:
        return Feedback(self._rows_of(members, "liked"), self._rows_of(members, "disliked"))

    def _said(self, members: Sequence[Record], before: Sequence[Record]) -> Said:
        """All that they said; they judge a digest where they had not said it before."""
        words = []
        for row, (member, then) in enumerate(zip(members, before, strict=True)):
            for kind, verdict in VERDICT_OF.items():
                known = {record["id"] for record in then[kind]}
                words += [(row, self.place[one["id"]], verdict, one["id"] not in known) for one in member[kind]]
        found = np.array(words, dtype=np.int64).reshape(-1, 4)
        return Said(found[:, 0], found[:, 1], found[:, 2], np.zeros(len(found)), found[:, 3] > 0)

    def background(self, profiles: Rows) -> Background:
        """What is usual for members of these profiles."""
        return Background.of(self._matcher, profiles, self.seen(self.past[-SAMPLE:]))

    def beside(self, profiles: Rows) -> "Network":
        """Whose items are seen beside members of these profiles."""
        return replace(self, crowd=crowd_of(self.space, profiles))

    def seen(self, rows: Rows) -> Rows:
        """Rows of items as the members see them."""
        return damped(self.space, rows, self.shares(rows))

    def shares(self, rows: Rows) -> Floats:
        """What is left of each item beside the members."""
        return np.ones(rows.shape[0]) if self.crowd is None else shares(self.space, rows, self.crowd)

    def scores(self, profiles: Rows, rows: Rows) -> Floats:
        """Of all profiles with all rows of items, those below 0 included."""
        return np.vstack(list(self._matcher.blocks(profiles, self.seen(rows))))

    def parts(self, profiles: Rows, rows: Rows) -> "Scores":
        """Of all these scores, the items seen beside these profiles."""
        field, share = self.space.blocks[1], self.beside(profiles).shares(rows)
        of_field = (profiles[:, field] @ rows[:, field].T).toarray().astype(np.float64)
        whole = np.vstack(list(self._matcher.blocks(profiles, rows))).astype(np.float64)
        return Scores(*split(self.space.with_damping(0.0), whole, of_field, share), share)

    def fitted_to(self, members: Sequence[Record], scores: "Scores", good: npt.NDArray[np.bool_]) -> "Network":
        """Beside these members, and going by the field as much as their judgements tell: what lies far below any threshold
        tells nothing of it."""
        profiles = self.profiles(members)
        network = self.beside(profiles)
        usual = replace(network, space=self.space.with_damping(1.0)).background(profiles)
        above = (scores.rest + scores.field) * scores.share - usual.mean[:, None]
        member, item = np.nonzero(above >= LEAST_TOLD * usual.deviation[:, None])
        parts = scores.rest[member, item], scores.field[member, item], scores.share[item]
        told = Told(member, item, *parts, good[member, item], np.ones(len(member)))
        return replace(network, space=taught(self.space, told, SPREAD))

    @property
    def _matcher(self) -> TfidfMatcher:
        return TfidfMatcher(self.space.n_terms, most=0)

    def _rows_of(self, members: Sequence[Record], kind: str) -> Rows:
        columns = [[self.place[record["id"]] for record in member[kind]] for member in members]
        row = np.repeat(np.arange(len(columns)), [len(of_member) for of_member in columns])
        column = np.array([place for of_member in columns for place in of_member], dtype=np.int64)
        return sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(len(members), len(self.posted)))


@dataclass(frozen=True)
class Week:
    """The items of one round and what became of them: grades of shape (n_members, n_items), above 0 for *more like this*."""

    items: Sequence[Record]
    grades: Floats


@dataclass(frozen=True)
class Learnt:
    """What a network knows of its members after some weeks. `judged` are their pairs, by the scores of the week they were in."""

    network: Network
    profiles: Rows
    judged: Judged
    calibration: Calibration
    effects: Effects | None

    def match(self, records: Sequence[Record]) -> Rows:
        """Matches of all members with these items."""
        return self.calibration.match(sp.csr_matrix(self.scores(records)), self.judged.background, self.effects)

    def scores(self, records: Sequence[Record]) -> Floats:
        """Scores of all members with these items: shape (n_members, n_items)."""
        return self.network.scores(self.profiles, self.network.rows(records))


def learnt(network: Network, later: Network, members: Sequence[Record], weeks: Sequence[Week]) -> Learnt:
    """What is known after weeks from which profiles learn as well as the match. `later` is the network when all of that has been
    posted, fitted anew: it is what goes on."""
    scores, now = gone_through(network, members, weeks)
    return _calibrated(later, now, members, scores, weeks)


@dataclass(frozen=True, slots=True)
class Scores:
    """Parts of the scores of all members with all items of weeks, of shape (n_members, n_items), at the field's usual weight and
    undamped, and what damping leaves of the items."""

    rest: Floats
    field: Floats
    share: Floats

    @classmethod
    def joined(cls, parts: "Sequence[Scores]") -> "Scores":
        """One week after the other."""
        return cls(*(np.hstack([getattr(part, name) for part in parts]) for name in cls.__slots__))


def gone_through(network: Network, members: Sequence[Record], weeks: Sequence[Week]) -> tuple[Scores, Sequence[Record]]:
    """Scores with the items of all weeks, each by what was known before its week, and the members who liked what was good in all
    of them.

    What was not good teaches no profile: nobody said *not for me* of it.
    """
    scores = []
    for week in weeks:
        scores.append(network.parts(network.profiles(members), network.rows(week.items)))
        members = [told(member, week.items, grades) for member, grades in zip(members, week.grades, strict=True)]
        network = network.joined_by(week.items)
    return Scores.joined(scores), members


def unlearnt(network: Network, members: Sequence[Record], weeks: Sequence[Week]) -> Learnt:
    """The same where feedback calibrates the match, and profiles stay what they were before the weeks."""
    profiles = network.profiles(members)
    scores = [network.parts(profiles, network.rows(week.items)) for week in weeks]
    return _calibrated(network, members, members, Scores.joined(scores), weeks)


def begun(network: Network, members: Sequence[Record]) -> Learnt:
    """What is known when the first edition is composed: what they had said before, as `germane run` learns from it."""
    profiles = network.profiles(members)
    nothing = Judged.of(sp.csr_matrix((len(members), 0)), np.empty(0, np.bool_), network.background(profiles))
    judged = nothing.beside(network.earlier(members, members))
    calibration = calibrate(judged, held=SENT_SPREAD)
    return Learnt(network, profiles, judged, calibration, calibration.effects(judged))


def told(member: Record, items: Sequence[Record], grades: Floats) -> Record:
    """The member who also said *more like this* of what was good."""
    return {**member, "liked": [*member["liked"], *(items[place] for place in np.flatnonzero(grades > 0).tolist())]}


def _calibrated(
    network: Network, members: Sequence[Record], before: Sequence[Record], scores: Scores, weeks: Sequence[Week]
) -> Learnt:
    grades = np.hstack([week.grades for week in weeks])
    network = network.fitted_to(members, scores, grades > 0)
    profiles = network.profiles(members)
    found = sp.csr_matrix(joined(network.space, scores.rest, scores.field, scores.share))
    row = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
    judged = Judged.of(found, grades[row, found.indices] > 0, network.background(profiles))
    judged = judged.beside(network.earlier(members, before))
    calibration = calibrate(judged)
    return Learnt(network, profiles, judged, calibration, calibration.effects(judged))
