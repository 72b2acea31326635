"""What `germane run --dry-run` tells beside the figures of a run: who gets a digest, how well it fits, what finds no room."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from digest.overview import WIDTH, overview
from jobs.previewing import FACETS, PUSHED_OUT, person
from jobs.terminal import print_bars, print_table

if TYPE_CHECKING:
    from jobs.rehearsal import Rehearsal
    from store.considered import PlannedDigest


def looked_over(found: "Rehearsal", *, names: bool = False) -> dict[str, Any]:
    """As plain values: `who` gets a digest by facet and value, the `matches` of what they get by five points, twenty `border`
    cases (with `names` only for those entitled), what finds `no_room`, what happens at `others`, lower and higher thresholds,
    beside the `threshold` in force, and the `floor` under which none is looked at. `needing` counts the items that need readers.
    """
    items, members = found.items, _by_key(found)
    seen = overview(found.fitted, found.gathered.pool, found.decision)
    with_digest = [members[key] for key in {one.digest_key for decided in found.decided for one in decided.chosen}]
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
                "member": person(members[found.gathered.member_keys[row]], names=names),
                "item": items[column].title,
                "match": round(match, 1),
                "threshold": round(threshold, 1),
                "sent": chosen,
                "reason": _reason(found, row, column),
            }
            for row, column, match, threshold, chosen in border
        ],
        "no_room": [(items[n].title, count) for n, count in unplaced.most_common(PUSHED_OUT)],
        "threshold": found.fitted.threshold,
        "floor": found.fitted.floor,
        "needing": int((found.reach.needed > 0).sum()),
        "others": [other._asdict() for other in found.others],
    }


def _by_key(found: "Rehearsal") -> "dict[int, PlannedDigest]":
    return {member.member_key: member for batch in found.batches for member in batch}


def _reason(found: "Rehearsal", row: int, column: int) -> tuple[str, ...]:
    """Of a small audience, whose wants were kept."""
    for wants in found.gathered.wants.values():
        if row < wants.rows.shape[0]:
            (why,) = found.fitted.reasons(wants, [row], [column])
            return tuple(reason.label for reason in why)
        row -= wants.rows.shape[0]
    return ()


def print_overview(told: dict[str, Any]) -> None:
    from jobs.items_preview import facts, print_who

    for facet, counts in told["who"].items():
        print_who(f"Members with a digest, by {facet.replace('_', ' ')}", counts)
    matches = _where_anything_is(told["matches"])
    print_bars("Items in digests, by match", [(f"{low} to {low + WIDTH}", n) for low, n in matches])
    print()
    rows = [
        (facts(one["member"]), one["item"], f"{one['match']:g}", f"{one['threshold']:g}", "yes" if one["sent"] else "")
        for one in told["border"]
    ]
    if rows:
        print_table("Border cases, nearest first", ("member", "item", "match", "threshold", "sent"), rows, right=(2, 3))
    if told["no_room"]:
        print_table("Fits, but finds no room", ("item", "members"), told["no_room"], right=(1,))
    _print_others(told)


def _print_others(told: dict[str, Any]) -> None:
    rows = [
        (
            f"{'= ' if one['threshold'] == told['threshold'] else ''}{one['threshold']:g}",
            *(f"{one[name]:,}" for name in ("fits", "digests", "sent", "deep")),
            f"{one['heard']:,} of {told['needing']:,}",
        )
        for one in told["others"]
    ]
    columns = (
        "threshold",
        "pairs that fit",
        "digests",
        "items sent",
        "of these under it",
        "items with all readers needed",
    )
    print_table("At other thresholds", columns, rows, right=(0, 1, 2, 3, 4, 5))


def _where_anything_is(bars: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without the empty ends."""
    full = [n for n, (_, count) in enumerate(bars) if count]
    return bars[full[0] : full[-1] + 1] if full else []
