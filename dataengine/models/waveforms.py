"""What every audio adapter does with the waveforms it is given."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from dataengine.models.roles import Waveform

Item = TypeVar("Item")


def resample(waveform: Waveform, from_rate: int, to_rate: int) -> Waveform:
    """The waveform at another rate, band-limited (soxr, high quality); the same object if nothing changes."""
    if from_rate == to_rate or not len(waveform):
        return waveform
    import soxr

    resampled: Waveform = soxr.resample(waveform, from_rate, to_rate, quality="HQ")
    return resampled


def fitted(waveform: Waveform, samples: int) -> Waveform:
    """The waveform with exactly so many samples: resampling there and back may be one off."""
    return np.pad(waveform[:samples], (0, max(samples - len(waveform), 0)))


def distinct(items: Sequence[Item]) -> tuple[list[Item], list[int]]:
    """The different objects among `items`, and for each item the position of its object there."""
    positions: dict[int, int] = {}
    places = [positions.setdefault(id(item), len(positions)) for item in items]
    firsts = {place: item for item, place in zip(reversed(items), reversed(places), strict=True)}
    return [firsts[place] for place in range(len(firsts))], places


def stack(waveforms: Iterable[Waveform], length: int) -> Waveform:
    """Waveforms as rows [waveforms, length], zeros after their ends."""
    rows = list(waveforms)
    stacked = np.zeros((len(rows), length), dtype=np.float32)
    for row, waveform in zip(stacked, rows, strict=True):
        row[: len(waveform)] = waveform
    return stacked


def fingerprint(waveform: Waveform, sample_rate: int) -> bytes:
    """The same 16 bytes for the same samples at the same rate."""
    digest = hashlib.blake2b(waveform.tobytes(), digest_size=16)
    digest.update(str(sample_rate).encode())
    return digest.digest()
