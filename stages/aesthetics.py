"""How listeners would rate the target."""

from __future__ import annotations

from dataclasses import astuple, fields

import numpy as np
import pyarrow as pa
from pydantic import PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.roles import Aesthetics as Ratings
from dataengine.models.roles import AestheticsScorer

AXES = tuple(field.name for field in fields(Ratings))


class Aesthetics(Stage):
    """Quality, complexity, enjoyment and usefulness of the target, 1 to 10 (Audiobox aesthetics in the reference).

    The reference filters by complexity alone, which the stage `scene_complexity` gives as well, where the profile
    fills that role from the same model. The others are there to choose by: `--filters` with thresholds on them.
    """

    reads = ("target",)
    adds = {axis: pa.float32() for axis in AXES}
    roles = ("aesthetics_scorer",)

    _scorer: AestheticsScorer | None = PrivateAttr(default=None)

    def setup(self) -> None:
        """Load the scorer."""
        self._scorer = self.context.models.load("aesthetics_scorer")

    def process(self, batch: Batch) -> Batch:
        """Add the four ratings."""
        assert self._scorer is not None
        rated = self._scorer.rate(batch["target"], self.context.sample_rate)
        columns = np.array([astuple(each) for each in rated], dtype=np.float32).T
        return batch.with_columns(**dict(zip(AXES, columns, strict=True)))
