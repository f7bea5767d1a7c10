"""Audiobox Aesthetics with random weights: the network as it is published, saved by the package's own means."""

from __future__ import annotations

from pathlib import Path

SCALES = {
    "CE": {"mean": 5.0, "std": 1.5},
    "CU": {"mean": 6.0, "std": 1.3},
    "PC": {"mean": 3.0, "std": 1.2},
    "PQ": {"mean": 7.0, "std": 0.9},
}


def write_audiobox_folder(folder: Path) -> Path:
    """A folder as on the hub."""
    import torch
    from audiobox_aesthetics.model.aes import AesMultiOutput

    torch.manual_seed(0)
    AesMultiOutput(proj_num_layer=5, proj_ln=True, nth_layer=13, target_transform=SCALES).save_pretrained(
        folder
    )
    return folder
