"""Masks of the hub's benchmark over the videos they belong to."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dataengine.evaluation.masked_video import FRAMES_A_SECOND, MASKLET, MAX_MASK_BYTES, MaskedVideo
from manifests.media import MediaError

SECONDS, RATE = 4, 10


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds: the left half is white in the first two, the right half in the others."""
    path = tmp_path_factory.mktemp("video") / "halves.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        for number in range(SECONDS * RATE):
            picture = np.zeros((64, 128, 3), np.uint8)
            half = slice(0, 64) if number < 2 * RATE else slice(64, 128)
            picture[:, half] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for first in range(0, SECONDS * 48_000, 1024):
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            silence.sample_rate, silence.pts = 48_000, first
            container.mux(sound.encode(silence))
        container.mux(stream.encode())
        container.mux(sound.encode())
    return path


def archive(**arrays: Any) -> bytes:
    sink = io.BytesIO()
    np.savez_compressed(sink, **arrays)
    return sink.getvalue()


def following(time: int) -> np.ndarray:
    """[time, 6, 12]: a mask over the white half, at another size than the video and by another clock."""
    mask = np.zeros((time, 6, 12), bool)
    mask[: time // 2, :, :6] = True
    mask[time // 2 :, :, 6:] = True
    return mask


@pytest.mark.parametrize("time", [8, 41, 200])
def test_the_object_is_where_the_mask_is_one(video: Path, time: int) -> None:
    frames, mask = MaskedVideo(video, 0.0, SECONDS, archive(**{MASKLET: following(time)})).pictures()
    assert len(frames) == len(mask) == SECONDS * FRAMES_A_SECOND
    assert mask.shape == frames.shape[:3]
    assert set(np.unique(mask)) == {0, 1}
    assert frames[mask == 1].mean() > 240
    assert frames[mask == 0].mean() < 15


def test_a_stretch_has_its_own_frames(video: Path) -> None:
    whole = archive(**{MASKLET: np.ones((4, 6, 12), np.uint8)})
    frames, _ = MaskedVideo(video, 2.5, 1.5, whole).pictures()
    assert len(frames) == 3
    assert frames[:, :, 70:].mean() > 240


def test_what_is_no_mask_is_an_error(video: Path) -> None:
    pickled = archive(**{MASKLET: np.array([{"a": 1}], dtype=object)})
    for content in (b"", b"PK", archive(other=np.ones((1, 2, 2))), archive(**{MASKLET: np.ones(3)}), pickled):
        with pytest.raises(MediaError):
            MaskedVideo(video, 0.0, 1.0, content).pictures()


def test_an_archive_that_unpacks_to_very_much_is_not_unpacked(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = archive(**{MASKLET: np.zeros((10, 100, 100), np.uint8)})
    monkeypatch.setattr("dataengine.evaluation.masked_video.MAX_MASK_BYTES", 10_000)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    with pytest.raises(MediaError, match="a mask of more than 10,000 bytes"):
        MaskedVideo(video, 0.0, 1.0, bomb).pictures()
    assert zipfile.ZipFile(io.BytesIO(bomb)).getinfo(f"{MASKLET}.npy").file_size < MAX_MASK_BYTES


def test_a_recording_without_pictures_is_an_error(tmp_path: Path) -> None:
    from manifests.media import encode_flac

    sound = tmp_path / "sound.flac"
    sound.write_bytes(encode_flac(np.zeros(48_000, np.float32), 48_000))
    with pytest.raises(MediaError, match="shows nothing"):
        MaskedVideo(sound, 0.0, 1.0, archive(**{MASKLET: np.ones((1, 2, 2))})).pictures()
