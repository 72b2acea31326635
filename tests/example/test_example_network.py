"""What the example network promises: enough of everything, nobody real, and dates that lie around its anchor."""

import csv
import json
import re
import tomllib
from collections import Counter
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from digest.items import AUDIENCE_FACETS, KINDS, STATES
from profiles.member import CADENCES, ROLES, STATUSES

EXAMPLE = Path(__file__).parents[2] / "example"
LANGUAGES = {"en", "cy", "fr"}
TIMES = ("deadline", "event_at", "expires_at", "published_at")
RESERVED = re.compile(r"(^|\.)(example\.(org|com|net)|example)$")
MONTHS = "January|February|April|June|July|August|September|October|November|December"
MEMBER_COLUMNS = (
    "email,name,status,role,stated,topics,profession,setting,organisation,organisation_type,region,country,languages,"
    "cadence,items_per_digest,muted_kinds,muted_topics,language,paused_until,time_zone"
)
COMMON_WORDS = {
    "en": {"the", "and", "of", "to", "is", "for", "with"},
    "cy": {"yn", "mae", "ac", "gan", "ar", "neu", "sydd", "gyda"},
    "fr": {"les", "des", "une", "et", "est", "pour", "dans"},
}


def rows(name: str) -> list[dict[str, str]]:
    with (EXAMPLE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def cells(value: str) -> list[str]:
    return [cell for cell in value.split(";") if cell]


def likely_language(text: str) -> str:
    """The language whose commonest words make up most of the text."""
    words = Counter(re.findall(r"\w+", text.lower()))
    return max(COMMON_WORDS, key=lambda tag: sum(words[word] for word in COMMON_WORDS[tag]))


def moments(item: dict[str, Any]) -> dict[str, datetime]:
    return {key: datetime.fromisoformat(item[key]) for key in TIMES if key in item}


@pytest.fixture(scope="module")
def network() -> dict[str, Any]:
    return tomllib.loads((EXAMPLE / "network.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def topics() -> dict[str, dict[str, str]]:
    return {row["key"]: row for row in rows("topics.csv")}


@pytest.fixture(scope="module")
def members() -> list[dict[str, str]]:
    return rows("members.csv")


@pytest.fixture(scope="module")
def items() -> list[dict[str, Any]]:
    lines = (EXAMPLE / "items.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def anchor(network: dict[str, Any]) -> datetime:
    run = time(network["hour"], network["minute"], tzinfo=ZoneInfo(network["time_zone"]))
    return datetime.combine(network["anchor"], run)


def test_the_network_starts_its_week_on_the_anchor(network: dict[str, Any]) -> None:
    assert isinstance(network["anchor"], date)
    assert network["anchor"].weekday() == network["weekday"] == 0
    assert network["items_per_digest"] == 6
    assert network["sender_address"].endswith(".example.org")


def test_topics_are_a_tree_of_slugs_three_levels_deep(topics: dict[str, dict[str, str]]) -> None:
    def depth(key: str) -> int:
        return 1 + depth(topics[key]["parent"]) if topics[key]["parent"] else 1

    assert len(topics) == len(rows("topics.csv")) >= 40
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key) for key in topics)
    assert max(depth(key) for key in topics) == 3
    assert all(row["label"] and row["description"] and row["synonyms"] for row in topics.values())


def test_members_have_every_column_and_known_values(members: list[dict[str, str]]) -> None:
    assert list(members[0]) == MEMBER_COLUMNS.split(",")
    assert len(members) >= 130
    assert {row["status"] for row in members} <= set(STATUSES)
    assert {row["role"] for row in members} <= set(ROLES)
    assert {row["cadence"] for row in members} <= set(CADENCES)
    assert {row["country"] for row in members} == {"United Kingdom", "Ireland", "France"}
    assert {tag for row in members for tag in cells(row["languages"])} == LANGUAGES
    assert {row["language"] for row in members} <= LANGUAGES | {""}


def test_members_are_as_mixed_as_a_real_network(members: list[dict[str, str]]) -> None:
    statuses = Counter(row["status"] for row in members)
    roles = Counter(row["role"] for row in members)
    assert (statuses["left"], statuses["pending"], statuses["bounced"]) == (2, 1, 1)
    assert statuses["paused"] >= 3
    assert (roles["coordinator"], roles["admin"]) == (4, 1)
    assert len({row["profession"] for row in members}) >= 20
    assert sum("cy" in cells(row["languages"]) for row in members) >= 12
    assert sum("fr" in cells(row["languages"]) for row in members) >= 10
    assert any(not row["stated"] and row["topics"] for row in members)
    assert 1 <= sum(not row["stated"] and not row["topics"] for row in members) <= 2


def test_no_two_members_share_an_address(members: list[dict[str, str]]) -> None:
    addresses = Counter(row["email"].casefold() for row in members)
    assert addresses.most_common(1)[0][1] == 1


def test_members_preferences_can_be_read(members: list[dict[str, str]]) -> None:
    for row in members:
        assert row["items_per_digest"] == "" or 1 <= int(row["items_per_digest"]) <= 20
        assert not row["paused_until"] or date.fromisoformat(row["paused_until"])
        assert not row["time_zone"] or ZoneInfo(row["time_zone"])
        assert set(cells(row["muted_kinds"])) <= set(KINDS)


def test_every_topic_named_exists(
    topics: dict[str, dict[str, str]], members: list[dict[str, str]], items: list[dict[str, Any]]
) -> None:
    by_members = {key for row in members for key in cells(row["topics"]) + cells(row["muted_topics"])}
    by_items = {key for item in items for key in item["topics"] + item.get("audience", {}).get("topics", [])}
    assert by_members | by_items <= set(topics)
    assert set(topics) <= by_items


def test_there_are_items_of_every_kind(items: list[dict[str, Any]]) -> None:
    kinds = Counter(item["kind"] for item in items)
    at_least = {"request": 45, "event": 30, "opportunity": 20, "job": 15, "resource": 30, "news": 15, "survey": 8}
    assert len(items) >= 165
    assert set(kinds) == set(KINDS)
    assert all(kinds[kind] >= count for kind, count in at_least.items())
    assert {item["state"] for item in items} == set(STATES) - {"expired"}


def test_no_two_items_share_an_id_or_a_text(items: list[dict[str, Any]]) -> None:
    for key in ("id", "title", "body"):
        assert len({item[key] for item in items}) == len(items)


def test_bodies_are_short_texts(items: list[dict[str, Any]]) -> None:
    lengths = {item["id"]: len(item["body"].split()) for item in items}
    assert {key: length for key, length in lengths.items() if not 40 <= length <= 220} == {}
    assert 0.25 <= sum("summary" in item for item in items) / len(items) <= 0.4


def test_items_are_in_the_language_they_say(items: list[dict[str, Any]]) -> None:
    counts = Counter(item["language"] for item in items)
    assert set(counts) == LANGUAGES
    assert counts["cy"] >= 10
    assert counts["fr"] >= 8
    assert [item["id"] for item in items if likely_language(item["body"]) != item["language"]] == []


def test_audiences_name_facets_that_some_member_has(members: list[dict[str, str]], items: list[dict[str, Any]]) -> None:
    restricted = [item for item in items if "audience" in item]
    assert 0.1 <= len(restricted) / len(items) <= 0.2
    for item in restricted:
        assert set(item["audience"]) <= {*AUDIENCE_FACETS, "topics", "languages"}
        for facet in set(item["audience"]) & set(AUDIENCE_FACETS):
            assert set(item["audience"][facet]) & {row[facet] for row in members}, (item["id"], facet)


def test_only_items_not_yet_published_have_no_date(items: list[dict[str, Any]]) -> None:
    undated = {item["state"] for item in items if "published_at" not in item}
    assert undated == {"draft", "held"}
    assert all(moment.tzinfo for item in items for moment in moments(item).values())


def test_items_are_published_in_each_of_eight_weeks(items: list[dict[str, Any]], anchor: datetime) -> None:
    published = [moments(item)["published_at"] for item in items if "published_at" in item]
    weeks = Counter((anchor.date() - moment.date() - timedelta(days=1)).days // 7 for moment in published)
    assert set(weeks) == set(range(8))
    assert min(weeks.values()) >= 15
    assert weeks[0] >= 35


def test_recent_items_are_mostly_open_and_old_ones_mostly_past(items: list[dict[str, Any]], anchor: datetime) -> None:
    def is_open(item: dict[str, Any]) -> bool:
        return all(anchor < moment for key, moment in moments(item).items() if key != "published_at")

    dated = [item for item in items if "published_at" in item]
    recent = [item for item in dated if moments(item)["published_at"] > anchor - timedelta(weeks=3)]
    old = [item for item in dated if moments(item)["published_at"] <= anchor - timedelta(weeks=3)]
    assert sum(map(is_open, recent)) / len(recent) > 0.8
    assert sum(map(is_open, old)) / len(old) < 0.2


def test_nothing_ends_before_it_was_published(items: list[dict[str, Any]]) -> None:
    for item in items:
        times = moments(item)
        start = times.pop("published_at", None)
        assert start is None or all(start < end for end in times.values()), item["id"]


def test_texts_name_no_calendar_date_that_a_shift_would_falsify(items: list[dict[str, Any]]) -> None:
    dated = re.compile(rf"\b\d{{1,2}}(st|nd|rd|th)? ({MONTHS}|March|May)\b|\b({MONTHS})\b|\b20[2-9]\d\b")
    texts = {item["id"]: f"{item['title']} {item.get('summary', '')} {item['body']}" for item in items}
    assert [key for key, text in texts.items() if dated.search(text)] == []


def test_every_address_and_link_is_at_a_reserved_domain() -> None:
    for name in ("network.toml", "topics.csv", "members.csv", "items.jsonl"):
        text = (EXAMPLE / name).read_text(encoding="utf-8")
        hosts = set(re.findall(r"(?:@|https?://|www\.)([\w.-]+\.\w+)", text))
        assert {host for host in hosts if not RESERVED.search(host)} == set(), name
        assert not re.search(
            r"\.(co\.uk|nhs\.uk|ac\.uk|gov\.uk|fr|com|org|net)\b(?<!example\.org|example\.com|example\.net)", text
        )


def test_the_folder_says_that_it_is_fictional_and_free() -> None:
    assert "fictional" in (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert "CC0 1.0 Universal" in (EXAMPLE / "LICENSE").read_text(encoding="utf-8")
