"""A small labelled corpus with the shape of a real one."""

import gzip
import json
from pathlib import Path

FIELDS = {
    "stroke": "stroke thrombolysis aphasia hemiplegia swallowing recovery",
    "asthma": "asthma inhaler spirometry wheeze bronchodilator airway",
    "audit": "audit dashboard indicator benchmark run chart data",
    "carers": "carer respite family support allowance break",
}
ROUNDS = 16


def write_corpus(folder: Path) -> Path:
    """Four fields, eight items a round, a member for each field who likes all of it; rounds 10-12 calibrate, 13-15 test."""
    folder.mkdir(parents=True, exist_ok=True)
    items: list[dict[str, object]] = []
    judgements: list[str] = []
    for number in range(ROUNDS * 8):
        field = list(FIELDS)[number % 4]
        parts = FIELDS[field].split()
        text = " ".join(parts[(number + i) % 6] for i in range(4))
        items.append(
            {"id": f"i{number}", "title": text, "text": f"{text} week", "tags": [], "date": None, "round": number // 8}
        )
        judgements.append(f"m-{field}\ti{number}\t1")
    members = []
    for place, (field, words) in enumerate(FIELDS.items()):
        own = [f"i{n}" for n in range(80) if n % 4 == place]
        other = [f"i{n}" for n in range(80) if n % 4 == (place + 1) % 4]
        interest = " ".join(words.split()[:2])
        members.append(
            {"id": f"m-{field}", "kind": "x", "interest": interest, "liked": own[-5:], "disliked": other[-5:]}
        )
    meta = {"name": "small", "cap": 8, "calib_rounds": [10, 12], "test_rounds": [13, 15]}
    (folder / "meta.json").write_text(json.dumps(meta))
    _write(folder / "items.jsonl.gz", [json.dumps(item) for item in items])
    _write(folder / "members.jsonl.gz", [json.dumps(member) for member in members])
    _write(folder / "qrels.tsv.gz", judgements)
    return folder


def _write(path: Path, lines: list[str]) -> None:
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
