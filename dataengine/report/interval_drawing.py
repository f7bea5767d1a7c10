"""Figures with their intervals, side by side, as a picture that a page colours: a row a group, a dot a contestant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from dataengine.report.formats import score, threshold
from dataengine.report.histogram import round_ticks

WIDTH = 900.0
LEFT, RIGHT, TOP, BOTTOM = 230.0, 20.0, 6.0, 44.0
BETWEEN = 9.0
"""Between the dots of a row that have intervals, from top to bottom."""
AIR = 22.0
"""Of a row, beside its dots."""


@dataclass(frozen=True)
class Dot:
    """A figure."""

    name: str
    style: str
    """A class of the page's style sheet."""
    value: float
    interval: tuple[float, float] | None
    """Low and high; None for one that is only marked."""


@dataclass(frozen=True)
class DotRow:
    """Figures of one group."""

    title: str
    dots: Sequence[Dot]


def draw_intervals(rows: Sequence[DotRow], x_title: str) -> str:
    """The text of an SVG element; at least one row with a dot."""
    values = [each for row in rows for dot in row.dots for each in (dot.value, *(dot.interval or ()))]
    low, high = min(0.0, *values), max(0.0, *values)
    air = (high - low) * 0.03 or 1.0
    height = TOP + sum(map(_height, rows)) + BOTTOM
    svg = Element("svg", {"class": "intervals", "viewBox": f"0 0 {WIDTH:g} {height:g}", "role": "img"})
    SubElement(svg, "title").text = x_title

    def x(value: float) -> str:
        share = (value - low + air) / (high - low + 2 * air)
        return f"{LEFT + share * (WIDTH - LEFT - RIGHT):.1f}"

    foot = height - BOTTOM
    for tick in round_ticks(low - air, high + air):
        style = "zero" if tick == 0 else "grid"
        SubElement(
            svg, "line", {"class": style, "x1": x(tick), "x2": x(tick), "y1": f"{TOP:g}", "y2": f"{foot:g}"}
        )
        _text(svg, x(tick), foot + 18, threshold(tick), "middle")
    _text(svg, f"{(LEFT + WIDTH - RIGHT) / 2:g}", height - 6, x_title, "middle")
    top = TOP
    for row in rows:
        middle = top + _height(row) / 2
        _text(svg, f"{LEFT - 16:g}", middle + 4, row.title, "end").set("class", "row")
        place = middle - (len(_with_interval(row)) - 1) * BETWEEN / 2
        for dot in row.dots:
            if dot.interval is None:
                _mark(svg, dot, x(dot.value), middle)
            else:
                _dot(svg, dot, x(dot.value), (x(dot.interval[0]), x(dot.interval[1])), place)
                place += BETWEEN
        top += _height(row)
    return tostring(svg, encoding="unicode")


def _with_interval(row: DotRow) -> list[Dot]:
    return [dot for dot in row.dots if dot.interval is not None]


def _height(row: DotRow) -> float:
    return AIR + max(1, len(_with_interval(row))) * BETWEEN


def _dot(svg: Element, dot: Dot, x: str, ends: tuple[str, str], y: float) -> None:
    group = SubElement(svg, "g", {"class": dot.style})
    low, high = dot.interval or (dot.value, dot.value)
    SubElement(group, "title").text = f"{dot.name}: {score(dot.value)} ({score(low)} to {score(high)})"
    SubElement(group, "line", x1=ends[0], x2=ends[1], y1=f"{y:g}", y2=f"{y:g}")
    SubElement(group, "circle", cx=x, cy=f"{y:g}", r="4")


def _mark(svg: Element, dot: Dot, x: str, y: float) -> None:
    group = SubElement(svg, "g", {"class": dot.style})
    SubElement(group, "title").text = f"{dot.name}: {score(dot.value)}"
    left = float(x)
    points = f"{left:g},{y - 6:g} {left + 5:g},{y:g} {left:g},{y + 6:g} {left - 5:g},{y:g}"
    SubElement(group, "polygon", points=points)


def _text(svg: Element, x: str, y: float, text: str, anchor: str) -> Element:
    element = SubElement(svg, "text", {"x": x, "y": f"{y:g}", "text-anchor": anchor})
    element.text = text
    return element
