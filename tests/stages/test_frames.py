"""Frames of windows: of the right recording and time, once for all candidates."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from binding import bound
from media_files import sound, write_film

from dataengine.engine.batch import Batch
from manifests.media import MediaError, read_frames
from stages.frames import Frames

RATE = 48_000


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two films of four seconds that brighten as they go, one of them faster."""
    folder = tmp_path_factory.mktemp("films")
    return [
        str(write_film(folder / name, brightening(step), sound(4, RATE), RATE))
        for name, step in (("a.mp4", 1), ("b.mkv", 2))
    ]


def brightening(step: int) -> Iterator[tuple[float, np.ndarray]]:
    for number in range(100):
        yield number / 25, np.full((180, 320, 3), 50 + step * number, dtype=np.uint8)


def windows(*rows: tuple[str, float, bool | None]) -> Batch:
    uris, starts, has_video = zip(*rows, strict=True)
    return Batch(
        {
            "sample_id": [str(row) for row in range(len(rows))],
            "uri": list(uris),
            "start": np.array(starts),
            "duration": np.full(len(rows), 1.0),
            "has_video": list(has_video),
        }
    )


def test_each_window_gets_its_frames(films: list[str]) -> None:
    given = windows(
        (films[1], 2.0, True), (films[0], 0.0, True), (films[1], 1.0, True), (films[0], 3.0, True)
    )
    seen = bound(Frames(frames_per_second=2, longest_side=160)).process(given)
    for uri, start, frames in zip(given["uri"], given["start"], seen["frames"], strict=True):
        assert frames.shape == (2, 90, 160, 3)
        np.testing.assert_array_equal(frames, read_frames(uri, float(start), 1.0, 2, 160))
    assert seen["frames_hop_seconds"].tolist() == [0.5] * 4


def test_sound_alone_has_none_and_is_not_opened(films: list[str]) -> None:
    given = windows(("/nowhere.wav", 0.0, False), (films[0], 0.0, True), ("/nowhere.wav", 0.0, None))
    seen = bound(Frames()).process(given)
    assert [frames is None for frames in seen["frames"]] == [True, False, True]
    assert np.isnan(seen["frames_hop_seconds"]).tolist() == [True, False, True]


def test_candidates_of_a_window_share_its_pixels(films: list[str]) -> None:
    window, others = windows((films[0], 1.0, True)), [0] * 50
    stage = bound(Frames(frames_per_second=25, longest_side=320))
    candidates = stage.process(window.expand(others))
    assert len({id(frames) for frames in candidates["frames"]}) == 1
    seen = stage.process(window)
    tracemalloc.start()
    expanded = seen.expand(others)
    assert tracemalloc.get_traced_memory()[1] < seen["frames"][0].nbytes / 10
    tracemalloc.stop()
    assert all(frames is seen["frames"][0] for frames in expanded["frames"])


def test_a_bad_recording_is_a_media_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no film" * 100)
    with pytest.raises(MediaError):
        bound(Frames()).process(windows((str(tmp_path / "a.mp4"), 0.0, True)))
