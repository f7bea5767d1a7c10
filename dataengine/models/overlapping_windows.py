"""Long recordings in windows that overlap and are faded into each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from dataengine.models.roles import Waveform


@dataclass(frozen=True)
class Window:
    """A stretch of a recording, in samples."""

    start: int
    end: int
    fade_in: int
    """Samples that it shares with the window before."""
    fade_out: int
    """And with the one after."""

    @property
    def length(self) -> int:
        """Samples."""
        return self.end - self.start

    def weights(self) -> Waveform:
        """[length], 0..1; those of the windows over one sample add up to 1."""
        weights = np.ones(self.length, dtype=np.float32)
        weights[: self.fade_in] = rise(self.fade_in)
        weights[self.length - self.fade_out :] *= rise(self.fade_out)[::-1]
        return weights


def windows_of(samples: int, length: int, overlap: int) -> Iterator[Window]:
    """Windows of `length` samples over a recording, each beginning `overlap` before the last one ends.

    The last one may be shorter, but never so short that it lies in the one before.
    """
    hop, start = length - overlap, 0
    while True:
        end = min(start + length, samples)
        last = end == samples
        yield Window(start, end, overlap if start else 0, 0 if last else overlap)
        if last:
            return
        start += hop


def crossfaded(pieces: Iterable[tuple[Window, Waveform]]) -> Iterator[Waveform]:
    """A whole out of windows that cover it, in order, with triangular cross-fades; stretch by stretch.

    Pieces are [samples], or several sounds [sounds, samples]; so are the stretches.
    """
    tail = np.zeros(0, dtype=np.float32)
    for window, piece in pieces:
        weighted = window.weights() * piece
        weighted[..., : tail.shape[-1]] += tail
        done = window.length - window.fade_out
        yield weighted[..., :done]
        tail = weighted[..., done:]


def rise(samples: int) -> Waveform:
    """[samples], from just above 0 to just below 1, such that it and its mirror image add up to 1."""
    ramp: Waveform = ((np.arange(samples) + 0.5) / max(samples, 1)).astype(np.float32)
    return ramp
