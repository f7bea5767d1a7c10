"""Masks: which pixels of a video an object covers, one bit a pixel."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
"""[time, height, width], 1 where the object is, else 0."""


@dataclass(frozen=True, eq=False)
class PackedMask:
    """A mask in an eighth of its bytes: what a column of type `MASKS` has a row."""

    bits: np.ndarray[Any, np.dtype[np.uint8]]
    """[⌈time · height · width / 8⌉], the pixels in row-major order, the first one in the highest bit."""
    shape: tuple[int, int, int]
    """Time, height, width."""

    @classmethod
    def of(cls, mask: np.ndarray[Any, Any]) -> PackedMask:
        """Pack a mask [time, height, width], uint8 or bool. Raises ValueError for any other array."""
        if mask.ndim != 3 or mask.dtype not in (np.uint8, np.bool_):
            raise ValueError(f"a mask is uint8 or bool [time, height, width], not {mask.dtype} {mask.shape}")
        if mask.size and mask.max() > 1:
            raise ValueError(f"a mask is 0 or 1 (the object), not {mask.max()}")
        time, height, width = mask.shape
        return cls(np.packbits(mask), (time, height, width))

    def unpacked(self) -> Mask:
        """The mask."""
        pixels: Mask = np.unpackbits(self.bits, count=int(np.prod(self.shape))).reshape(self.shape)
        return pixels

    @property
    def coverage(self) -> float:
        """Share of the frame that the object covers, 0..1, mean over the frames; 0 if there are none.

        The `mask_coverage` that the reference wants above 0.02.
        """
        pixels = int(np.prod(self.shape))
        return int(np.unpackbits(self.bits).sum()) / pixels if pixels else 0.0

    def to_npz(self, hop_seconds: float | None) -> bytes:
        """A compressed NumPy archive, the same bytes each time: `mask` [time, height, width], uint8, and `hop_seconds`.

        `hop_seconds` is the time from one frame to the next, from the start of the window; NaN if it is not known.
        """
        buffer = io.BytesIO()
        known = np.nan if hop_seconds is None else hop_seconds
        np.savez_compressed(buffer, mask=self.unpacked(), hop_seconds=np.float32(known))
        return buffer.getvalue()
