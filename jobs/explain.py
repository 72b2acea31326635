"""`germane explain`: how a member's match with an item came about, term by term."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.terminal import as_json_option, network_option, print_json, print_table, printable

if TYPE_CHECKING:
    from digest.composition import Edition as Fitted
    from digest.items import Item
    from jobs.services import Services
    from store.considered import PlannedDigest
    from store.editions import Edition
    from store.networks import Network


SOURCES = {
    "stated": "what they said",
    "topic": "a topic they follow",
    "learned": "learned from feedback",
    "related": "related to what they said",
    "network": "another network of theirs",
}


@dataclass(frozen=True)
class Explanation:
    """The figures behind one pair in an `edition`, empty for one that would open now.

    `terms` are (term, weight, source), heaviest first; `score` is their sum, or 0 if that is less. `threshold` is the member's
    own: `usual` is what it is without their feedback.
    """

    member: str
    item: str
    edition: str
    terms: list[tuple[str, float, str]]
    score: float
    match: float
    threshold: float
    usual: float
    outcome: str


@click.command()
@click.argument("member")
@click.argument("item", default="")
@click.option("--edition", "slot", default="", help="Explain this edition, such as 2026-W47.")
@network_option
@as_json_option
@click.pass_obj
def explain(config: Path | None, member: str, item: str, slot: str, slug: str, as_json: bool) -> None:
    """Show what an edition sent to MEMBER and what it did not, and why; or the terms that make their match with ITEM, their
    sum, the threshold, and what came of it.

    Without ITEM it is the record of the newest edition, or that of --edition. With ITEM and without --edition the newest
    edition that could choose the item is explained, with the vectors stored with it; if there is none, one that would open
    now. The member's profile is taken as it is now, what they said about items as it was then.

    Example: germane explain ann@trust.example.org esd-rural-2026
    """
    from jobs.preview import one_member
    from jobs.record import as_json as record_as_json
    from jobs.record import print_record, record_of
    from jobs.services import open_services
    from store import items, networks

    services = open_services(config)
    with services.database.reading() as connection:
        network = networks.find(connection, slug)
    if not item:
        record = record_of(services, network, one_member(services, network, member).member_key, slot)
        print_json(record_as_json(member, record)) if as_json else print_record(member, record)
        return
    with services.database.reading() as connection:
        found = items.find(connection, network.key, item)
    if found is None:
        raise click.ClickException(f"{network.slug} has no item {item!r}; `germane items list` shows them")
    planned = one_member(services, network, member)
    result = _explain(services, network, planned, found, slot, member)
    if as_json:
        print_json(_plain(result))
    else:
        _print(result)


def _explain(
    services: "Services", network: "Network", member: "PlannedDigest", item: "Item", slot: str, who: str
) -> Explanation:
    from digest.reasons import explain_with_sources
    from digest.thresholds import moved
    from jobs.considering import heard_of, listen, preferences_of, profile_of

    edition = _edition(services, network, item, slot)
    fitted = _fitted(services, network, edition, item)
    column = [chosen.key for chosen in fitted.items].index(item.key)
    with services.database.reading() as connection:
        moment = edition.as_of if edition else services.now()
        voices = listen(connection, member.member_key, member.member_key, moment)
    wants = fitted.wants([profile_of(member)], [preferences_of(member)], heard_of([member], fitted, voices))
    scores, matches = fitted.match(wants)
    terms = explain_with_sources(fitted.space, wants.rows, fitted.rows[column], wants.origins)
    usual = float(fitted.thresholds[column])
    return Explanation(
        member=who,
        item=item.title,
        edition=edition.slot if edition else "",
        terms=[(term.label, term.weight, term.source) for term in terms],
        score=float(scores[0, column]),
        match=float(matches[0, column]),
        threshold=float(moved(usual, wants.shifts[0], *fitted.bounds)),
        usual=usual,
        outcome=_outcome(services, network, edition, fitted, member, item),
    )


def _edition(services: "Services", network: "Network", item: "Item", slot: str) -> "Edition | None":
    from store import editions

    with services.database.reading() as connection:
        if slot:
            found = editions.find(connection, network.key, slot)
            if found is None or item.key not in editions.item_keys(connection, found.key):
                raise click.ClickException(
                    f"edition {slot} of {network.slug} does not exist, or could not choose this item"
                )
            return found
        newest = editions.latest(connection, network.key)
        return next((e for e in newest if item.key in editions.item_keys(connection, e.key)), None)


def _fitted(services: "Services", network: "Network", edition: "Edition | None", item: "Item") -> "Fitted":
    from jobs.fitting import edition_settings, fit_edition
    from store import editions

    if edition is None:
        return fit_edition(services, network, edition_settings(services, network), [item.key], services.now(), None)
    with services.database.reading() as connection:
        keys, model = editions.item_keys(connection, edition.key), editions.load_model(connection, edition.key)
    return fit_edition(services, network, edition.settings, keys, edition.as_of, model)


def _outcome(
    services: "Services",
    network: "Network",
    edition: "Edition | None",
    fitted: "Fitted",
    member: "PlannedDigest",
    item: "Item",
) -> str:
    from store import records

    if edition is None:
        return "not in an edition yet"
    with services.database.reading() as connection:
        outcome = records.outcome(connection, edition.key, member.member_key, item.key)
    if outcome not in {"left out: duplicate", "left out: already sent"}:
        return outcome
    title = _same_thing_sent(services, network, fitted, member, item)
    joint = "of" if outcome.endswith("duplicate") else "as"
    return f"{outcome} {joint} “{title}”" if title else outcome


def _same_thing_sent(
    services: "Services", network: "Network", fitted: "Fitted", member: "PlannedDigest", item: "Item"
) -> str:
    """The title of what the member was sent that is the same thing as the item; empty where that is the item itself."""
    from store import considered, items

    assert fitted.duplicates is not None
    column = [chosen.key for chosen in fitted.items].index(item.key)
    same = [key for key, columns in fitted.duplicates.columns.items() if column in columns and key != item.key]
    with services.database.reading() as connection:
        sent = considered.sent_pairs(connection, member.member_key, member.member_key, same)
        found = items.load(connection, network.key, sent[:, 1].tolist())
    return found[0].title if found else ""


def _print(result: Explanation) -> None:
    shown = [(term, f"{weight:.4f}", SOURCES[source]) for term, weight, source in result.terms if abs(weight) >= 5e-5]
    click.echo(printable(f"{result.member} and “{result.item}”"))
    if shown:
        print_table("", ("term", "weight", "from"), shown, right=(1,))
    else:
        click.echo("no term in common")
    total = sum(weight for _, weight, _ in result.terms)
    less = "" if total >= 0 else f"; less than nothing counts as {result.score:.4f}"
    click.echo(f"sum of all {len(result.terms)} terms = score {total:.4f}{less}")
    click.echo(f"{compared(result.match, result.threshold)}{_moved(result)}")
    click.echo(
        f"edition {result.edition}: {result.outcome}"
        if result.edition
        else f"{result.outcome}; an edition that would open now is explained"
    )


def compared(match: float, threshold: float) -> str:
    """Both figures with as few decimal places as it takes to see which is greater."""
    passes = match >= threshold
    places = next((n for n in range(4) if (round(match, n) >= round(threshold, n)) == passes), 4)
    word = "at or above" if passes else "below"
    return f"match {match:.{places}f} of 100, {word} the threshold of {threshold:.{places}f}"


def _moved(result: Explanation) -> str:
    if result.threshold == result.usual:
        return ""
    word = "raised" if result.threshold > result.usual else "lowered"
    return f" ({word} from {result.usual:.0f} by what they said about items)"


def _plain(result: Explanation) -> dict[str, Any]:
    return {
        "member": result.member,
        "item": result.item,
        "edition": result.edition or "one that would open now",
        "terms": [{"term": term, "weight": weight, "source": source} for term, weight, source in result.terms],
        "sum": sum(weight for _, weight, _ in result.terms),
        "score": result.score,
        "match": result.match,
        "threshold": result.threshold,
        "usual_threshold": result.usual,
        "outcome": result.outcome,
    }
