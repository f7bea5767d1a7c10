"""How many kinds of sound the target holds."""

from __future__ import annotations

import pyarrow as pa
from pydantic import PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.roles import SceneComplexityScorer


class SceneComplexity(Stage):
    """Complexity of the target as a scene; a clean single source is low.

    The reference takes Audiobox "production complexity" (PC) and keeps what is below 2.5. The scale is
    the scorer's, and a threshold means nothing without it.
    """

    reads = ("target",)
    adds = {"scene_complexity": pa.float32()}
    roles = ("scene_complexity_scorer",)

    _scorer: SceneComplexityScorer | None = PrivateAttr(default=None)

    def setup(self) -> None:
        """Load the scorer."""
        self._scorer = self.context.models.load("scene_complexity_scorer")

    def process(self, batch: Batch) -> Batch:
        """Add `scene_complexity`."""
        assert self._scorer is not None
        complexity = self._scorer.complexity(batch["target"], self.context.sample_rate)
        return batch.with_columns(scene_complexity=complexity)
