import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dataengine.models.pitch import median_pitch


@pytest.mark.parametrize("sample_rate", [16_000, 44_100])
@pytest.mark.parametrize("pitch", [90.0, 165.0, 300.0])
def test_the_pitch_of_a_harmonic_tone_is_its_fundamental(pitch: float, sample_rate: int) -> None:
    time = np.arange(sample_rate) / sample_rate
    tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 9)).astype(np.float32)
    assert median_pitch(tone, sample_rate) == pytest.approx(pitch, rel=0.02)


def test_what_is_not_voiced_has_no_pitch() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    assert math.isnan(median_pitch(noise, 16_000))
    assert math.isnan(median_pitch(np.zeros(16_000, np.float32), 16_000))
    assert math.isnan(median_pitch(noise[:100], 16_000))


@pytest.mark.parametrize(("gender", "lowest", "highest"), [("m?", 80, 165), ("f", 165, 300)])
def test_recorded_voices_have_the_pitch_of_their_kind(
    catalogue_clips: Callable[..., list[Any]], gender: str, lowest: float, highest: float
) -> None:
    clips = catalogue_clips("gate", category="speech", gender=gender, min_seconds=0.4, count=20)
    pitches = [median_pitch(each.waveform, each.sample_rate) for each in clips]
    within = [lowest < pitch < highest for pitch in pitches if not math.isnan(pitch)]
    assert len(within) >= 10
    assert np.mean(within) > 0.9
