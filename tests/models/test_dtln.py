"""The enhancer: against the package's streaming graphs, and what it gains on real mixtures."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from dataengine.models.dtln import FRAME, HOP, WEIGHTS
from dataengine.models.roles import Waveform
from dataengine.models.waveforms import resample

RATE = 16_000


def si_sdr(estimate: Waveform, truth: Waveform) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019)."""
    wanted = truth * (estimate @ truth) / (truth @ truth)
    return float(10 * np.log10((wanted @ wanted) / np.sum((estimate - wanted) ** 2)))


@pytest.fixture(scope="module")
def enhancer(models):
    return models.load("enhancer")


def test_forwards_it_is_the_published_streaming_network(enhancer, speech_in_sounds):
    _, mixture = speech_in_sounds[0]
    (heard,) = enhancer.enhance([mixture], RATE)
    np.testing.assert_allclose(heard.speech + heard.doubt, streamed(mixture), atol=2e-6)


def streamed(mixture: Waveform) -> Waveform:
    """The package's two graphs, frame after frame, as its authors run them; delay of 384 samples taken off."""
    first, second = (
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        for path in WEIGHTS.paths()
    )
    states = [np.zeros((1, 2, 128, 2), np.float32) for _ in range(2)]
    heard, spoken, output = np.zeros(FRAME, np.float32), np.zeros(FRAME, np.float32), []
    for block in np.pad(mixture, (0, 2 * FRAME - len(mixture) % HOP)).reshape(-1, HOP):
        heard = np.concatenate([heard[HOP:], block])
        spectrum = np.fft.rfft(heard)
        magnitude = np.abs(spectrum).astype(np.float32)[None, None]
        mask, states[0] = first.run(None, {"input_2": magnitude, "input_3": states[0]})
        masked = np.fft.irfft(spectrum * mask[0, 0]).astype(np.float32)[None, None]
        frame, states[1] = second.run(None, {"input_4": masked, "input_5": states[1]})
        spoken = np.concatenate([spoken[HOP:], np.zeros(HOP, np.float32)]) + frame.ravel()
        output.append(spoken[:HOP])
    return np.concatenate(output)[FRAME - HOP :][: len(mixture)]


@pytest.fixture(scope="module")
def enhanced(enhancer, speech_in_sounds):
    """Thirty times: speech, mixture, what the enhancer made of it."""
    heard = enhancer.enhance([mixture for _, mixture in speech_in_sounds], RATE)
    return [(*pair, each) for pair, each in zip(speech_in_sounds, heard, strict=True)]


def gains(enhanced) -> np.ndarray:
    """SI-SDR improvement of the speech and of the rest, [mixtures, 2]."""
    return np.array(
        [
            [
                si_sdr(heard.speech, voice) - si_sdr(mixture, voice),
                si_sdr(mixture - heard.speech, mixture - voice) - si_sdr(mixture, mixture - voice),
            ]
            for voice, mixture, heard in enhanced
        ]
    )


def test_speech_comes_out_cleaner_and_so_does_the_rest(enhanced):
    speech, rest = gains(enhanced).mean(axis=0)
    assert speech > 5
    assert rest > 4.5


def test_the_mean_of_both_directions_is_better_than_either(enhanced):
    both = np.mean([si_sdr(heard.speech, voice) for voice, _, heard in enhanced])
    for sign in (1, -1):
        one = np.mean([si_sdr(heard.speech + sign * heard.doubt, voice) for voice, _, heard in enhanced])
        assert both > one + 0.3


def test_doubt_is_larger_where_the_speech_is_wrong(enhanced):
    wrong = [np.sum((heard.speech - voice) ** 2) for voice, _, heard in enhanced]
    doubt = [np.sum(heard.doubt**2) for _, _, heard in enhanced]
    assert np.corrcoef(np.log(wrong), np.log(doubt))[0, 1] > 0.6


def test_clean_speech_stays_what_and_where_it_is(enhancer, speech_in_sounds):
    voices = [voice for voice, _ in speech_in_sounds[:8]]
    heard = enhancer.enhance(voices, RATE)
    assert np.mean([si_sdr(each.speech, voice) for each, voice in zip(heard, voices, strict=True)]) > 12


def test_at_48_khz_length_and_time_are_kept(enhancer, speech_in_sounds):
    odd = speech_in_sounds[0][1][:40_001]
    upsampled = resample(odd, RATE, 48_000)
    (low,), (high,) = enhancer.enhance([odd], RATE), enhancer.enhance([upsampled], 48_000)
    assert high.speech.shape == high.doubt.shape == upsampled.shape
    assert si_sdr(resample(high.speech, 48_000, RATE)[: len(odd)], low.speech) > 20


@pytest.mark.parametrize("length", [0, 1, 127, 513])
def test_short_waveforms_keep_their_length(enhancer, length):
    (heard,) = enhancer.enhance([np.full(length, 0.1, np.float32)], RATE)
    assert heard.speech.shape == heard.doubt.shape == (length,)
    assert np.isfinite(heard.speech).all()
