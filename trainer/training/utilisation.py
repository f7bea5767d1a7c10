"""How much of what the machine can do reaches the model."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from trainer.conditions import Conditions
from trainer.model import SeparationModel
from trainer.presets import PRESETS
from trainer.training.configuration import TrainConfig
from trainer.training.distributed import World
from trainer.training.folder import WORK_FILE
from trainer.training.precision import arithmetic

SECONDS_TO_MEASURE = 0.5
TOKENS = 8
"""Of a prompt; the work on them hardly counts beside that on a hundred frames."""


@dataclass(frozen=True)
class Work:
    """What a step of training takes, and what there is."""

    frames: int
    """Latent frames that a step learns from: the transformer's tokens."""
    operations: float
    """Floating-point operations of the model's matrix products in a step, forwards and backwards."""
    peak: float
    """Operations a second of the feed-forward's matrix product in the training's precision: measured, times
    processes."""

    def utilisation(self, steps_a_second: float) -> float:
        """Which share of the peak the model uses (model FLOPs utilisation, Chowdhery et al. 2022)."""
        return self.operations * steps_a_second / self.peak

    def write(self, folder: Path) -> None:
        """Note it in a training folder."""
        (folder / WORK_FILE).write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> Work | None:
        """What was noted; None before the first step."""
        place = folder / WORK_FILE
        return cls(**json.loads(place.read_text())) if place.exists() else None


def work_of(config: TrainConfig, samples: int, world: World) -> Work:
    """Count the work of a step on so many samples, and measure the peak, in about half a second."""
    frames = config.codec.frames(round(config.data.mixing.seconds * config.codec.sample_rate))
    dit = PRESETS[config.preset].dit
    dtype = arithmetic(config.objective.precision, world.device.type)
    at_once = samples * frames // (config.batch.micro_batches * world.size)
    return Work(
        frames=samples * frames,
        operations=samples * operations_a_sample(config.preset, frames),
        peak=world.size * matmul_peak(at_once, dit.dim, dit.hidden, dtype, world.device),
    )


def operations_a_sample(preset: str, frames: int) -> int:
    """Of the transformer, forwards and backwards: a backward pass takes twice what a forward pass takes."""
    dit = PRESETS[preset].dit
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        conditions = Conditions(
            mixture=torch.empty(1, frames, dit.channels),
            text=torch.empty(1, TOKENS, dit.text_width),
            text_mask=torch.ones(1, TOKENS, dtype=torch.bool),
            spans=torch.zeros(1, frames, dtype=torch.long),
        )
        model = SeparationModel(PRESETS[preset])
        model.dit(torch.empty(1, frames, 2 * dit.channels), torch.empty(1), conditions)
    return 3 * int(counter.get_total_flops())


def matmul_peak(rows: int, inner: int, columns: int, dtype: torch.dtype, device: torch.device) -> float:
    """Floating-point operations a second of [rows, inner] @ [inner, columns], the best of half a second."""
    a = torch.randn(rows, inner, dtype=dtype, device=device)
    b = torch.randn(inner, columns, dtype=dtype, device=device)
    best, end = float("inf"), time.perf_counter() + SECONDS_TO_MEASURE
    while time.perf_counter() < end:
        began = time.perf_counter()
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * rows * inner * columns / best
