"""A network of any size, made from a seed: words by Zipf's law in topics, as in the study that set our limits."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from digest.items import KINDS, Item
from profiles.member import Profile

VOCABULARY, TOPICS, ITEM_WORDS, PROFILE_WORDS = 50_000, 80, 80, 25


class Language:
    """Words with Zipf-Mandelbrot frequencies; a topic prefers words of its own."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        rank = np.arange(VOCABULARY)
        weight = 1.0 / (rank + 2.7) ** 1.07
        self.share = weight / weight.sum()
        self.words = np.array([_word(n) for n in range(VOCABULARY)])
        self.order = [self.rng.permutation(VOCABULARY) for _ in range(TOPICS)]

    def text(self, n_words: int, own_share: float = 0.5) -> str:
        topic = self.order[self.rng.integers(TOPICS)]
        drawn = self.rng.choice(VOCABULARY, n_words, p=self.share)
        own = self.rng.random(n_words) < own_share
        return " ".join(self.words[np.where(own, topic[drawn], drawn)].tolist())


def items(n: int, now: datetime, seed: int = 1) -> list[Item]:
    language = Language(seed)
    return [
        Item(
            title=language.text(8),
            body=language.text(ITEM_WORDS),
            kind=KINDS[number % len(KINDS)],
            language="en",
            url=f"https://items.example.org/{number}",
            poster=f"Poster {number % 40}",
            published_at=now - timedelta(days=1 + number % 20),
            deadline=now + timedelta(days=20),
            external_id=f"bench-{number}",
            key=number + 1,
        )
        for number in range(n)
    ]


def profiles(n: int, seed: int = 1) -> Sequence[Profile]:
    language = Language(seed)
    language.rng = np.random.default_rng(seed + 1)
    return [Profile(stated=language.text(PROFILE_WORDS, 0.7), languages=("en",)) for _ in range(n)]


def _word(number: int) -> str:
    consonants, vowels = "bcdfghjklmnpqrstvwxz", "aeiou"
    letters = ""
    number += 100
    while number:
        number, c = divmod(number, len(consonants))
        number, v = divmod(number, len(vowels))
        letters += consonants[c] + vowels[v]
    return letters
