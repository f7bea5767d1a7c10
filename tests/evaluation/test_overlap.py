import numpy as np
import pytest

from dataengine.evaluation.overlap import overlap, sounding

RATE = 16_000
TIME = np.arange(2 * RATE) / RATE
TONE = np.sin(2 * np.pi * 440 * TIME).astype(np.float32)
HUM = np.sin(2 * np.pi * 110 * TIME).astype(np.float32)


def during(waveform: np.ndarray, start: float, end: float) -> np.ndarray:
    return np.where((start <= TIME) & (end > TIME), waveform, 0).astype(np.float32)


def test_the_stretch_in_which_both_sound() -> None:
    found = overlap(during(TONE, 0, 1.5), during(HUM, 1, 2), RATE)
    assert found is not None
    assert np.array_equal(found.samples, (TIME >= 1) & (TIME < 1.5))
    assert found.share == pytest.approx(1 / 3, abs=0.01)
    other = overlap(during(HUM, 1, 2), during(TONE, 0, 1.5), RATE)
    assert other is not None
    assert other.share == pytest.approx(1 / 2, abs=0.01)


def test_less_than_a_quarter_of_a_second_is_no_meeting() -> None:
    assert overlap(during(TONE, 0, 1.2), during(HUM, 1, 2), RATE) is None
    assert overlap(during(TONE, 0, 1.26), during(HUM, 1, 2), RATE) is not None


def test_a_frame_sounds_if_it_is_no_more_than_40_db_below_the_loudest() -> None:
    fading = np.concatenate([np.full(320, 10 ** (level / 20)) for level in (-10, -49, -51)])
    assert sounding(fading.astype(np.float32), 320).tolist() == [True, True, False]
    assert not sounding(np.zeros(640, np.float32), 320).any()
