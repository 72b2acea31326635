"""What `germane run --dry-run` tells beside the figures of a run: who gets a digest, how well it fits, what finds no room."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from digest.overview import WIDTH, overview
from digest.reasons import reasons_for
from jobs.previewing import FACETS, GRID, PUSHED_OUT, person
from jobs.terminal import print_bars, print_table

if TYPE_CHECKING:
    from jobs.rehearsal import Rehearsal
    from store.considered import PlannedDigest


def looked_over(found: "Rehearsal") -> dict[str, Any]:
    """As plain values: `who` gets a digest by facet and value, the `matches` of what they get by five points, twenty `border`
    cases, what finds `no_room`, and what happens at `others`, higher thresholds."""
    items, members = found.fitted.items, _by_key(found)
    seen = overview(found.fitted, found.gathered.pool, found.decision, GRID)
    with_digest = [members[key] for key in {row[2] for decided in found.decided for row in decided.chosen}]
    border = zip(
        seen.border_member.tolist(), seen.border_item.tolist(), seen.border_match.tolist(), seen.border_threshold.tolist(),
        seen.border_chosen.tolist(), strict=True,
    )  # fmt: skip
    unplaced = Counter({n: count for n, count in enumerate(seen.no_room.tolist()) if count})
    return {
        "who": {name: dict(Counter(getattr(m, name) for m in with_digest).most_common()) for name in FACETS},
        "matches": [(n * WIDTH, count) for n, count in enumerate(seen.histogram.tolist())],
        "border": [
            {
                "member": person(members[found.gathered.member_keys[row]], names=False),
                "item": items[column].title,
                "match": round(match, 1),
                "threshold": round(threshold, 1),
                "sent": chosen,
                "reason": _reason(found, row, column),
            }
            for row, column, match, threshold, chosen in border
        ],
        "no_room": [(items[n].title, count) for n, count in unplaced.most_common(PUSHED_OUT)],
        "others": seen.others,
    }


def _by_key(found: "Rehearsal") -> "dict[int, PlannedDigest]":
    return {member.member_key: member for batch in found.batches for member in batch}


def _reason(found: "Rehearsal", row: int, column: int) -> tuple[str, ...]:
    """Of a small audience, whose wants were kept."""
    for wants in found.gathered.wants.values():
        if row < wants.rows.shape[0]:
            fitted = found.fitted
            (why,) = reasons_for(fitted.space, wants.rows, fitted.rows, [row], [column], wants.origins)
            return tuple(reason.label for reason in why)
        row -= wants.rows.shape[0]
    return ()


def print_overview(told: dict[str, Any]) -> None:
    from jobs.items_preview import facts, print_who

    for facet, counts in told["who"].items():
        print_who(f"Members with a digest, by {facet.replace('_', ' ')}", counts)
    print_bars("Items in digests, by match", [(f"{low} to {low + WIDTH}", n) for low, n in told["matches"]])
    print()
    rows = [
        (facts(one["member"]), one["item"], f"{one['match']:g}", f"{one['threshold']:g}", "yes" if one["sent"] else "")
        for one in told["border"]
    ]
    if rows:
        print_table("Border cases, nearest first", ("member", "item", "match", "threshold", "sent"), rows, right=(2, 3))
    if told["no_room"]:
        print_table("Fits, but finds no room", ("item", "members"), told["no_room"], right=(1,))
    columns = ("threshold", "members it leaves something", "items that fit")
    print_table("At higher thresholds (`germane thresholds tune` shows lower ones, too)", columns,
                [(f"{t:g}", f"{members:,}", f"{pairs:,}") for t, members, pairs in told["others"]], right=(0, 1, 2))  # fmt: skip
