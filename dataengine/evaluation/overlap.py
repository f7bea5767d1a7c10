"""Where a sound and the rest of its scene both sound: the only place where there is something to separate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from dataengine.models.level import FLOOR_DB, frame_levels
from dataengine.models.roles import Waveform

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

SOUNDING_DB = 40.0
"""A stem sounds in the frames whose level is within this of its loudest frame's."""
FRAME_SECONDS = 0.02
LEAST_OVERLAP_SECONDS = 0.25
"""Two sounds meet if they sound together for this long, in one piece or several."""


@dataclass(frozen=True)
class Overlap:
    """Where two sounds meet."""

    samples: Mask
    """[samples], true in the frames in which both sound."""
    share: float
    """0..1, of the frames in which the first one sounds."""


def overlap(stem: Waveform, rest: Waveform, sample_rate: int) -> Overlap | None:
    """Where a stem meets the rest, both [samples]; None if they never do."""
    frame = round(FRAME_SECONDS * sample_rate)
    alone = sounding(stem, frame)
    both = alone & sounding(rest, frame)
    if both.sum() * FRAME_SECONDS < LEAST_OVERLAP_SECONDS:
        return None
    return Overlap(np.repeat(both, frame)[: len(stem)], float(both.sum() / alone.sum()))


def sounding(stem: Waveform, frame_samples: int) -> Mask:
    """[frames], whether a stem sounds in each; digital silence never does."""
    levels = frame_levels(stem, frame_samples)
    heard: Mask = (levels > levels.max(initial=-np.inf) - SOUNDING_DB) & (levels > FLOOR_DB)
    return heard
