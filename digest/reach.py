"""Reach: how many members an item should still go to, and which words would bring it to more."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from digest.allocation import NO_LIMIT
from digest.composition import Edition, Wants
from digest.items import Item
from digest.text import Analyser, is_term, plain_text, words_of

WORDS = 8
"""Words that are shown."""
NEAREST = 25
"""Members whose words they are: those whose interests are nearest to the item."""

LEAST_NEAR = 1e-3
"""What a member counts who has nothing in common with the item."""


def limits_for(item: Item, rules: Mapping[str, int]) -> tuple[int, int]:
    """(needed, most) members of an item, 0 for no limit: its own, else what the settings say for its kind.

    Where only one of the two is set and contradicts the usual other one, the one that was set holds.
    """
    needed = rules.get(f"needed_{item.kind}", 0) if item.reach_needed is None else item.reach_needed
    most = rules.get(f"most_{item.kind}", 0) if item.reach_most is None else item.reach_most
    if item.urgent and not most:
        most = max(needed, rules.get("most_urgent", 0))
    if most and needed > most:
        return (needed, needed) if item.reach_most is None else (most, most)
    return needed, most


def answers_wanted(item: Item, rules: Mapping[str, int]) -> int:
    """Offers of help after which a request is answered; 0 for no end, as for all that is no request."""
    if item.kind != "request":
        return 0
    return rules.get("answers_wanted", 0) if item.answers_wanted is None else item.answers_wanted


def reach_left(item: Item, rules: Mapping[str, int], got: int, offers: int, now: datetime) -> tuple[int, int]:
    """(needed, most) further members, NO_LIMIT for any number, after `got` members had it and `offers` of them can help.

    A request that is close to its deadline with too few offers needs as many readers again, who have not seen it.
    """
    needed, most = limits_for(item, rules)
    most_left = max(0, most - got) if most else NO_LIMIT
    left = max(0, needed - got)
    last_call = timedelta(days=rules.get("last_call_days", 0))
    closing = item.deadline is not None and item.deadline - now <= last_call
    if closing and got and offers < answers_wanted(item, rules):
        left = max(left, needed)
    return min(left, most_left), most_left


def unused_words(edition: Edition, wants: Sequence[Wants], stated: Sequence[str], item: int) -> list[str]:
    """Words that members nearest to an item (its place) use for their interests and the item does not, most telling first.

    A word tells by how near those who use it are (their scores squared, so that many who are far do not drown the few who are
    near), and by its inverse document frequency: everybody's "stroke" would draw everybody. What one member alone says comes
    last. `stated` are the members' own words, in the order of the rows of `wants`. Where nothing of the item is near anybody,
    it is the words of all of them.
    """
    analyser, row = edition.space.analyser, edition.rows[item]
    near = [np.asarray((some.rows @ row.T).todense(), dtype=np.float64).ravel() for some in wants]
    scores = np.concatenate(near) if near else np.empty(0)
    best = np.argsort(-scores, kind="stable")[:NEAREST]
    best = best[scores[best] > 0] if (scores > 0).any() else best
    used = set(_terms(analyser, f"{edition.items[item].title}. {edition.items[item].body}"))
    near_by, members, written = Counter[str](), Counter[str](), dict[str, Counter[str]]()
    for place in best.tolist():
        for term, words in _terms(analyser, stated[place]).items():
            if term not in used:
                near_by[term] += max(scores[place], LEAST_NEAR) ** 2
                members[term] += 1
                written.setdefault(term, Counter()).update(words)
    telling = {term: near * edition.space.rarity_of(term) for term, near in near_by.items()}
    ranked = sorted(telling, key=lambda term: (members[term] < 2, -telling[term], term))[:WORDS]
    return [written[term].most_common(1)[0][0] for term in ranked]


def _terms(analyser: Analyser, text: str) -> dict[str, list[str]]:
    """The terms of a text, with the words that they were written as."""
    words = words_of(plain_text(text))
    stems = analyser.stems(analyser.language_of(words))
    found: dict[str, list[str]] = {}
    for word in words:
        if is_term(stems[word]):
            found.setdefault(stems[word], []).append(word)
    return found
