"""A made-up labelled corpus, for where there is no real one: items of a few fields, and members who like a field."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.synthetic import Language

FIELDS, ROUNDS, ROUND, MEMBERS = 24, 30, 40, 48


def write_corpus(folder: Path, seed: int = 1) -> Path:
    """Rounds 20-22 calibrate, 23-29 test. A member wants one field, states it in four words, and likes its items."""
    language = Language(seed)
    fields = language.rng.integers(0, FIELDS, ROUNDS * ROUND)
    items: list[dict[str, Any]] = [
        {
            "id": f"i{n}", "title": _text(language, field, 6), "text": _text(language, field, 60), "tags": [], "date": None,
            "round": n // ROUND,
        }
        for n, field in enumerate(fields.tolist())
    ]  # fmt: skip
    members, judgements = [], []
    for number in range(MEMBERS):
        own = np.flatnonzero(fields == number % FIELDS)
        judgements += [f"m{number}\ti{n}\t1" for n in own.tolist()]
        known = own[own < 20 * ROUND]
        others = np.flatnonzero(fields == (number + 1) % FIELDS)[:10]
        members.append(
            {
                "id": f"m{number}", "interest": _text(language, number % FIELDS, 4),
                "liked": [f"i{n}" for n in known[-10:].tolist()], "disliked": [f"i{n}" for n in others.tolist()],
            }
        )  # fmt: skip
    meta = {"name": "made-up", "cap": 8, "calib_rounds": [20, 22], "test_rounds": [23, ROUNDS - 1]}
    (folder / "meta.json").write_text(json.dumps(meta))
    for name, lines in (("items.jsonl.gz", items), ("members.jsonl.gz", members)):
        _write(folder / name, [json.dumps(line) for line in lines])
    _write(folder / "qrels.tsv.gz", judgements)
    return folder


def _text(language: Language, field: int, words: int, own_share: float = 0.3) -> str:
    drawn = language.rng.choice(len(language.words), words, p=language.share)
    own = language.rng.random(words) < own_share
    return " ".join(language.words[np.where(own, language.order[field][drawn], drawn)].tolist())


def _write(path: Path, lines: list[str]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
