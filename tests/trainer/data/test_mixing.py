"""Levels and bands of stems."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.mixing import OCTAVES_HZ, at_snr, coloured, gain_to, low_passed, sounding_level

RATE = 16_000


def noise(seconds: float, amplitude: float = 0.1, seed: int = 0) -> np.ndarray:
    return amplitude * np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)


@given(snr_db=st.floats(-15, 15), amplitude=st.floats(1e-3, 1), silence=st.floats(0, 2))
def test_the_target_comes_to_lie_above_the_residual_while_both_sound(snr_db, amplitude, silence):
    pause = np.zeros(round(silence * RATE), np.float32)
    target = np.concatenate([pause, noise(0.5, amplitude)])
    residual = np.concatenate([noise(1.0, seed=1), pause])
    scaled = at_snr(target, residual, snr_db, RATE)
    difference = sounding_level(scaled, RATE) - sounding_level(residual, RATE)
    assert difference == pytest.approx(snr_db, abs=0.05)


def test_silence_around_a_sound_does_not_change_its_level():
    sound, pause = noise(0.5, amplitude=0.1), np.zeros(2 * RATE, np.float32)
    assert sounding_level(sound, RATE) == pytest.approx(-20, abs=0.2)
    alone, in_silence = (
        sounding_level(sound, RATE),
        sounding_level(np.concatenate([pause, sound, pause]), RATE),
    )
    assert in_silence == pytest.approx(alone, abs=0.01)


def test_silence_is_not_amplified():
    silence = np.zeros(RATE, np.float32)
    assert at_snr(silence, noise(1), 5, RATE) is silence
    sound = noise(1)
    assert at_snr(sound, silence, 5, RATE) is sound
    assert gain_to(silence, -25, RATE) == 1


@given(level=st.floats(-40, -10), amplitude=st.floats(1e-3, 1))
def test_a_mixture_comes_to_its_level(level, amplitude):
    mixture = noise(1, amplitude)
    levelled = gain_to(mixture, level, RATE) * mixture
    assert 20 * np.log10(np.sqrt(np.mean(levelled**2))) == pytest.approx(level, abs=0.01)


def test_a_band_keeps_what_is_below_and_nothing_above():
    seconds = np.arange(RATE) / RATE
    below, above = (np.sin(2 * np.pi * hertz * seconds).astype(np.float32) for hertz in (3_000, 4_500))
    passed = low_passed(below + above, 4_000, RATE)
    middle = slice(1_000, -1_000)
    np.testing.assert_allclose(passed[middle], below[middle], atol=2e-3)
    assert low_passed(below, 8_000, RATE) is below


@given(gains=st.lists(st.floats(-12, 12), min_size=8, max_size=8))
def test_each_octave_is_raised_by_its_own_gain(gains):
    seconds = np.arange(RATE) / RATE
    for octave, gain in list(zip(OCTAVES_HZ, gains, strict=True))[1:-1]:
        tone = np.sin(2 * np.pi * octave * seconds).astype(np.float32)
        middle = slice(RATE // 4, -RATE // 4)
        raised = coloured(tone, gains, RATE)[middle]
        np.testing.assert_allclose(raised, 10 ** (gain / 20) * tone[middle], atol=0.02 * 10 ** (gain / 20))


def test_without_gains_a_sound_stays_as_it_is():
    sound = noise(1)
    assert coloured(sound, (0.0,) * len(OCTAVES_HZ), RATE) is sound
