"""Perception Encoder as frame encoder: against timm's own network and preparation, with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from written_profiles import models_of

from dataengine.errors import UserError

pytestmark = pytest.mark.hub

SMALLEST, SIDE, WIDTH = "vit_pe_core_tiny_patch16_384", 384, 512


def write_folder(folder: Path, architecture: str) -> Path:
    """A folder as on the hub: timm's network, saved by its own means."""
    import timm
    from timm.models import save_for_hf

    torch.manual_seed(0)
    save_for_hf(timm.create_model(architecture), folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_folder(tmp_path_factory.mktemp("pe"), SMALLEST)


@pytest.fixture(scope="module")
def encoder(folder: Path, tmp_path_factory):
    entry = {"adapter": "perception_encoder", "weights": str(folder), "frames_per_call": 2}
    return models_of(tmp_path_factory.mktemp("profile"), {"frame_encoder": entry}).load("frame_encoder")


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """Three frames that are wider than high, with something to see in them."""
    across, down = np.meshgrid(np.linspace(0, 1, 200), np.linspace(0, 1, 120))
    frames = [np.stack([across, down, (across * (1 + n) + down) % 1], axis=-1) for n in range(3)]
    return (255 * np.stack(frames)).astype(np.uint8)


def test_vectors_are_those_of_timms_network_on_squares_of_each_frame(encoder, folder: Path, clip):
    import timm
    from torchvision.transforms import InterpolationMode, Resize

    model = timm.create_model(SMALLEST, checkpoint_path=str(folder / "model.safetensors")).eval()
    square = Resize((SIDE, SIDE), InterpolationMode.BICUBIC)(torch.tensor(clip).permute(0, 3, 1, 2))
    with torch.inference_mode():
        expected = model((square / 255 - 0.5) / 0.5)
    (found,) = encoder.encode_frames([clip])
    assert found.shape == (3, encoder.width) == (3, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found, torch.nn.functional.normalize(expected, dim=1), atol=1e-4)
    assert np.abs(found[0] - found[2]).max() > 1e-4


def test_a_frame_says_the_same_in_any_clip_and_a_clip_may_be_empty(encoder, clip):
    whole, nothing, last = encoder.encode_frames([clip, clip[:0], clip[2:]])
    np.testing.assert_allclose(last[0], whole[2], atol=1e-5)
    assert nothing.shape == (0, WIDTH)


def test_another_network_is_one_line(load_model, tmp_path: Path):
    write_folder(tmp_path / "vit", "vit_tiny_patch16_224")
    config = json.loads((tmp_path / "vit" / "config.json").read_text())
    with pytest.raises(UserError, match=rf"is {config['architecture']}, and no Perception Encoder"):
        load_model("frame_encoder", "perception_encoder", weights=str(tmp_path / "vit"))
    (tmp_path / "vit" / "config.json").write_text(
        json.dumps({"architecture": SMALLEST, "num_classes": WIDTH})
    )
    with pytest.raises(UserError, match=r"cannot be loaded as a Perception Encoder: .*Missing key"):
        load_model("frame_encoder", "perception_encoder", weights=str(tmp_path / "vit"))
