"""Spectrograms of a sample's stems, as small images that compare with one another."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image

from dataengine.models.roles import Matrix, Waveform

WIDTH = 560
HEIGHT = 112
RANGE_DB = 75.0
"""From the loudest point of the mixture down to the darkest colour."""
WINDOW_SECONDS = 0.064
LOWEST_HZ = 50.0

_MAGMA = "000004 140e36 3b0f70 641a80 8c2981 b73779 de4968 f7705c fe9f6d fecf92 fcfdbf"
"""matplotlib's perceptually uniform map of that name, at eleven points."""


def spectrogram_images(waveforms: Sequence[Waveform], sample_rate: int) -> list[bytes]:
    """PNG images of waveforms, all on one scale: white is the loudest point of the first.

    Each image has `HEIGHT` mel bands from `LOWEST_HZ` (bottom) to half the sample rate (top) and
    `WIDTH` columns over the waveform's length.
    """
    powers = [mel_power(waveform, sample_rate) for waveform in waveforms]
    ceiling = max(float(powers[0].max()), 1e-12)
    return [_image(10.0 * np.log10(np.maximum(power / ceiling, 1e-30))) for power in powers]


def mel_power(waveform: Waveform, sample_rate: int) -> Matrix:
    """Power in mel bands, [HEIGHT, WIDTH], lowest band first."""
    window = 2 ** round(np.log2(WINDOW_SECONDS * sample_rate))
    padded = np.pad(waveform, (window // 2, window // 2))
    starts = np.linspace(0, max(len(waveform) - 1, 0), WIDTH).astype(np.int64)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(padded, (0, 1)), window)[starts]
    spectra = np.fft.rfft(frames * np.hanning(window).astype(np.float32), axis=1)
    power = np.square(spectra.real) + np.square(spectra.imag)
    bands: Matrix = (power @ mel_bands(sample_rate, window).T).T  # the other way round is five times as slow
    return bands


@cache
def mel_bands(sample_rate: int, window: int) -> Matrix:
    """Triangular bands, evenly spaced in mel (HTK's 2595·log10(1 + f/700)): [HEIGHT, window/2 + 1].

    No band is narrower than the spacing of the bins, so that none is empty.
    """
    mels = np.linspace(_mel(LOWEST_HZ), _mel(sample_rate / 2), HEIGHT + 2)
    corners = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    bins = np.fft.rfftfreq(window, 1 / sample_rate)
    centre = corners[1:-1, None]
    left = np.maximum(centre - corners[:-2, None], bins[1])
    right = np.maximum(corners[2:, None] - centre, bins[1])
    rising, falling = (bins - centre) / left + 1.0, (centre - bins) / right + 1.0
    bands = np.clip(np.minimum(rising, falling), 0.0, None)
    shares: Matrix = (bands / bands.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _mel(hertz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hertz / 700.0))


@cache
def palette() -> list[tuple[int, int, int]]:
    """256 colours from black to pale yellow, of evenly rising lightness."""
    points = np.array([[int(colour[i : i + 2], 16) for i in (0, 2, 4)] for colour in _MAGMA.split()])
    place = np.linspace(0, len(points) - 1, 256)
    channels = [np.interp(place, np.arange(len(points)), points[:, i]).round().astype(int) for i in range(3)]
    return [(int(r), int(g), int(b)) for r, g, b in zip(*channels, strict=True)]


def _image(decibels: Matrix) -> bytes:
    indices = np.clip((decibels / RANGE_DB + 1.0) * 255.0, 0, 255).round().astype(np.uint8)
    image = Image.fromarray(indices[::-1], mode="P")
    image.putpalette([value for colour in palette() for value in colour])
    sink = io.BytesIO()
    image.save(sink, format="PNG")
    return sink.getvalue()
