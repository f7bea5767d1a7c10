"""Who speaks in a mixture, where a gender classifier is sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataengine.models.roles import GenderClassifier, Matrix, SpeechActivity, Waveform

SPEECH_FRAME = 0.5
"""Probability from which on a frame is taken as speech."""


def cut_speech(mixture: Waveform, activity: SpeechActivity, sample_rate: int) -> Waveform:
    """What the mixture holds while somebody speaks, pieces joined."""
    frame = (np.arange(len(mixture)) / (activity.hop_seconds * sample_rate)).astype(np.int64)
    spoken = np.append(activity.probabilities >= SPEECH_FRAME, False)
    speech: Waveform = mixture[spoken[np.minimum(frame, len(spoken) - 1)]]
    return speech


def sureness_of_gender(
    classifier: GenderClassifier, speech: Sequence[Waveform], sample_rate: int, minimum_seconds: float
) -> Matrix:
    """[speech, 2], 0..1, how sure it is that all that is said is said by a woman, by a man.

    It is the lesser of two opinions, one on each half: two voices are not taken for one, and a classifier
    that contradicts itself is not believed. Both are 0 where a half is shorter than `minimum_seconds`.
    """
    sureness = np.zeros((len(speech), 2), dtype=np.float32)
    judged = [i for i, each in enumerate(speech) if len(each) >= 2 * minimum_seconds * sample_rate]
    if judged:
        halves = [half for i in judged for half in np.array_split(speech[i], 2)]
        opinions = [each.female for each in classifier.classify(halves, sample_rate)]
        female = np.array(opinions, dtype=np.float32).reshape(-1, 2)
        sureness[judged, 0] = female.min(axis=1)
        sureness[judged, 1] = (1 - female).min(axis=1)
    return sureness
