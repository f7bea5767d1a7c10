"""A training run in TensorBoard: `tensorboard --logdir FOLDER`."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from PIL import Image

from dataengine.errors import UserError
from dataengine.report.spectrogram import spectrogram_images
from trainer.training.folder import TENSORBOARD_FOLDER
from trainer.training.log import StepReport
from trainer.training.validation import Validation

STEMS = ("mixture", "truth", "target", "residual")
OF_A_STEP = ("loss", "auxiliary", "gradient_norm", "learning_rate_factor", "seconds", "waited")


class TensorBoard:
    """Writes figures, and the sounds of validations."""

    def __init__(self, out: Path, first: int) -> None:
        """Of the training in `out`; what was written from step `first` on counts no more.

        Raises UserError if TensorBoard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError(
                "TensorBoard is not installed: pip install 'dataengine[tensorboard]'",
                where="tensorboard: true",
            ) from error
        self._writer: Any = SummaryWriter(str(out / TENSORBOARD_FOLDER), purge_step=first)

    def step(self, report: StepReport) -> None:
        """Add the figures of a step."""
        figures = asdict(report)
        for name in OF_A_STEP:
            self._writer.add_scalar(f"train/{name}", figures[name], report.step)

    def validation(self, step: int, found: Validation, examples: Path) -> None:
        """Add what a validation found, with the examples that it wrote."""
        for name, value in asdict(found).items():
            self._writer.add_scalar(f"validation/{name}", value, step)
        for example in sorted(examples.glob("*/")):
            self._example(step, example)
        self._writer.flush()

    def _example(self, step: int, folder: Path) -> None:
        tag = f"{folder.name} {(folder / 'prompt.txt').read_text().strip()}"
        sounds = [soundfile.read(folder / f"{name}.flac", dtype="float32") for name in STEMS]
        images = spectrogram_images([waveform for waveform, _ in sounds], sounds[0][1])
        for name, (waveform, rate), image in zip(STEMS, sounds, images, strict=True):
            picture = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))
            self._writer.add_audio(f"{tag}/{name}", torch.from_numpy(waveform)[None], step, rate)
            self._writer.add_image(f"{tag}/{name}", picture, step, dataformats="HWC")
