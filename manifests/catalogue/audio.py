"""Clips of the catalogue as waveforms, and what band they really hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from manifests.catalogue.fetch import file_path
from manifests.catalogue.recordings import Clip
from manifests.media import Waveform, open_recording

Spectrum: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"

SCENE_RATE = 44_100
"""Hz. Nearly every sound of the catalogue is stored at this rate and most others at a quarter or half of it."""

BANDS = (4_000, 5_000, 7_000, 10_000, 14_000, 20_000)
"""Hz. Upper limits of a scene; a clip fits the highest of them that its content reaches. Speech at 16 kHz
comes to 7 kHz, where G.722 ends (ITU-T Rec. G.722)."""

_CONTENT_DB = 60.0
_BAND_TOLERANCE = 0.05
_AUDIBLE_HZ = (10.0, 30.0)
"""Below the first lies offset and rumble, which is removed; from the second on everything is kept."""
_SPECTRUM = 2048
_FILTER_MARGIN = SCENE_RATE // 10
_FRAME = SCENE_RATE // 50
_SOUNDING_DB = 50.0


@lru_cache(maxsize=256)
def load(clip: Clip, folder: Path) -> Waveform:
    """The clip at `SCENE_RATE`, mono, without rumble and without the silence before and after it."""
    with open_recording(str(file_path(clip, folder))) as recording:
        waveform = recording.read(0.0, recording.info.duration, SCENE_RATE)
    low, high = _AUDIBLE_HZ
    waveform = waveform - waveform.mean()  # an offset that ends with the clip would ring
    waveform = trim(_filtered(waveform, lambda frequency: (frequency - low) / (high - low)))
    waveform.setflags(write=False)
    return waveform


@lru_cache(maxsize=256)
def load_limited(clip: Clip, band: int, folder: Path) -> Waveform:
    """The clip as `load` gives it, with nothing above `band` Hz."""
    waveform = band_limit(load(clip, folder), band)
    waveform.setflags(write=False)
    return waveform


def trim(waveform: Waveform) -> Waveform:
    """The part between the first and the last frame of 20 ms within 50 dB of the loudest."""
    level = frame_levels(waveform)
    sounding = np.flatnonzero(level > level.max() - _SOUNDING_DB)
    return waveform[sounding[0] * _FRAME : (sounding[-1] + 1) * _FRAME].copy()


def frame_levels(waveform: Waveform) -> Waveform:
    """Level of each frame of 20 ms in dB re full scale, shape [frames]; silence is at −200."""
    padded = np.pad(waveform, (0, -len(waveform) % _FRAME))
    power = np.square(padded.reshape(-1, _FRAME), dtype=np.float64).mean(axis=1)
    levels: Waveform = (10 * np.log10(power + 1e-20)).astype(np.float32)
    return levels


def band_limit(waveform: Waveform, band: float) -> Waveform:
    """Remove what lies above `band` Hz, with zero phase; the edge falls over the last 5 % below it."""
    return _filtered(waveform, lambda frequency: (band - frequency) / (_BAND_TOLERANCE * band))


def band_of(clip: Clip, folder: Path) -> int:
    """The highest of `BANDS` that a clip really fills.

    The limit is where the mean spectrum falls 60 dB under its peak for good, and no higher than the
    clip's own sample rate allows: many 44.1 kHz files were once 11 kHz files.
    """
    power = _power_spectrum(clip, folder)
    loud = np.flatnonzero(power > power.max() * 10 ** (-_CONTENT_DB / 10))
    limit = min(float(loud[-1]) * SCENE_RATE / _SPECTRUM, clip.sample_rate / 2)
    fitting = [band for band in BANDS if band <= limit * (1 + _BAND_TOLERANCE)]
    return fitting[-1] if fitting else BANDS[0]


def share_below(clip: Clip, band: float, folder: Path) -> float:
    """Share of the clip's power that lies below `band` Hz, 0..1."""
    power = _power_spectrum(clip, folder)
    return float(power[: round(band * _SPECTRUM / SCENE_RATE)].sum() / power.sum())


@lru_cache(maxsize=4096)
def _power_spectrum(clip: Clip, folder: Path) -> Waveform:
    """Mean power spectrum, shape [bins], from 0 Hz to half of `SCENE_RATE`."""
    waveform = load(clip, folder)
    padded = np.pad(waveform, (0, max(0, _SPECTRUM - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _SPECTRUM)[::_SPECTRUM]
    spectra = np.fft.rfft(frames * np.hanning(_SPECTRUM).astype(np.float32), axis=1)
    power: Waveform = np.square(np.abs(spectra)).mean(axis=0)
    return power


def _filtered(waveform: Waveform, gain: Callable[[Spectrum], Spectrum]) -> Waveform:
    """Multiply the spectrum by a gain that is a function of frequency in Hz, and clipped to 0..1."""
    size = _fast_size(len(waveform) + _FILTER_MARGIN)
    spectrum = np.fft.rfft(waveform, size)
    frequency = np.arange(len(spectrum), dtype=np.float32) * np.float32(SCENE_RATE / size)
    spectrum *= np.clip(gain(frequency), 0.0, 1.0)
    filtered: Waveform = np.fft.irfft(spectrum, size)[: len(waveform)].astype(np.float32)
    return filtered


def _fast_size(length: int) -> int:
    """A little more than `length`, with small prime factors: an eighth of the power of two below, n times."""
    step = 1 << max(0, length.bit_length() - 4)
    return -(-length // step) * step
