"""How much of a target is silence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dataengine.engine.batch import Batch
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
        rule, rate = self.rule, self.context.sample_rate
        ratios = [rule.silence_ratio(target, rate) for target in batch["target"]]
        return batch.with_columns(silence_ratio=np.array(ratios, dtype=np.float32))
