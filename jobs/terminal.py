"""What people see in the terminal: tables, progress bars, or JSON for programs."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

WIDTH_OF_A_FILE = 160

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
network_option = click.option(
    "--network", "-n", "slug", default="", help="Which network; may be left out when there is only one."
)


def print_json(data: object) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=_plain))


LONGEST_WHOLE = 24
"""Characters of a word up to which it is kept in one line of a table, such as an id or a name of a column."""


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[int] = ()) -> None:
    """A table on standard output; `right` are the indices of right-aligned columns. Control characters are made visible.

    Where the terminal is too narrow for the lines, words are kept whole, the longest ones last.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console, cells = _console(), [[Text(printable(cell)) for cell in row] for row in rows]
    longest = [_longest_word([Text(name), *(row[n] for row in cells)]) for n, name in enumerate(columns)]
    room = console.width - GAP * len(columns)
    most = next((most for most in range(LONGEST_WHOLE, 1, -1) if sum(min(most, word) for word in longest) <= room), 1)
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for n, name in enumerate(columns):
        side: Literal["left", "right"] = "right" if n in right else "left"
        table.add_column(name, justify=side, overflow="fold", min_width=min(most, longest[n]))
    for row in cells:
        table.add_row(*row)
    if title:
        console.print(Text(printable(title), style="italic"), soft_wrap=True)
    console.print(table)


GAP = 2
"""Characters between two columns."""


def _longest_word(cells: "Iterable[Text]") -> int:
    from rich.cells import cell_len

    return max((cell_len(word) for cell in cells for word in cell.plain.split()), default=1)


def _console() -> "Console":
    """Standard output, as wide as the terminal; a file or pipe gets lines that need not be folded."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH_OF_A_FILE
    return console


def progress() -> "Progress":
    """Progress bars on standard error; where that is no terminal, only how they ended, and nothing if there was none."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    class Bars(Progress):
        def stop(self) -> None:
            self.console.quiet = not self.tasks and not self.console.is_terminal
            super().stop()

    columns = [
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    return Bars(*columns, console=Console(stderr=True))


def several(n: int, word: str) -> str:
    """ "1 item", "1,200 items"."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def print_bars(title: str, rows: Sequence[tuple[str, int]], width: int = 40) -> None:
    """A bar for each (label, number), the longest `width` characters wide."""
    most = max((n for _, n in rows), default=0)
    if not most:
        return
    label_width = max(len(label) for label, _ in rows)
    click.echo(f"\n{title}")
    for label, n in rows:
        click.echo(f"{printable(label):>{label_width}} {'█' * max(1, round(width * n / most)) if n else ''} {n}")


@contextmanager
def advancing(progress: "Progress | None", description: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on `progress` (or none), as a function that moves it on by so many."""
    if progress is None:
        yield lambda _n: None
        return
    task = progress.add_task(description, total=total)
    yield lambda n: progress.advance(task, n)


def printable(value: object) -> str:
    """Text for a terminal, without control characters: an item's title must not be able to drive somebody's terminal."""
    text = "" if value is None else value.isoformat(" ", "minutes") if isinstance(value, datetime) else str(value)
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    raise TypeError(f"cannot print {type(value).__name__} as JSON")
