"""A stage that does to its process what native code does on a bad day."""

from __future__ import annotations

import ctypes
import os
import time

import numpy as np

from dataengine import Stage
from dataengine.engine.batch import Batch

FAULTS = ("crash", "hang", "exit", "memory", "none", "none", "none", "none", "none", "none", "none")
"""What becomes of a unit, by its number."""


def fault_of(unit: str) -> str:
    return FAULTS[int(unit[:8], 16) % len(FAULTS)]


class Misbehave(Stage):
    """Crashes, hangs, exits or asks for more memory than there is, as the unit has it."""

    reads = ("unit_id",)

    def process(self, batch: Batch) -> Batch:
        faults = {fault_of(unit) for unit in batch["unit_id"]}
        if "crash" in faults:
            ctypes.string_at(0)
        if "hang" in faults:
            time.sleep(3600)
        if "exit" in faults:
            os._exit(3)
        if "memory" in faults:
            np.ones(2**33, dtype=np.float64)
        return batch
