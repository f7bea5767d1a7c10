import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dataengine.models.level import FLOOR_DB, frame_levels, powers, ratio_db

WAVEFORMS = hnp.arrays(np.float32, st.integers(1, 500), elements=st.floats(-1, 1, width=32))


def test_a_full_scale_sine_has_minus_three_dbfs() -> None:
    sine = np.sin(2 * np.pi * np.arange(1600) * 100 / 16000).astype(np.float32)
    assert frame_levels(sine, 160) == pytest.approx(np.full(10, -3.01), abs=0.01)


def test_the_last_frame_is_measured_over_its_own_samples() -> None:
    levels = frame_levels(np.full(150, 0.1, np.float32), 100)
    assert levels == pytest.approx([-20, -20], abs=1e-3)


def test_silence_has_the_lowest_level_there_is() -> None:
    assert frame_levels(np.zeros(100, np.float32), 50).tolist() == [FLOOR_DB] * 2
    assert frame_levels(np.zeros(0, np.float32), 50).shape == (0,)


@given(WAVEFORMS, st.floats(0.01, 1))
def test_scaling_a_signal_shifts_its_relative_level(waveform: np.ndarray, gain: float) -> None:
    reference = powers([waveform])
    level = ratio_db(powers([waveform * np.float32(gain)]), reference)
    if reference[0] > 1e-6:
        assert level[0] == pytest.approx(20 * np.log10(gain), abs=0.01)


def test_nothing_is_loud_in_a_silent_mixture() -> None:
    assert np.isnan(ratio_db(np.array([0.0, 1.0]), np.zeros(2))).all()
