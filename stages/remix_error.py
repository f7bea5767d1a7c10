"""How far target and residual are from adding up to the mixture."""

from __future__ import annotations

import pyarrow as pa

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.level import powers, ratio_db


class RemixError(Stage):
    """RMS level of mixture − target − residual relative to the mixture, in dB, at least −120.

    A separator that generates both stems does not add up exactly; the more it invents or loses, the
    higher the error. Null where the mixture is digital silence.
    """

    reads = ("mixture", "target", "residual")
    adds = {"remix_error_db": pa.float32()}

    def process(self, batch: Batch) -> Batch:
        """Add `remix_error_db`."""
        mixtures = batch["mixture"]
        stems = zip(mixtures, batch["target"], batch["residual"], strict=True)
        errors = [mixture - target - residual for mixture, target, residual in stems]
        return batch.with_columns(remix_error_db=ratio_db(powers(errors), powers(mixtures)))
