"""What adapters do with lists of waveforms."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataengine.models.waveforms import distinct, resample, stack


@given(st.lists(st.integers(0, 5)))
def test_distinct_gives_each_object_once_and_says_where_it_belongs(picks):
    objects = [np.zeros(3) for _ in range(6)]  # equal, and still six objects
    items = [objects[pick] for pick in picks]
    different, places = distinct(items)
    assert len(different) == len(set(picks))
    assert all(different[place] is item for place, item in zip(places, items, strict=True))


def test_resampling_keeps_time_and_pitch_and_takes_off_what_does_not_fit():
    time = np.arange(48_000) / 48_000
    low, high = (np.sin(2 * np.pi * hertz * time).astype(np.float32) for hertz in (1_000, 12_000))
    resampled = resample(low + high, 48_000, 16_000)
    expected = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000)
    assert len(resampled) == 16_000
    assert np.abs(resampled - expected)[200:-200].max() < 1e-3


def test_the_same_rate_is_the_same_object():
    waveform = np.ones(10, np.float32)
    assert resample(waveform, 16_000, 16_000) is waveform


def test_stack_fills_up_with_silence():
    rows = stack([np.ones(2, np.float32), np.ones(0, np.float32)], 3)
    np.testing.assert_array_equal(rows, [[1, 1, 0], [0, 0, 0]])
