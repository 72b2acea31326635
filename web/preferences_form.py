"""The form of the preferences page: what it shows, what may be typed into it, and what that comes to. Plain values only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from typing import Any, Protocol, cast
from zoneinfo import available_timezones

from digest.budgets import NOTHING_SET, Bounds, Wished
from digest.cleaning import many_lines, one_line
from digest.items import KINDS, Topic
from profiles.member import (
    CADENCES,
    FACETS,
    LONGEST_LINE,
    LONGEST_STATED,
    Cadence,
    Member,
    Preferences,
    Profile,
    Status,
)

LONGEST_PAUSE = timedelta(days=731)
HOURS = (0, 1, 2, 4, 6, 12, 24, 48, 72, 168)
"""Hours between two mails that are offered."""
PAUSES = ("no", "until", "on")

LINES = ("name", *FACETS)
BUDGET = ("mails_per_week", "hours_between_mails", "asks_per_month")
CHOICES = (
    "cadence", "weekday", "hour", "time_zone", "items_per_digest", *BUDGET, *(f"overall_{name}" for name in BUDGET), "language",
    "pause", "paused_until",
)  # fmt: skip
TICKS = ("urgent", "learn_from_opened", "combine", "bridging")
LISTS = ("chosen", "muted_kinds", "muted_topics", "muted_posters", "languages")

LANGUAGES = {
    "ar": "العربية", "bn": "বাংলা", "cy": "Cymraeg", "de": "Deutsch", "en": "English", "es": "Español", "fr": "Français",
    "ga": "Gaeilge", "gd": "Gàidhlig", "gu": "ગુજરાતી", "it": "Italiano", "nl": "Nederlands", "pa": "ਪੰਜਾਬੀ",
    "pl": "Polski", "pt": "Português", "ro": "Română", "so": "Soomaali", "ur": "اردو", "zh": "中文",
}  # fmt: skip
"""Languages offered beside those a member reads already, each in its own words."""

ZONE_REGIONS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


class Fields(Protocol):
    """The part of a submitted form that is read here."""

    def get(self, key: str, /) -> Any: ...
    def getlist(self, key: str, /) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True)
class Typed:
    """The form's fields as text, whether they come from a member or from somebody's typing. Lists keep their order."""

    text: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]
    ticks: frozenset[str]
    """Which of TICKS are ticked."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The figures that may be chosen for one limit, and the one that holds without a choice."""

    usual: int
    offered: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen: each list's values, the network's cap of items, and the languages a mail can be written in."""

    topics: tuple[Topic, ...]
    most_items: int
    mail_languages: tuple[str, ...]
    languages: Mapping[str, str]
    posters: tuple[str, ...]
    stale_topics: tuple[str, ...]
    """Topics of the member's that the network has no more: they may stay, and can be unticked."""
    budget: Mapping[str, Choice] = field(default_factory=dict)
    """By the names of BUDGET, with "overall_" before them for what holds over all networks; those only for who is in several."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a valid form comes to."""

    name: str
    profile: Profile
    preferences: Preferences
    status: Status | None
    """None leaves it as it is."""
    overall: Wished = NOTHING_SET
    """What they want over all networks."""


def budget_choices(bounds: Bounds, network: Wished, prefix: str = "") -> dict[str, Choice]:
    """What a member may choose: no more mails and requests than the most, no fewer hours than the least."""
    usual, most = bounds.allowance(network, Wished()), bounds.allowance(network, Wished(10**6, 0, 10**6))
    hours = tuple(hour for hour in HOURS if hour >= most.hours_between_mails)
    offered = {
        "mails_per_week": tuple(range(1, most.mails_per_week + 1)),
        "hours_between_mails": tuple(sorted({*hours, usual.hours_between_mails})),
        "asks_per_month": tuple(range(most.asks_per_month + 1)),
    }
    return {prefix + name: Choice(getattr(usual, name), figures) for name, figures in offered.items()}


