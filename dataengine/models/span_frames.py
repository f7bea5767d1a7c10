"""From frames in which something is heard to spans of seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataengine.models.roles import Spans
from dataengine.models.sounding import segments_of


def spans_of_frames(
    heard: np.ndarray[Any, np.dtype[np.bool_]], hop_seconds: float, first_edge: float, seconds: float
) -> Spans:
    """Start and end of each run of frames that are true, in a waveform of so many seconds.

    A frame stands for `hop_seconds`, the first one from the start up to `first_edge` and the last one up to the end.
    What lies behind the end is left out.
    """
    inner = first_edge + hop_seconds * np.arange(max(len(heard) - 1, 0))
    edges = np.minimum(np.concatenate([[0.0], inner, [seconds]]), seconds)
    runs = [(float(edges[start]), float(edges[end])) for start, end in segments_of(heard)]
    return tuple((start, end) for start, end in runs if end > start)
