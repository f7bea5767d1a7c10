"""How much of one stem is left in the other."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.roles import Matrix, Waveform

FRAME_SECONDS = 0.064


class StemOverlap(Stage):
    """Share of the quieter stem's energy that the other stem has at the same time and frequency, 0..1.

    Different sounds rarely fill the same cells of a spectrogram (Yilmaz & Rickard, "Blind separation of speech
    mixtures via time-frequency masking", IEEE Trans. Signal Processing 52, 2004), so stems that do share
    one sound. It needs no model. On scenes of split `calibrate` it tells right from wrong with an AUC of
    0.84 for speech and 0.85 for other prompts. Null where a stem is digital silence.
    """

    reads = ("target", "residual")
    adds = {"stem_overlap": pa.float32()}

    def process(self, batch: Batch) -> Batch:
        """Add `stem_overlap`."""
        pairs = zip(batch["target"], batch["residual"], strict=True)
        overlaps = [stem_overlap(*pair, self.context.sample_rate) for pair in pairs]
        return batch.with_columns(stem_overlap=np.array(overlaps, dtype=np.float32))


def stem_overlap(one: Waveform, other: Waveform, sample_rate: int) -> float:
    """The share for two waveforms of shape [samples]; NaN if one of them is silent."""
    powers = [_spectrogram(stem, sample_rate) for stem in (one, other)]
    quieter = min(float(power.sum()) for power in powers)
    return float(np.minimum(*powers).sum()) / quieter if quieter > 0 else float("nan")


def _spectrogram(waveform: Waveform, sample_rate: int) -> Matrix:
    """[frames, bins], power in overlapping Hann windows of 64 ms."""
    frame = round(FRAME_SECONDS * sample_rate)
    padded = np.pad(waveform, (frame // 2, frame))
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame)[:: frame // 2]
    spectrum = np.fft.rfft(frames * np.hanning(frame).astype(np.float32), axis=1)
    power: Matrix = np.square(np.abs(spectrum)).astype(np.float32)
    return power
