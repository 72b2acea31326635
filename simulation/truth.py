"""What members truly want, of which their stated text is only a hint, and what items are truly about.

Two ways to know: `MadeUp` invents both from a seed, `Labelled` takes them from a corpus that people have judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from digest.items import KINDS, Kind, Topic
from profiles.member import Profile
from simulation.calendar import Calendar
from simulation.draws import uniform
from simulation.words import (
    FRAMES,
    ODDITIES,
    ORGANISATIONS,
    PROFESSIONS,
    PURPOSES,
    REGIONS,
    SENTENCES,
    SYLLABLES,
    THEMES,
    WAYS,
)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """What an item says, and the topics its poster chose."""

    title: str
    body: str
    topics: tuple[str, ...] = ()


class Truth(Protocol):
    """What there is to know of persons and items, both by number."""

    topics: Sequence[Topic]

    def profile(self, person: int) -> Profile:
        """What the person tells the network."""
        ...

    def content(self, item: int) -> Content: ...

    def utility(self, people: Ints, items: Ints) -> Floats:
        """For each pair how probable it is, 0 to 1, that the person finds the item good: known to nobody in the network."""
        ...


@dataclass(frozen=True, slots=True)
class Field:
    """A theme or a way of working with its words."""

    label: str
    phrases: tuple[str, ...]

    @property
    def key(self) -> str:
        return self.label.casefold().replace("'", "").replace(" ", "-")


def fields_of(text: str) -> list[Field]:
    """Lines such as "Stroke: stroke unit; aphasia"."""
    pairs = (line.split(": ", 1) for line in text.splitlines())
    return [Field(label, tuple(words.split("; "))) for label, words in pairs]


ODD, ODD_REQUEST = 0.4, 0.1
"""Share of the items, and of the requests, that are about nothing that anybody told of: a folder lost, a hall to let."""
WAYS_LIKED = 0.15
"""Ways of working that a member likes whatever the theme, in the mean."""
CONNECTORS = 0.03
"""Share of the members who take an interest in very many themes: those whom everybody would ask."""
FOCUS, WAY, REST = 0.65, 0.1, 0.25
"""What an interest in an item's theme is made of: in its own part of it, in its way of working, and in the theme as such."""
FOCUSED = 0.08
"""Share of the parts of a theme that somebody who cares for it cares for most."""
NAMED = 0.25
"""How often members and items name the theme itself, and not only parts of it."""
MISSING_THEME, OLD_THEME, EMPTY = 0.2, 0.05, 0.02
"""Themes that a member does not tell of; that they tell of and do not care about any more; members who tell nothing."""


