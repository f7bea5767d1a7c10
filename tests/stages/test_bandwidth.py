"""The band of real recordings, whole and cut."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from binding import bound

from dataengine.engine.batch import Batch
from stages.bandwidth import Bandwidth

RATE = 16_000


def bands(*targets: np.ndarray, stored: int | None = 44_100) -> np.ndarray:
    batch = Batch({"target": list(targets), "sample_rate": [stored] * len(targets)})
    return np.asarray(bound(Bandwidth()).process(batch)["band_hz"])


@pytest.fixture(scope="module")
def clips(catalogue_clips) -> list[np.ndarray]:
    """A second or more of very different sounds that fill the band, at 16 kHz."""
    found = catalogue_clips("calibrate", category="sound", min_seconds=1)
    waveforms = [soxr.resample(clip.waveform, clip.sample_rate, RATE) for clip in found]
    full = bands(*waveforms)
    chosen = [waveform for waveform, band in zip(waveforms, full, strict=True) if band == RATE / 2]
    assert len(chosen) > 0.6 * len(found)
    return chosen


@pytest.mark.parametrize("once", [8_000, 11_025])
def test_what_was_once_of_a_lower_rate_is_found_out(clips: list[np.ndarray], once: int) -> None:
    cut = [soxr.resample(soxr.resample(clip, RATE, once), once, RATE) for clip in clips]
    found = bands(*cut)
    loud = [np.abs(np.fft.rfft(clip))[int(0.4 * once / RATE * len(clip)) :].max() for clip in clips]
    told = found[np.array(loud) > 1.0]
    assert len(told) > 5
    assert np.mean((told > 0.75 * once / 2) & (told < 1.1 * once / 2)) > 0.9


def test_a_low_sound_says_nothing_of_its_recording() -> None:
    random = np.random.default_rng(0).standard_normal(3 * RATE)
    spectrum = np.fft.rfft(random)
    frequency = np.fft.rfftfreq(len(random), 1 / RATE)
    low = np.fft.irfft(spectrum / (1 + (frequency / 200) ** 2)).astype(np.float32)  # 12 dB an octave
    assert bands(low / np.abs(low).max()).tolist() == [RATE / 2]


def test_the_stored_rate_bounds_it_and_silence_has_none() -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
    assert bands(noise, stored=8_000).tolist() == [4_000]
    assert bands(noise, stored=None).tolist() == [RATE / 2]
    assert np.isnan(bands(np.zeros(RATE, np.float32))).all()
