"""How much of a target is silence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dataengine.engine.batch import Batch
from dataengine.models.roles import Waveform
from stages.sounding import SoundingStage


class SilenceRatio(SoundingStage):
    """Share of the target's time in which nothing sounds, 0..1.

    The reference keeps targets with less than 95 % silence and does not define silence; what sounds
    here is what `spans` would mark, with the same parameters.
    """

    reads = ("target",)
    adds = {"silence_ratio": pa.float32()}

    def process(self, batch: Batch) -> Batch:
        """Add `silence_ratio`; an empty target is all silence."""
        ratios = [self._silence(target) for target in batch["target"]]
        return batch.with_columns(silence_ratio=np.array(ratios, dtype=np.float32))

    def _silence(self, target: Waveform) -> float:
        segments = self.sounding_seconds(target)
        duration = len(target) / self.context.sample_rate
        return 1.0 - float(np.sum(segments[:, 1] - segments[:, 0])) / duration if duration else 1.0
