"""ImageBind, smaller and with random weights, as its package builds it and as its checkpoint is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class SmallImageBind(NamedTuple):
    network: Any
    """All of it, built by the package."""
    checkpoint: Path
    """Its weights, saved as the published ones are."""


def write_imagebind(folder: Path) -> SmallImageBind:
    """Two blocks a tower, sixteen and twelve heads as in the published network."""
    import torch

    from dataengine.models.imagebind_clips import imagebind_package

    torch.manual_seed(0)
    network = imagebind_package().imagebind_model.ImageBindModel(
        vision_embed_dim=64,
        vision_num_blocks=2,
        vision_num_heads=16,
        audio_embed_dim=48,
        audio_num_blocks=2,
        audio_num_heads=12,
        text_embed_dim=48,
        text_num_blocks=1,
        depth_num_blocks=1,
        thermal_num_blocks=1,
        imu_num_blocks=1,
        out_embed_dim=32,
    )
    torch.save(network.state_dict(), folder / "imagebind_huge.pth")
    return SmallImageBind(network.eval(), folder / "imagebind_huge.pth")


def panned(
    photograph: str, seconds: float, hop_seconds: float, height: int = 180, width: int = 320
) -> np.ndarray:
    """Frames [time, height, width, 3] of a camera that moves over one of scikit-learn's photographs."""
    from sklearn.datasets import load_sample_image

    picture = load_sample_image(photograph)
    room = np.array(picture.shape[:2]) - (height, width)
    times = np.linspace(0, 1, round(seconds / hop_seconds))
    corners = (times[:, None] * room).astype(int)
    return np.stack([picture[top : top + height, left : left + width] for top, left in corners])
