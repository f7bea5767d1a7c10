"""`precision: auto`: bfloat16 where the processor has instructions for it, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer.training.configuration import TrainConfig
from trainer.training.distributed import World
from trainer.training.loop import train
from trainer.training.precision import arithmetic

FLAGS = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}
"""As Linux names the instructions."""


def test_a_processor_without_instructions_for_bfloat16_multiplies_in_float32():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = {
        flag for line in lines if line.lower().startswith(("flags", "features")) for flag in line.split()
    }
    assert arithmetic("auto", "cpu") == (torch.bfloat16 if flags & FLAGS else torch.float32)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_is_asked_for_is_what_is_taken(precision):
    assert arithmetic(precision, "cpu") == getattr(torch, precision)


def test_a_training_with_auto_has_the_losses_of_the_precision_that_it_takes(
    training_file, tmp_path, losses_in
):
    taken = str(arithmetic("auto", "cpu")).removeprefix("torch.")
    for precision in ("auto", taken):
        config = TrainConfig.load(training_file, [f"objective.precision={precision}", "steps=2"])
        train(config, tmp_path / precision, World())
    assert losses_in(tmp_path / "auto") == losses_in(tmp_path / taken)
