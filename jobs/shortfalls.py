"""Items that reach fewer members than they need: told with the cause, and with what would help."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from jobs.terminal import print_table, printable

if TYPE_CHECKING:
    from digest.items import Item
    from jobs.services import Services
    from store.decisions import Shortfall
    from store.networks import Network

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
    "lost_meanwhile": "some of those whom it was for left or were asked by others meanwhile",
}
MOST_HELPED = 5
"""Items of a rehearsal for which it is told what would help."""
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
    "lost_meanwhile": "nothing need be done: the next edition looks for others",
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


def print_shortfalls(found: Sequence[dict[str, Any]], *, rehearsed: bool = False) -> None:
    """A table, and what would help; of a rehearsal, of which nothing is kept, at once for the first of them."""
    if not found:
        return
    rows = [(one["title"], one["got"], one["needed"], one["why"]) for one in found]
    columns = ("item", "reaches", "still needs", "why")
    print_table("Reach fewer members than they need", columns, rows, right=(1, 2))
    if not rehearsed:
        click.echo(f"`germane items show {found[0]['item']}` tells what would help the first of them.")
        return
    for one in found[:MOST_HELPED]:
        click.echo(f"What helps “{printable(one['title'])}”: {_help(one)}.")
    if len(found) > MOST_HELPED:
        click.echo("--json has what helps the others.")


def standing(services: "Services", network: "Network", item: "Item") -> dict[str, Any] | None:
    """What the newest edition that could choose an item says of its reach, in words; None where it is not open any more, or all
    that it needs was reached since."""
    from digest.reach import reach_left
    from jobs.fitting import edition_settings
    from store import decisions

    now, rules = services.now(), edition_settings(services, network)["reach"]
    if not item.is_open(now):
        return None
    with services.database.reading() as connection:
        short = decisions.last_shortfall(connection, item.key)
        got, offers = (
            count(connection, [item.key]).get(item.key, 0) for count in (decisions.reach_so_far, decisions.offers)
        )
    needed, _ = reach_left(item, rules, got, offers, now)
    return told([item], short) if short and (needed or short.cause == "reach_limit") else None


def sentence(one: dict[str, Any], *, expected: bool = False) -> str:
    """All of it in a sentence or three; of an item that no edition has decided on what is to be `expected`."""
    needs = "needs" if expected else "still needed"
    reaches = "would reach about" if expected else "reached"
    return (
        f"“{printable(one['title'])}” {reaches} {one['got']} of the {one['needed']} members it {needs}: {one['why']}. "
        f"{_counted(one['counts'])}What helps: {_help(one)}."
    )


def _help(one: dict[str, Any]) -> str:
    words = f" ({', '.join(map(printable, one['words']))})" if one["words"] else ""
    return f"{one['help']}{words}"


def _counted(counts: dict[str, int]) -> str:
    """What became of those who may receive it, in a sentence; nothing where it says no more than the cause does."""
    if not counts.get("eligible") or "fitting" not in counts:
        return ""
    groups = [
        (counts["had_it"], "had it before"),
        (counts["muted"], "muted it or wanted no requests"),
        (counts["fitting"] - counts["in_reach"], "could be asked for no more"),
        (counts["in_reach"], "could get it"),
        (counts["eligible"] - counts["had_it"] - counts["muted"] - counts["fitting"], "had other interests"),
    ]
    told = ", ".join(f"{number} {words}" for number, words in groups if number > 0)
    return f"Of the {counts['eligible']} who may receive it {told}. "
