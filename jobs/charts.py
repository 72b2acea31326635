"""Line charts in percent over a scale from 0 to 100: as SVG, as PNG and in the terminal, all from the same points."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from struct import pack

Point = tuple[float, float]

WIDTH = 360
LEFT, RIGHT, TOP, FLOOR = 38, 350, 34, 234
ROW = 16
LIGHT = ("#0b5866", "#8a4b08", "#5b3b8c")
DARK = ("#86cbd9", "#f0b46c", "#c4a8f0")
DASHES: tuple[tuple[float, ...], ...] = ((), (7, 3), (2, 3))
"""Lines are told apart without their colours, too. Empty is a whole line; else the lengths of ink and gap."""


@dataclass(frozen=True, slots=True)
class Line:
    """`values` are percentages, one for each x of the chart; None leaves a gap."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """At most three lines over `xs`, rising and from 0 to 100; `marks` are values of x with a name, drawn as uprights; those
    to the right have their names above, where no other upright crosses them."""

    title: str
    x_label: str
    xs: Sequence[float]
    lines: Sequence[Line]
    marks: Sequence[tuple[float, str]] = ()

    @property
    def height(self) -> int:
        return FLOOR + 36 + ROW * len(self.lines)

    def x(self, value: float) -> float:
        low, high = self.xs[0], self.xs[-1]
        return LEFT + (RIGHT - LEFT) * (value - low) / ((high - low) or 1)

    def strokes(self, line: Line) -> Iterator[list[Point]]:
        """The line's unbroken parts."""
        part: list[Point] = []
        for x, value in zip(self.xs, line.values, strict=True):
            if value is not None:
                part.append((self.x(x), _y(value)))
            elif part:
                yield part
                part = []
        if part:
            yield part

    def ticks(self) -> list[float]:
        """Every tenth, or every one on a short scale."""
        step = 10 if self.xs[-1] - self.xs[0] > 20 else 1
        return [x for x in range(0, int(self.xs[-1]) + 1, step) if x >= self.xs[0]]


def _y(percent: float) -> float:
    return FLOOR - (FLOOR - TOP) * percent / 100


def svg(chart: Chart, name: str = "chart") -> str:
    """A picture that stands alone or inside a page, follows the reader's choice of light or dark, and reads itself out.

    `name` begins the ids in it: no two pictures of one page may have the same.
    """
    summary = "; ".join(f"{line.name}: {_spoken(chart, line)}" for line in chart.lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {chart.height}" role="img" '
        f'aria-labelledby="{name}-title {name}-summary"><title id="{name}-title">{escape(chart.title)}</title>'
        f'<desc id="{name}-summary">{escape(summary)}</desc><style>{_style()}</style>',
        f'<rect class="paper" width="{WIDTH}" height="{chart.height}"/>',
        *(_grid_row(percent) for percent in range(0, 101, 25)),
        *(_text(chart.x(tick), FLOOR + 14, f"{tick:g}", "middle") for tick in chart.ticks()),
        _text((LEFT + RIGHT) / 2, FLOOR + 28, chart.x_label, "middle"),
        *(_mark(chart, number, *mark) for number, mark in enumerate(reversed(chart.marks))),
        *(_series(chart, number, line) for number, line in enumerate(chart.lines)),
        "</svg>",
    ]
    return "\n".join(parts)


def _spoken(chart: Chart, line: Line) -> str:
    known = [(x, value) for x, value in zip(chart.xs, line.values, strict=True) if value is not None]
    if not known:
        return "nothing known"
    (first_x, first), (last_x, last) = known[0], known[-1]
    return f"{first:.0f} % at {first_x:g}, {last:.0f} % at {last_x:g}"


def _style() -> str:
    fixed = (
        ".chart text{font:11px system-ui,sans-serif}.chart .line{fill:none;stroke-width:2.2}"
        ".chart .mark{stroke-width:1;stroke-dasharray:1 2}"
    )
    light, dark = _rules("#ffffff", "#1c2226", "#d9dcd9", LIGHT), _rules("#1c2226", "#e8ebec", "#394249", DARK)
    return f"{fixed}{light}@media (prefers-color-scheme:dark){{{dark}}}"


