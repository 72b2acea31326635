import zlib
from dataclasses import replace
from struct import unpack
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.charts import FLOOR, FONT, LIGHT, TOP, Canvas, Chart, Line, _inked, bar, png, svg

CHART = Chart(
    title="Rabbits & <hares>",
    x_label="weeks",
    xs=[5, 30, 80],
    lines=[Line("seen", [100, 50, 0]), Line("heard", [None, 20, 40])],
    marks=[(30, "now 30"), (80, "then 80")],
)


def pixels(picture: bytes) -> npt.NDArray[np.uint8]:
    """What a reader of PNG makes of it, chunk sums checked: shape (height, width, 3)."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(picture):
        (length,) = unpack(">I", picture[at : at + 4])
        name, data = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        assert unpack(">I", picture[at + 8 + length : at + 12 + length]) == (zlib.crc32(name + data),)
        chunks[name], at = data, at + 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *kind = unpack(">IIBBBBB", chunks[b"IHDR"])
    assert kind == [8, 2, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def test_the_svg_is_well_formed_and_tells_what_it_shows() -> None:
    root = ET.fromstring(svg(CHART))
    named = {element.tag.partition("}")[2]: element.text for element in root}
    assert named["title"] == "Rabbits & <hares>"
    assert named["desc"] == "seen: 100 % at 5, 0 % at 80; heard: 20 % at 30, 40 % at 80"
    assert {"now 30", "then 80", "weeks", "seen", "heard"} <= {element.text for element in root}


def test_a_line_goes_through_its_values_and_stops_at_a_gap() -> None:
    seen, heard = (list(CHART.strokes(line)) for line in CHART.lines)
    assert [y for _, y in seen[0]] == [TOP, (TOP + FLOOR) / 2, FLOOR]
    assert [len(part) for part in heard] == [2]
    gap = replace(CHART, lines=[Line("gap", [1, None, 2])])
    assert [len(part) for part in gap.strokes(gap.lines[0])] == [1, 1]


def test_the_png_shows_the_same_points() -> None:
    picture = pixels(png(CHART, scale=2))
    assert picture.shape == (2 * CHART.height, 720, 3)
    for x, value in zip(CHART.xs, (100, 50, 0), strict=True):
        at = round(2 * (FLOOR - (FLOOR - TOP) * value / 100)), round(2 * CHART.x(x))
        assert picture[at].tolist() == list(bytes.fromhex(LIGHT[0][1:])), (x, value)
    assert picture[0, 0].tolist() == [255, 255, 255]


def test_every_letter_has_a_shape_of_its_own() -> None:
    shapes = {letter: shape for letter, shape in FONT.items() if letter not in {"S", "5", "O", "0"}}
    assert len(set(shapes.values())) == len(shapes)
    assert all(len(shape) == 5 and set(shape) <= set("01234567") for shape in FONT.values())


def test_an_unknown_character_is_drawn_as_a_question_mark() -> None:
    one, two = Canvas(20, 20, 2), Canvas(20, 20, 2)
    one.text(2, 5, "é")
    two.text(2, 5, "?")
    assert one.png() == two.png()
    assert pixels(one.png()).min() < 255


@given(st.floats(0, 100), st.floats(0.1, 100), st.sampled_from([(7.0, 3.0), (2.0, 3.0)]))
def test_dashes_stay_on_their_stretch_and_none_overlaps(
    offset: float, length: float, dash: tuple[float, float]
) -> None:
    pieces = list(_inked(offset, length, dash))
    ends = [end for piece in pieces for end in piece]
    assert ends == sorted(ends)
    assert all(0 <= end <= length for end in ends)
    assert all(end - start <= dash[0] + 1e-9 for start, end in pieces)


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, ""), (1, "████"), (0.5, "██"), (0.53125, "██▏"), (-1, ""), (2, "████"), (0.999, "████")]
)
def test_a_bar_is_as_long_as_its_share(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn
