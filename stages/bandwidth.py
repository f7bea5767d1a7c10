"""Up to which frequency a recording reaches."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from pydantic import Field

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.roles import Waveform

Powers: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"

FRAME = 2048
LOWEST_HZ = 3_500.0
"""Nothing is stored with less band than a telephone's."""
BANDS_AN_OCTAVE = 12


class Bandwidth(Stage):
    """The frequency above which the recording cannot hold anything, in Hz.

    Recordings that are mixed must be of one band, or a separator learns to tell them by it. It is half the
    sample rate as stored, or less: many a 44.1 kHz file was once of 11 or 16 kHz, or was cut off by a codec. Such
    a cut is a cliff in the mean spectrum, after which nothing comes; a sound that is low by nature falls off
    gently, and says nothing of its recording. Null where the target is digital silence.
    """

    reads = ("target", "sample_rate")
    adds = {"band_hz": pa.float32()}

    cliff_db: float = Field(default=20.0, gt=0)
    """All that lies above a cut is so far below what lies just under it."""

    def process(self, batch: Batch) -> Batch:
        """Add `band_hz`."""
        rate = self.context.sample_rate
        whole = [min(stored or rate, rate) / 2 for stored in batch["sample_rate"]]
        bands = [self._band(target, limit) for target, limit in zip(batch["target"], whole, strict=True)]
        return batch.with_columns(band_hz=np.array(bands, dtype=np.float32))

    def _band(self, target: Waveform, limit: float) -> float:
        if not np.any(target):
            return float("nan")
        edges, power = self._spectrum(target)
        above = np.maximum.accumulate(power[::-1])[::-1]
        # Between what lies under a cut and what lies above, one band may hold the cut itself.
        cliffs = power[:-2] > above[2:] * 10 ** (self.cliff_db / 10)
        cut = edges[1:-2][cliffs & (edges[1:-2] >= LOWEST_HZ)]
        return min(limit, float(cut[0])) if len(cut) else limit

    def _spectrum(self, target: Waveform) -> tuple[Powers, Powers]:
        """[bands + 1] edges in Hz up to half the rate, and [bands] mean power in each."""
        padded = np.pad(target, (0, -len(target) % FRAME))
        spectra = np.fft.rfft(padded.reshape(-1, FRAME) * np.hanning(FRAME).astype(np.float32), axis=1)
        power = np.square(np.abs(spectra), dtype=np.float32).mean(axis=0)
        highest = self.context.sample_rate / 2
        count = int(BANDS_AN_OCTAVE * np.log2(highest / (LOWEST_HZ / 2)))
        edges = highest * 2.0 ** (np.arange(-count, 1) / BANDS_AN_OCTAVE)
        bins = np.round(edges * FRAME / self.context.sample_rate).astype(int)
        return edges.astype(np.float32), (np.add.reduceat(power, bins[:-1]) / np.diff(bins)).astype(
            np.float32
        )
