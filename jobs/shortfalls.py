"""Items that reach fewer members than they need: told with the cause, and with what would help."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from jobs.terminal import print_table, printable

if TYPE_CHECKING:
    from digest.items import Item
    from store.decisions import Shortfall

CAUSES = {
    "nobody_eligible": "nobody in the network may receive it",
    "all_had_it": "those who may receive it had it before",
    "all_muted": "those who may receive it muted its kind, topics or poster, or take no requests",
    "all_over_budget": "those whom it fits cannot be asked for more just now",
    "below_floor": "it fits too few interests, even down to the floor",
    "too_few": "too few may receive it",
    "reach_limit": "it may go to no more members than this",
    "not_urgent": "too few of those who may receive it take urgent mail",
    "elsewhere": "what fits the others comes in the mail of another network of theirs",
}
HELP = {
    "nobody_eligible": "widen its audience: fewer facets, more languages",
    "all_had_it": "widen its audience, or ask again in other words as a new item",
    "all_muted": "post it under another kind or topic where that is true of it, or widen its audience",
    "all_over_budget": "it is tried again in the next edition; a later deadline gives it more of them",
    "below_floor": "say in the title and text what it is about in the words that members use",
    "too_few": "widen its audience",
    "reach_limit": "raise its --reach-most",
    "not_urgent": "nothing need be done: the next digest brings it to others whom it fits",
    "elsewhere": "that mail brings it to them where it fits; widen its audience if these are too few as well",
}


def told(items: "Iterable[Item]", short: "Shortfall") -> dict[str, Any]:
    """A shortfall in words: which item, how many of how many, the cause, what would help, and members' words."""
    item = next(item for item in items if item.key == short.item_key)
    return {
        "item": item.public_id,
        "title": item.title,
        "needed": short.needed,
        "got": short.got,
        "cause": short.cause,
        "why": CAUSES[short.cause],
        "help": HELP[short.cause],
        "words": list(short.words) if short.cause == "below_floor" else [],
        "counts": short.counts,
    }


def print_shortfalls(found: Sequence[dict[str, Any]]) -> None:
    """A table, and where to read what would help."""
    if not found:
        return
    rows = [(one["title"], one["got"], one["needed"], one["why"]) for one in found]
    print_table("Reach fewer members than they need", ("item", "reaches", "needs", "why"), rows, right=(1, 2))
    click.echo(f"`germane items show {found[0]['item']}` tells what would help the first of them.")


def sentence(one: dict[str, Any], *, expected: bool = False) -> str:
    """All of it in a sentence or two; of an item that no edition has decided on what is to be `expected`."""
    words = f" ({', '.join(map(printable, one['words']))})" if one["words"] else ""
    reaches = "would reach about" if expected else "reaches"
    return (
        f"“{printable(one['title'])}” {reaches} {one['got']} of the {one['needed']} members it needs: {one['why']}. "
        f"What helps: {one['help']}{words}."
    )
