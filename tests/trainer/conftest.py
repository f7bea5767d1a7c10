"""One thread for torch, real recordings at the codec's rate, and a small network that is not at its start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from dacvae_checkpoint import write_dacvae_folder
from torch import Tensor, nn

from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.waveforms import resample
from dataengine.yaml_source import dump_yaml
from trainer.conditions import Conditions
from trainer.dit import DiTConfig

RATE = 16_000
LEVEL_DBFS = -28.0

SMALL = DiTConfig(
    channels=6,
    dim=32,
    blocks=2,
    heads=2,
    hidden=40,
    text_width=10,
    video_width=5,
    transform_power=0.75,
    text_modulation=True,
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def models() -> ProfileModels:
    return ProfileModels(Profile.load("embedded"))


@pytest.fixture(scope="session")
def real_sound(catalogue_clips) -> Callable[..., Tensor]:
    """`real_sound(category, label=…, seconds=…)`: [samples] of a real clip at 16 kHz, repeated where short."""

    def sound(category: str, label: str | None = None, seconds: float = 2.0) -> Tensor:
        (clip, *_) = catalogue_clips("calibrate", category=category, label=label, min_seconds=1.0, count=1)
        waveform = np.resize(resample(clip.waveform, clip.sample_rate, RATE), round(seconds * RATE))
        rms = np.sqrt(np.mean(waveform.astype(np.float64) ** 2))
        return torch.from_numpy((waveform * 10 ** (LEVEL_DBFS / 20) / rms).astype(np.float32))

    return sound


@pytest.fixture(scope="session")
def dacvae_folder(tmp_path_factory) -> Path:
    return write_dacvae_folder(tmp_path_factory.mktemp("dacvae"))


@pytest.fixture
def codec_profile(tmp_path: Path) -> Callable[[Path], str]:
    """`codec_profile(weights)`: the path of a profile whose codec has its weights there."""

    def written(weights: Path) -> str:
        path = tmp_path / "mine.yaml"
        models = {
            "text_encoder": {"adapter": "minilm"},
            "codec": {"adapter": "dacvae", "weights": str(weights)},
        }
        path.write_text(dump_yaml({"name": "mine", "sample_rate": 48_000, "models": models}))
        return str(path)

    return written


@pytest.fixture
def small_config() -> DiTConfig:
    return SMALL


@pytest.fixture
def stirred() -> Callable[[nn.Module], nn.Module]:
    """Gives every parameter a random value: what starts at zero would hide what it does."""

    def stir(module: nn.Module) -> nn.Module:
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.normal_(std=0.2)
        return module.eval()

    return stir


@pytest.fixture
def random_conditions() -> Callable[..., Conditions]:
    """Conditions of random numbers for `SMALL`."""

    def conditions(batch: int, frames: int, tokens: int) -> Conditions:
        return Conditions(
            mixture=torch.randn(batch, frames, SMALL.channels),
            text=torch.randn(batch, tokens, SMALL.text_width),
            text_mask=torch.ones(batch, tokens, dtype=torch.bool),
            spans=torch.randint(0, 3, (batch, frames)),
            video=torch.randn(batch, frames, SMALL.video_width),
        )

    return conditions
