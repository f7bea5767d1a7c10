"""Hearing a waveform forwards and backwards: a better answer, and a doubt, from a network that knows one direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dataengine.models.roles import Enhanced, Waveform
from dataengine.models.waveforms import distinct, fitted, resample


def heard_both_ways(
    hear: Callable[[list[Waveform]], list[Waveform]],
    waveforms: Sequence[Waveform],
    sample_rate: int,
    own_rate: int,
) -> list[Enhanced]:
    """The mean of what `hear` makes of each waveform in both directions, and half their difference as doubt.

    `hear` takes and gives waveforms at `own_rate`; waveforms and answers are at `sample_rate`. A waveform that
    comes several times is heard once.
    """
    different, places = distinct(waveforms)
    heard = [resample(waveform, sample_rate, own_rate) for waveform in different]
    forwards = hear(heard)
    backwards = hear([waveform[::-1] for waveform in heard])
    half = np.float32(0.5)
    enhanced = [
        Enhanced(
            speech=fitted(resample(half * (one + other[::-1]), own_rate, sample_rate), len(mixture)),
            doubt=fitted(resample(half * (one - other[::-1]), own_rate, sample_rate), len(mixture)),
        )
        for mixture, one, other in zip(different, forwards, backwards, strict=True)
    ]
    return [enhanced[place] for place in places]
