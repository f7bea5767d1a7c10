"""A run that was killed goes on as if it had never stopped, to the bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from process_trees import descendants, gone_within
from safetensors.torch import load_file

from dataengine.errors import UserError
from trainer.training.configuration import TrainConfig
from trainer.training.distributed import World
from trainer.training.loop import train

KILLS = 4
SECONDS_TO_DIE = 60.0
"""Processes that read samples notice within this time that nobody trains any more."""


def command(training_file: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "dataengine.cli", "train", str(training_file), "--out", str(out), *more]


ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_a_killed_run_has_the_losses_and_weights_of_one_that_was_not(training_file, tmp_path, losses_in):
    train(TrainConfig.load(training_file, []), tmp_path / "whole", World())
    killed, chance = tmp_path / "killed", random.Random(0)
    reader = ("--set", "batch.workers=1")
    for _ in range(KILLS):
        enough = len(losses_in(killed)) if (killed / "log.jsonl").exists() else 0
        run = subprocess.Popen(command(training_file, killed, *reader), env=ONE_THREAD)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and run.poll() is None:
            done = (killed / "log.jsonl").read_text().count("\n") if (killed / "log.jsonl").exists() else 0
            if done > enough + 1:
                break
            time.sleep(0.02)
        time.sleep(chance.random() * 0.3)
        readers = [process for process in descendants(run.pid) if process[0] != run.pid]
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert not gone_within(readers, SECONDS_TO_DIE)
    subprocess.run(command(training_file, killed, *reader), check=True, timeout=300, env=ONE_THREAD)
    assert losses_in(killed) == losses_in(tmp_path / "whole")
    for name in ("model.safetensors", "average.safetensors"):
        ours, theirs = (
            load_file(out / "checkpoints" / "step-00000012" / name) for out in (killed, tmp_path / "whole")
        )
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert sorted(each.name for each in (killed / "checkpoints").iterdir()) == [
        "step-00000010",
        "step-00000012",
    ]


@pytest.mark.slow
def test_training_goes_on_from_its_last_checkpoint(training_file, tmp_path, losses_in):
    half = TrainConfig.load(training_file, ["steps=6"])
    whole = TrainConfig.load(training_file, ["steps=8"])
    train(half, tmp_path / "run", World())
    train(whole, tmp_path / "run", World())
    train(whole, tmp_path / "at once", World())
    assert losses_in(tmp_path / "run") == losses_in(tmp_path / "at once")


def test_another_configuration_is_refused_where_one_was_trained(training_file, tmp_path):
    train(TrainConfig.load(training_file, ["steps=1"]), tmp_path / "run", World())
    with pytest.raises(UserError, match="another configuration"):
        train(TrainConfig.load(training_file, ["steps=1", "seed=4"]), tmp_path / "run", World())


def test_a_fine_tuning_starts_from_the_average_of_what_was_trained(training_file, tmp_path):
    pretrained = train(TrainConfig.load(training_file, ["steps=2"]), tmp_path / "pretrained", World())
    settings = ["steps=1", f"start_from={pretrained}", "objective.alignment=0", "optimiser.learning_rate=0.0"]
    settings += ["optimiser.muon_learning_rate=0.0"]
    tuned = train(TrainConfig.load(training_file, settings), tmp_path / "tuned", World())
    before, after = (load_file(place / "average.safetensors") for place in (pretrained, tuned))
    assert after.keys() == {name for name in before if not name.startswith("head.")}
    assert all(torch.equal(before[name], after[name]) for name in after)


def test_a_fine_tuning_starts_from_a_separator_too(training_file, tmp_path):
    train(TrainConfig.load(training_file, ["steps=2"]), tmp_path / "pretrained", World())
    separator = tmp_path / "pretrained" / "separator"
    settings = ["steps=1", f"start_from={separator}", "optimiser.learning_rate=0.0"]
    settings += ["optimiser.muon_learning_rate=0.0"]
    tuned = train(TrainConfig.load(training_file, settings), tmp_path / "tuned", World())
    before, after = load_file(separator / "model.safetensors"), load_file(tuned / "average.safetensors")
    assert all(torch.equal(tensor.float(), after[f"network.{name}"]) for name, tensor in before.items())
    with pytest.raises(UserError, match=r"nothing to start from"):
        train(TrainConfig.load(training_file, [f"start_from={tmp_path}"]), tmp_path / "nowhere", World())


def test_a_fine_tuning_of_another_network_is_refused(training_file, tmp_path):
    pretrained = train(TrainConfig.load(training_file, ["steps=1"]), tmp_path / "pretrained", World())
    other = TrainConfig.load(training_file, ["steps=1", "preset=seed", f"start_from={pretrained}"])
    with pytest.raises(UserError, match="of another network"):
        train(other, tmp_path / "tuned", World())


@pytest.mark.slow
def test_the_best_checkpoint_is_kept_and_becomes_the_separator(training_file, recording_shards, tmp_path):
    settings = ["steps=6", "checkpoints.every=1", "checkpoints.keep=1", "optimiser.muon_learning_rate=0.5"]
    settings += [f"validation={{shards: [{recording_shards}], samples: 8, examples: 1}}"]
    train(TrainConfig.load(training_file, settings), tmp_path, World())
    lines = [json.loads(line) for line in (tmp_path / "validation.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    best = max(lines, key=lambda line: line["merit"])["checkpoint"]
    kept = sorted(each.name for each in (tmp_path / "checkpoints").iterdir())
    assert kept == sorted({best, "step-00000006"})
    made = json.loads((tmp_path / "separator" / "config.json").read_text())
    assert made["window_seconds"] == TrainConfig.load(training_file, settings).data.mixing.seconds
    ours = load_file(tmp_path / "separator" / "model.safetensors")
    average = load_file(tmp_path / "checkpoints" / best / "average.safetensors")
    assert all(torch.equal(tensor, average[f"network.{name}"].half()) for name, tensor in ours.items())
    assert {each.name for each in (tmp_path / "examples" / best / "00").iterdir()} == {
        "prompt.txt",
        *(f"{stem}.flac" for stem in ("mixture", "target", "residual", "truth")),
    }


@pytest.mark.parametrize("left", [0, 20])
def test_a_checkpoint_is_judged_though_a_kill_came_first(training_file, recording_shards, tmp_path, left):
    settings = ["steps=2", f"validation={{shards: [{recording_shards}], samples: 2, examples: 0}}"]
    train(TrainConfig.load(training_file, settings), tmp_path, World())
    validations, separator = tmp_path / "validation.jsonl", tmp_path / "separator" / "model.safetensors"
    judged, made = validations.read_text(), separator.read_bytes()
    validations.write_text(judged[:left])
    separator.write_bytes(made[:left])
    train(TrainConfig.load(training_file, settings), tmp_path, World())
    assert validations.read_text() == judged
    assert separator.read_bytes() == made
