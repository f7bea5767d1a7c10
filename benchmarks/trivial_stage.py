"""A stage that does next to nothing, for benchmarks of what the engine itself costs."""

import numpy as np
import pyarrow as pa

from dataengine import Stage
from dataengine.engine.batch import Batch


class Trivial(Stage):
    """The start of the window again, as a score."""

    reads = ("start",)
    adds = {"score": pa.float32()}

    def process(self, batch: Batch) -> Batch:
        """All rows at once."""
        return batch.with_columns(score=np.asarray(batch["start"], np.float32))
