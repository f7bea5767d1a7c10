import numpy as np
import pytest
from binding import bound
from hypothesis import given
from hypothesis import strategies as st
from true_scenes import RATE, Scenes

from dataengine.engine.batch import Batch
from stages.stem_overlap import StemOverlap

TIME = np.arange(RATE) / RATE
LOW, HIGH = (np.sin(2 * np.pi * hz * TIME).astype(np.float32) for hz in (300, 3000))


def overlap(target: np.ndarray, residual: np.ndarray) -> float:
    rows = bound(StemOverlap()).process(Batch({"target": [target], "residual": [residual]}))
    return float(rows["stem_overlap"][0])


def test_different_tones_do_not_overlap_and_equal_ones_do() -> None:
    assert overlap(LOW, HIGH) < 0.001
    assert overlap(LOW, LOW / 2) == pytest.approx(1, abs=0.001)


@given(st.floats(0.01, 0.5))
def test_what_leaks_is_what_overlaps(leak: float) -> None:
    """A residual with a part of the target in it overlaps by that part's share of the target's energy."""
    residual = HIGH + np.float32(leak) * LOW
    assert overlap(LOW, residual) == pytest.approx(leak**2, rel=0.02, abs=0.001)


def test_true_stems_overlap_less_than_halves_of_a_mixture(scenes: Scenes) -> None:
    for scene in scenes("calibrate", "speech_music"):
        speech = scene.stem("speech")
        rest = scene.mixture - speech
        leaky = 0.6 * speech + 0.4 * rest
        assert overlap(speech, rest) < overlap(leaky, scene.mixture - leaky)


def test_silence_has_no_overlap() -> None:
    assert np.isnan(overlap(LOW, np.zeros_like(LOW)))
