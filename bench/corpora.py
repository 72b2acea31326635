"""Labelled corpora: reading a folder of items, members and judgements (the format is in docs/evaluation.md)."""

import gzip
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Record = dict[str, Any]


class CorpusError(ValueError):
    """A folder that is not a corpus; the message names the file, and the line where one is at fault."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Items in rounds, members with what they liked before the first calibration round, and every judgement above 0."""

    name: str
    cap: int
    utility: float
    calibration_rounds: range
    test_rounds: range
    items: list[Record]
    member_records: list[Record]
    judgements: dict[str, dict[str, float]]

    @property
    def archive(self) -> list[Record]:
        """Items before the first calibration round."""
        return [item for item in self.items if item["round"] < self.calibration_rounds.start]

    def items_of(self, rounds: range) -> list[Record]:
        """Items of these rounds, in the order of the file."""
        return [item for item in self.items if item["round"] in rounds]

    def members(self, likes: int) -> list[Record]:
        """Members who have given so many likes, the latest ones, and as many dislikes."""
        by_id = {item["id"]: item for item in self.items}
        return [
            {"id": m["id"], "interest": m["interest"]}
            | {kind: [by_id[item] for item in m[kind][-likes:]] if likes else [] for kind in ("liked", "disliked")}
            for m in self.member_records
        ]

    def grades(self, member: str, items: Sequence[Record]) -> npt.NDArray[np.float64]:
        """Of length len(items), 0 where an item is not relevant to the member."""
        judged = self.judgements.get(member, {})
        return np.array([judged.get(item["id"], 0.0) for item in items])


def read_corpus(folder: Path) -> Corpus:
    """Reads `meta.json`, `items.jsonl.gz`, `members.jsonl.gz` and `qrels.tsv.gz`. Raises CorpusError."""
    if not folder.is_dir():
        raise CorpusError(f"{folder}: not a folder")
    meta = _meta(folder / "meta.json")
    items = _records(folder / "items.jsonl.gz", ("id", "title", "text", "round"))
    members = _records(folder / "members.jsonl.gz", ("id", "interest", "liked", "disliked"))
    known = {item["id"] for item in items}
    for number, member in enumerate(members, 1):
        if missing := {*member["liked"], *member["disliked"]} - known:
            raise CorpusError(
                f"{folder / 'members.jsonl.gz'}, line {number}: no item {sorted(missing)[0]!r} in items.jsonl.gz"
            )
    calibration, test = (range(meta[key][0], meta[key][1] + 1) for key in ("calib_rounds", "test_rounds"))
    name, cap, utility = str(meta.get("name", folder.name)), int(meta.get("cap", 8)), float(meta.get("utility_w", 2))
    return Corpus(name, cap, utility, calibration, test, items, members, _judgements(folder / "qrels.tsv.gz"))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except FileNotFoundError:
        raise CorpusError(
            f"{path}: missing; a corpus has meta.json, items.jsonl.gz, members.jsonl.gz and qrels.tsv.gz"
        ) from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: cannot be read: {error}") from None


def _meta(path: Path) -> Record:
    try:
        meta = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise CorpusError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from None
    for key in ("calib_rounds", "test_rounds"):
        rounds = meta.get(key) if isinstance(meta, dict) else None
        if not isinstance(rounds, list) or len(rounds) != 2 or not all(isinstance(r, int) for r in rounds):
            raise CorpusError(f"{path}: {key} must be the first and the last round, such as [40, 46]")
    return dict(meta)


def _records(path: Path, keys: tuple[str, ...]) -> list[Record]:
    records = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise CorpusError(f"{path}, line {number}: not JSON: {error.msg}") from None
        if missing := [key for key in keys if not isinstance(record, dict) or key not in record]:
            raise CorpusError(f"{path}, line {number}: has no {missing[0]!r}")
        records.append(record)
    return records


def _judgements(path: Path) -> dict[str, dict[str, float]]:
    judgements: dict[str, dict[str, float]] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        try:
            member, item, text = line.split("\t")
            grade = float(text)
            if not math.isfinite(grade):
                raise ValueError
        except ValueError:
            raise CorpusError(f"{path}, line {number}: wants member, item and grade, separated by tabs") from None
        judgements.setdefault(member, {})[item] = grade
    return judgements
