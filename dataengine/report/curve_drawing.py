"""Curves with intervals as an SVG file of its own: something that is doubled again and again, and what it brings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from xml.etree.ElementTree import Element, SubElement, tostring

from dataengine.report.formats import threshold
from dataengine.report.histogram import round_ticks

WIDTH, HEIGHT = 640.0, 360.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 110.0, 20.0, 52.0
COLOURS = ("#12806a", "#b23c17", "#3d63b8", "#8a5fb0")
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


def draw_curves(curves: Sequence[Curve], x_title: str, y_title: str) -> str:
    """The text of an SVG file; the horizontal axis is logarithmic, with a mark at each `x`."""
    points = [point for curve in curves for point in curve.points]
    marks = sorted({point.x for point in points})
    first, last = math.log2(marks[0]) - 0.25, math.log2(marks[-1]) + 0.25
    low, high = min(point.low for point in points), max(point.high for point in points)
    air = (high - low) * 0.05 or 1.0
    low, high = low - air, high + air

    def x_of(x: float) -> float:
        return round(LEFT + (math.log2(x) - first) / (last - first) * (WIDTH - LEFT - RIGHT), 1)

    def y_of(y: float) -> float:
        return round(TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    svg = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", role="img")
    SubElement(svg, "title").text = f"{y_title} against {x_title}"
    SubElement(svg, "style").text = STYLE
    SubElement(svg, "rect", width="100%", height="100%", fill="#ffffff")
    for tick in round_ticks(low, high):
        _line(svg, (LEFT, y_of(tick)), (WIDTH - RIGHT, y_of(tick)), "#e1e4e7")
        _text(svg, LEFT - 8, y_of(tick) + 4, threshold(tick), "end")
    for mark in marks:
        _text(svg, x_of(mark), HEIGHT - BOTTOM + 18, threshold(mark), "middle")
    _text(svg, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_title, "middle")
    turned = _text(svg, 0, 0, y_title, "middle")
    turned.set("transform", f"translate(18 {(TOP + HEIGHT - BOTTOM) / 2:g}) rotate(-90)")
    for curve, colour in zip(curves, cycle(COLOURS), strict=False):
        places = [(x_of(point.x), y_of(point.value)) for point in curve.points]
        for point, (x, y) in zip(curve.points, places, strict=True):
            _line(svg, (x, y_of(point.low)), (x, y_of(point.high)), colour)
            SubElement(svg, "circle", cx=f"{x:g}", cy=f"{y:g}", r="4", fill=colour)
        path = " ".join(f"{x:g},{y:g}" for x, y in places)
        SubElement(svg, "polyline", {"points": path, "fill": "none", "stroke": colour, "stroke-width": "2"})
        _text(svg, places[-1][0] + 12, places[-1][1] + 4, curve.name, "start").set("style", f"fill:{colour}")
    return tostring(svg, encoding="unicode")


def _line(svg: Element, begin: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    (x1, y1), (x2, y2) = begin, end
    SubElement(svg, "line", x1=f"{x1:g}", y1=f"{y1:g}", x2=f"{x2:g}", y2=f"{y2:g}", stroke=colour)


def _text(svg: Element, x: float, y: float, text: str, anchor: str) -> Element:
    element = SubElement(svg, "text", {"x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor})
    element.text = text
    return element
