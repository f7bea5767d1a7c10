"""A training file on a few real recordings, small enough to train in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

TRAINING_FILE = """
preset: tiny
seed: 3
steps: 12
data:
  shards: {{recording: ["{shards}/*.tar"]}}
  mixing:
    shares: {{synthetic: 0.8, absent: 0.2}}
    seconds: 1.0
batch: {{seconds: 4.0, workers: 0}}
objective: {{loss: {{on: x1}}, alignment: 0.5}}
optimiser: {{kind: muon, learning_rate: 0.001}}
schedule: {{warm_up: 4}}
checkpoints: {{every: 2, keep: 2}}
"""


@pytest.fixture
def training_file(tmp_path, recording_shards) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(TRAINING_FILE.format(shards=recording_shards))
    return path


@pytest.fixture
def losses_in() -> Callable[[Path], list[float]]:
    """The losses that a training run has logged, in order, after a look at the numbers of the steps."""

    def losses(out: Path) -> list[float]:
        lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == list(range(len(lines)))
        return [line["loss"] for line in lines]

    return losses
