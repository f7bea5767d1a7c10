"""Histograms as drawings: places and sizes in the units of an SVG's view box."""

from __future__ import annotations

from dataclasses import dataclass

from dataengine.report.formats import threshold
from dataengine.report.histogram import BINS, Histogram, round_ticks

WIDTH = 360.0
HEIGHT = 150.0
LEFT, RIGHT, TOP, BOTTOM = 12.0, 12.0, 20.0, 20.0


@dataclass(frozen=True)
class Bar:
    """One bar: kept candidates at the foot, rejected ones above them."""

    x: float
    width: float
    kept_y: float
    kept_height: float
    rejected_y: float
    rejected_height: float
    text: str


@dataclass(frozen=True)
class Line:
    """A threshold; `shade_x` and `shade_width` cover the side that fails."""

    x: float
    text: str
    anchor: str
    shade_x: float
    shade_width: float


@dataclass(frozen=True)
class Tick:
    """A number on the axis."""

    x: float
    text: str


@dataclass(frozen=True)
class HistogramDrawing:
    """Everything a template needs to draw a histogram."""

    histogram: Histogram
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    foot: float = HEIGHT - BOTTOM


def draw(histogram: Histogram) -> HistogramDrawing:
    """Lay a histogram out."""
    low, high = histogram.edges[0], histogram.edges[-1]

    def place(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def line(value: float, comparison: str) -> Line:
        x = place(value)
        failing_left = comparison == ">"
        return Line(
            x=x,
            text=f"{comparison} {threshold(value)}",
            anchor="start" if x < WIDTH / 2 else "end",
            shade_x=LEFT if failing_left else x,
            shade_width=x - LEFT if failing_left else WIDTH - RIGHT - x,
        )

    return HistogramDrawing(
        histogram=histogram,
        bars=tuple(_bar(histogram, i) for i in range(BINS) if histogram.kept[i] or histogram.rejected[i]),
        lines=tuple(line(each.value, each.comparison) for each in histogram.thresholds),
        ticks=tuple(Tick(place(value), f"{value:.6g}".replace("-", "−")) for value in round_ticks(low, high)),
    )


def _bar(histogram: Histogram, i: int) -> Bar:
    kept, rejected = histogram.kept[i], histogram.rejected[i]
    foot, scale = HEIGHT - BOTTOM, (HEIGHT - BOTTOM - TOP) / histogram.highest
    step = (WIDTH - LEFT - RIGHT) / BINS
    kept_height, rejected_height = kept * scale, rejected * scale
    low, high = histogram.edges[i], histogram.edges[i + 1]
    return Bar(
        x=LEFT + i * step + 0.5,
        width=step - 1.0,
        kept_y=foot - kept_height,
        kept_height=kept_height,
        rejected_y=foot - kept_height - rejected_height,
        rejected_height=rejected_height,
        text=f"{low:.3g} to {high:.3g}: {kept:,} kept, {rejected:,} rejected",
    )
