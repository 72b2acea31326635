"""`germane compare`: what members said of the items of two matchers that picked their digests in turn."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.terminal import as_json_option, network_option, print_json, print_table

if TYPE_CHECKING:
    from store.comparisons import Draft


@click.command()
@click.option("--edition", "slot", default="", help="Of this edition only, such as 2026-W47.")
@network_option
@as_json_option
@click.pass_obj
def compare(config: Path | None, slot: str, slug: str, as_json: bool) -> None:
    """Show which of two matchers members like better: ours, or the one of matching.compare_with.

    While matching.compare_share is above 0, both pick the items of that share of members in turn (team-draft interleaving). A
    digest is won by the matcher of whose items the member said more good words less bad ones.

    Example: germane compare --edition 2026-W47
    """
    from jobs.services import open_services
    from store import comparisons, networks

    services = open_services(config)
    with services.database.reading() as connection:
        network = networks.find(connection, slug)
        drafts = comparisons.drafts(connection, network.key, slot)
    if as_json:
        print_json(summary(drafts))
    elif drafts:
        _print(network.slug, summary(drafts))
    else:
        where = f" in edition {slot}" if slot else ""
        click.echo(f"{network.slug}: nothing was compared{where}; matching.compare_share in config.toml starts that")


def summary(drafts: "list[Draft]") -> dict[str, Any]:
    """Items, good and bad words by matcher, and wins with the sign test."""
    from digest.interleaving import Wins

    margins = [draft.margin for draft in drafts]
    wins = Wins(sum(m > 0 for m in margins), sum(m < 0 for m in margins), sum(m == 0 for m in margins))
    return {
        "digests": len(drafts),
        "items": {"ours": sum(d.ours for d in drafts), "other": sum(d.other for d in drafts)},
        "good": {"ours": sum(d.ours_good for d in drafts), "other": sum(d.other_good for d in drafts)},
        "bad": {"ours": sum(d.ours_bad for d in drafts), "other": sum(d.other_bad for d in drafts)},
        "wins": {"ours": wins.ours, "other": wins.other},
        "ties": wins.ties,
        "p": wins.p_value,
        "share_of_ours": wins.interval,
    }


def _print(slug: str, found: dict[str, Any]) -> None:
    rows = [(name, found[name]["ours"], found[name]["other"]) for name in ("items", "good", "bad", "wins")]
    title = f"Compared in {slug}: {found['digests']} digests, {found['ties']} of them without a winner"
    print_table(title, ("", "ours", "other"), rows, right=(1, 2))
    if not found["wins"]["ours"] + found["wins"]["other"]:
        click.echo(
            "no digest has a winner yet: no member said more good words, less bad ones, for one side than for the other"
        )
        return
    low, high = found["share_of_ours"]
    click.echo(f"Ours wins {low:.0%} to {high:.0%} of those with a winner (95 %); sign test p = {found['p']:.3g}")
