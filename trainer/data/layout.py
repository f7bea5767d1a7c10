"""Where a recording lies in a sample: crops of long ones, places for short ones."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from dataengine.models.overlapping_windows import rise
from dataengine.models.roles import Waveform

Segments: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
"""[segments, 2], start and end in seconds."""

FADE_SECONDS = 0.005
"""A cut rises and falls over this time: a hard one is a click over the whole band."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two times that a short sound is heard."""
REPEAT_PROBABILITY = 0.5
LONGEST_BREATH = 0.3
"""Seconds between two times in a sample that a sound fills."""


def crop_start(
    samples: int, length: int, sounding: Segments, sample_rate: int, random: np.random.Generator
) -> int:
    """First sample of a crop of `length` out of `samples`, such that something sounds in it.

    A moment at which it sounds is drawn, then a crop that holds it. Where nothing sounds, any crop is as good.
    """
    latest = max(samples - length, 0)
    if not len(sounding):
        return int(random.integers(latest + 1))
    durations = sounding[:, 1] - sounding[:, 0]
    segment = int(random.choice(len(sounding), p=durations / durations.sum()))
    moment = int(random.uniform(*sounding[segment]) * sample_rate)
    first, last = max(moment - length + 1, 0), min(moment, latest)
    return int(random.integers(min(first, last), last + 1))


def cut(waveform: Waveform, start: int, length: int) -> Waveform:
    """[length] samples from `start`, silence after the end."""
    piece = np.zeros(length, dtype=np.float32)
    found = waveform[start : start + length]
    piece[: len(found)] = found
    return piece


def laid_out(
    waveform: Waveform,
    length: int,
    sounding: Segments,
    sample_rate: int,
    random: np.random.Generator,
    *,
    fills: bool = False,
) -> Waveform:
    """[length] samples with a recording in them: a crop of a long one, a short one at a random place.

    A short one is heard again after a pause, half of the time, as dogs bark and doors slam; one that `fills` the
    sample is heard all through it, so that whatever else is in there has to be told from it.
    """
    if len(waveform) >= length:
        start = crop_start(len(waveform), length, sounding, sample_rate, random)
        return faded(waveform[start : start + length], sample_rate)
    sound = faded(waveform, sample_rate)
    if fills:
        return _filled(sound, length, sample_rate, random)
    result = np.zeros(length, dtype=np.float32)
    place = int(random.integers(length - len(waveform) + 1))
    repeats = random.random() < REPEAT_PROBABILITY
    while place + len(sound) <= length:
        result[place : place + len(sound)] = sound
        if not repeats:
            break
        place += len(sound) + int(random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE) * sample_rate)
    return result


def _filled(sound: Waveform, length: int, sample_rate: int, random: np.random.Generator) -> Waveform:
    """The sound again and again; the sample begins somewhere in it."""
    pieces: list[Waveform] = []
    wanted = len(sound) + length
    while sum(map(len, pieces)) < wanted:
        pause = round(random.uniform(SHORTEST_PAUSE, LONGEST_BREATH) * sample_rate)
        pieces += [sound, np.zeros(pause, dtype=np.float32)]
    start = int(random.integers(len(sound)))
    return faded(np.concatenate(pieces)[start : start + length], sample_rate)


def faded(waveform: Waveform, sample_rate: int) -> Waveform:
    """A copy whose ends rise and fall."""
    result = waveform.astype(np.float32)
    ramp = rise(min(round(FADE_SECONDS * sample_rate), len(result) // 2))
    result[: len(ramp)] *= ramp
    result[len(result) - len(ramp) :] *= ramp[::-1]
    return result
