"""The steps as stages of dataengine. The fourth, encoding, is the engine's own: it stores what is kept."""

import numpy as np
import pyarrow as pa
from engine_work import decode, mask, score

from dataengine import Stage
from manifests.schema import WAVEFORM


class DecodeClip(Stage):
    """Path → waveform."""

    reads = ("uri",)
    adds = {"mixture": WAVEFORM}

    def process(self, batch):
        """Clip by clip."""
        return batch.with_columns(mixture=[decode(uri) for uri in batch["uri"]])


class MaskClip(Stage):
    """Waveform → what its loud frequencies make, in its place."""

    reads = ("mixture",)
    adds = {"mixture": WAVEFORM}

    def process(self, batch):
        """Clip by clip."""
        return batch.with_columns(mixture=[mask(waveform) for waveform in batch["mixture"]])


class ScoreClip(Stage):
    """Waveform → score."""

    reads = ("mixture",)
    adds = {"score": pa.float64()}

    def process(self, batch):
        """Clip by clip."""
        return batch.with_columns(score=np.array([score(waveform) for waveform in batch["mixture"]]))
