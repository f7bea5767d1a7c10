"""Scene complexity on real clips: mixtures hold more kinds of sound than their parts."""

from __future__ import annotations

import numpy as np
import pytest

from dataengine.errors import UserError
from dataengine.models.complexity import KINDS, KindsOfSound

RATE = 16_000


@pytest.fixture(scope="module")
def scorer(models):
    return models.load("scene_complexity_scorer")


def clips(scores):
    return np.array([score.clip for score in scores])


def test_frames_tell_when_there_is_something_to_hear(scorer, recordings):
    (dog,) = recordings("calibrate", label="dog barking")
    waveform = np.concatenate([np.zeros(5 * RATE, np.float32), dog.waveform])
    (score,) = scorer.complexity([waveform], RATE)
    silent = round(4 / score.hop_seconds)
    assert len(score.frames) == pytest.approx(len(waveform) / RATE / score.hop_seconds, abs=2)
    assert score.frames[:silent].max() < 0.3 < score.frames[silent:].max()


def test_mixtures_are_more_complex_than_single_sounds(scorer, speech_in_sounds):
    """AUC of mixtures of speech and a sound at 0 dB against the speech and the sound alone."""
    mixtures = [mixture for _, mixture in speech_in_sounds]
    alone = [each for voice, mixture in speech_in_sounds for each in (voice, mixture - voice)]
    mixed, single = clips(scorer.complexity(mixtures, RATE)), clips(scorer.complexity(alone, RATE))
    higher = (mixed[:, None] > single).mean() + 0.5 * (mixed[:, None] == single).mean()
    assert higher >= 0.8


@pytest.mark.parametrize(
    ("one", "other"),
    [("banjo", "dog barking"), ("flute", "rooster"), ("steam train", "drum kit"), ("dog barking", "harp")],
)
def test_a_second_kind_of_sound_in_a_clip_raises_its_complexity(scorer, recordings, one, other):
    """One sound after the other; where both sound at once, the tagger often hears the louder alone."""
    first, second = (recordings("calibrate", label=label)[0].waveform for label in (one, other))
    played = [(first, second), (first, 0 * second), (0 * first, second)]
    both, *alone = clips(scorer.complexity([np.concatenate(each) for each in played], RATE))
    assert both > max(alone) + 0.2


def test_a_class_and_its_parents_count_once(scorer, recordings):
    """A barking dog is a bark, a dog, a pet and an animal, and one kind of sound."""
    (dog,) = recordings("calibrate", label="dog barking")
    assert scorer.complexity([dog.waveform], RATE)[0].clip < 1.5


def test_silence_holds_nothing(scorer):
    assert scorer.complexity([np.zeros(RATE, np.float32)], RATE)[0].clip < 0.1


def test_no_class_is_of_two_kinds(scorer, models):
    classes = models.load("tagger").classes
    numbers = [number for kind in scorer._kinds for number in kind]
    assert len(numbers) == len(set(numbers)) > 450
    left_out = {classes[number] for number in range(521)} - {classes[number] for number in numbers}
    assert {"Silence", "Noise", "Inside, small room"} <= left_out
    assert not {"Speech", "Music", "Animal", "Vehicle"} & left_out
    assert len(KINDS) == 10


def test_a_tagger_of_other_classes_is_refused(models):
    class OtherTagger:
        classes = ("Speech", "Music")

    with pytest.raises(UserError, match="AudioSet"):
        KindsOfSound(models.load("scene_complexity_scorer").card, OtherTagger())
