"""Spleeter's voices and accompaniment, and what of them a prompt gets."""

from __future__ import annotations

import numpy as np
import pytest
from test_dtln import si_sdr

from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Prompt

RATE = 16_000
PROFILE = Profile(name="spleeter", sample_rate=RATE, models={"separator": {"adapter": "spleeter"}})
SINGING, PIANO = Prompt("woman singing"), Prompt("piano playing")


@pytest.fixture(scope="module")
def separator():
    return ProfileModels(PROFILE).load("separator")


@pytest.fixture(scope="module")
def over_instruments(recordings):
    """Six pairs (speech, mixture) of 3 s: speech over an instrument or music of the same level."""
    voices = recordings("calibrate", category="speech", min_seconds=2.0, count=6)
    others = [
        *recordings("calibrate", category="instrument", min_seconds=2.0, count=3),
        *recordings("calibrate", category="music", min_seconds=3.0, count=3),
    ]
    looped = [
        [np.resize(each.waveform, 3 * RATE) for each in pair] for pair in zip(voices, others, strict=True)
    ]
    return [(voice, voice + other * np.float32(np.std(voice) / np.std(other))) for voice, other in looped]


@pytest.fixture(scope="module")
def separated(separator, over_instruments):
    mixtures = [mixture for _, mixture in over_instruments]
    return separator.separate(mixtures, [SINGING] * len(mixtures), RATE)


def test_a_prompt_for_a_voice_takes_it_out_of_music(over_instruments, separated):
    gains = [
        (
            si_sdr(stems.target, voice) - si_sdr(mixture, voice),
            si_sdr(stems.residual, mixture - voice) - si_sdr(mixture, mixture - voice),
        )
        for (voice, mixture), stems in zip(over_instruments, separated, strict=True)
    ]
    assert np.mean(gains, axis=0).min() > 5


def test_any_other_prompt_gets_the_accompaniment(separator, over_instruments, separated):
    mixture = over_instruments[0][1]
    voice, piano, speech = separator.separate(
        [mixture] * 3, [SINGING, PIANO, Prompt("man", speech=True)], RATE
    )
    np.testing.assert_array_equal(voice.target, separated[0].target)
    np.testing.assert_array_equal(piano.target, voice.residual)
    assert speech.target is voice.target
    for stems in (voice, piano):
        np.testing.assert_allclose(stems.target + stems.residual, mixture, atol=1e-7)


def test_what_lies_above_the_networks_is_accompaniment(separator):
    rate = 48_000
    hiss = np.random.default_rng(0).standard_normal(rate).astype(np.float32)
    spectrum = np.fft.rfft(hiss)
    spectrum[:12_000] = 0
    above = (0.1 * np.fft.irfft(spectrum)).astype(np.float32)
    (stems,) = separator.separate([above], [PIANO], rate)
    assert np.std(stems.residual) < 0.01 * np.std(above)


def test_an_answer_is_the_same_to_the_bit_whatever_else_is_asked(separator, over_instruments, separated):
    mixtures = [over_instruments[place][1].copy() for place in (2, 0)]
    alone = [separator.separate([each], [SINGING], RATE)[0] for each in mixtures]
    for place, stems in zip((2, 0), alone, strict=True):
        np.testing.assert_array_equal(stems.target, separated[place].target)


@pytest.mark.parametrize("length", [0, 1, 100])
def test_short_mixtures_keep_their_length(separator, length):
    (stems,) = separator.separate([np.full(length, 0.1, np.float32)], [SINGING], RATE)
    assert stems.target.shape == stems.residual.shape == (length,)
    assert np.isfinite(stems.target).all()
