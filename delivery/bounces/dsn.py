"""Delivery status notifications (RFC 3464): the fields of each recipient."""

import re
from dataclasses import dataclass

from delivery.bounces.charsets import decode_words
from delivery.bounces.mime import Part

MAX_BLOCKS = 500

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60})[ \t]*:[ \t]*(.*)")
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_HEX = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_WANTED = re.compile(r"^(?:final|original)-recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Report:
    """What a DSN says of one recipient. `action` and `status` are empty where it is silent; addresses are as written."""

    final: str = ""
    original: str = ""
    actual: str = ""
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    category: str = ""


def reports(parts: list[Part]) -> list[Report]:
    """The reports of every recipient named in these parts, in order."""
    found: list[Report] = []
    for part in parts:
        found += _reports(part.text)
    return found[:MAX_BLOCKS]


def in_text(text: str) -> list[Report]:
    """Reports that stand in plain text: a part without its type, a message cut short, a digest of MIME as text."""
    return _reports(text)[:MAX_BLOCKS] if _WANTED.search(text) else []


def status_in(text: str) -> str:
    """The first enhanced status code (RFC 3463) in a text, or ""."""
    found = _STATUS.search(text)
    return found[0] if found else ""


def _reports(text: str) -> list[Report]:
    return [report for block in _blocks(text) if (report := _report(block)) is not None]


def _blocks(text: str) -> list[dict[str, str]]:
    """Groups of fields, split where a line is empty or a recipient's fields begin again; names in lower case."""
    blocks: list[dict[str, str]] = [{}]
    name = ""
    for line in text.splitlines():
        found = _FIELD.match(line)
        if line[:1] in {" ", "\t"} and name and line.strip():
            blocks[-1][name] = f"{blocks[-1][name]} {line.strip()}"[:4000]
        elif found:
            name = found[1].lower()
            if name in blocks[-1] and name in {"final-recipient", "original-recipient", "action"}:
                blocks.append({})
            blocks[-1].setdefault(name, found[2].strip()[:4000])
        elif not line.strip():
            name = ""
            if _names_somebody(blocks[-1]) and len(blocks[-1]) > 1:
                blocks.append({})
        elif name and not line.startswith("--"):
            blocks[-1][name] = f"{blocks[-1][name]} {line.strip()}"[:4000]
        if len(blocks) > MAX_BLOCKS:
            break
    return blocks


def _names_somebody(block: dict[str, str]) -> bool:
    return any(name in block for name in ("final-recipient", "original-recipient", "x-actual-recipient"))


def _report(block: dict[str, str]) -> Report | None:
    if not _names_somebody(block) and not ("action" in block and "status" in block):
        return None
    action = re.split(r"[^a-z-]", block.get("action", "").lower().lstrip(), maxsplit=1)[0]
    return Report(
        address(block.get("final-recipient", "")),
        address(block.get("original-recipient", "")),
        address(block.get("x-actual-recipient", "")),
        action,
        status_in(block.get("status", "")),
        decode_words(block.get("diagnostic-code", "") + " " + block.get("x-supplementary-info", "")).strip(),
        block.get("x-powermta-bouncecategory", "").lower(),
    )


def address(field: str) -> str:
    """The address in a recipient field: `rfc822; <jo@example.org>`, also without a type, quoted, or with a comment."""
    kind, semicolon, value = field.partition(";")
    value = value if semicolon and "@" not in kind else field
    if kind.strip().lower() == "utf-8":
        value = _HEX.sub(lambda found: chr(min(int(found[1], 16), 0x10FFFF)), value)
    bracketed = re.search(r"<([^<>]{1,320})>", value)
    value = bracketed[1] if bracketed else value
    quoted = re.match(r'\s*("[^"]{1,100}"@[^\s()<>;,]{1,255})', value)
    return quoted[1] if quoted else re.split(r"[\s()<>;,]", value.strip().strip("'\""), maxsplit=1)[0].strip("'\"")
