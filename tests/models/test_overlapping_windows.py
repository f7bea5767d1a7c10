"""Windows cover a recording, and fading them together gives back what they were cut from."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataengine.models.overlapping_windows import crossfaded, windows_of


@given(samples=st.integers(1, 3_000), length=st.integers(2, 400), share=st.floats(0, 0.5))
def test_what_is_cut_into_windows_comes_back_whole(samples, length, share):
    overlap = int(share * length)
    recording = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    windows = list(windows_of(samples, length, overlap))
    assert windows[0].start == 0
    assert windows[-1].end == samples
    assert all(window.length <= length for window in windows)
    assert len({window.start for window in windows}) == len(windows)
    whole = np.concatenate(
        list(crossfaded((window, recording[window.start : window.end]) for window in windows))
    )
    np.testing.assert_allclose(whole, recording, atol=1e-5)
