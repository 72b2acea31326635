"""Topics: a network's tree from a CSV file, and the topic that a word means."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches

from digest.cleaning import one_line
from digest.items import Topic
from sources.decoding import SourceError
from sources.rejects import OUR_COLUMNS

KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
KEY_CHARACTERS = 80
TEXT_CHARACTERS = 2_000
SYNONYMS = 100
COLUMNS = tuple(f.name for f in fields(Topic))


@dataclass(frozen=True, slots=True)
class Sorted:
    """What came of the rows of a file: topics that may go in, and (line, reason) for the others."""

    topics: tuple[Topic, ...]
    rejected: tuple[tuple[int, str], ...]


def names(topics: Iterable[Topic]) -> dict[str, str]:
    """From each case-folded key, label and synonym to the key. A key wins over a label, a label over a synonym."""
    topics = list(topics)
    found: dict[str, str] = {}
    for words in (lambda t: (t.key,), lambda t: (t.label,), lambda t: t.synonyms):
        for topic in topics:
            for word in words(topic):
                found.setdefault(word.casefold(), topic.key)
    return found


def resolve(word: str, known: Mapping[str, str]) -> str:
    """The key of the topic that `word` means, by `names`. Raises ValueError with the nearest name."""
    key = known.get(word.casefold())
    if key is None:
        close = get_close_matches(word.casefold(), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "; `germane topics list` shows them all"
        raise ValueError(f"{word!r} is no topic of this network{hint}")
    return key


def below(key: str, topics: Iterable[Topic]) -> tuple[str, ...]:
    """The topic with this key and every one under it in the tree."""
    found = [key]
    topics = list(topics)
    for above in found:  # grows while it is walked
        found += [topic.key for topic in topics if topic.parent == above and topic.key not in found]
    return tuple(found)


def check_header(header: Sequence[str], file: str) -> list[str]:
    """The column that each heading means. Raises SourceError for one that means none, or when neither label nor key is there."""
    found = [name.strip().casefold() for name in header]
    unknown = [name for name in found if name and name not in COLUMNS and name not in OUR_COLUMNS]
    if unknown or not {"key", "label"} & set(found):
        problem = f"{unknown[0]!r} is not a known column" if unknown else "there is no label column"
        raise SourceError(f"{file}: in the header: {problem}; the columns are {', '.join(COLUMNS)}")
    return found


def read_topic(record: Mapping[str, str]) -> Topic:
    """A row of the columns key, label, description, parent, synonyms (`;` between them). Without a key the label makes one.

    Raises ValueError with the column at fault.
    """
    cells = {name: one_line(record.get(name, "")) for name in COLUMNS}
    label = cells["label"] or cells["key"]
    if not label:
        raise ValueError("label: a topic needs a label")
    synonyms = tuple(dict.fromkeys(filter(None, (word.strip() for word in cells["synonyms"].split(";")))))
    if len(synonyms) > SYNONYMS or any(
        len(text) > TEXT_CHARACTERS for text in (label, cells["description"], *synonyms)
    ):
        raise ValueError(f"synonyms: more than {SYNONYMS}, or a text longer than {TEXT_CHARACTERS:,} characters")
    return Topic(_key(cells["key"] or slug(label)), label, cells["description"], cells["parent"], synonyms)


def slug(label: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", _without_accents(label.casefold())))[:KEY_CHARACTERS].strip("-")


def sort_topics(rows: Sequence[tuple[int, Topic]], stored: Iterable[Topic]) -> Sorted:
    """Check the rows (line, topic) against each other and what is stored; a parent may be named by key or label."""
    rejected: list[tuple[int, str]] = []
    lines: dict[str, int] = {}
    incoming: dict[str, Topic] = {}
    for line, topic in rows:
        if topic.key in lines:
            rejected.append((line, f"key: {topic.key!r} stands on line {lines[topic.key]} already"))
        else:
            lines[topic.key], incoming[topic.key] = line, topic
    stored = list(stored)
    while problems := _misplaced(incoming, {t.key: t for t in stored} | incoming):
        rejected += [(lines[key], reason) for key, reason in problems]
        incoming = {key: topic for key, topic in incoming.items() if key not in dict(problems)}
    known = names([*stored, *incoming.values()])
    placed = [replace(t, parent=known[t.parent.casefold()] if t.parent else "") for t in incoming.values()]
    return Sorted(tuple(placed), tuple(sorted(rejected)))


def _misplaced(incoming: Mapping[str, Topic], tree: Mapping[str, Topic]) -> list[tuple[str, str]]:
    known = names(tree.values())
    parents = {key: known.get(topic.parent.casefold(), "") for key, topic in tree.items()}
    problems = []
    for key, topic in incoming.items():
        if topic.parent and not parents[key]:
            problems.append((key, f"parent: {topic.parent!r} is no topic of this file or network"))
        elif circle := _circle(key, parents):
            problems.append((key, f"parent: goes round in a circle: {' > '.join(circle)}"))
    return problems


def _circle(key: str, parents: Mapping[str, str]) -> list[str]:
    """The way from `key` up to itself, or nothing where it ends at a root or in a circle without `key`."""
    path = [key]
    while (above := parents.get(path[-1], "")) and above not in path:
        path.append(above)
    return [*path, key] if above == key else []


def _key(text: str) -> str:
    if not KEY.fullmatch(text) or len(text) > KEY_CHARACTERS:
        wanted = slug(text)
        hint = f"; write {wanted!r}" if wanted else ""
        raise ValueError(f"key: {text!r} must be lower-case letters, digits and hyphens{hint}")
    return text


def _without_accents(text: str) -> str:
    import unicodedata

    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
