"""The 20 acoustic features of the Voice Gender data set (seewave's specprop, fund and dfreq; warbleR).

Frequencies are in kHz. Only what lies below 280 Hz counts as spectrum, as in the data set.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from dataengine.models.roles import Matrix, Waveform

SAMPLE_RATE = 44_100
FRAME = 2048
PITCH_STEP = 1024
LOWEST_PITCH_HZ, HIGHEST_PITCH_HZ = 50.0, 280.0
SPECTRUM_HZ = 280.0
DOMINANT_HZ = 7_000.0
GATE = 0.05
"""Samples below this share of the highest are zero to the trackers of pitch and dominant frequency."""
TINY = 1e-12

Values: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"


def voice_features(waveform: Waveform) -> Matrix | None:
    """The features [20] of a waveform at 44.1 kHz, in the data set's order.

    None where they are not defined: shorter than a frame, silent, or without any pitch.
    """
    samples = waveform.astype(np.float64)
    if len(samples) < FRAME or np.abs(samples).max() <= TINY:
        return None
    spectrum = _spectrum_features(samples)
    gated = np.where(np.abs(samples) <= GATE * np.abs(samples).max(), 0.0, samples)
    pitch = _pitches(gated) / 1000
    dominant = _dominant_frequencies(gated) / 1000
    if spectrum is None or not len(pitch) or not len(dominant):
        return None
    span = np.ptp(dominant)
    modulation = np.abs(np.diff(dominant)).mean() / span if span > TINY else 0.0
    return np.array(
        [
            *spectrum,
            *(pitch.mean(), pitch.min(), pitch.max()),
            *(dominant.mean(), dominant.min(), dominant.max(), span, modulation),
        ],
        dtype=np.float32,
    )


def _spectrum_features(samples: Values) -> list[float] | None:
    """Mean, sd, median, quartiles, their range, skewness, kurtosis, entropy, flatness, mode, centroid."""
    count = len(samples)
    frequencies = np.arange(count // 2) * (SAMPLE_RATE / count)
    band = frequencies[frequencies <= SPECTRUM_HZ] / 1000
    amplitudes = np.abs(np.fft.rfft(samples * np.hanning(count)))[: len(band)]
    total = amplitudes.sum()
    if total <= TINY:
        return None
    share = amplitudes / total
    mean = (share * band).sum()
    deviation = np.sqrt((share * (band - mean) ** 2).sum())
    spread = share.std(ddof=1)
    moments = [
        ((share - share.mean()) ** power).sum() / ((len(share) - 1) * spread**power) if spread > TINY else 0.0
        for power in (3, 4)
    ]
    floored = np.maximum(share, 1e-7)
    floored /= floored.sum()
    entropy = -(floored * np.log(floored)).sum() / np.log(len(share))
    thinned = share[:: max(1, round(len(share) / 256))] if len(share) > 4000 else share
    flat = np.maximum(thinned, 1e-5)
    flatness = np.exp(np.log(flat).mean()) / flat.mean()
    places = np.searchsorted(np.cumsum(share), [0.5, 0.25, 0.75], side="right")
    median, lower, upper = band[np.minimum(places, len(band) - 1)]
    mode = band[share.argmax()]
    return [mean, deviation, median, lower, upper, upper - lower, *moments, entropy, flatness, mode, mean]


def _pitches(gated: Values) -> Values:
    """Pitch in Hz of each frame that has one, from the highest peak of its cepstrum."""
    frames = np.lib.stride_tricks.sliding_window_view(gated, FRAME)[::PITCH_STEP]
    spectra = np.abs(np.fft.rfft(np.where(frames == 0, 1e-6, frames)))
    cepstra = np.fft.irfft(np.log(np.maximum(spectra, TINY)))
    shortest = SAMPLE_RATE // int(HIGHEST_PITCH_HZ)
    peaks = cepstra[:, shortest : FRAME // 2].argmax(axis=1)
    pitches: Values = SAMPLE_RATE / (shortest + peaks[peaks > 0])
    return pitches[(pitches >= LOWEST_PITCH_HZ) & (pitches <= HIGHEST_PITCH_HZ)]


def _dominant_frequencies(gated: Values) -> Values:
    """Strongest frequency in Hz of each frame that is not silent."""
    frames = np.lib.stride_tricks.sliding_window_view(gated, FRAME)[::FRAME]
    frequencies = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    band = frequencies[frequencies <= DOMINANT_HZ]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(FRAME)))[:, : len(band)]
    strongest: Values = band[spectra.argmax(axis=1)[spectra.max(axis=1) > TINY]]
    return strongest
