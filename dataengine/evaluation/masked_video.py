"""A video and a mask that says where in it the target is to be seen, as the hub's benchmark stores masks."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from manifests.identity import stable_hash
from manifests.media import Frames, MediaError, read_frames

FRAMES_A_SECOND = 2.0
LONGEST_SIDE = 448
"""Pixels. What looks at them takes 224 of the shorter side."""
MAX_MASK_BYTES = 2**30
"""Unpacked: ten seconds of full HD at 50 frames a second; an archive that promises more is not opened."""
MASKLET = "video_masklet"
"""The array in the archive, [time, height, width], 1 where the object is."""

Mask = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class MaskedVideo:
    """A stretch of a video, and the archive with its mask."""

    recording: Path
    start: float
    """Seconds."""
    seconds: float
    archive: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """Hash of where it is and what the mask covers."""
        return stable_hash(str(self.start), str(self.seconds), self.archive.hex())

    def pictures(self) -> tuple[Frames, Mask]:
        """Frames [time, height, width, 3], and the mask of each [time, height, width], 1 where the object is.

        Raises MediaError if there is no video there, or if the archive holds no mask.
        """
        return _pictures(self)


@lru_cache(maxsize=16)  # contestants are asked about the same few scenes in turn
def _pictures(video: MaskedVideo) -> tuple[Frames, Mask]:
    frames = read_frames(str(video.recording), video.start, video.seconds, FRAMES_A_SECOND, LONGEST_SIDE)
    if frames is None:
        raise MediaError(f"{video.recording} shows nothing at {video.start:g} s")
    mask = _read(video.archive)
    time, height, width = frames.shape[:3]
    moments = (np.arange(time) / FRAMES_A_SECOND / video.seconds * (len(mask) - 1)).round().astype(int)
    return frames, mask[np.ix_(moments, _nearest(height, mask.shape[1]), _nearest(width, mask.shape[2]))]


def _nearest(wanted: int, given: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """For each of so many pixels the one of the given that lies over its centre."""
    return ((np.arange(wanted) + 0.5) * given / wanted).astype(np.int64)


def _read(archive: bytes) -> Mask:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            if packed.getinfo(f"{MASKLET}.npy").file_size > MAX_MASK_BYTES:
                raise MediaError(f"a mask of more than {MAX_MASK_BYTES:,} bytes")
        mask = np.load(io.BytesIO(archive), allow_pickle=False)[MASKLET]
    except (KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise MediaError(f"this is no archive with an array {MASKLET!r}: {error}") from error
    if mask.ndim != 3 or not mask.size:
        raise MediaError(f"a mask is [time, height, width], not {mask.shape}")
    found: Mask = (mask > 0).astype(np.uint8)
    return found
