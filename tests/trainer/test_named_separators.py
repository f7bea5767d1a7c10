"""A trained folder, named where a separator is asked for, comes with the models that it was trained with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from dataengine.cli import app
from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Prompt
from trainer.bundled import BUNDLED
from trainer.codec import CodecConfig, MdctConfig
from trainer.codec.pretrained import PretrainedCodecConfig
from trainer.dit import DiTConfig
from trainer.flow.sampling import SamplingConfig
from trainer.model import ModelConfig, SeparationModel
from trainer.named_separators import contestant_of, profile_of
from trainer.separator import Separator, SeparatorConfig

RATE = 48_000


@pytest.fixture
def trained(small_config: DiTConfig, tmp_path: Path):
    """`trained(profile, codec, text_width)`: the folder of a training run, with a separator of these in it."""

    def folder(profile: str, codec: CodecConfig, text_width: int = 384) -> Path:
        dit = replace(small_config, channels=codec.channels, text_width=text_width, transform_power=None)
        config = SeparatorConfig(ModelConfig(dit), codec, profile, SamplingConfig(steps=1))
        run = tmp_path / "run"
        Separator(config, SeparationModel(config.model)).save_pretrained(run / "separator")
        return run

    return folder


def test_its_codec_text_encoder_and_sample_rate_are_those_it_was_trained_with(
    trained, dacvae_folder, codec_profile, real_sound
):
    written = codec_profile(dacvae_folder)
    run = trained(written, PretrainedCodecConfig().pinned(written))
    profile = profile_of(str(run))
    assert (profile.name, profile.sample_rate) == ("mine", RATE)
    assert profile.models["codec"]["weights"] == str(dacvae_folder)
    contestant = contestant_of(str(run), profile)
    assert contestant.name == "run"
    mixture = real_sound("speech").numpy()
    (stems,) = contestant.separator.separate([mixture], [Prompt("speech")], RATE)
    target, _ = Separator.from_pretrained(run / "separator").separate(
        mixture, sample_rate=RATE, text="speech"
    )
    torch.testing.assert_close(torch.from_numpy(stems.target), torch.from_numpy(target))


def test_the_bundled_one_was_trained_with_the_embedded_profile():
    assert profile_of(BUNDLED).name == "embedded"


def test_if_its_profile_is_gone_evaluation_is_refused_with_one_line_that_names_it(trained, tmp_path):
    run = trained(str(tmp_path / "gone.yaml"), MdctConfig())
    result = CliRunner().invoke(app, ["eval", str(run), "-o", str(tmp_path / "eval")])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert f"it was trained with profile '{tmp_path / 'gone.yaml'}'" in result.stderr


def test_beside_another_text_encoder_it_is_refused_with_the_profile_to_use(trained):
    """T5's states are twice as wide as those of the embedded profile's encoder."""
    run = trained("reference", MdctConfig(), text_width=768)
    embedded = Profile.load("embedded")
    models = {**embedded.models, "separator": {"adapter": "trained", "folder": str(run / "separator")}}
    with pytest.raises(
        UserError, match=r"trained with profile 'reference', .* than 'minilm'; use that profile"
    ):
        ProfileModels(embedded.model_copy(update={"models": models})).load("separator")