def options_for(
    member: Member,
    topics: Sequence[Topic],
    most_items: int,
    mail_languages: tuple[str, ...],
    budget: Mapping[str, Choice] | None = None,
) -> Options:
    keys = {topic.key for topic in topics}
    mine = (*member.profile.chosen, *member.preferences.muted_topics)
    return Options(
        topics=tuple(topics),
        most_items=most_items,
        mail_languages=mail_languages,
        languages={code: LANGUAGES.get(code, code) for code in [*member.profile.languages, *LANGUAGES]},
        posters=member.preferences.muted_posters,
        stale_topics=tuple(dict.fromkeys(key for key in mine if key not in keys)),
        budget=budget or {},
    )


def stored(
    member: Member, most_items: int, budget: Mapping[str, Choice] | None = None, overall: Wished = NOTHING_SET
) -> Typed:
    """The form as it stands for this member."""
    profile, wanted = member.profile, member.preferences
    items = None if wanted.items_per_digest is None else min(wanted.items_per_digest, most_items)
    text = {facet: getattr(profile, facet) for facet in FACETS} | {
        "name": member.name,
        "stated": profile.stated,
        "cadence": wanted.cadence,
        "weekday": _text(wanted.weekday),
        "hour": _text(wanted.hour),
        "time_zone": wanted.time_zone,
        "items_per_digest": _text(items),
        "language": wanted.language,
        "pause": "until" if wanted.paused_until else "on" if member.status == "paused" else "no",
        "paused_until": wanted.paused_until.isoformat() if wanted.paused_until else "",
    }
    for name in BUDGET:
        text[name] = _within(getattr(wanted, name), (budget or {}).get(name))
        text[f"overall_{name}"] = _within(getattr(overall, name), (budget or {}).get(f"overall_{name}"))
    lists = {name: getattr(profile if hasattr(profile, name) else wanted, name) for name in LISTS}
    return Typed(text, lists, frozenset(name for name in TICKS if getattr(wanted, name)))


def _within(figure: int | None, choice: Choice | None) -> str:
    """The offered figure nearest to one that was set; empty for none."""
    if figure is None or choice is None:
        return ""
    return str(min(choice.offered, key=lambda offered: abs(offered - figure)))


def read(form: Fields) -> Typed:
    """The form as it was sent, cleaned of control characters; a field that is missing is empty."""
    text = {name: one_line(_string(form.get(name))) for name in (*LINES, *CHOICES)}
    text["stated"] = many_lines(_string(form.get("stated"))).strip()
    lists = {name: tuple(dict.fromkeys(one_line(_string(v)) for v in form.getlist(name))) for name in LISTS}
    return Typed(text, lists, frozenset(name for name in TICKS if _string(form.get(name)) == "yes"))


def problems(typed: Typed, options: Options, today: date) -> dict[str, str]:
    """What is wrong, by field, in words for the person who typed it; empty for a form that can be saved."""
    found = {name: f"Use at most {LONGEST_LINE} characters." for name in LINES if len(typed.text[name]) > LONGEST_LINE}
    if len(typed.text["stated"]) > LONGEST_STATED:
        found["stated"] = f"Use at most {LONGEST_STATED:,} characters; there are {len(typed.text['stated']):,}."
    allowed = {
        "cadence": CADENCES,
        "weekday": ("", *map(str, range(7))),
        "hour": ("", *map(str, range(24))),
        "time_zone": ("", *available_timezones()),
        "items_per_digest": ("", *map(str, range(1, options.most_items + 1))),
        "language": ("", *options.mail_languages),
        "pause": PAUSES,
    }
    allowed |= {name: ("", *map(str, choice.offered)) for name, choice in options.budget.items()}
    found |= {name: "Choose one of the answers offered." for name in allowed if typed.text[name] not in allowed[name]}
    topics = {topic.key for topic in options.topics} | set(options.stale_topics)
    offered = {"chosen": topics, "muted_topics": topics, "muted_kinds": KINDS, "muted_posters": options.posters,
               "languages": options.languages}  # fmt: skip
    found |= {
        name: "Choose from the list offered." for name in LISTS if not set(typed.lists[name]) <= set(offered[name])
    }
    return found | _pause_problem(typed, today)


