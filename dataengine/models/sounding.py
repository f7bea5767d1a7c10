"""Where a waveform sounds: a voice-activity detector by level, for any sound.

The reference slides give −40 dBFS and a minimum *sounding* duration of 250 ms; the released inference
code of the same system asks for a minimum *silence* of 250 ms instead, and can take the level relative
to the loudest frame. All of it can be set here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dataengine.models.level import frame_levels
from dataengine.models.roles import Waveform

Segments = np.ndarray[Any, np.dtype[np.int64]]
"""[segments, 2], first frame and the frame after the last; sorted, not touching."""


@dataclass(frozen=True)
class SoundingRule:
    """What counts as sounding."""

    level_db: float = -40.0
    """A frame sounds when its RMS level is above this."""
    relative_to: Literal["full_scale", "loudest_frame"] = "full_scale"
    """What `level_db` is counted from."""
    minimum_sounding_seconds: float = 0.25
    """A shorter sounding segment counts as silence (the slides' rule)."""
    minimum_silence_seconds: float = 0.1
    """A shorter silence between two sounding segments counts as sounding (the released code's rule, with
    250 ms there); it is applied first. The default bridges the closures inside words: with 0, the
    minimum sounding duration throws away a sixth of plain speech."""
    frame_seconds: float = 0.025
    """Length of the frames whose RMS is taken; they do not overlap."""

    def seconds(self, waveform: Waveform, sample_rate: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """[segments, 2], start and end in seconds of each segment that sounds; sorted, not touching."""
        frame_samples = max(1, round(self.frame_seconds * sample_rate))
        levels = frame_levels(waveform, frame_samples)
        threshold = self.level_db
        if self.relative_to == "loudest_frame" and len(levels):
            threshold += float(levels.max())
        segments = merge_gaps(segments_of(levels > threshold), self._frames(self.minimum_silence_seconds))
        segments = drop_short(segments, self._frames(self.minimum_sounding_seconds))
        return np.minimum(segments * frame_samples, len(waveform)) / sample_rate

    def silence_ratio(self, waveform: Waveform, sample_rate: int) -> float:
        """Share of the time in which nothing sounds, 0..1; an empty waveform is all silence."""
        segments = self.seconds(waveform, sample_rate)
        duration = len(waveform) / sample_rate
        return 1.0 - float(np.sum(segments[:, 1] - segments[:, 0])) / duration if duration else 1.0

    def _frames(self, seconds: float) -> int:
        """The least number of whole frames that last `seconds`."""
        return math.ceil(seconds / self.frame_seconds - 1e-6)


def segments_of(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> Segments:
    """Runs of true values."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return edges.reshape(-1, 2)


def merge_gaps(segments: Segments, minimum_gap: int) -> Segments:
    """Join segments with less than `minimum_gap` frames between them."""
    if not len(segments):
        return segments
    apart = segments[1:, 0] - segments[:-1, 1] >= minimum_gap
    starts = segments[np.concatenate([[True], apart]), 0]
    ends = segments[np.concatenate([apart, [True]]), 1]
    return np.stack([starts, ends], axis=1)


def drop_short(segments: Segments, minimum_length: int) -> Segments:
    """Leave out segments of less than `minimum_length` frames."""
    return segments[segments[:, 1] - segments[:, 0] >= minimum_length]
