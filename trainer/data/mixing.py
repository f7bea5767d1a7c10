"""Levels and bands of stems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from dataengine.models.level import frame_levels
from dataengine.models.roles import Waveform

Frequencies: TypeAlias = "np.ndarray[Any, np.dtype[np.floating[Any]]]"
"""[frequencies]"""

FRAME_SECONDS = 0.02
SOUNDING_DB = 40.0
"""A frame counts for the level of a sound if it is at most this far below the loudest."""
SILENT_DBFS = -100.0
"""What lies below is taken for silence and is not amplified."""
BAND_EDGE = 0.05
"""A band ends over the last twentieth below its limit."""
OCTAVES_HZ = (62.5, 125.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0)
"""Where `coloured` has its gains; between them they change evenly with the logarithm of the frequency."""


def sounding_level(waveform: Waveform, sample_rate: int) -> float:
    """RMS level in dBFS over the frames that sound: silence around a bark does not make it quieter."""
    levels = frame_levels(waveform, max(1, round(FRAME_SECONDS * sample_rate))).astype(np.float64)
    if not len(levels):
        return -np.inf
    sounding = levels[levels > levels.max() - SOUNDING_DB]
    return float(10 * np.log10(np.mean(10 ** (sounding / 10))))


def at_snr(target: Waveform, residual: Waveform, snr_db: float, sample_rate: int) -> Waveform:
    """The target, scaled to lie `snr_db` above the residual while both sound; as it is if either is silent."""
    levels = [sounding_level(each, sample_rate) for each in (target, residual)]
    if min(levels) < SILENT_DBFS:
        return target
    return target * _factor(snr_db - (levels[0] - levels[1]))


def gain_to(mixture: Waveform, level_dbfs: float, sample_rate: int) -> np.float32:
    """The factor that brings a mixture to a level while it sounds; 1 for silence."""
    level = sounding_level(mixture, sample_rate)
    return _factor(level_dbfs - level) if level > SILENT_DBFS else np.float32(1)


def rms_level(waveform: Waveform) -> float:
    """RMS level in dBFS over the whole waveform; −200 for silence."""
    return float(10 * np.log10(np.mean(np.square(waveform, dtype=np.float64)) + 1e-20))


def low_passed(waveform: Waveform, limit: float, sample_rate: int) -> Waveform:
    """The waveform without what lies above `limit` Hz, with zero phase; itself if nothing can lie there."""
    if limit >= sample_rate / 2:
        return waveform
    frequencies = _frequencies(waveform, sample_rate)
    return _filtered(waveform, np.clip((limit - frequencies) / (BAND_EDGE * limit), 0.0, 1.0), sample_rate)


def coloured(waveform: Waveform, gains_db: Sequence[float], sample_rate: int) -> Waveform:
    """The waveform with each octave of `OCTAVES_HZ` raised by so many dB, with zero phase."""
    if not any(gains_db):
        return waveform
    octaves = np.log2(_frequencies(waveform, sample_rate).clip(1))
    gains = 10 ** (np.interp(octaves, np.log2(OCTAVES_HZ), gains_db) / 20)
    return _filtered(waveform, gains, sample_rate)


def _frequencies(waveform: Waveform, sample_rate: int) -> Frequencies:
    """Those that `_filtered` takes gains for, in Hz."""
    return np.fft.rfftfreq(_padded(waveform, sample_rate), 1 / sample_rate)


def _filtered(waveform: Waveform, gains: Frequencies, sample_rate: int) -> Waveform:
    padded = _padded(waveform, sample_rate)
    filtered = np.fft.irfft(np.fft.rfft(waveform, padded) * gains, padded)
    return filtered[: len(waveform)].astype(np.float32)


def _padded(waveform: Waveform, sample_rate: int) -> int:
    """Samples with the silence after it: what rings on would come in again at the start."""
    return len(waveform) + sample_rate // 10


def _factor(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))
