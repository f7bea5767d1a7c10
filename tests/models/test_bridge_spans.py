"""When a sound is heard, from the tagger's frames."""

from __future__ import annotations

import numpy as np
import pytest

from dataengine.models.span_frames import spans_of_frames

RATE = 16_000


@pytest.fixture(scope="module")
def predictor(models):
    return models.load("span_predictor")


@pytest.mark.parametrize(
    ("heard", "spans"),
    [
        ([1, 1, 0, 1], ((0.0, 1.25), (1.75, 2.0))),
        ([0, 0, 0, 0], ()),
        ([1, 1, 1, 1], ((0.0, 2.0),)),
        ([0, 0, 0, 0, 0, 1], ()),  # all of it behind the end
        ([1], ((0.0, 2.0),)),
        ([], ()),
    ],
)
def test_runs_of_frames_become_spans(heard, spans):
    assert spans_of_frames(np.array(heard, dtype=bool), 0.5, 0.75, 2.0) == spans


def test_a_span_is_where_the_sound_is(predictor, recordings):
    (flute, *_), (sheep, *_) = recordings("calibrate", label="flute"), recordings("calibrate", label="sheep")
    start = np.zeros(6 * RATE, np.float32)
    start[: len(sheep.waveform)] = sheep.waveform
    track = np.concatenate([start, flute.waveform[: 4 * RATE]])
    flutes, sheeps, dogs = predictor.predict(["flute", "sheep bleating", "gunshot"], [track] * 3, RATE)
    assert flutes
    assert all(start > 5 and end <= 10 for start, end in flutes)
    assert sum(end - start for start, end in flutes) > 3
    assert sheeps
    assert all(end < 5 for _, end in sheeps)
    assert dogs == ()


def test_silence_and_nothing_have_no_spans(predictor):
    silence, nothing = np.zeros(RATE, np.float32), np.zeros(0, np.float32)
    assert predictor.predict(["flute"] * 2, [silence, nothing], RATE) == [(), ()]
