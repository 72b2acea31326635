"""The made-up network as the store takes it: who joins and what is posted, week by week."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from digest.items import KINDS, Audience, Item, Kind
from profiles.member import Member
from simulation.calendar import Calendar, Plan, calendar, volumes
from simulation.draws import uniform
from simulation.lives import Lives
from simulation.truth import Labelled, MadeUp, Record, Truth
from simulation.words import POSTERS, PROFESSIONS, REGIONS

ZONE = ZoneInfo("Europe/London")
FIRST = datetime(2027, 1, 4, 7, 30)
LIMITED = 0.08
"""Share of items that are for one region or one profession only."""
NEEDED = (5, 5, 10, 10, 20, 40)
"""Readers that posters of requests ask for; in a small network no more than one member in a hundred, or five."""
SHY, SHY_REACH = 0.3, 0.02
"""Share of the requests whose posters want no more readers than ten times as many, or this share of the members at the start if
that is more."""
ENDS: dict[Kind, tuple[int, int]] = {
    "request": (9, 24),
    "event": (8, 60),
    "opportunity": (14, 60),
    "job": (10, 35),
    "survey": (10, 25),
}
"""How many days after its first edition an item of a kind is over: from, and before."""


@dataclass(frozen=True)
class World:
    """Everything that does not depend on what is sent to whom."""

    plan: Plan
    calendar: Calendar
    truth: Truth
    lives: Lives

    def edition_at(self, week: int) -> datetime:
        """Half past seven on the Monday of the week, where the network is."""
        return (FIRST + timedelta(weeks=week)).replace(tzinfo=ZONE).astimezone(UTC)

    def members(self, week: int) -> list[Member]:
        """Who joins before the edition of this week, in the order of their numbers."""
        return [self._member(int(person)) for person in self.lives.joining(week)]

    def _member(self, person: int) -> Member:
        return Member(
            address=f"member-{person}@example.org",
            name=f"Member {person}",
            profile=self.truth.profile(person),
            preferences=self.lives.preferences[person],
        )

    def items(self, week: int) -> list[Item]:
        """What is posted before the edition of this week, in the order of their numbers, which are their external ids."""
        at = self.edition_at(week)
        return [self._item(int(number), at) for number in self.calendar.of_week(week)]

    def _item(self, number: int, at: datetime) -> Item:
        content, kind = self.truth.content(number), KINDS[self.calendar.kind[number]]
        original = int(self.calendar.again[number]) if self.calendar.again[number] >= 0 else number
        item = Item(
            title=content.title,
            body=content.body,
            kind=kind,
            topics=content.topics,
            language="en",
            url="" if kind == "request" else f"https://items.example.org/{original}",
            poster=f"Poster {self.calendar.poster[number]}",
            audience=self._audience(original),
            external_id=str(number),
            published_at=at - timedelta(minutes=round(60 * float(self.calendar.hour[number]))),
        )
        item = _ending(item, at, self._draw("ends", original))
        return self._with_reach(item, number) if kind == "request" else item

    def _with_reach(self, item: Item, number: int) -> Item:
        """What its poster wants: so many readers at least, and for some not more than so many."""
        wanted = NEEDED[int(self._draw("needed", number) * len(NEEDED))]
        needed = min(wanted, max(NEEDED[0], self.plan.members // 100))
        shy = self._draw("shy", number) < SHY
        most = max(10 * needed, round(SHY_REACH * self.plan.members)) if shy else 0
        return replace(item, reach_needed=needed, reach_most=most)

    def _audience(self, item: int) -> Audience:
        if self._draw("limited", item) >= LIMITED:
            return Audience()
        part = self._draw("part", item)
        if part < 0.5:
            return Audience(region=(REGIONS[int(2 * part * len(REGIONS))],))
        return Audience(profession=(PROFESSIONS[int((2 * part - 1) * len(PROFESSIONS))],))

    def _draw(self, purpose: str, item: int) -> float:
        return float(uniform(self.plan.seed, purpose, item))


def _ending(item: Item, at: datetime, draw: float) -> Item:
    if item.kind not in ENDS:
        return item
    low, high = ENDS[item.kind]
    end = at + timedelta(days=low + int(draw * (high - low)))
    return replace(item, event_at=end) if item.kind == "event" else replace(item, deadline=end)


def made_up(plan: Plan, prose: Sequence[str]) -> World:
    """A world of which everything comes from the plan's seed; `prose` are sentences that items are filled with."""
    return _world(plan, lambda lives, posted: MadeUp(plan.seed, len(lives), posted, prose))


def labelled(
    plan: Plan, items: Sequence[Record], members: Sequence[Record], judgements: Mapping[str, Mapping[str, float]]
) -> World:
    """A world whose texts and truth are those of a labelled corpus; where it has fewer items than the plan asks for, the world's
    plan has fewer a week."""
    fitting = _fitting(plan, len(items))
    return _world(fitting, lambda lives, posted: Labelled(plan.seed, len(lives), posted, items, members, judgements))


def _fitting(plan: Plan, most: int) -> Plan:
    """The plan with so few items a week that there are enough for all of its weeks."""
    while plan.items > 1 and int(volumes(plan).sum()) > most:
        fewer = min(plan.items - 1, plan.items * most // int(volumes(plan).sum()))
        plan = replace(plan, items=max(1, fewer), requests=plan.requests * max(1, fewer) // plan.items)
    return plan


def _world(plan: Plan, truth: Callable[[Lives, Calendar], Truth]) -> World:
    loudness = 1.0 / (np.arange(POSTERS) + 2.0)
    posted = calendar(plan, loudness / loudness.sum())
    lives = Lives(plan.seed, plan.members, plan.weeks)
    return World(plan, posted, truth(lives, posted), lives)
