"""Which checkpoint is the best, and the separator that it makes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file

from trainer.data.rendering import TrainingSample
from trainer.model import SeparationModel
from trainer.presets import PRESETS
from trainer.separator import Separator, SeparatorConfig
from trainer.training.checkpoint import AVERAGE_FILE, checkpoints_in, prune
from trainer.training.configuration import TrainConfig
from trainer.training.folder import EXAMPLES_FOLDER, SEPARATOR_FOLDER, VALIDATION_FILE
from trainer.training.validation import Validation, validate, validation_samples

OVERLAP = 0.2
"""Share of a window by which it overlaps with the next: windows are as long as the samples of training were."""


class Judge:
    """Validates checkpoints as they are written, and keeps the best one."""

    def __init__(
        self, config: TrainConfig, out: Path, checkpoints: Path, index: Path, device: torch.device
    ) -> None:
        """`out` takes the figures, the examples and the separator; `checkpoints` holds what is judged."""
        self._config, self._out, self._checkpoints, self._device = config, out, checkpoints, device
        self._samples: Sequence[TrainingSample] = ()
        if config.validation:
            rate = config.codec.sample_rate
            self._samples = validation_samples(config.validation, config.data.mixing, rate, index)
        _cut_unfinished_line(out / VALIDATION_FILE)

    def judge(self, checkpoint: Path, step: int) -> Validation | None:
        """Validate the newest checkpoint, keep the last and the best, and make the best one the separator.

        What was validated before, when a kill cut off the rest, is not validated again; then the answer is None.
        """
        separator = separator_of(self._config, checkpoint).to(self._device)
        settings, found = self._config.validation, None
        if settings and checkpoint.name not in self._merits():
            examples = self._out / EXAMPLES_FOLDER / checkpoint.name
            found = validate(separator, self._samples, settings.sampling, examples, settings.examples)
            line = {"step": step, "checkpoint": checkpoint.name, "merit": found.merit, **asdict(found)}
            with (self._out / VALIDATION_FILE).open("a") as file:
                file.write(json.dumps(line) + "\n")
        best = self.best()
        prune(self._checkpoints, self._config.checkpoints.keep, best)
        if best == checkpoint:
            separator.save_pretrained(self._out / SEPARATOR_FOLDER)
        return found

    def best(self) -> Path:
        """Of the checkpoints that are there, the one with the highest merit; the last one if none was validated."""
        there, merits = checkpoints_in(self._checkpoints), self._merits()
        validated = [each for each in there if each.name in merits]
        return max(validated, key=lambda each: merits[each.name]) if validated else there[-1]

    def _merits(self) -> dict[str, float]:
        """Of the checkpoints that were validated, by name."""
        path = self._out / VALIDATION_FILE
        lines = path.read_text().splitlines() if path.exists() else []
        return {found["checkpoint"]: found["merit"] for found in map(json.loads, lines)}


def _cut_unfinished_line(path: Path) -> None:
    """Take off what a kill left of a last line."""
    if path.exists():
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)


def separator_of(config: TrainConfig, checkpoint: Path) -> Separator:
    """What a checkpoint's averaged weights make."""
    preset = PRESETS[config.preset]
    model = SeparationModel(preset)
    averaged = load_file(checkpoint / AVERAGE_FILE)
    own = {name: averaged[f"network.{name}"] for name, _ in model.named_parameters()}
    model.load_state_dict(own, strict=False)  # buffers, if any, are not trained
    seconds = config.data.mixing.seconds
    return Separator(
        SeparatorConfig(
            model=preset,
            codec=config.codec,
            profile=config.profile,
            sampling=config.sampling,
            shifts=config.shifts,
            floor=config.floor,
            window_seconds=seconds,
            overlap_seconds=OVERLAP * seconds,
        ),
        model,
    )
