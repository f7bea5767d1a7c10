"""Curves are drawn where their numbers are, and in a file that a browser opens."""

from __future__ import annotations

import itertools
from xml.etree.ElementTree import fromstring

import pytest

from dataengine.report.curve_drawing import (
    BETWEEN_NAMES,
    BOTTOM,
    HEIGHT,
    WIDTH,
    Curve,
    Line,
    Point,
    draw_curves,
    draw_lines,
)

SVG = "{http://www.w3.org/2000/svg}"
RISING = Curve("a < b", tuple(Point(2.0**i, i, i - 0.5, i + 1) for i in range(6)))
FLAT = Curve("flat", (Point(1, 2, 2, 2), Point(32, 2, 2, 2)))


@pytest.fixture(scope="module")
def drawn():
    return fromstring(draw_curves([RISING, FLAT], "steps", "SI-SDR improvement, dB"))


def test_doubling_is_the_same_distance_each_time(drawn):
    circles = drawn.findall(f"{SVG}circle")[:6]
    x = [float(circle.get("cx")) for circle in circles]
    distances = [after - before for before, after in itertools.pairwise(x)]
    assert distances == pytest.approx([distances[0]] * 5, abs=0.2)


def test_more_is_higher_and_intervals_hold_their_values(drawn):
    y = [float(circle.get("cy")) for circle in drawn.findall(f"{SVG}circle")[:6]]
    assert y == sorted(y, reverse=True)
    intervals = [line for line in drawn.findall(f"{SVG}line") if line.get("x1") == line.get("x2")][:6]
    for value, line in zip(y, intervals, strict=True):
        assert float(line.get("y1")) > value > float(line.get("y2"))
        assert float(line.get("y1")) - value == pytest.approx((value - float(line.get("y2"))) / 2, abs=0.2)


def test_everything_lies_in_the_picture_and_is_named(drawn):
    texts = [text.text for text in drawn.findall(f"{SVG}text")]
    assert {"1", "2", "32", "steps", "SI-SDR improvement, dB", "a < b", "flat"} <= set(texts)
    for circle in drawn.findall(f"{SVG}circle"):
        assert 0 < float(circle.get("cx")) < WIDTH
        assert 0 < float(circle.get("cy")) < HEIGHT


def test_a_single_point_can_be_drawn():
    drawn = fromstring(draw_curves([Curve("one", (Point(4, 1, 1, 1),))], "x", "y"))
    assert len(drawn.findall(f"{SVG}circle")) == 1


@pytest.mark.parametrize("values", [[1, 1, 1.01, 5], [0, 0, 0], [3, 2, 1]])
def test_names_of_lines_that_end_together_can_be_read(values):
    lines = [Line(f"line {i}", ((0, i), (2, value))) for i, value in enumerate(values)]
    texts = fromstring(draw_lines(lines, "round", "dB")).findall(f"{SVG}text")
    heights = {text.text: float(text.get("y")) for text in texts if (text.text or "").startswith("line")}
    for one, other in itertools.combinations(range(len(values)), 2):
        higher, lower = (heights[f"line {each}"] for each in (one, other))
        assert abs(higher - lower) >= BETWEEN_NAMES
        assert (higher < lower) == (values[one] > values[other]) or values[one] == values[other]
    assert max(heights.values()) < HEIGHT
    under = [text.text for text in texts if text.get("y") == f"{HEIGHT - BOTTOM + 18:g}"]
    assert under == ["0", "1", "2"]
