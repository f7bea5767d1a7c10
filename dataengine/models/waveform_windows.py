"""Windows for models that hear a fixed length: the same ones each time, so that scores repeat."""

from __future__ import annotations

from dataengine.models.roles import Waveform


def fixed_windows(waveform: Waveform, length: int) -> list[Waveform]:
    """The waveform in pieces of `length` samples that cover it: end to end, the last one from the end.

    A waveform that is shorter is one piece, of its own length.
    """
    if len(waveform) <= length:
        return [waveform]
    starts = [*range(0, len(waveform) - length, length), len(waveform) - length]
    return [waveform[start : start + length] for start in starts]
