"""The words that a member can say about an item."""

from typing import Literal, get_args

Verdict = Literal["opened", "more", "less", "can_help", "reported"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
OPPOSITES: tuple[Verdict, Verdict] = ("more", "less")
"""Of these at most one stands for a member and an item: the latest wins."""
