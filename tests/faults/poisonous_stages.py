"""Stages that go wrong in all the ways a stage of one's own can, each for a few units."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from dataengine import Stage
from dataengine.engine.batch import Batch
from manifests.schema import WAVEFORM

CAUSE = "DATAENGINE_TEST_CAUSE"
"""Environment variable: a file; while it exists, `fragile` fails for some units."""

FAULTS = (
    *("raises", "gives no batch", "gives text for a number", "gives a number too few", "drops a row"),
    *("gives an undeclared column", "gives two-dimensional stems", "gives stems of another length"),
    *("gives NaN", "crashes", "hangs", "ends its process", "wants too much memory"),
    *("hangs in foreign code", "aborts", "takes more and more memory"),
)
UNITS = 3 * len(FAULTS)
"""Of a manifest of so many units, each fault befalls one."""


def number_of(unit: str) -> int:
    return int(unit[8:16], 16)


def fault_of(uri: str) -> str | None:
    """What befalls the unit with a place in the manifest, `memory:12`; None for two of three."""
    number = int(uri.removeprefix("memory:"))
    return None if number % 3 else FAULTS[number // 3]


class Poisonous(Stage):
    """Gives target and residual, or does what befalls one of its rows."""

    reads = ("uri", "mixture")
    adds = {"target": WAVEFORM, "residual": WAVEFORM, "level": pa.float32()}

    def process(self, batch: Batch) -> Batch:
        faults = {fault_of(uri) for uri in batch["uri"]}
        self._misbehave(faults)
        targets = [mixture / 2 for mixture in batch["mixture"]]
        level = [float(np.abs(target).max()) for target in targets]
        if "gives no batch" in faults:
            return {"target": targets}  # type: ignore[return-value]
        if "gives text for a number" in faults:
            return batch.with_columns(target=targets, residual=targets, level=["loud"] * len(batch))
        if "gives a number too few" in faults:
            return batch.with_columns(target=targets, residual=targets, level=level[1:])
        answer = batch.with_columns(target=targets, residual=targets, level=level)
        if "drops a row" in faults:
            return answer.slice(1, len(answer))
        if "gives an undeclared column" in faults:
            return answer.with_columns(surprise=level)
        rows = zip(batch["uri"], targets, strict=True)
        return answer.with_columns(target=[self._spoilt(uri, target) for uri, target in rows])

    @staticmethod
    def _misbehave(faults: set[str | None]) -> None:
        if "raises" in faults:
            raise ValueError("this unit is poison")
        if "crashes" in faults:
            ctypes.string_at(0)
        if "hangs" in faults:
            time.sleep(3600)
        if "ends its process" in faults:
            os._exit(3)
        if "wants too much memory" in faults:
            np.ones(2**36, np.uint8)
        if "hangs in foreign code" in faults:
            ctypes.PyDLL(None).sleep(3600)  # a PyDLL keeps the interpreter's lock
        if "aborts" in faults:
            os.abort()
        if "takes more and more memory" in faults:
            hoard = []
            while True:
                hoard.append(np.empty(2**26, np.uint8))  # claimed: to fill it takes a slow machine seconds

    @staticmethod
    def _spoilt(uri: str, target: np.ndarray) -> np.ndarray:
        match fault_of(uri):
            case "gives two-dimensional stems":
                return np.stack([target, target])
            case "gives stems of another length":
                return target[:-1]
            case "gives NaN":
                return target * np.nan
        return target


class Fragile(Stage):
    """Fails for a fifth of the units while a cause exists that has nothing to do with them."""

    reads = ("unit_id",)

    def process(self, batch: Batch) -> Batch:
        concerned = any(number_of(unit) % 5 == 0 for unit in batch["unit_id"])
        if concerned and Path(os.environ[CAUSE]).exists():
            raise RuntimeError("the licence server refused")
        return batch
