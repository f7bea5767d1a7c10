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


def test_no_candidates_no_stems(separator):
    assert separator.separate([], [], RATE) == []
