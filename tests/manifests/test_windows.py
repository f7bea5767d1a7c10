from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.windows import windows

SECONDS = st.floats(0.0, 5000.0)


@given(SECONDS, st.floats(1.0, 600.0), st.floats(0.001, 1.0))
def test_windows_cover_a_recording_without_gap_or_overlap(
    duration: float, length: float, minimum: float
) -> None:
    cut = windows(duration, length, minimum)
    end = 0.0
    for start, seconds in cut:
        assert start == pytest.approx(end, abs=1e-9)
        assert minimum - 1e-6 <= seconds <= length + 1e-6
        end = start + seconds
    assert end <= duration + 1e-9
    assert duration - end < minimum + 2e-6
    assert all(seconds == pytest.approx(length, abs=1e-6) for _, seconds in cut[:-1])


def test_the_last_window_is_what_remains() -> None:
    assert windows(25.5, 10, 1) == [(0, 10), (10, 10), (20, 5.5)]
    assert windows(20.0, 10, 1) == [(0, 10), (10, 10)]
    assert windows(20.4, 10, 1) == [(0, 10), (10, 10)]
    assert windows(0.4, 10, 1) == []
    assert len(windows(0.3, 0.1, 0.05)) == 3  # 0.3 / 0.1 is a little under 3 in floating point
