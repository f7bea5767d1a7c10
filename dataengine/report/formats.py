"""Numbers and times as people read them."""

from __future__ import annotations

import datetime
import math


def count(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def share(part: float, whole: float) -> str:
    """`42.3 %`; a dash where there is nothing to have a share of."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def score(value: float | None) -> str:
    """Three significant places, enough to compare with a threshold; a dash for none."""
    if value is None or math.isnan(value):
        return "–"
    places = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1
    return f"{value:.{places}f}".replace("-", "−")


def threshold(value: float) -> str:
    """As many places as it was written with."""
    return f"{value:.4g}".replace("-", "−")


def rate(per_second: float) -> str:
    """Rows a second, as many places as matter."""
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.3g}"


def span_of_time(seconds: float) -> str:
    """`4.2 s`, `48 s`, `3 min 20 s`, `2 h 05 min`, `4 d 3 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def hours(seconds: float) -> str:
    """`12.3 h`; below one hour `37 min`, below a minute seconds."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def printable(text: str) -> str:
    """Text without what a terminal would take for a command; line breaks stay."""
    return "".join(each if each.isprintable() or each == "\n" else "�" for each in text)


def moment(unix_time: float) -> str:
    """`2025-03-09 14:05` in local time."""
    return datetime.datetime.fromtimestamp(unix_time).strftime("%Y-%m-%d %H:%M")
