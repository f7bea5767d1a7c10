"""Curves as SVG files of their own: what doubling something again and again brings, and what happens step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from xml.etree.ElementTree import Element, SubElement, tostring

from dataengine.report.formats import threshold
from dataengine.report.histogram import round_ticks

WIDTH, HEIGHT = 640.0, 360.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 110.0, 20.0, 52.0
COLOURS = ("#12806a", "#b23c17", "#3d63b8", "#8a5fb0", "#8a6d00")
BETWEEN_NAMES = 15.0
"""Names stand at least so far above each other."""
STYLE = "text{font:13px system-ui,sans-serif;fill:#5f6972}"


@dataclass(frozen=True)
class Point:
    """A value with its interval; `x` is above 0."""

    x: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """Points, ordered by `x`, at least one."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Line:
    """Many points (x, y), ordered by x, at least one; values that are not finite are left out."""

    name: str
    points: tuple[tuple[float, float], ...]


def draw_curves(curves: Sequence[Curve], x_title: str, y_title: str) -> str:
    """The text of an SVG file; the horizontal axis is logarithmic, with a mark at each `x`."""
    points = [point for curve in curves for point in curve.points]
    marks = sorted({point.x for point in points})
    frame = _Frame(
        (math.log2(marks[0]) - 0.25, math.log2(marks[-1]) + 0.25),
        _with_air(min(point.low for point in points), max(point.high for point in points)),
    )
    svg = frame.drawn({math.log2(mark): threshold(mark) for mark in marks}, x_title, y_title)
    for curve, colour in zip(curves, cycle(COLOURS), strict=False):
        places = [(frame.x(math.log2(point.x)), frame.y(point.value)) for point in curve.points]
        for point, (x, y) in zip(curve.points, places, strict=True):
            _line(svg, (x, frame.y(point.low)), (x, frame.y(point.high)), colour)
            SubElement(svg, "circle", cx=f"{x:g}", cy=f"{y:g}", r="4", fill=colour)
        _path(svg, places, colour)
        _name(svg, *places[-1], curve.name, colour)
    return tostring(svg, encoding="unicode")


def draw_lines(lines: Sequence[Line], x_title: str, y_title: str) -> str:
    """The text of an SVG file; both axes are linear."""
    finite = [(line.name, [(x, y) for x, y in line.points if math.isfinite(y)]) for line in lines]
    drawable = [(name, points) for name, points in finite if points]
    xs = [x for _, points in drawable for x, _ in points] or [0.0]
    ys = [y for _, points in drawable for _, y in points] or [0.0]
    last = max(max(xs), min(xs) + 1)
    frame = _Frame((min(xs), last), _with_air(min(ys), max(ys)))
    ticks = round_ticks(min(xs), last)
    if all(x.is_integer() for x in map(float, xs)):  # steps and rounds are counted
        ticks = [tick for tick in ticks if tick.is_integer()]
    svg = frame.drawn({tick: f"{tick:,g}" for tick in ticks}, x_title, y_title)
    ends = _apart([frame.y(points[-1][1]) for _, points in drawable])
    for (name, points), end, colour in zip(drawable, ends, cycle(COLOURS), strict=False):
        places = [(frame.x(x), frame.y(y)) for x, y in points]
        _path(svg, places, colour)
        _name(svg, places[-1][0], end, name, colour)
    return tostring(svg, encoding="unicode")


@dataclass(frozen=True)
class _Frame:
    """What lies between these values is drawn."""

    across: tuple[float, float]
    up: tuple[float, float]

    def x(self, value: float) -> float:
        """Where a value lies from left to right."""
        first, last = self.across
        return round(LEFT + (value - first) / (last - first) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Where a value lies from top to bottom."""
        low, high = self.up
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def drawn(self, marks: Mapping[float, str], x_title: str, y_title: str) -> Element:
        """The picture with its axes; `marks` are named places on the horizontal one."""
        svg = Element(
            "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", role="img"
        )
        SubElement(svg, "title").text = f"{y_title} against {x_title}"
        SubElement(svg, "style").text = STYLE
        SubElement(svg, "rect", width="100%", height="100%", fill="#ffffff")
        for tick in round_ticks(*self.up):
            _line(svg, (LEFT, self.y(tick)), (WIDTH - RIGHT, self.y(tick)), "#e1e4e7")
            _text(svg, LEFT - 8, self.y(tick) + 4, threshold(tick), "end")
        for mark, name in marks.items():
            _text(svg, self.x(mark), HEIGHT - BOTTOM + 18, name, "middle")
        _text(svg, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_title, "middle")
        turned = _text(svg, 0, 0, y_title, "middle")
        turned.set("transform", f"translate(18 {(TOP + HEIGHT - BOTTOM) / 2:g}) rotate(-90)")
        return svg


def _with_air(low: float, high: float) -> tuple[float, float]:
    air = (high - low) * 0.05 or 1.0
    return low - air, high + air


def _apart(heights: Sequence[float]) -> list[float]:
    """Where names stand that belong at these heights: in the same order, none over another."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    lowest = HEIGHT - BOTTOM
    found = list(heights)
    for before, each in pairwise(order):
        found[each] = max(found[each], found[before] + BETWEEN_NAMES)
    for after, each in zip([None, *order[::-1]], order[::-1], strict=False):
        found[each] = min(found[each], lowest if after is None else found[after] - BETWEEN_NAMES)
    return found


def _path(svg: Element, places: Sequence[tuple[float, float]], colour: str) -> None:
    path = " ".join(f"{x:g},{y:g}" for x, y in places)
    SubElement(svg, "polyline", {"points": path, "fill": "none", "stroke": colour, "stroke-width": "2"})


def _name(svg: Element, x: float, y: float, name: str, colour: str) -> None:
    """What a curve that ends here is called."""
    _text(svg, x + 12, y + 4, name, "start").set("style", f"fill:{colour}")


def _line(svg: Element, begin: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    (x1, y1), (x2, y2) = begin, end
    SubElement(svg, "line", x1=f"{x1:g}", y1=f"{y1:g}", x2=f"{x2:g}", y2=f"{y2:g}", stroke=colour)


def _text(svg: Element, x: float, y: float, text: str, anchor: str) -> Element:
    element = SubElement(svg, "text", {"x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor})
    element.text = text
    return element
