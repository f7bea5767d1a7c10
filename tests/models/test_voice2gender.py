"""The gender classifier: against the package's own code, and on real voices."""

from __future__ import annotations

import numpy as np
import pytest

from dataengine.models.roles import Gender
from dataengine.models.voice_features import SAMPLE_RATE, voice_features
from dataengine.models.waveforms import resample

RATE = 16_000


@pytest.fixture(scope="module")
def classifier(models):
    return models.load("gender_classifier")


def voices(recordings, split: str, **wanted):
    return [each.waveform for each in recordings(split, category="speech", min_seconds=0.8, **wanted)]


def test_features_and_probability_are_the_packages_own(classifier, recordings):
    pytest.importorskip("xgboost")
    package = pytest.importorskip("voice2gender")
    for waveform in voices(recordings, "calibrate", count=12):
        steps = np.round(resample(waveform, RATE, SAMPLE_RATE) * 32767).clip(-32768, 32767).astype("<i2")
        expected = package.predict([steps.tobytes()], sample_rate=SAMPLE_RATE, include_features=True)
        same = steps.astype(np.float32) / 32768
        np.testing.assert_allclose(voice_features(same), [*expected["features"].values()], rtol=1e-5)
        (opinion,) = classifier.classify([same], SAMPLE_RATE)
        assert opinion.female == pytest.approx(expected["female_probability"], abs=1e-5)


def test_women_sound_like_women(classifier, recordings):
    opinions = classifier.classify(voices(recordings, "calibrate", gender="f?", count=30), RATE)
    assert np.mean([each.female > 0.9 for each in opinions]) >= 0.8


def test_men_mostly_sound_like_men(classifier, recordings):
    """It leans towards women: of these men's clips up to a third are taken for a woman's."""
    opinions = classifier.classify(voices(recordings, "seed", gender="m?", count=60), RATE)
    assert np.mean([each.female < 0.5 for each in opinions]) >= 0.6


@pytest.mark.parametrize("waveform", [np.zeros(0), np.zeros(RATE), np.full(100, 0.1), np.full(RATE, 0.1)])
def test_without_a_voice_it_is_undecided(classifier, waveform):
    assert classifier.classify([waveform.astype(np.float32)], RATE) == [Gender(0.5)]
