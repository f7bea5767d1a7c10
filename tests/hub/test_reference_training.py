"""The reference's codec and text encoder in a training: shards in, a separator out, a recording taken apart.

The networks are the real ones, but narrow, with random weights; so is the transformer (preset `trial`).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from dacvae_checkpoint import write_dacvae_folder
from typer.testing import CliRunner

from dataengine import Separator
from dataengine.cli import app
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Prompt
from dataengine.yaml_source import dump_yaml

pytestmark = pytest.mark.hub

RATE = 48_000
STEPS = 6


@pytest.fixture(scope="module")
def home(tmp_path_factory, t5_folder: Path) -> Path:
    """A folder with a user's profile and DAC-VAE."""
    folder: Path = tmp_path_factory.mktemp("home")
    models = {
        "tagger": {"adapter": "yamnet"},
        "text_encoder": {"adapter": "t5", "weights": str(t5_folder)},
        "codec": {
            "adapter": "dacvae",
            "weights": str(write_dacvae_folder(folder / "dacvae")),
            "licence": {"name": "mine", "commercial": False},
        },
    }
    profile = {"name": "mine", "sample_rate": RATE, "models": models}
    (folder / "mine.yaml").write_text(dump_yaml(profile))
    return folder


def train(home: Path, shards: Path, out: Path, *settings: str):
    (home / "train.yaml").write_text(
        f"""
preset: trial
codec: {{kind: pretrained}}
profile: {home / "mine.yaml"}
data:
  shards: {{recording: ["{shards}/*.tar"]}}
  mixing: {{shares: {{synthetic: 3, absent: 1}}, seconds: 1.0}}
batch: {{seconds: 4.0, workers: 1}}
optimiser: {{learning_rate: 1.0e-3}}
schedule: {{warm_up: 2}}
steps: {STEPS}
checkpoints: {{every: 3}}
validation: {{shards: ["{shards}/*.tar"], samples: 2, examples: 1}}
sampling: {{solver: midpoint, steps: 2}}
"""
    )
    arguments = ["train", str(home / "train.yaml"), "-o", str(out), "--json"]
    return CliRunner().invoke(app, [*arguments, *(part for each in settings for part in ("--set", each))])


@pytest.fixture(scope="module")
def trained(home: Path, recording_shards: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    result = train(home, recording_shards, out)
    assert result.exit_code == 0, result.output
    return out


def test_it_learns_and_notes_what_its_codec_was(trained: Path, home: Path):
    losses = [json.loads(line)["loss"] for line in (trained / "log.jsonl").read_text().splitlines()]
    assert len(losses) == STEPS
    assert np.isfinite(losses).all()
    models = ProfileModels(Profile.load(str(home / "mine.yaml")))
    digest = models.provenance(("codec",))["codec"]["digest"]
    for file in (trained / "train.json", trained / "separator" / "config.json"):
        assert json.loads(file.read_text())["codec"]["digest"] == digest
    examples = list((trained / "examples").rglob("residual.flac"))
    assert len(examples) == 2
    assert soundfile.info(examples[0]).samplerate == RATE


def test_the_separator_takes_a_file_apart_and_does_not_promise_the_sum(trained: Path, tmp_path: Path):
    noise = np.random.default_rng(0).normal(0, 0.05, round(2.7 * 44_100)).astype(np.float32)
    soundfile.write(tmp_path / "recording.wav", noise, 44_100, subtype="FLOAT")
    separator = str(trained / "separator")
    arguments = ["separate", str(tmp_path / "recording.wav"), "--text", "piano playing"]
    result = CliRunner().invoke(app, [*arguments, "--separator", separator, "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "need not add up" in result.output
    stems = [soundfile.read(tmp_path / "out" / f"{name}.wav")[0] for name in ("target", "residual")]
    assert all(stem.shape == noise.shape and np.isfinite(stem).all() and stem.any() for stem in stems)
    assert not Separator.from_pretrained(separator).adds_up


def test_in_a_pipelines_profile_its_codec_counts_for_licence_and_digest(trained: Path, home: Path):
    profile = Profile.load(str(home / "mine.yaml"))
    entry = {"adapter": "trained", "folder": str(trained / "separator")}
    models = ProfileModels(profile.model_copy(update={"models": {**profile.models, "separator": entry}}))
    card = models.provenance(("separator",))["separator"]
    assert (card["licence"], card["commercial"]) == ("Apache-2.0; mine", False)
    assert str(home / "dacvae") in card["source"]
    mixture = np.random.default_rng(1).normal(0, 0.05, RATE).astype(np.float32)
    (stems,) = models.load("separator").separate([mixture], [Prompt("piano playing")], RATE)
    assert np.abs(mixture - stems.target - stems.residual).max() > 1e-3


def test_a_run_does_not_go_on_with_another_codec(trained: Path, home: Path, recording_shards: Path):
    written = (home / "mine.yaml").read_text()
    shutil.copytree(home / "dacvae", home / "other")
    with (home / "other" / "config.json").open("a") as file:
        file.write("\n")
    try:
        (home / "mine.yaml").write_text(written.replace(str(home / "dacvae"), str(home / "other")))
        result = train(home, recording_shards, trained, f"steps={STEPS + 1}")
    finally:
        (home / "mine.yaml").write_text(written)
    assert result.exit_code == 2
    assert "another configuration" in result.output


def test_a_preset_and_a_codec_that_do_not_fit_are_one_line(
    home: Path, recording_shards: Path, tmp_path: Path
):
    result = train(home, recording_shards, tmp_path / "run", "codec={kind: mdct}")
    assert result.exit_code == 2
    assert (
        "is for a codec of 128 channels, and this one has 512; set codec: {kind: pretrained}" in result.output
    )
    result = train(home, recording_shards, tmp_path / "run", "profile=embedded")
    assert "profile 'embedded' has no model for the role 'codec'" in result.output
    transform = ("preset=seed", "codec={kind: mdct}")
    result = train(home, recording_shards, tmp_path / "run", *transform)
    assert "reads text states of 384 numbers, and the text encoder 't5' gives 768" in result.output
    assert not (tmp_path / "run").exists()  # so that it is free for what is right
