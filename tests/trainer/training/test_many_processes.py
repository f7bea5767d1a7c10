"""Two processes train on the samples that one trains on, in the same order, and come to the same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from dataengine.cli import app
from trainer.training.batches import BatchConfig, Batches
from trainer.training.configuration import TrainConfig
from trainer.training.distributed import World
from trainer.training.loop import train

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_the_order_of_samples_does_not_depend_on_the_number_of_processes(micro_batches):
    config = BatchConfig(seconds=8.0, micro_batches=micro_batches)

    def order(size: int, step: int) -> list[int]:
        processes = [Batches(None, None, config, 1.0, World(rank, size)) for rank in range(size)]
        return sorted(
            position
            for each in processes
            for piece in range(micro_batches)
            for position in each.positions(step, piece)
        )

    for step in range(3):
        assert order(1, step) == order(2, step) == order(4, step) == list(range(8 * step, 8 * step + 8))


@pytest.mark.slow
@pytest.mark.parametrize("spread", ["ddp", "fsdp"])
def test_two_processes_come_to_the_weights_of_one(training_file, tmp_path, losses_in, spread):
    one, two = tmp_path / "one", tmp_path / "two"
    settings = [f"spread={spread}", "steps=4"]
    train(TrainConfig.load(training_file, settings), one, World())
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    arguments = ["train", str(training_file), "--out", str(two)]
    for setting in settings:
        arguments += ["--set", setting]
    subprocess.run([*launcher, "-m", "dataengine.cli", *arguments], check=True, timeout=300, env=ONE_THREAD)
    assert losses_in(two) == pytest.approx(losses_in(one), rel=1e-4)
    ours, theirs = (
        load_file(out / "checkpoints" / "step-00000004" / "model.safetensors") for out in (two, one)
    )
    assert ours.keys() == theirs.keys()
    # Muon and Adam blow up what rounding makes of gradients near zero: single weights differ, all together do not.
    apart = torch.cat([(ours[name] - theirs[name]).flatten() for name in ours]).norm()
    assert apart < 0.01 * torch.cat([theirs[name].flatten() for name in theirs]).norm()


@pytest.mark.slow
def test_workers_of_ray_come_to_the_losses_of_one_process(training_file, tmp_path, losses_in):
    train(TrainConfig.load(training_file, ["steps=4"]), tmp_path / "one", World())
    command = ["train", str(training_file), "--out", str(tmp_path / "ray"), "--set", "steps=4"]
    arguments = [sys.executable, "-m", "dataengine.cli", *command, "--workers", "2", "--json"]
    done = subprocess.run(
        arguments, check=True, timeout=300, env=ONE_THREAD, stdout=subprocess.PIPE, text=True
    )
    summary = json.loads(done.stdout)
    assert losses_in(tmp_path / "ray") == pytest.approx(losses_in(tmp_path / "one"), rel=1e-4)
    assert summary["steps"] == 4
    assert (tmp_path / "ray" / "separator" / "config.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--workers", "1000"], "CPUs for 1000 workers"), (["--address", "here:1"], "with --workers 4")],
)
def test_workers_that_there_are_not_are_one_line(training_file, tmp_path, arguments, message):
    command = ["train", str(training_file), "--out", str(tmp_path / "out"), *arguments]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2
    assert message in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.stderr
