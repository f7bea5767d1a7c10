"""How well a target fits what is seen."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pydantic import PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.roles import AudioVisualScorer
from manifests.masks import PackedMask


class AudioVisual(Stage):
    """Agreement of the target and the masked region of its window's video (ImageBind in the reference).

    It drops badly matched pairs: masks of what does not make the sound, and sounds that come from elsewhere. Where a
    candidate has no mask, or the pipeline tracks nothing, the whole frame is taken: weak supervision, which says
    whether such a sound fits such a scene and not where it comes from; `mask_coverage` is null there, so that a
    criterion on it keeps only what has a mask. Null where there are no frames.
    """

    reads = ("target", "frames", "frames_hop_seconds")
    adds = {"audio_visual": pa.float32()}
    roles = ("audio_visual_scorer",)

    _scorer: AudioVisualScorer | None = PrivateAttr(default=None)

    def columns_read(self) -> tuple[str, ...]:
        """The mask too, where a stage before this one finds it."""
        return (*self.reads, "mask") if "mask" in self.context.schema else self.reads

    def setup(self) -> None:
        """Load the scorer."""
        self._scorer = self.context.models.load("audio_visual_scorer")

    def process(self, batch: Batch) -> Batch:
        """Add `audio_visual`."""
        assert self._scorer is not None
        targets, frames = batch["target"], batch["frames"]
        masks: list[PackedMask | None] = batch["mask"] if "mask" in batch else [None] * len(batch)
        hops = np.asarray(batch["frames_hop_seconds"], dtype=float)
        scores = np.full(len(batch), np.nan, dtype=np.float32)
        seen = [row for row, of_row in enumerate(frames) if of_row is not None]
        for hop in np.unique(hops[seen]):
            rows = [row for row in seen if hops[row] == hop]
            scores[rows] = self._scorer.score(
                [targets[row] for row in rows],
                self.context.sample_rate,
                [frames[row] for row in rows],
                [None if (mask := masks[row]) is None else mask.unpacked() for row in rows],
                float(hop),
            )
        return batch.with_columns(audio_visual=scores)
