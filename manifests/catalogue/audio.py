"""Clips of the catalogue as waveforms, and what band they really hold."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from manifests.catalogue.fetch import clip_path
from manifests.catalogue.recordings import Clip
from manifests.media import Waveform, open_recording

SCENE_RATE = 44_100
"""Hz. Nearly every sound of the catalogue is stored at this rate and most others at a quarter or half of it."""

BANDS = (4_000, 5_000, 7_000, 10_000, 14_000, 20_000)
"""Hz. Upper limits of a scene; a clip fits the highest of them that its content reaches."""

_CODEC_BAND = {".g722": 7_000}
"""G.722 codes 50 Hz to 7 kHz (ITU-T Rec. G.722); what its decoders give above that is noise."""
_CONTENT_DB = 60.0
_BAND_TOLERANCE = 0.05
_LOWEST_HZ = 20.0
_SPECTRUM = 2048
_FRAME = SCENE_RATE // 50
_SOUNDING_DB = 50.0


@lru_cache(maxsize=256)
def load(clip: Clip, folder: Path) -> Waveform:
    """The clip at `SCENE_RATE`, mono, without the silence before and after it."""
    with open_recording(str(clip_path(clip, folder))) as recording:
        waveform = recording.read(0.0, recording.info.duration, SCENE_RATE)
    waveform = trim(waveform)
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


@lru_cache(maxsize=4096)
def band_of(clip: Clip, folder: Path) -> int:
    """The highest of `BANDS` that a clip really fills.

    The limit is where the mean spectrum falls 60 dB under its peak for good, and no higher than the
    clip's own sample rate or codec allows: many 44.1 kHz files were once 11 kHz files.
    """
    limit = min(
        _content_limit(load(clip, folder)),
        clip.sample_rate / 2,
        _CODEC_BAND.get(Path(clip.path).suffix, SCENE_RATE / 2),
    )
    fitting = [band for band in BANDS if band <= limit * (1 + _BAND_TOLERANCE)]
    return fitting[-1] if fitting else BANDS[0]


@lru_cache(maxsize=256)
def load_limited(clip: Clip, band: int, folder: Path) -> Waveform:
    """The clip as `load` gives it, with nothing above `band` Hz nor below 20 Hz."""
    waveform = band_limit(load(clip, folder), band)
    waveform.setflags(write=False)
    return waveform


def band_limit(waveform: Waveform, band: float) -> Waveform:
    """Filter to 20 Hz … `band` with zero phase; the upper edge falls over the last 5 % of the band."""
    length = len(waveform)
    size = 1 << (length + SCENE_RATE // 10).bit_length()
    spectrum = np.fft.rfft(waveform, size)
    frequency = np.fft.rfftfreq(size, 1 / SCENE_RATE)
    edge = np.clip((band - frequency) / (_BAND_TOLERANCE * band), 0.0, 1.0)
    gain = np.sin(edge * np.pi / 2) ** 2 * (frequency >= _LOWEST_HZ)
    limited: Waveform = np.fft.irfft(spectrum * gain, size)[:length].astype(np.float32)
    return limited


def _content_limit(waveform: Waveform) -> float:
    padded = np.pad(waveform, (0, max(0, _SPECTRUM - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _SPECTRUM)[:: _SPECTRUM // 2]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(_SPECTRUM), axis=1))).mean(axis=0)
    loud = np.flatnonzero(power > power.max() * 10 ** (-_CONTENT_DB / 10))
    return float(loud[-1]) * SCENE_RATE / _SPECTRUM
