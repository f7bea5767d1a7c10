from __future__ import annotations

import numpy as np
import pytest

from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import GenderClassifier, SpeechActivity
from dataengine.models.waveforms import resample
from stages.voices import cut_speech, sureness_of_gender

RATE = 16_000


@pytest.fixture(scope="module")
def classifier() -> GenderClassifier:
    return ProfileModels(Profile.load("embedded")).load("gender_classifier")


@pytest.fixture(scope="module")
def voices(catalogue_clips) -> dict[str, np.ndarray]:
    """Three seconds of a woman's and of a man's speech."""
    spoken = {}
    for gender in ("f", "m?"):
        clips = catalogue_clips("gate", category="speech", gender=gender, count=16)
        speech = np.concatenate([resample(each.waveform, each.sample_rate, RATE) for each in clips])
        spoken[gender[0]] = speech[: 3 * RATE]
    return spoken


def test_one_voice_is_told_and_two_are_not_taken_for_one(classifier, voices) -> None:
    woman, man = voices["f"], voices["m"]
    dialogue = np.concatenate([woman, man])
    sureness = sureness_of_gender(classifier, [woman, man, dialogue], RATE, 0.5)
    assert sureness[0, 0] > 0.8
    assert sureness[1, 1] > 0.8
    assert (sureness[2] < 0.8).all()


def test_too_little_speech_is_not_judged(classifier, voices) -> None:
    short = voices["f"][: RATE // 2]
    assert (sureness_of_gender(classifier, [short, short[:0]], RATE, 0.5) == 0).all()


def test_only_what_is_spoken_is_cut_out() -> None:
    activity = SpeechActivity(np.array([0.1, 0.9, 0.6, 0.2], np.float32), hop_seconds=0.032)
    mixture = np.arange(4 * 512, dtype=np.float32)
    assert np.array_equal(cut_speech(mixture, activity, RATE), mixture[512 : 3 * 512])
    nobody = SpeechActivity(np.zeros(0, np.float32), hop_seconds=0.032)
    assert len(cut_speech(mixture[:0], nobody, RATE)) == 0
