"""The training files that ship are ones that `dataengine train` takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataengine.models.profile import Profile
from trainer.presets import PRESETS
from trainer.training.configuration import TrainConfig

FILES = sorted((Path(__file__).resolve().parents[2] / "conf" / "train").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_training_file_is_sound_and_its_profile_has_the_models(path: Path):
    config = TrainConfig.load(path)
    wanted = {"text_encoder", "tagger"} | ({"codec"} if config.codec.kind == "pretrained" else set())
    assert wanted <= Profile.load(config.profile).models.keys()


@pytest.mark.parametrize("preset", ["trial", "small", "base", "large"])
def test_the_references_recipe_serves_all_of_its_sizes(preset: str):
    (path,) = (each for each in FILES if each.stem == "reference")
    config = TrainConfig.load(path, [f"preset={preset}"])
    assert PRESETS[preset].dit.text_width == 768
    assert config.codec.sample_rate / config.codec.hop == 25
    assert config.batch.seconds / config.data.mixing.seconds == 1_024
    drop = config.data.mixing.drop
    assert (drop.text, drop.video, drop.spans) == (0.3, 0.3, 0.3)
    assert (config.optimiser.learning_rate, config.optimiser.weight_decay) == (1e-4, 0.1)
    assert config.schedule.factor(4_999, config.steps) == config.schedule.factor(400_000, config.steps) == 1
