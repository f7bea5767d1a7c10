"""The separator made of an enhancer: speech to speech prompts, the rest to all others."""

from __future__ import annotations

import numpy as np
import pytest

from dataengine.models.roles import Prompt

RATE = 16_000
SPEECH, OTHER = Prompt("woman speaking", speech=True), Prompt("dog barking")


@pytest.fixture(scope="module")
def separator(models):
    return models.load("separator")


def test_target_and_residual_sum_to_the_mixture(separator, speech_in_sounds):
    mixtures = [mixture for _, mixture in speech_in_sounds[:6]]
    for prompt in (SPEECH, OTHER):
        for mixture, stems in zip(mixtures, separator.separate(mixtures, [prompt] * 6, RATE), strict=True):
            error = mixture.astype(np.float64) - stems.target - stems.residual
            assert np.abs(error).max() <= np.spacing(np.abs(mixture).max())
            assert stems.target.dtype == stems.residual.dtype == np.float32


def test_a_speech_prompt_gets_the_voice_and_any_other_prompt_the_rest(separator, speech_in_sounds):
    voice, mixture = speech_in_sounds[0]
    speech, other = separator.separate([mixture, mixture], [SPEECH, OTHER], RATE)
    np.testing.assert_array_equal(speech.target, other.residual)
    np.testing.assert_array_equal(speech.residual, other.target)
    assert np.corrcoef(speech.target, voice)[0, 1] > np.corrcoef(other.target, voice)[0, 1] + 0.5


def test_candidates_of_one_mixture_share_one_answer(separator, speech_in_sounds):
    mixture = speech_in_sounds[0][1]
    first, second = separator.separate([mixture, mixture], [SPEECH, SPEECH], RATE)
    assert first.target is second.target


def test_it_expects_more_of_stems_that_gain_more(separator, speech_in_sounds):
    """Rank correlation of the expected with the true SI-SDR improvement, over speech and rest of 30 mixtures."""
    mixtures = [mixture for _, mixture in speech_in_sounds]
    correlations = []
    for prompt in (SPEECH, OTHER):
        stems = separator.separate(mixtures, [prompt] * len(mixtures), RATE)
        truths = [voice if prompt.speech else mixture - voice for voice, mixture in speech_in_sounds]
        gained = [
            si_sdr(each.target, truth) - si_sdr(mixture, truth)
            for each, truth, mixture in zip(stems, truths, mixtures, strict=True)
        ]
        ranks = [np.argsort(np.argsort(values)) for values in ([s.expected_gain_db for s in stems], gained)]
        correlations.append(np.corrcoef(*ranks)[0, 1])
    assert min(correlations) > 0.3
    assert np.mean(correlations) > 0.5


def si_sdr(estimate, truth) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019)."""
    wanted = truth * (estimate @ truth) / (truth @ truth)
    return float(10 * np.log10((wanted @ wanted) / np.sum((estimate - wanted) ** 2)))


def test_of_silence_it_expects_nothing(separator):
    (stems,) = separator.separate([np.zeros(RATE, np.float32)], [SPEECH], RATE)
    assert abs(stems.expected_gain_db) < 20


def test_no_candidates_no_stems(separator):
    assert separator.separate([], [], RATE) == []
