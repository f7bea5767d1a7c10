from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.catalogue.audio import (
    BANDS,
    SCENE_RATE,
    band_limit,
    band_of,
    frame_levels,
    load,
    share_below,
    trim,
)
from manifests.catalogue.recordings import clips_of

SECOND = SCENE_RATE


def tone(frequency: float, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(round(seconds * SCENE_RATE)) / SCENE_RATE
    return np.sin(2 * np.pi * frequency * time).astype(np.float32)


@pytest.mark.parametrize("band", BANDS)
def test_band_limit_keeps_what_lies_below_and_removes_what_lies_above(band: int) -> None:
    below, above = tone(0.9 * band), tone(1.02 * band)
    middle = slice(SECOND // 4, 3 * SECOND // 4)
    limited = band_limit(below + above, band)
    assert np.abs(limited - below)[middle].max() < 1e-3


def test_trim_removes_silence_at_both_ends_and_no_sound() -> None:
    silence = np.zeros(SECOND, np.float32)
    trimmed = trim(np.concatenate([silence, tone(440), silence, tone(440), silence]))
    assert abs(len(trimmed) - 3 * SECOND) <= 0.04 * SECOND
    assert np.square(trimmed).sum() == pytest.approx(SECOND, rel=1e-3)


def test_frame_levels_are_in_decibels_of_full_scale() -> None:
    assert frame_levels(0.1 * tone(1000)) == pytest.approx(-20 - 3.01, abs=0.05)
    assert frame_levels(np.zeros(1000, np.float32)).max() == -200


def test_no_clip_is_said_to_fill_more_than_its_rate_or_codec_allows(recordings: Path) -> None:
    for clip in clips_of("pool")[::40] + clips_of("calibrate")[::20]:
        band = band_of(clip, recordings)
        assert band <= max(clip.sample_rate / 2, BANDS[0])
        if clip.path.endswith(".g722"):
            assert band <= 7000


def test_a_file_that_was_upsampled_is_known_by_its_content(recordings: Path) -> None:
    """The cow of gate was recorded at 11 kHz and stored at 44.1 kHz."""
    (cow,) = (clip for clip in clips_of("gate") if clip.label == "cow")
    assert cow.sample_rate == 44_100
    assert band_of(cow, recordings) == 5000


def test_crickets_lie_above_four_kilohertz(recordings: Path) -> None:
    (cricket,) = (clip for clip in clips_of("calibrate") if clip.label == "cricket")
    assert share_below(cricket, 4000, recordings) < 0.1
    assert share_below(cricket, 5000, recordings) > 0.9


def test_loaded_clips_have_no_offset(recordings: Path) -> None:
    (rain,) = (clip for clip in clips_of("pool") if clip.label == "rain")
    assert abs(load(rain, recordings).mean()) < 1e-4  # stored with an offset of 0.22