class MadeUp:
    """People with themes they care for, weights on the words of each, and ways of working; items about a theme or two."""

    def __init__(self, seed: int, people: int, calendar: Calendar, prose: Sequence[str]) -> None:
        """`prose` are sentences about anything, which items are filled with."""
        self._seed, self._prose = seed, list(prose)
        self._themes, self._ways = fields_of(THEMES), fields_of(WAYS)
        self.topics: Sequence[Topic] = [Topic(f.key, f.label) for f in (*self._themes, *self._ways)]
        rng = np.random.default_rng([seed, 3])
        popular = np.asarray(1.0 / (rng.permutation(len(self._themes)) + 4.0) ** 0.8, dtype=np.float64)
        self._make_people(people, popular / popular.sum(), np.random.default_rng([seed, 4]))
        self._make_items(calendar, popular, rng)

    def _make_people(self, n: int, popular: Floats, rng: np.random.Generator) -> None:
        themes, words = len(self._themes), max(len(f.phrases) for f in self._themes)
        many = np.where(rng.random(n) < CONNECTORS, rng.integers(6, 15, n), np.minimum(rng.geometric(0.8, n), 4))
        order = np.argsort(-(np.log(popular) + rng.gumbel(size=(n, themes))), axis=1)
        rank = np.argsort(order, axis=1)
        strength = rng.uniform(0.7, 1.0, (n, themes))
        self._theme = np.where(rank < many[:, None], strength, 0.0).astype(np.float32)
        self._focus = rng.random((n, themes, words)) < FOCUSED
        lengths = np.array([len(f.phrases) for f in self._themes])
        one = np.floor(rng.random((n, themes)) * lengths).astype(np.int64)
        self._focus[np.arange(n)[:, None], np.arange(themes), one] = True
        self._way = rng.random((n, len(self._ways))) < WAYS_LIKED / len(self._ways)
        self._facets = [rng.choice(len(words), n) for words in (PROFESSIONS, ORGANISATIONS, REGIONS)]
        self._told = rng.random((n, themes)) >= MISSING_THEME
        self._old = np.where(rng.random(n) < OLD_THEME, rng.integers(themes, size=n), -1)
        self._silent = rng.random(n) < EMPTY
        self._chooses = rng.random(n) < 0.2
        self._names = rng.random((n, themes)) < NAMED

    def _make_items(self, calendar: Calendar, popular: Floats, rng: np.random.Generator) -> None:
        n, themes = len(calendar), len(self._themes)
        request = np.asarray(calendar.kind) == KINDS.index("request")
        # What is asked about most is not what most people care for: a new service asks, a settled one tells.
        told = popular**0.4 * np.exp(rng.normal(0, 0.4, themes))
        asked = popular**-0.2 * np.exp(rng.normal(0, 0.8, themes))
        drawn = [rng.choice(themes, n, p=share / share.sum()) for share in (told, asked)]
        self._about = np.where(request, drawn[1], drawn[0])
        self._odd = rng.random(n) < np.where(request, ODD_REQUEST, ODD)
        second = rng.choice(themes, n, p=told / told.sum())
        self._second = np.where((rng.random(n) < 0.1) & (second != self._about), second, -1)
        self._in_way = np.where(rng.random(n) < 0.7, rng.integers(len(self._ways), size=n), -1)
        self._kind = [KINDS[k] for k in calendar.kind.tolist()]
        self._again = calendar.again
        lengths = np.array([len(f.phrases) for f in self._themes])
        self._words = [rng.choice(length, 2, replace=False) for length in lengths[self._about]]

    def profile(self, person: int) -> Profile:
        if self._silent[person]:
            return Profile(languages=("en",), **self._who(person))
        cares = np.flatnonzero(self._theme[person])
        told = [theme for theme in cares.tolist() if self._told[person, theme]] or cares.tolist()[:1]
        told += [int(self._old[person])] if self._old[person] >= 0 else []
        parts = [self._phrases(person, theme) for theme in told]
        ways = [self._ways[way].phrases[0] for way in np.flatnonzero(self._way[person]).tolist()]
        chosen = [self._themes[theme].key for theme in told if self._chooses[person]]
        stated = "; ".join([*parts, *ways[:3]])
        return Profile(stated=stated, chosen=tuple(chosen), languages=("en",), **self._who(person))

    def _phrases(self, person: int, theme: int) -> str:
        field = self._themes[theme]
        own = [word for n, word in enumerate(field.phrases) if self._focus[person, theme, n]][:3]
        return ", ".join(dict.fromkeys([field.label.lower(), *own] if self._names[person, theme] else own))

    def _who(self, person: int) -> dict[str, Any]:
        names = ("profession", "organisation_type", "region")
        words = (PROFESSIONS, ORGANISATIONS, REGIONS)
        return {name: words[n][self._facets[n][person]] for n, name in enumerate(names)}

    def content(self, item: int) -> Content:
        if self._again[item] >= 0:
            return self.content(int(self._again[item]))
        rng = np.random.default_rng([self._seed, 5, item])
        kind, theme = self._kind[item], self._themes[self._about[item]]
        if self._odd[item]:
            return _odd(kind, rng)
        words = [theme.phrases[n] for n in self._words[item]]
        way = self._ways[self._in_way[item]] if self._in_way[item] >= 0 else None
        title = f"{rng.choice(PURPOSES[kind])}: {words[0]}"
        title += f" and {rng.choice(way.phrases)}" if way else ""
        return Content(title, self._body(rng, kind, theme, words, way, item), self._topics(rng, theme, way, item))

    def _body(
        self, rng: np.random.Generator, kind: Kind, theme: Field, words: Sequence[str], way: Field | None, item: int
    ) -> str:
        field = f" in {theme.label.lower()}" if rng.random() < NAMED else ""
        beside = f", and a little about {words[1]}" if rng.random() < NAMED else ""
        said = [f"It is about {words[0]}{field}{beside}."]
        if way:
            said.append(
                f"We work with {' and '.join(rng.permutation(way.phrases)[:2])}, item {item + 1} in our series."
            )
        if self._second[item] >= 0:
            other = self._themes[self._second[item]]
            said.append(f"There is a link to {other.label.lower()}, too: {rng.choice(other.phrases)}.")
        aside = rng.permutation(len(self._prose))[: rng.integers(1, 4)]
        named = _told(FRAMES, rng, int(rng.integers(3, 7)))
        sentences = [*said, str(rng.choice(SENTENCES[kind])), *named, *(self._prose[n] for n in aside)]
        return " ".join(sentences[n] for n in rng.permutation(len(sentences)))

    def _topics(self, rng: np.random.Generator, theme: Field, way: Field | None, item: int) -> tuple[str, ...]:
        second = self._themes[self._second[item]] if self._second[item] >= 0 else None
        chosen = [f.key for f in (theme, second, way) if f is not None and rng.random() < 0.4]
        return tuple(chosen)

    def utility(self, people: Ints, items: Ints) -> Floats:
        """A theme that the person cares for, as strongly as they do, in words and a way that suit them better or less well;
        a way that they like without the theme is worth a little."""
        about, second, way = self._about[items], self._second[items], self._in_way[items]
        words = np.array([self._words[item] for item in items.tolist()], dtype=np.int64).reshape(-1, 2)
        focus = self._focus[people[:, None], about[:, None], words] @ np.array([0.75, 0.25])
        likes_way = (way >= 0) & self._way[people, way]
        cares = self._theme[people, about]
        main = cares * (REST + FOCUS * focus + WAY * likes_way)
        beside = np.where(second >= 0, 0.15 * self._theme[people, second], 0.0)
        found = np.maximum.reduce([main, beside, 0.2 * likes_way])
        return np.where(self._odd[items], 0.0, found)


