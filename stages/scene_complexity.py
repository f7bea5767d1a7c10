"""How many kinds of sound the target holds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from pydantic import PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.roles import SceneComplexityScorer
from manifests.schema import FRAME_SCORES


class SceneComplexity(Stage):
    """Complexity of the target as a scene; a clean single source is low.

    The reference takes Audiobox "production complexity" (PC) and keeps what is below 2.5. The scale is
    the scorer's, and a threshold means nothing without it.
    """

    reads = ("target",)
    adds = {"scene_complexity": pa.float32()}
    roles = ("scene_complexity_scorer",)

    frames: bool = False
    """Also add the score frame by frame, and the seconds between frames."""

    _scorer: SceneComplexityScorer | None = PrivateAttr(default=None)

    def columns_added(self) -> Mapping[str, pa.DataType]:
        """The clip's score, and its frames if they are asked for."""
        if not self.frames:
            return self.adds
        frames = {"scene_complexity_frames": FRAME_SCORES, "scene_complexity_hop_seconds": pa.float32()}
        return {**self.adds, **frames}

    def setup(self) -> None:
        """Load the scorer."""
        self._scorer = self.context.models.load("scene_complexity_scorer")

    def process(self, batch: Batch) -> Batch:
        """Add the score."""
        assert self._scorer is not None
        scores = self._scorer.complexity(batch["target"], self.context.sample_rate)
        batch = batch.with_columns(scene_complexity=np.array([score.clip for score in scores], np.float32))
        if not self.frames:
            return batch
        return batch.with_columns(
            scene_complexity_frames=[score.frames for score in scores],
            scene_complexity_hop_seconds=np.array([score.hop_seconds for score in scores], np.float32),
        )
