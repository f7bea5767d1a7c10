"""Stages that cost next to nothing and depend on ids alone, for tests of the engine."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from dataengine import Stage
from dataengine.engine.batch import Batch
from manifests.identity import seed_of
from manifests.schema import KIND_TEXT, WAVEFORM

SAMPLES = 1600


def number_of(unit_id: str) -> int:
    return int(unit_id[:8], 16)


class Tone(Stage):
    """A second-long tone whose pitch is the unit's; raises, hangs or dies for the units it is told to."""

    reads = ("unit_id",)
    adds = {"mixture": WAVEFORM}
    fail_every: int = 0
    fail_while: str | None = None
    """A file: units fail only as long as it exists."""
    seconds_each: float = 0.0

    def process(self, batch: Batch) -> Batch:
        failing = self.fail_every and (self.fail_while is None or Path(self.fail_while).exists())
        if failing and any(number_of(unit) % self.fail_every == 0 for unit in batch["unit_id"]):
            raise ValueError("this unit is poison")
        time.sleep(self.seconds_each * len(batch))
        time_axis = np.arange(SAMPLES) / SAMPLES
        tones = [
            (0.5 * np.sin(2 * np.pi * (number_of(unit) % 300) * time_axis)).astype(np.float32)
            for unit in batch["unit_id"]
        ]
        return batch.with_columns(mixture=tones)


class Propose(Stage):
    """Zero to three prompts a unit."""

    reads = ("unit_id",)
    adds = {"text": pa.string(), "kind": pa.string()}
    proposes = True

    def process(self, batch: Batch) -> Batch:
        pairs = [(row, n) for row, unit in enumerate(batch["unit_id"]) for n in range(number_of(unit) % 4)]
        parents = [row for row, _ in pairs]
        return batch.expand(parents, text=[f"sound {n}" for _, n in pairs], kind=[KIND_TEXT] * len(pairs))


class Halve(Stage):
    """Target and residual are the mixture at a lower level: half of it each."""

    reads = ("mixture",)
    adds = {"target": WAVEFORM, "residual": WAVEFORM}
    share: float = 0.5
    seconds_each: float = 0.0

    def process(self, batch: Batch) -> Batch:
        time.sleep(self.seconds_each * len(batch))
        targets = [np.float32(self.share) * mixture for mixture in batch["mixture"]]
        residuals = [mixture - target for mixture, target in zip(batch["mixture"], targets, strict=True)]
        return batch.with_columns(target=targets, residual=residuals)


class Draw(Stage):
    """A score drawn from the sample's id, and a fingerprint that uses all of its 64 bits."""

    reads = ("sample_id", "target")
    adds = {"score": pa.float32(), "fingerprint": pa.uint64()}
    shift: float = 0.0

    def process(self, batch: Batch) -> Batch:
        drawn = [seed_of(self.context.seed, sample) for sample in batch["sample_id"]]
        return batch.with_columns(
            score=np.array([draw / 2**64 + self.shift for draw in drawn], np.float32),
            fingerprint=np.array([draw | 2**63 for draw in drawn], np.uint64),
        )


class Judge(Stage):
    """Keep a score above a half, retain one above a quarter."""

    reads = ("score",)
    adds = {"retained": pa.bool_()}
    threshold: float = 0.5

    def process(self, batch: Batch) -> Batch:
        score = batch["score"]
        return batch.with_columns(retained=list(score > self.threshold / 2)).reject(
            score <= self.threshold, "score"
        )


class Letters(Stage):
    """How long the prompt is: needs nothing but the table."""

    reads = ("text",)
    adds = {"letters": pa.int32()}

    def process(self, batch: Batch) -> Batch:
        return batch.with_columns(letters=[len(text) for text in batch["text"]])
