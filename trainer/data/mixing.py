"""Levels and bands of stems."""

from __future__ import annotations

import numpy as np

from dataengine.models.level import frame_levels
from dataengine.models.roles import Waveform

FRAME_SECONDS = 0.02
SOUNDING_DB = 40.0
"""A frame counts for the level of a sound if it is at most this far below the loudest."""
SILENT_DBFS = -100.0
"""What lies below is taken for silence and is not amplified."""
BAND_EDGE = 0.05
"""A band ends over the last twentieth below its limit."""


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


def gain_to(mixture: Waveform, level_dbfs: float) -> np.float32:
    """The factor that brings a mixture's RMS to a level; 1 for silence."""
    level = rms_level(mixture)
    return _factor(level_dbfs - level) if level > SILENT_DBFS else np.float32(1)


def rms_level(waveform: Waveform) -> float:
    """RMS level in dBFS over the whole waveform; −200 for silence."""
    return float(10 * np.log10(np.mean(np.square(waveform, dtype=np.float64)) + 1e-20))


def low_passed(waveform: Waveform, limit: float, sample_rate: int) -> Waveform:
    """The waveform without what lies above `limit` Hz, with zero phase; itself if nothing can lie there."""
    if limit >= sample_rate / 2:
        return waveform
    padded = len(waveform) + sample_rate // 10  # what rings on would come in again at the start
    spectrum = np.fft.rfft(waveform, padded)
    frequencies = np.fft.rfftfreq(padded, 1 / sample_rate)
    spectrum *= np.clip((limit - frequencies) / (BAND_EDGE * limit), 0.0, 1.0)
    passed: Waveform = np.fft.irfft(spectrum, padded)[: len(waveform)].astype(np.float32)
    return passed


def _factor(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))
