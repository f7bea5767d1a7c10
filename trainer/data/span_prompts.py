"""Span prompts for training, from where the target is known to sound."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trainer.data.layout import Segments

Spans = tuple[tuple[float, float], ...]

MOST_WINDOWS = 3
SHORTEST_WINDOW = 0.1
"""Seconds; a window is at least this long, or as long as what sounds."""
EXACT_PROBABILITY = 0.5


class SpanPrompt(NamedTuple):
    """Spans in seconds from the start of the sample."""

    present: Spans
    """The target sounds here."""
    absent: Spans
    """It does not."""


def draw_span_prompt(sounding: Segments, seconds: float, random: np.random.Generator) -> SpanPrompt:
    """A prompt that tells the truth of a target that sounds in `sounding`, in a sample of so many seconds.

    Half of the prompts are exact, as a detector of the sound would give them: every interval in which it sounds,
    and every one in which it does not. The others are what a user marks who points at the sound: one to
    three windows in which it sounds, and nothing said of the rest (slides: "randomly sampled timeframes
    where the target sound is known to be active").
    """
    exact = random.random() < EXACT_PROBABILITY
    if not len(sounding):
        return SpanPrompt((), ((0.0, seconds),) if exact else ())
    if exact:
        return SpanPrompt(_pairs(sounding), _pairs(_between(sounding, seconds)))
    windows = []
    for number in random.integers(len(sounding), size=random.integers(1, MOST_WINDOWS + 1)):
        start, end = sounding[number]
        length = random.uniform(min(SHORTEST_WINDOW, end - start), end - start)
        first = start + random.random() * (end - start - length)
        windows.append((first, first + length))
    return SpanPrompt(_pairs(np.array(sorted(windows))), ())


def _between(sounding: Segments, seconds: float) -> Segments:
    """What of the sample lies in no segment."""
    edges = np.concatenate([[0.0], sounding.ravel(), [seconds]]).reshape(-1, 2)
    return edges[edges[:, 1] > edges[:, 0]]


def _pairs(segments: Segments) -> Spans:
    return tuple((float(start), float(end)) for start, end in segments)
