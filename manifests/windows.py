"""Cutting a recording into windows."""

from __future__ import annotations

MICROSECONDS = 1_000_000


def windows(duration: float, window_seconds: float, minimum_seconds: float) -> list[tuple[float, float]]:
    """The windows of a recording as (start, duration) in seconds, one after the other from its start.

    All are `window_seconds` long but the last, which is what remains. A remainder under
    `minimum_seconds` is left out: stretching or splitting a window for a few milliseconds of padding
    would do more harm. A recording shorter than `minimum_seconds` has no windows.
    """
    length, window = int(duration * MICROSECONDS), round(window_seconds * MICROSECONDS)
    full, rest = divmod(length, window)
    cut = [(number * window / MICROSECONDS, window / MICROSECONDS) for number in range(full)]
    if rest and rest >= round(minimum_seconds * MICROSECONDS):
        cut.append((full * window / MICROSECONDS, rest / MICROSECONDS))
    return cut
