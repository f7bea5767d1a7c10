"""What probing says of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

Waveform: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
"""Mono, full scale at ±1, shape [samples]."""


@dataclass(frozen=True)
class MediaInfo:
    """Facts of a recording, measured rather than believed where a header may be wrong."""

    container: str
    """wav, flac, ogg, mp3, mp4, matroska …"""
    sample_rate: int
    """Hz, as stored."""
    channels: int
    frames: int
    """Length at the stored rate."""
    has_video: bool
    """Moving pictures; a cover picture does not count."""
    bytes: int

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.frames / self.sample_rate


class Decoder(Protocol):
    """Gives samples of one recording at its stored rate."""

    @property
    def info(self) -> MediaInfo:
        """Facts of the recording."""
        ...

    def read(self, first: int, count: int, channel: int | None = None) -> Waveform:
        """Samples `first` to `first + count`; fewer where the recording ends.

        Of one channel, counted from 0, or the mean of all.
        """
        ...