def _pause_problem(typed: Typed, today: date) -> dict[str, str]:
    if typed.text["pause"] != "until":
        return {}
    try:
        until = date.fromisoformat(typed.text["paused_until"])
    except ValueError:
        return {"paused_until": "Give the day on which mail starts again, like 2027-01-31."}
    if until <= today:
        return {"paused_until": "This day has come already; give a later one."}
    if until > today + LONGEST_PAUSE:
        return {"paused_until": "Give a day within the next two years, or pause until you come back."}
    return {}


def accepted(typed: Typed, member: Member) -> Wishes:
    """The wishes in a form without problems. What a member prefers to read keeps its order."""
    text, lists = typed.text, typed.lists
    profile = replace(
        member.profile,
        **{facet: text[facet] for facet in FACETS},
        stated=text["stated"],
        chosen=_in_old_order(member.profile.chosen, lists["chosen"]),
        languages=_in_old_order(member.profile.languages, lists["languages"]),
    )
    chosen: dict[str, Any] = {name: name in typed.ticks for name in TICKS}
    chosen |= {name: _number(text[name]) for name in BUDGET}
    preferences = replace(
        member.preferences,
        cadence=cast(Cadence, text["cadence"]),
        weekday=_number(text["weekday"]),
        hour=_number(text["hour"]),
        time_zone=text["time_zone"],
        items_per_digest=_number(text["items_per_digest"]),
        muted_kinds=lists["muted_kinds"],
        muted_topics=lists["muted_topics"],
        muted_posters=lists["muted_posters"],
        paused_until=date.fromisoformat(text["paused_until"]) if text["pause"] == "until" else None,
        **chosen,
        language=text["language"],
    )
    overall = Wished(*(_number(text[f"overall_{name}"]) for name in BUDGET))
    return Wishes(text["name"], profile, preferences, _status(member.status, text["pause"]), overall)


def _status(before: Status, pause: str) -> Status | None:
    """Pausing and resuming move between these two; whoever is pending or gone stays so (None)."""
    if before not in {"active", "paused"}:
        return None
    return "active" if pause == "no" else "paused"


def _in_old_order(before: Iterable[str], now: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*(word for word in before if word in now), *now]))


def _number(text: str) -> int | None:
    return int(text) if text else None


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Branch:
    """A topic of the tree with all that lies below it, each with its depth under this one (1 and more)."""

    topic: Topic
    below: tuple[tuple[int, Topic], ...]


def tree(topics: Sequence[Topic]) -> list[Branch]:
    """The topics as branches, in their own order. A parent that is missing, or a ring of parents, loses no topic."""
    keys = {topic.key for topic in topics}
    children: dict[str, list[Topic]] = {}
    for topic in topics:
        children.setdefault(topic.parent if topic.parent in keys else "", []).append(topic)
    seen: set[str] = set()
    branches = [_branch(topic, children, seen) for topic in children.get("", [])]
    return branches + [_branch(topic, children, seen) for topic in topics if topic.key not in seen]


def _branch(root: Topic, children: Mapping[str, Sequence[Topic]], seen: set[str]) -> Branch:
    seen.add(root.key)
    below, waiting = [], [(1, child) for child in reversed(children.get(root.key, []))]
    while waiting:
        depth, topic = waiting.pop()
        if topic.key not in seen:
            seen.add(topic.key)
            below.append((depth, topic))
            waiting += [(depth + 1, child) for child in reversed(children.get(topic.key, []))]
    return Branch(root, tuple(below))


@cache
def zones() -> dict[str, list[str]]:
    """The time zones that name a place, by region."""
    named = sorted(zone for zone in available_timezones() if zone.split("/")[0] in ZONE_REGIONS and "/" in zone)
    return {region: [zone for zone in named if zone.startswith(region + "/")] for region in ZONE_REGIONS}
