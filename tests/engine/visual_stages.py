"""A stage that finds an object without a model, for tests of the engine."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dataengine import Stage
from dataengine.engine.batch import Batch
from manifests.masks import PackedMask
from manifests.schema import MASKS


class Blue(Stage):
    """The object is what is blue, in the frames of candidates with an odd number in their prompt."""

    reads = ("frames", "text")
    adds = {"mask": MASKS, "mask_coverage": pa.float32()}

    def process(self, batch: Batch) -> Batch:
        masks = [
            None if frames is None or text.endswith(("0", "2")) else PackedMask.of(frames[..., 2] > 150)
            for frames, text in zip(batch["frames"], batch["text"], strict=True)
        ]
        coverage = [np.nan if mask is None else mask.coverage for mask in masks]
        return batch.with_columns(mask=masks, mask_coverage=np.array(coverage, np.float32))
