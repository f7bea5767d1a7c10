"""Levels of waveforms, in decibels.

A level is that of the root mean square (RMS): 0 dBFS is a square wave at full scale, and a sine at full
scale has −3 dBFS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataengine.models.roles import Matrix, Waveform

FLOOR_DB = -120.0
"""The lowest level that is told apart: about that of the rounding of a 20-bit signal."""


def power(waveform: Waveform) -> float:
    """Mean square of a waveform; 0 for an empty one."""
    return float(np.dot(waveform, waveform)) / len(waveform) if len(waveform) else 0.0


def powers(waveforms: Sequence[Waveform]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """[waveforms], mean square of each; an array that comes several times is computed once."""
    known: dict[int, float] = {}
    for waveform in waveforms:
        if id(waveform) not in known:
            known[id(waveform)] = power(waveform)
    return np.array([known[id(waveform)] for waveform in waveforms])


def ratio_db(
    signal: np.ndarray[Any, np.dtype[np.float64]],
    reference: np.ndarray[Any, np.dtype[np.float64]],
) -> Matrix:
    """Level of powers relative to reference powers, at least `FLOOR_DB`; NaN if the reference is silent."""
    with np.errstate(divide="ignore", invalid="ignore"):
        level = 10 * np.log10(signal / reference)
    return np.where(reference > 0, np.maximum(level, FLOOR_DB), np.nan).astype(np.float32)


def frame_levels(waveform: Waveform, frame_samples: int) -> Matrix:
    """[frames], level in dBFS of consecutive frames, at least `FLOOR_DB`; the last frame may be shorter."""
    frames = -(-len(waveform) // frame_samples)
    padded = np.zeros(frames * frame_samples, dtype=np.float32)
    padded[: len(waveform)] = waveform
    framed = padded.reshape(frames, frame_samples)
    samples = np.full(frames, frame_samples)
    if frames:
        samples[-1] = len(waveform) - (frames - 1) * frame_samples
    mean_square = np.einsum("fs,fs->f", framed, framed) / samples
    levels: Matrix = np.maximum(10 * np.log10(mean_square + 1e-20), FLOOR_DB).astype(np.float32)
    return levels
