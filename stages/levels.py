"""How loud target and residual are in their mixture."""

from __future__ import annotations

import pyarrow as pa

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.level import powers, ratio_db


class Levels(Stage):
    """RMS level of target and residual relative to the mixture, in dB, at least −120.

    Null where the mixture is digital silence.
    """

    reads = ("mixture", "target", "residual")
    adds = {"target_level_db": pa.float32(), "residual_level_db": pa.float32()}

    def process(self, batch: Batch) -> Batch:
        """Add the two levels."""
        mixture = powers(batch["mixture"])
        return batch.with_columns(
            target_level_db=ratio_db(powers(batch["target"]), mixture),
            residual_level_db=ratio_db(powers(batch["residual"]), mixture),
        )
