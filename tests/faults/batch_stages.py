"""A stage whose answer depends on what else is in the batch, as the last bits of large models do."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pyarrow as pa

from dataengine import Stage
from dataengine.engine.batch import Batch

KILLED = "DATAENGINE_TEST_KILLED_FOLDER"
"""Environment variable: a folder that notes which rows' process was killed already."""


class Company(Stage):
    """How many rows were taken together; the process of every third batch is killed, the first time, from outside."""

    reads = ("unit_id",)
    adds = {"company": pa.int32()}

    def process(self, batch: Batch) -> Batch:
        first = batch["unit_id"][0]
        if (folder := os.environ.get(KILLED)) and int(first, 16) % 3 == 0:
            note = Path(folder) / first
            if not note.exists():
                note.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return batch.with_columns(company=[len(batch)] * len(batch))
