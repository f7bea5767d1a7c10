"""What every adapter promises: a result belongs to its waveform, whatever else is in the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dataengine.models.roles import Prompt

RATE = 16_000

Ask = Callable[[Any, list[Any]], list[list[Any]]]

ROLES: dict[str, Ask] = {
    "tagger": lambda m, w: [[t.probabilities, t.embeddings] for t in m.tag(w, RATE)],
    "text_audio_scorer": lambda m, w: [[s.clip, s.frames] for s in m.score(["owl"] * len(w), w, RATE)],
    "scene_complexity_scorer": lambda m, w: [[c.clip, c.frames] for c in m.complexity(w, RATE)],
    "span_predictor": lambda m, w: [[spans] for spans in m.predict(["speech"] * len(w), w, RATE)],
    "voice_activity_detector": lambda m, w: [[a.probabilities] for a in m.detect(w, RATE)],
    "gender_classifier": lambda m, w: [[g.female] for g in m.classify(w, RATE)],
    "enhancer": lambda m, w: [[e.speech, e.doubt] for e in m.enhance(w, RATE)],
    "separator": lambda m, w: [
        [s.target, s.residual, s.expected_gain_db]
        for s in m.separate(w, [Prompt("man speaking", True)] * len(w), RATE)
    ],
}


@pytest.fixture(scope="module")
def waveforms(recordings):
    """Real clips between 0.4 and 20 s."""
    clips = [
        *recordings("calibrate", category="sound", count=6),
        *recordings("calibrate", category="speech", count=4),
    ]
    return [each.waveform for each in clips] + [np.concatenate([each.waveform for each in clips])]


@pytest.mark.parametrize("role", ROLES)
def test_alone_together_and_in_another_order_are_the_same_to_the_bit(models, waveforms, role):
    model, ask = models.load(role), ROLES[role]
    copies = [waveform.copy() for waveform in waveforms]
    together = ask(model, waveforms)
    backwards = ask(model, [each.copy() for each in reversed(waveforms)])[::-1]
    alone = [ask(model, [each.copy()])[0] for each in waveforms]
    for one, other, single in zip(together, backwards, alone, strict=True):
        for a, b, c in zip(one, other, single, strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(a, c)
    for before, after in zip(copies, waveforms, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("role", ROLES)
def test_the_same_object_several_times_is_answered_each_time(models, waveforms, role):
    first, second = waveforms[:2]
    answers = ROLES[role](models.load(role), [first, second, first])
    assert len(answers) == 3
    for one, other in zip(answers[0], answers[2], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("role", ROLES)
def test_no_waveforms_no_answers(models, role):
    assert ROLES[role](models.load(role), []) == []
