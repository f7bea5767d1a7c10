"""Checkpoints: everything that decides how training goes on, written whole or not at all.

    checkpoints/step-00002000/
        model.safetensors      the weights
        average.safetensors    their exponential average: what is used
        optimiser.pt           the optimisers' state
        state.json             the step, and what the guard remembers

Samples are pure functions of the seed and their position, so the step says which ones come next.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_state_dict,
    set_model_state_dict,
    set_state_dict,
)
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from manifests.flushing import flush
from trainer.training.averaging import AveragedWeights
from trainer.training.distributed import World

MODEL_FILE = "model.safetensors"
AVERAGE_FILE = "average.safetensors"
OPTIMISER_FILE = "optimiser.pt"
STATE_FILE = "state.json"
INCOMPLETE = ".incomplete"

_NAME = re.compile(r"step-(\d{8})$")


@dataclass
class Trained:
    """What changes while training goes on."""

    model: nn.Module
    optimisers: list[Optimizer]
    average: AveragedWeights


def save_checkpoint(folder: Path, step: int, trained: Trained, state: dict[str, Any], world: World) -> Path:
    """Write a checkpoint after so many steps; on many processes all must call it, and one writes."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights, optimiser = get_state_dict(trained.model, trained.optimisers, options=options)
    average = {name: _whole(tensor) for name, tensor in trained.average.tensors().items()}
    place = folder / f"step-{step:08d}"
    if world.leads:
        with _appearing(place) as incomplete:
            save_file(_plain(weights), incomplete / MODEL_FILE)
            save_file(_plain(average), incomplete / AVERAGE_FILE)
            torch.save(optimiser, incomplete / OPTIMISER_FILE)
            (incomplete / STATE_FILE).write_text(json.dumps({"step": step, **state}))
    world.wait()
    return place


def load_checkpoint(place: Path, trained: Trained) -> dict[str, Any]:
    """Bring everything back to where a checkpoint was written; returns its state."""
    options = StateDictOptions(full_state_dict=True)
    average: dict[str, Any] = load_file(place / AVERAGE_FILE)
    weights: dict[str, Any] = load_file(place / MODEL_FILE)
    set_model_state_dict(trained.model, average, options=options)
    trained.average.take(trained.model)
    set_state_dict(
        trained.model,
        trained.optimisers,
        model_state_dict=weights,
        optim_state_dict=torch.load(place / OPTIMISER_FILE, weights_only=True),
        options=options,
    )
    state: dict[str, Any] = json.loads((place / STATE_FILE).read_text())
    return state


def checkpoints_in(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    return sorted(each for each in folder.glob("step-*") if _NAME.search(each.name))


def step_of(checkpoint: Path) -> int:
    """How many steps a checkpoint has behind it."""
    return int(checkpoint.name.removeprefix("step-"))


def prune(folder: Path, keep_last: int, best: Path | None) -> None:
    """Remove all but the last checkpoints and the best one, and what was never finished."""
    kept = {*checkpoints_in(folder)[-keep_last:], best}
    for each in [*checkpoints_in(folder), *folder.glob(f"*{INCOMPLETE}")]:
        if each not in kept:
            shutil.rmtree(each)


@contextmanager
def _appearing(place: Path) -> Iterator[Path]:
    """A folder to write into, that takes its name when everything in it is on the disk."""
    incomplete = place.with_name(place.name + INCOMPLETE)
    shutil.rmtree(incomplete, ignore_errors=True)
    incomplete.mkdir(parents=True)
    yield incomplete
    for path in (*incomplete.iterdir(), incomplete):
        flush(path)
    shutil.rmtree(place, ignore_errors=True)
    incomplete.rename(place)
    flush(place.parent)


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _plain(tensors: dict[str, Any]) -> dict[str, Tensor]:
    """By the parameters' own names, contiguous and apart in memory, as safetensors wants them."""
    return {
        name.removeprefix("module."): each.detach().cpu().contiguous().clone()
        for name, each in tensors.items()
    }
