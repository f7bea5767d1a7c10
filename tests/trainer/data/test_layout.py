"""Crops and places."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.layout import crop_start, cut, faded, laid_out

RATE = 1_000

SEGMENTS = st.lists(st.integers(0, 9_999), min_size=2, max_size=8, unique=True).map(
    lambda edges: np.array(sorted(edges)[: len(edges) // 2 * 2], float).reshape(-1, 2) / RATE
)


@given(sounding=SEGMENTS, length=st.integers(1, 12_000), seed=st.integers(0, 2**32))
def test_something_sounds_in_a_crop_that_lies_within_the_recording(sounding, length, seed):
    start = crop_start(10_000, length, sounding, RATE, np.random.default_rng(seed))
    assert 0 <= start <= max(10_000 - length, 0)
    first, last = np.floor(sounding[:, 0] * RATE), sounding[:, 1] * RATE
    assert ((first < start + length) & (last >= start)).any()


def test_every_crop_of_a_sound_that_lasts_can_come():
    random, all_of_it = np.random.default_rng(0), np.array([[0.0, 10.0]])
    starts = [crop_start(10_000, 4_000, all_of_it, RATE, random) for _ in range(3_000)]
    assert min(starts) < 60
    assert max(starts) > 5_940
    assert {0} == {crop_start(500, 4_000, np.empty((0, 2)), RATE, random) for _ in range(10)}


@given(samples=st.integers(1, 3_000), length=st.integers(1_000, 2_000), seed=st.integers(0, 2**32))
def test_a_layout_has_its_length_and_a_short_sound_is_in_it_whole(samples, length, seed):
    sound = np.ones(samples, np.float32)
    result = laid_out(sound, length, np.array([[0, samples / RATE]]), RATE, np.random.default_rng(seed))
    assert result.shape == (length,)
    assert result.dtype == np.float32
    if samples < length:
        once = faded(sound, RATE).sum()
        times = result.sum() / once
        assert times > 0.99
        assert abs(times - round(times)) < 1e-3


@given(samples=st.integers(1, 3_000), length=st.integers(1_000, 2_000), seed=st.integers(0, 2**32))
def test_a_sound_that_fills_a_sample_is_heard_all_through_it(samples, length, seed):
    sound = np.ones(samples, np.float32)
    sounding = np.array([[0, samples / RATE]])
    result = laid_out(sound, length, sounding, RATE, np.random.default_rng(seed), fills=True)
    assert result.shape == (length,)
    assert result.dtype == np.float32
    silent = np.flatnonzero(np.diff(np.concatenate([[0], result == 0, [0]])))
    assert (np.diff(silent)[::2] <= 0.3 * RATE + 2).all()


def test_a_cut_beyond_the_end_is_silence():
    np.testing.assert_array_equal(cut(np.ones(5, np.float32), 3, 4), [1, 1, 0, 0])


def test_ends_rise_and_fall_and_nothing_is_written_into():
    sound = np.ones(100, np.float32)
    result = faded(sound, RATE)
    assert 0 < result[0] == result[-1] < 0.2
    assert (np.diff(result[:6]) > 0).all()
    assert (result[5:-5] == 1).all()
    assert (sound == 1).all()
    assert len(faded(np.ones(1, np.float32), RATE)) == 1
