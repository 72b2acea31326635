"""`make bench`: what the project promises of speed and memory, measured on this machine, beside the limit or a named peer; then
its matching beside others on labelled corpora."""

from collections.abc import Iterator

from rich.console import Console

from bench import allocation, ceiling, comparison, delivery, importing, message, preview, reasons, speed, weekly

LINE = "{:<58} {:>18} {:>24}  {}"
Row = tuple[str, str, str, bool | None]


def rows() -> Iterator[Row]:
    """(what, measured, limit or peer, whether it holds)"""
    help_s = importing.help_seconds()
    yield "germane --help", f"{help_s:.3f} s", "0.3 s", help_s < 0.3
    load = importing.main()
    yield "import of 100,000 members", f"{load['import_s']:.1f} s", "30 s", load["import_s"] < 30
    yield "  the same file again", f"{load['import_again_s']:.1f} s", "", None
    yield "  memory", f"{load['peak_mb']:.0f} MB", "", None
    week = weekly.main()
    both = week["match_s"] + week["select_s"]
    yield "match and select, 15,000 x 500", f"{both:.2f} s", "1 s", both < 1
    yield "  the same terms by scikit-learn cosine and argpartition", f"{week['sklearn_match_s']:.2f} s", "", None
    yield "  texts to vectors, members a second", f"{15_000 / week['profile_vectors_s']:,.0f}", "", None
    yield from _matching()
    mail = message.main()
    ratio, size = mail["rsa_ratio"], mail["message_bytes"] / 1000
    yield f"assemble and sign a message of {size:.0f} kB", f"{ratio:.2f}", "1.5 x sha256 + rsa-2048", ratio <= 1.5
    yield "  with both signatures", f"{mail['both_ratio']:.2f}", "", None
    yield "  unsigned", f"{mail['unsigned_us'] / mail['limit_us']:.2f}", "", None
    yield "edition, texts to delivered", f"{week['edition_s']:.1f} s", "", None
    yield "  from matrices to delivered", f"{week['from_matrices_s']:.1f} s", "20 s", week["from_matrices_s"] < 20
    yield "  of which compose and store", f"{week['compose_and_store_s']:.1f} s", "", None
    yield "  of which compose messages and hand over", f"{week['send_s']:.1f} s", "", None
    yield "  messages", f"{week['messages']:,.0f} of {week['message_bytes'] / 1000:.1f} kB", "", None
    yield "  memory", f"{week['peak_mb']:.0f} MB", "600 MB", week["peak_mb"] < 600
    yield from _allocation()
    for members, limit in ((15_000, 0.15), (1_000_000, 1.0)):
        one = preview.alone(members)
        what = f"preview of one item, {members:,} members loaded"
        yield what, f"{one['median_s'] * 1000:.0f} ms", f"{limit * 1000:.0f} ms", one["median_s"] < limit
        yield "  the slowest of twenty", f"{one['worst_s'] * 1000:.0f} ms", "", None


def _matching() -> Iterator[Row]:
    """CPU on one core, of past items, members and feedback as many as are promised."""
    found = speed.main()
    yield "fit on 20,000 past items", f"{found['fit_s']:.1f} s", "10 s", found["fit_s"] < 10
    yield "  and their rows", f"{found['item_vectors_s']:.1f} s", "", None
    per_s = found["profiles_per_s"]
    yield "profiles to vectors, members a second", f"{per_s:,.0f}", "20,000", per_s >= 20_000
    yield "score 15,000 members x 500 items", f"{found['score_s']:.2f} s", "0.5 s", found["score_s"] < 0.5
    yield "learn from 100,000 words of feedback", f"{found['learn_s']:.1f} s", "5 s", found["learn_s"] < 5
    yield "  the match, had no digest brought these", f"{found['earlier_s']:.1f} s", "5 s", found["earlier_s"] < 5
    both = found["effective_s"], found["effective_with_feedback_s"]
    yield "  whole profiles of 15,000, without and with it", f"{both[0]:.1f} s, {both[1]:.1f} s", "", None
    octets = found["bytes_per_entry"]
    yield "memory of a profile's entry", f"{octets:.0f} octets", "8 octets", octets <= 8


def _allocation() -> Iterator[Row]:
    near = allocation.exactness()
    share, n = near["least_share"], near["instances"]
    yield f"allocation of {n} small editions, worst of exact", f"{share:.2%}", "99 %", share >= 0.99
    yield (
        "  with the least shortfall there can be",
        f"{near['same_shortfall']} of {n}",
        "all",
        near["same_shortfall"] == n,
    )
    yield "  exactly optimal", f"{near['optimal']} of {n}", "", None
    yield "  limits broken", str(near["breaches"]), "0", not near["breaches"]
    dry = allocation.scarcity()
    least = dry["least_shortfall"]
    yield (
        "allocation where requests lack readers, missing",
        f"{dry['shortfall']:,.0f}",
        f"{least:,.0f} (LP bound)",
        None,
    )
    small, large = allocation.alone(250_000), allocation.alone(1_000_000)
    size = f"1,000,000 x 1,000, {large['candidates'] / 1e6:.0f} M candidates"
    yield f"allocation of {size}", f"{large['seconds']:.1f} s", "60 s", large["seconds"] < 60
    yield "  seconds of one core", f"{large['cpu_s']:.1f} s", "", None
    growth = large["cpu_s"] / small["cpu_s"] * small["candidates"] / large["candidates"]
    yield "  a candidate, against a quarter of the size", f"{growth:.2f}", "1.2 (linear)", growth < 1.2
    yield "  memory", f"{large['peak_mb']:,.0f} MB", "6,000 MB", large["peak_mb"] < 6000
    if not delivery.is_possible():
        yield "messages of 30 kB to smtp-sink, a second", "not measured", "smtp-sink is missing", None
    else:
        sent = delivery.main(6_000, 3)
        yield "messages of 30 kB to smtp-sink, a second", f"{sent['germane_per_s']:,.0f}", "", None
        yield "  beside smtp-source in the same run", f"{sent['ratio']:.2f}", "0.5", sent["ratio"] >= 0.5
        yield "  lost and doubled", f"{sent['lost'] + sent['doubled']:.0f}", "0", not sent["lost"] + sent["doubled"]


def main() -> None:
    console = Console(soft_wrap=True)
    console.print(LINE.format("Speed and memory, this machine, this run", "measured", "limit", "holds"), style="bold")
    for what, measured, limit, holds in rows():  # each as soon as it is known, for all of it takes long
        console.print(LINE.format(what, measured, limit, "" if holds is None else "yes" if holds else "NO"))
    comparison.main()
    ceiling.main()
    reasons.main()


if __name__ == "__main__":
    main()
