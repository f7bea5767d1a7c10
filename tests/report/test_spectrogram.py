"""Spectrograms show where sound is, on one scale for all stems."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from dataengine.report.spectrogram import HEIGHT, WIDTH, mel_bands, mel_power, palette, spectrogram_images

RATE = 16_000


def tone(hertz: float, seconds: float = 4.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)


def image_of(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_tone_is_a_line_at_its_height():
    heights = [int(mel_power(tone(hertz), RATE).mean(axis=1).argmax()) for hertz in (100, 500, 2000, 7000)]
    assert heights == sorted(heights)
    assert heights[0] < HEIGHT / 8
    assert heights[-1] > HEIGHT * 7 / 8


def test_time_runs_from_left_to_right():
    waveform = tone(1000)
    waveform[: len(waveform) // 2] = 0
    power = mel_power(waveform, RATE).sum(axis=0)
    assert power[: WIDTH // 2 - 10].max() < 1e-6 * power.max()
    assert power[WIDTH // 2 + 10 :].min() > 0.1 * power.max()


def test_stems_share_the_scale_of_the_mixture():
    mixture = tone(1000)
    loud, quiet = (image_of(each) for each in spectrogram_images([mixture, 0.01 * mixture], RATE))
    assert loud.shape == (HEIGHT, WIDTH)
    assert loud.max() == 255
    assert 100 < quiet.max() < 200  # 40 dB of a range of 75 below


def test_silence_and_the_shortest_waveform_are_dark_and_no_error():
    for waveform in (np.zeros(RATE, np.float32), np.zeros(1, np.float32)):
        (content,) = spectrogram_images([waveform], RATE)
        assert image_of(content).max() == 0


def test_no_band_is_empty():
    for rate in (8_000, 16_000, 48_000):
        window = 2 ** round(np.log2(0.064 * rate))
        bands = mel_bands(rate, window)
        assert np.allclose(bands.sum(axis=1), 1, atol=1e-5)


def test_lightness_rises_evenly():
    red, green, blue = np.array(palette(), dtype=float).T
    lightness = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert (np.diff(lightness) > -0.5).all()
    assert lightness[0] < 1
    assert lightness[-1] > 240
