"""The voice-activity detector: against the package's streaming graph, and on real clips."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from dataengine.models.silero import CONTEXT, FRAME, WEIGHTS

RATE = 16_000


@pytest.fixture(scope="module")
def detector(models):
    return models.load("voice_activity_detector")


def test_probabilities_are_those_of_the_streaming_graph(detector, recordings):
    """Frame after frame through the graph that the package itself uses, state carried along."""
    graph = WEIGHTS.paths()[0].with_name("silero_vad_16k_op15.onnx")
    streaming = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    (clip,) = recordings("calibrate", category="speech", min_seconds=1.5, count=1)
    state, context, expected = np.zeros((2, 1, 128), np.float32), np.zeros((1, CONTEXT), np.float32), []
    padded = np.pad(clip.waveform, (0, -len(clip.waveform) % FRAME))
    for frame in padded.reshape(-1, 1, FRAME):
        seen = np.concatenate([context, frame], axis=1)
        rate = np.array(RATE, np.int64)
        probability, state = streaming.run(None, {"input": seen, "state": state, "sr": rate})
        context = frame[:, -CONTEXT:]
        expected.append(probability.item())
    (activity,) = detector.detect([clip.waveform], RATE)
    np.testing.assert_allclose(activity.probabilities, expected, atol=1e-5)


def test_tells_speech_from_sounds_and_instruments(detector, recordings):
    """Share of clips whose speech lasts at least 250 ms, for clips that are speech and clips that are not."""
    speech = recordings("calibrate", category="speech", min_seconds=0.6, count=60)
    voiceless = [
        each
        for category in ("sound", "instrument")
        for each in recordings("calibrate", category=category)
        if not any(word in each.clip.label for word in ("baby", "scream", "party", "sneez", "monkey", "cat"))
    ]
    found = [
        [spoken_seconds(detector, each.waveform) >= 0.25 for each in kind] for kind in (speech, voiceless)
    ]
    assert np.mean(found[0]) >= 0.95
    assert np.mean(found[1]) <= 0.15


def spoken_seconds(detector, waveform) -> float:
    (activity,) = detector.detect([waveform], RATE)
    return float((activity.probabilities > 0.5).sum() * activity.hop_seconds)


def test_speech_is_found_where_it_is(detector, recordings):
    (clip,) = recordings("calibrate", category="speech", min_seconds=1.5, count=1)
    silence = np.zeros(3 * RATE, np.float32)
    (activity,) = detector.detect([np.concatenate([silence, clip.waveform, silence])], RATE)
    spoken = np.flatnonzero(activity.probabilities > 0.5) * activity.hop_seconds
    assert 2.9 < spoken.min() < spoken.max() < 3.1 + len(clip.waveform) / RATE


def test_a_long_waveform_is_heard_as_one(detector, recordings):
    """Blocks of 65 s pass their state on: a cut through a word changes nothing."""
    (clip,) = recordings("calibrate", category="speech", min_seconds=1.5, count=1)
    long = np.resize(clip.waveform, 70 * RATE)
    (whole,) = detector.detect([long], RATE)
    (late,) = detector.detect([long[60 * RATE :]], RATE)
    assert len(whole.probabilities) == -(-len(long) // FRAME)
    start = len(whole.probabilities) - len(late.probabilities)
    assert np.mean((whole.probabilities[start:] > 0.5) == (late.probabilities > 0.5)) > 0.95


def test_nothing_is_no_speech(detector):
    nothing, silence = detector.detect([np.zeros(0, np.float32), np.zeros(RATE, np.float32)], RATE)
    assert len(nothing.probabilities) == 0
    assert silence.probabilities.max() < 0.1
