import numpy as np
import pytest
from binding import bound
from hypothesis import given
from hypothesis import strategies as st

from stages.silence_ratio import SilenceRatio

RATE = 16_000


def bursts(*intervals: tuple[float, float], seconds: float = 4.0, amplitude: float = 0.1) -> np.ndarray:
    """Silence with noise between the given seconds."""
    waveform = np.zeros(round(seconds * RATE), np.float32)
    noise = np.random.default_rng(0).choice([-amplitude, amplitude], len(waveform)).astype(np.float32)
    for start, end in intervals:
        waveform[round(start * RATE) : round(end * RATE)] = noise[round(start * RATE) : round(end * RATE)]
    return waveform


def sounding(waveform: np.ndarray, **parameters: object) -> list[list[float]]:
    return bound(SilenceRatio(**parameters)).sounding_seconds(waveform).tolist()


def test_a_sound_is_found_where_it_is() -> None:
    assert sounding(bursts((1.0, 1.5), (2.0, 3.0))) == [[1.0, 1.5], [2.0, 3.0]]


def test_a_sound_shorter_than_the_minimum_is_silence() -> None:
    waveform = bursts((1.0, 1.2), (2.0, 2.25))
    assert sounding(waveform) == [[2.0, 2.25]]
    assert sounding(waveform, minimum_sounding_seconds=0.2) == [[1.0, 1.2], [2.0, 2.25]]


def test_short_pauses_belong_to_the_sound_around_them() -> None:
    waveform = bursts((1.0, 1.2), (1.275, 1.5), (2.0, 2.5))
    assert sounding(waveform) == [[1.0, 1.5], [2.0, 2.5]]
    assert sounding(waveform, minimum_silence_seconds=0.0) == [[2.0, 2.5]]
    assert sounding(waveform, minimum_silence_seconds=0.6) == [[1.0, 2.5]]


def test_the_level_counts_from_full_scale_or_from_the_loudest_frame() -> None:
    quiet = bursts((1.0, 2.0), amplitude=0.005)
    assert sounding(quiet) == []
    assert sounding(quiet, level_db=-50) == [[1.0, 2.0]]
    assert sounding(quiet, relative_to="loudest_frame") == [[1.0, 2.0]]


def test_silence_and_emptiness_do_not_sound() -> None:
    for relative_to in ("full_scale", "loudest_frame"):
        assert sounding(np.zeros(0, np.float32), relative_to=relative_to) == []
    assert sounding(np.zeros(RATE, np.float32)) == []


@given(
    edges=st.lists(st.integers(0, 4 * RATE), max_size=12),
    minimum_sounding=st.floats(0, 1),
    minimum_silence=st.floats(0, 1),
    frame=st.floats(0.005, 0.2),
)
def test_segments_are_sorted_apart_inside_and_long_enough(
    edges: list[int], minimum_sounding: float, minimum_silence: float, frame: float
) -> None:
    times = np.sort(edges) / RATE
    waveform = bursts(*zip(times[::2], times[1::2], strict=False))
    found = np.array(
        sounding(
            waveform,
            minimum_sounding_seconds=minimum_sounding,
            minimum_silence_seconds=minimum_silence,
            frame_seconds=frame,
        )
    ).reshape(-1, 2)
    assert (np.diff(found.ravel()) > 0).all()
    assert ((found >= 0) & (found <= 4)).all()
    # The last frame of a window may be cut short; everything else is in whole frames.
    inside = found[found[:, 1] < 4]
    assert (inside[:, 1] - inside[:, 0] >= minimum_sounding - frame).all()
    assert (found[1:, 0] - found[:-1, 1] >= minimum_silence - frame).all()


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_silence_ratio_is_the_share_that_does_not_sound(share: float) -> None:
    from dataengine.engine.batch import Batch

    waveform = bursts((0, 4 * share))
    batch = bound(SilenceRatio()).process(Batch({"target": [waveform, np.zeros(0, np.float32)]}))
    assert batch["silence_ratio"].tolist() == pytest.approx([1 - share, 1.0])
