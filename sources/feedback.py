"""Feedback from a file: who said what of which item, and when."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from profiles.feedback import VERDICTS, Verdict
from sources.decoding import SourceError
from sources.delimited import Row
from sources.fields import check_characters
from sources.items import moment, near
from sources.rejects import OUR_COLUMNS

COLUMNS = ("member", "item", "verdict", "at")
OTHER_NAMES: Mapping[str, str] = {"address": "member", "email": "member", "date": "at", "time": "at"}
OTHER_WORDS: Mapping[str, Verdict] = {
    "more_like_this": "more",
    "not_for_me": "less",
    "i_can_help": "can_help",
    "clicked": "opened",
}


@dataclass(frozen=True, slots=True)
class Said:
    """A row as the file has it: `member` an address or id, `item` an id of ours or the poster's own."""

    line: int
    member: str
    item: str
    verdict: Verdict
    at: datetime


class FeedbackReader:
    """Turns the rows of one file into values. Times without a zone are in `zone`, and none may lie after `now`."""

    def __init__(self, path: Path, header: tuple[str, ...], zone: ZoneInfo, now: datetime) -> None:
        """Raises SourceError when a column is missing or there twice."""
        self._zone, self._now = zone, now
        self._place = _places(path, header)

    def read(self, row: Row) -> Said:
        """Raises ValueError with the column and what is wrong with it."""
        if row.problem:
            raise ValueError(row.problem)
        cells = {name: row.cells[place].strip() for name, place in self._place.items()}
        if missing := [name for name in COLUMNS if not cells[name]]:
            raise ValueError(f"{missing[0]}: is empty")
        for name, cell in cells.items():
            try:
                check_characters(cell)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return Said(row.line, cells["member"], cells["item"], _verdict(cells["verdict"]), self._moment(cells["at"]))

    def _moment(self, text: str) -> datetime:
        try:
            found = moment(text, self._zone)
        except ValueError as error:
            raise ValueError(f"at: {error}") from None
        assert found is not None
        if found > self._now:
            raise ValueError(f"at: {text} has not come yet")
        return found


def _places(path: Path, header: tuple[str, ...]) -> dict[str, int]:
    names = [re.sub(r"\W+", "_", name.strip().casefold()).strip("_") for name in header]
    found: dict[str, int] = {}
    for place, name in enumerate(OTHER_NAMES.get(name, name) for name in names):
        if name in found and name in COLUMNS:
            raise SourceError(
                f"{path}: line 1: the columns {header[found[name]]} and {header[place]} give the same thing"
            )
        found[name] = place
    if missing := [name for name in COLUMNS if name not in found]:
        there = ", ".join(name for name in header if name.casefold() not in OUR_COLUMNS)
        raise SourceError(
            f"{path}: line 1 must name the columns {', '.join(COLUMNS)}; {missing[0]} is missing, there are: {there}"
        )
    return {name: found[name] for name in COLUMNS}


def _verdict(text: str) -> Verdict:
    word = re.sub(r"[\W_]+", "_", text.casefold()).strip("_")
    for verdict in VERDICTS:
        if word == verdict:
            return verdict
    if word not in OTHER_WORDS:
        raise ValueError(f"verdict: {text!r} is none of {', '.join(VERDICTS)}{near(word, VERDICTS)}")
    return OTHER_WORDS[word]