def _odd(kind: Kind, rng: np.random.Generator) -> Content:
    """An item about places and people of which nobody in the network has heard."""
    told = _told(ODDITIES, rng, 3) + _told(FRAMES, rng, 2)
    title = f"{rng.choice(PURPOSES[kind])}: {_name(rng)} and {_name(rng)}"
    return Content(title, " ".join([*told, str(rng.choice(SENTENCES[kind]))]))


def _told(sentences: Sequence[str], rng: np.random.Generator, n: int) -> list[str]:
    """So many of the sentences, with names in them."""
    return [sentence.format(_name(rng), _name(rng)) for sentence in rng.permutation(sentences)[:n]]


def _name(rng: np.random.Generator) -> str:
    first, middle, last = (rng.choice(part.split()) for part in SYLLABLES)
    return f"{first}{middle}{last}"


class Labelled:
    """Members and items of a labelled corpus. Each person is one of its members, drawn from the seed; what was judged relevant
    is good for them, everything else is not. Items come in the order of their rounds."""

    def __init__(
        self,
        seed: int,
        people: int,
        calendar: Calendar,
        items: Sequence[Record],
        members: Sequence[Record],
        judgements: Mapping[str, Mapping[str, float]],
    ) -> None:
        self.topics: Sequence[Topic] = ()
        self._records = sorted(items, key=lambda record: int(record["round"]))[: len(calendar)]
        self._members, self._again = list(members), calendar.again
        self._who = np.floor(uniform(seed, "labelled", np.arange(people)) * len(members)).astype(np.int64)
        column = {record["id"]: n for n, record in enumerate(self._records)}
        self._good = np.zeros((len(members), len(self._records)), dtype=bool)
        for row, member in enumerate(self._members):
            good = [
                column[item] for item, grade in judgements.get(member["id"], {}).items() if grade > 0 and item in column
            ]
            self._good[row, good] = True

    def profile(self, person: int) -> Profile:
        return Profile(stated=str(self._members[self._who[person]]["interest"]), languages=("en",))

    def content(self, item: int) -> Content:
        record = self._records[self._of(item)]
        return Content(str(record["title"]), str(record["text"]))

    def _of(self, item: int) -> int:
        return int(self._again[item]) if self._again[item] >= 0 else item

    def utility(self, people: Ints, items: Ints) -> Floats:
        """1 for what was judged relevant, else 0."""
        original = np.where(self._again[items] >= 0, self._again[items], items)
        return self._good[self._who[people], original].astype(np.float64)