def _rules(paper: str, ink: str, grid: str, colours: Sequence[str]) -> str:
    lines = "".join(f".chart .line{n}{{stroke:{colour}}}" for n, colour in enumerate(colours))
    rest = f".chart .paper{{fill:{paper}}}.chart text{{fill:{ink}}}.chart .grid{{stroke:{grid}}}.chart .mark{{stroke:{ink}}}"
    return rest + lines


def _grid_row(percent: int) -> str:
    y = _y(percent)
    line = f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(LEFT - 4, y + 4, f"{percent}%", "end")


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _mark(chart: Chart, number: int, value: float, name: str) -> str:
    x, top = chart.x(value), TOP - 20 + 13 * number
    upright = f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{top + 3}" y2="{FLOOR}"/>'
    return upright + _text(*_beside(x, top), name, _anchor(x))


def _anchor(x: float) -> str:
    return "start" if x < (LEFT + RIGHT) / 2 else "end"


def _beside(x: float, top: float) -> Point:
    return (x + 3 if _anchor(x) == "start" else x - 3), top + 4


def _series(chart: Chart, number: int, line: Line) -> str:
    dash = f' stroke-dasharray="{" ".join(map(str, DASHES[number]))}"' if DASHES[number] else ""
    strokes = [*chart.strokes(line), _legend_stroke(number)]
    paths = ("M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) for points in strokes)
    drawn = "".join(f'<path class="line line{number}"{dash} d="{path}"/>' for path in paths)
    return drawn + _text(LEFT + 30, _legend_y(number) + 4, line.name)


def _legend_y(number: int) -> float:
    return FLOOR + 42 + ROW * number


def _legend_stroke(number: int) -> list[Point]:
    return [(LEFT, _legend_y(number)), (LEFT + 24, _legend_y(number))]


def png(chart: Chart, scale: float = 2.5) -> bytes:
    """The same picture in pixels, light, `scale` of them for each unit of the SVG's width."""
    canvas = Canvas(round(WIDTH * scale), round(chart.height * scale), scale)
    for percent in range(0, 101, 25):
        canvas.line([(LEFT, _y(percent)), (RIGHT, _y(percent))], "#d9dcd9", 1)
        canvas.text(LEFT - 4, _y(percent), f"{percent}%", "end")
    for tick in chart.ticks():
        canvas.text(chart.x(tick), FLOOR + 10, f"{tick:g}", "middle")
    canvas.text((LEFT + RIGHT) / 2, FLOOR + 24, chart.x_label, "middle")
    for number, (value, name) in enumerate(reversed(chart.marks)):
        x, top = chart.x(value), TOP - 20 + 13 * number
        canvas.line([(x, top + 3), (x, FLOOR)], "#1c2226", 1, (1, 2))
        canvas.text(*_beside(x, top - 4), name, _anchor(x))
    for number, line in enumerate(chart.lines):
        for stroke in (*chart.strokes(line), _legend_stroke(number)):
            canvas.line(stroke, LIGHT[number], 2.2, DASHES[number])
        canvas.text(LEFT + 30, _legend_y(number), line.name)
    return canvas.png()


class Canvas:
    """White paper to draw on in units of which `scale` make a pixel."""

    def __init__(self, width: int, height: int, scale: float) -> None:
        import numpy as np

        self._scale = scale
        self._pixels = np.full((height, width, 3), 255.0)

    def line(self, points: Sequence[Point], colour: str, width: float, dash: Sequence[float] = ()) -> None:
        for start, end in _dashed(points, dash):
            self._segment(start, end, colour, width)

    def _segment(self, start: Point, end: Point, colour: str, width: float) -> None:
        """Each pixel gets as much ink as its distance from the segment leaves."""
        import numpy as np

        (x0, y0), (x1, y1) = ([n * self._scale for n in point] for point in (start, end))
        half = width * self._scale / 2
        rows = slice(max(0, int(min(y0, y1) - half - 1)), int(max(y0, y1) + half + 2))
        columns = slice(max(0, int(min(x0, x1) - half - 1)), int(max(x0, x1) + half + 2))
        part = self._pixels[rows, columns]
        y, x = np.mgrid[0 : part.shape[0], 0 : part.shape[1]] + 0.5
        x, y = x + columns.start - x0, y + rows.start - y0
        along, square = x * (x1 - x0) + y * (y1 - y0), (x1 - x0) ** 2 + (y1 - y0) ** 2
        share = np.clip(along / square, 0, 1) if square else np.zeros_like(along)
        distance = np.hypot(x - share * (x1 - x0), y - share * (y1 - y0))
        ink = np.clip(half + 0.5 - distance, 0, 1)[..., None]
        part += ink * (np.array(_rgb(colour)) - part)

    def text(self, x: float, y: float, text: str, anchor: str = "start") -> None:
        """In capitals, the middle of their height at y."""
        size = 1.5
        length = 4 * size * len(text)
        x -= {"start": 0.0, "middle": length / 2, "end": length}[anchor]
        for number, letter in enumerate(text.upper()):
            for row, bits in enumerate(FONT.get(letter, FONT["?"])):
                for column in range(3):
                    if int(bits) & 4 >> column:
                        at = (x + size * (4 * number + column), y + size * (row - 2.5))
                        self._block(at, size)

    def _block(self, corner: Point, size: float) -> None:
        x0, y0, x1, y1 = (round(n * self._scale) for n in (*corner, corner[0] + size, corner[1] + size))
        self._pixels[max(0, y0) : y1, max(0, x0) : x1] = _rgb("#1c2226")

    def png(self) -> bytes:
        """PNG (ISO/IEC 15948): header, one compressed stream of unfiltered rows of 8-bit RGB, end."""
        import numpy as np

        height, width, _ = self._pixels.shape
        rows = np.zeros((height, 1 + 3 * width), dtype=np.uint8)
        rows[:, 1:] = self._pixels.round().reshape(height, -1)
        header = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _dashed(points: Sequence[Point], dash: Sequence[float]) -> Iterator[tuple[Point, Point]]:
    """The pieces of a polyline that get ink; the pattern goes on round its corners."""
    if len(points) == 1:
        yield points[0], points[0]
    offset = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        for start, end in _inked(offset, length, dash):
            a, b = start / length, end / length
            yield (x0 + a * (x1 - x0), y0 + a * (y1 - y0)), (x0 + b * (x1 - x0), y0 + b * (y1 - y0))
        offset += length


def _inked(offset: float, length: float, dash: Sequence[float]) -> Iterator[Point]:
    """From where to where there is ink on a stretch of this length, `offset` into the pattern."""
    if not dash:
        yield 0.0, length
        return
    ink, gap = dash
    start = -(offset % (ink + gap))
    while start < length:
        if start + ink > 0:
            yield max(0.0, start), min(length, start + ink)
        start += ink + gap


# Three columns by five rows; each row is an octal digit, its highest bit the left column.
FONT = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ%.,:-()? ",
        """75557 26227 71747 71717 55711 74717 74757 71122 75757 75717 25755 65656 34443 65556 74647 74644 34553 55755 72227
        11152 55655 44447 57755 65555 25552 65644 25563 65655 34216 72222 55557 55552 55775 55255 55222 71247 51245 00002
        00024 02020 00700 12221 42224 71202 00000""".split(),
        strict=True,
    )
)

BLOCKS = " ▏▎▍▌▋▊▉█"


def bar(share: float, width: int) -> str:
    """A bar of block characters, `share` (0 to 1) of `width` columns long, to an eighth of a column."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    return "█" * (eighths // 8) + BLOCKS[eighths % 8].strip()
