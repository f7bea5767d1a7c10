"""DAC-VAE with random weights: what it promises as a codec, and the two forms its weights are read from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from package_dacvae import PackageDacVae
from safetensors.torch import load_file, save_file
from transformers import DacConfig

from dataengine.errors import UserError
from trainer.codec import LinearCodec
from trainer.codec.dacvae import DacVae
from trainer.codec.dacvae_weights import read_dacvae, save_dacvae
from trainer.codec.pretrained import PretrainedCodecConfig

HOP = 1_920


@pytest.fixture
def codec(dacvae_folder: Path) -> DacVae:
    return read_dacvae(dacvae_folder, "mine")


@pytest.fixture
def folder(dacvae_folder: Path, tmp_path: Path) -> Path:
    """Its weights, to be spoilt."""
    return Path(shutil.copytree(dacvae_folder, tmp_path / "dacvae"))


@pytest.mark.parametrize("samples", [1, 2, HOP - 1, HOP, HOP + 1, 5 * HOP - 7])
def test_a_waveform_of_any_length_has_25_frames_a_second_and_comes_back_as_long(codec, samples):
    waveforms = 0.1 * torch.randn(2, samples)
    latents = codec.encode(waveforms)
    assert latents.shape == (2, max(-(-samples // HOP), 1), 128) == (2, codec.layout.frames(samples), 128)
    assert codec.decode(latents, samples).shape == waveforms.shape


def test_latents_are_those_of_transformers_own_encoder(codec, dacvae_folder):
    """`PeAudioModel` hears by the same encoder and the mean's half of the same bottleneck."""
    from transformers import PeAudioEncoderConfig
    from transformers.models.pe_audio.modeling_pe_audio import PeAudioEncoderEmbedder

    shape = DacConfig.from_pretrained(dacvae_folder).to_dict()
    theirs = PeAudioEncoderEmbedder(PeAudioEncoderConfig(dac_config=shape, hidden_size=8))
    own = {name: each for name, each in codec.state_dict().items() if name.startswith("encoder.")}
    theirs.dac_encoder.load_state_dict({name.removeprefix("encoder."): each for name, each in own.items()})
    theirs.bottleneck.weight.data = codec.bottleneck.in_proj.weight[:128]
    theirs.bottleneck.bias.data = codec.bottleneck.in_proj.bias[:128]
    waveforms = 0.1 * torch.randn(1, 4 * HOP)
    expected, _ = theirs(waveforms[:, None])
    torch.testing.assert_close(theirs.data_proj(codec.encode(waveforms)), expected)


def test_a_frame_stands_for_the_time_of_its_centre(codec):
    silence, click = torch.zeros(1, 9 * HOP), torch.zeros(1, 9 * HOP)
    click[0, 4 * HOP + HOP // 2 - 20 : 4 * HOP + HOP // 2 + 20] = 1.0
    change = (codec.encode(click) - codec.encode(silence)).square().sum(dim=-1)[0]
    assert codec.layout.centres(9)[change.argmax()] == pytest.approx(4.5 * HOP / 48_000)


def test_it_is_frozen_and_always_says_the_same_and_its_stems_need_not_add_up(codec):
    waveforms = torch.randn(5, 3 * HOP, requires_grad=True)
    latents = codec.encode(waveforms)
    assert not latents.requires_grad
    assert not any(each.requires_grad for each in codec.parameters())
    torch.testing.assert_close(latents[3:4], codec.encode(waveforms[3:4]))
    assert torch.equal(codec.decode(latents, 100), codec.decode(latents, 100))
    assert not isinstance(codec, LinearCodec)


def test_a_folder_gives_back_what_was_saved(codec, folder, codec_profile):
    waveforms = torch.randn(1, 2 * HOP)
    again = PretrainedCodecConfig().build(codec_profile(folder))
    assert torch.equal(again.encode(waveforms), codec.encode(waveforms))
    assert again.layout == PretrainedCodecConfig()


def test_a_file_of_the_package_sounds_as_there(tmp_path, codec_profile):
    theirs = PackageDacVae()
    torch.save({"state_dict": theirs.state_dict(), "metadata": {}}, tmp_path / "weights.pth")
    ours = PretrainedCodecConfig().build(codec_profile(tmp_path / "weights.pth"))
    waveforms = 0.1 * torch.randn(2, 3 * HOP)
    latents = ours.encode(waveforms)
    with torch.no_grad():
        torch.testing.assert_close(latents, theirs.mean(waveforms).mT)
        torch.testing.assert_close(ours.decode(latents, 3 * HOP), theirs.sound(latents.mT))
    assert latents.std() > 1e-3


def test_other_weights_than_those_trained_with_are_refused(codec, folder, codec_profile):
    pinned = PretrainedCodecConfig().pinned(codec_profile(folder))
    assert pinned.build(codec_profile(folder)).layout.channels == 128
    codec.bottleneck.in_proj.bias.data += 1
    save_dacvae(codec, DacConfig.from_pretrained(folder), folder.parent / "other")
    with pytest.raises(UserError, match="has other weights"):
        pinned.build(codec_profile(folder.parent / "other"))


def test_a_profile_without_a_codec_or_with_another_one_is_one_line(folder, codec_profile, tmp_path):
    with pytest.raises(UserError, match="no model for the role 'codec'"):
        PretrainedCodecConfig().build("embedded")
    with pytest.raises(UserError, match="not on this machine"):
        PretrainedCodecConfig().build(codec_profile(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"64 channels .* are asked for, and .* has 128 channels"):
        PretrainedCodecConfig(channels=64).build(codec_profile(folder))


def test_weights_that_are_none_are_one_line(folder, tmp_path):
    tensors = load_file(folder / "model.safetensors")
    del tensors["bottleneck.out_proj.bias"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"mine holds no DAC-VAE: .*bottleneck\.out_proj\.bias"):
        read_dacvae(folder, "mine")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "downsampling_ratios": [2, 3]}))
    with pytest.raises(UserError, match="only even rates"):
        read_dacvae(folder, "mine")
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match="mine cannot be read as a DAC-VAE"):
        read_dacvae(folder, "mine")
    torch.save({"weights": torch.zeros(1)}, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"no DAC-VAE of the package dacvae: it has no"):
        read_dacvae(tmp_path / "weights.pth", "mine")
