"""Stages that say which NumPy they ran with, and what they were given."""

from __future__ import annotations

import ctypes
import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import PrivateAttr

from dataengine import Stage
from dataengine.engine.batch import Batch
from manifests.identity import seed_of
from manifests.schema import WAVEFORM

SAMPLES = 8000


def digests(waveforms: list[np.ndarray[Any, Any]]) -> list[str]:
    return [hashlib.blake2b(each.tobytes() + str(each.dtype).encode()).hexdigest() for each in waveforms]


class Make(Stage):
    """A mixture of noise."""

    reads = ("unit_id",)
    adds = {"mixture": WAVEFORM, "made": pa.string(), "numpy_of_make": pa.string()}

    def process(self, batch: Batch) -> Batch:
        draws = [np.random.default_rng(seed_of(0, unit)).uniform(-1, 1, SAMPLES) for unit in batch["unit_id"]]
        mixtures = [draw.astype(np.float32) for draw in draws]
        return batch.with_columns(
            mixture=mixtures, made=digests(mixtures), numpy_of_make=[np.__version__] * len(batch)
        )


class Classify(Stage):
    """Asks a model, and makes target and residual of the mixture by a table that was made with the driver's NumPy."""

    reads = ("unit_id", "mixture")
    adds = {
        "target": WAVEFORM,
        "residual": WAVEFORM,
        "heard": pa.string(),
        "split": pa.string(),
        "female": pa.float64(),
        "numpy_of_classify": pa.string(),
    }
    roles = ("gender_classifier",)
    crashes_at: str = ""
    """A unit at which it takes its process down."""

    _gains: Any = PrivateAttr(default=None)
    _classifier: Any = PrivateAttr(default=None)

    def prepare(self) -> None:
        self._gains = np.linspace(0, 1, SAMPLES, dtype=np.float32)

    def setup(self) -> None:
        self._classifier = self.context.models.load("gender_classifier")

    def process(self, batch: Batch) -> Batch:
        if self.crashes_at in batch["unit_id"]:
            ctypes.string_at(0)
        mixtures = batch["mixture"]
        targets = [mixture * self._gains for mixture in mixtures]
        return batch.with_columns(
            target=targets,
            residual=[mixture - target for mixture, target in zip(mixtures, targets, strict=True)],
            heard=digests(mixtures),
            split=digests(targets),
            female=[each.female for each in self._classifier.classify(mixtures, self.context.sample_rate)],
            numpy_of_classify=[np.__version__] * len(batch),
        )


class Check(Stage):
    """What comes back."""

    reads = ("mixture", "target")
    adds = {"mixture_back": pa.string(), "target_back": pa.string(), "numpy_of_check": pa.string()}

    def process(self, batch: Batch) -> Batch:
        return batch.with_columns(
            mixture_back=digests(batch["mixture"]),
            target_back=digests(batch["target"]),
            numpy_of_check=[np.__version__] * len(batch),
        )
