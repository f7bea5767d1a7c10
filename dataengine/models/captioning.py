"""Captions of recordings of any length, from a model that hears half a minute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from dataengine.models.plain_text import one_line
from dataengine.models.remembered import Remembered
from dataengine.models.roles import ModelCard, Waveform
from dataengine.models.waveforms import fingerprint, fitted, resample

MIN_SECONDS, MAX_SECONDS = 1, 30
"""What is shorter is filled with silence, what is longer is heard in pieces: Whisper's encoder, with which the models
hear, takes thirty seconds."""
MAX_CAPTION = 4_000
"""Characters of a caption."""
REMEMBERED = (
    4_096  # waveforms whose captions are kept, a few hundred bytes each, for when a slice is tried again
)

Describe: TypeAlias = Callable[[Sequence[Waveform]], list[str]]
"""What a model says of each piece, at its own rate and of `MIN_SECONDS` to `MAX_SECONDS`."""


class PiecewiseCaptioner:
    """A Captioner; the captions of equally long pieces of a long recording are joined."""

    def __init__(self, card: ModelCard, describe: Describe, own_rate: int) -> None:
        self.card = card
        self._describe = describe
        self._own_rate = own_rate
        self._remembered: Remembered[bytes, str] = Remembered(REMEMBERED)

    def caption(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[str]:
        """See Captioner; a waveform without samples is heard as silence."""
        keys = [fingerprint(waveform, sample_rate) for waveform in waveforms]
        captions = self._remembered.answers(
            dict(zip(keys, waveforms, strict=True)), lambda new: self._caption(new, sample_rate)
        )
        return [captions[key] for key in keys]

    def _caption(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[str]:
        pieces = [self._pieces(resample(each, sample_rate, self._own_rate)) for each in waveforms]
        said = iter(self._describe([piece for each in pieces for piece in each]))
        return [one_line(" ".join(next(said) for _ in each), MAX_CAPTION) for each in pieces]

    def _pieces(self, waveform: Waveform) -> list[Waveform]:
        count = -(-len(waveform) // (MAX_SECONDS * self._own_rate)) or 1
        shortest = MIN_SECONDS * self._own_rate
        return [fitted(each, max(len(each), shortest)) for each in np.array_split(waveform, count)]
