"""The pitch of a voice, from its autocorrelation (Boersma 1993)."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from dataengine.models.roles import Waveform

Values: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

FRAME_SECONDS = 0.064
HOP_SECONDS = 0.016
LOWEST_HZ, HIGHEST_HZ = 65.0, 350.0
PERIODIC = 0.6
"""Autocorrelation at one period, relative to that at 0, from which on a frame counts as voiced."""
OCTAVE_COST = 0.02
"""Taken from the autocorrelation for each octave of lag: what repeats after one period also does after two."""
LEAST_VOICED_FRAMES = 10


def median_pitch(waveform: Waveform, sample_rate: int) -> float:
    """Median pitch in Hz of the voiced frames; NaN where there are too few to tell."""
    frame, hop = round(FRAME_SECONDS * sample_rate), round(HOP_SECONDS * sample_rate)
    if len(waveform) < frame:
        return math.nan
    window = np.hanning(frame)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, frame)[::hop] * window
    lags = slice(int(sample_rate / HIGHEST_HZ), int(sample_rate / LOWEST_HZ))
    similarity = _autocorrelation(frames) / _autocorrelation(window[None])
    periodic = similarity[:, lags] / np.maximum(similarity[:, :1], 1e-12)
    voiced = periodic.max(axis=1) > PERIODIC
    if voiced.sum() < LEAST_VOICED_FRAMES:
        return math.nan
    cost = OCTAVE_COST * np.log2(np.arange(lags.start, lags.stop))
    periods = lags.start + (periodic[voiced] - cost).argmax(axis=1)
    return float(np.median(sample_rate / periods))


def _autocorrelation(frames: Values) -> Values:
    """[frames, lags], lags 0 to a frame's length, by the power spectrum."""
    length = frames.shape[1]
    return np.fft.irfft(np.abs(np.fft.rfft(frames, 2 * length)) ** 2)[:, :length]
