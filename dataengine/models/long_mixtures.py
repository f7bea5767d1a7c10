"""Mixtures of any length, for separators that hear only some seconds at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from dataengine.models.overlapping_windows import Window, crossfaded, windows_of
from dataengine.models.roles import ModelCard, Prompt, Separator, Stems, Waveform
from manifests.identity import seed_of


class InWindows:
    """A Separator that gives another one windows to hear, and fades their stems into each other.

    A window in which, by the prompt's spans, nothing sounds is not heard: its target is silence. Each window has a
    seed of its own.
    """

    def __init__(self, separator: Separator, window_seconds: float, overlap_seconds: float) -> None:
        self._separator = separator
        self._window_seconds = window_seconds
        self._overlap_seconds = overlap_seconds

    @property
    def card(self) -> ModelCard:
        """See Model."""
        return self._separator.card

    def separate(
        self, mixtures: Sequence[Waveform], prompts: Sequence[Prompt], sample_rate: int
    ) -> list[Stems]:
        """See Separator."""
        length, overlap = (
            round(seconds * sample_rate) for seconds in (self._window_seconds, self._overlap_seconds)
        )
        windows = [list(windows_of(len(mixture), length, overlap)) for mixture in mixtures]
        pieces = [
            (mixture[window.start : window.end], _within(prompt, window, sample_rate))
            for mixture, prompt, some in zip(mixtures, prompts, windows, strict=True)
            for window in some
        ]
        stems = iter(self._separate_pieces(pieces, sample_rate))
        return [_whole(some, list(islice(stems, len(some)))) for some in windows]

    def _separate_pieces(
        self, pieces: Sequence[tuple[Waveform, Prompt | None]], sample_rate: int
    ) -> list[Stems]:
        asked = [(piece, prompt) for piece, prompt in pieces if prompt is not None]
        found = iter(
            self._separator.separate(
                [piece for piece, _ in asked], [prompt for _, prompt in asked], sample_rate
            )
        )
        return [
            Stems(np.zeros_like(piece), piece) if prompt is None else next(found) for piece, prompt in pieces
        ]


def _within(prompt: Prompt, window: Window, sample_rate: int) -> Prompt | None:
    """The prompt for a window, its spans counted from the window's start; None if they all lie elsewhere."""
    begin, end = window.start / sample_rate, window.end / sample_rate
    here = tuple(
        (max(a, begin) - begin, min(b, end) - begin) for a, b in prompt.spans if a < end and b > begin
    )
    if prompt.spans and not here:
        return None
    return replace(prompt, spans=here, seed=seed_of(prompt.seed, str(window.start)))


def _whole(windows: Sequence[Window], stems: Sequence[Stems]) -> Stems:
    """What is expected of the windows says nothing of the whole."""
    if len(windows) == 1:
        return stems[0]
    both = (
        (window, np.stack([each.target, each.residual])) for window, each in zip(windows, stems, strict=True)
    )
    return Stems(*np.concatenate(list(crossfaded(both)), axis=-1))
