"""A DAC-VAE of the reference's rates and channels, but narrow, with random weights."""

from __future__ import annotations

from pathlib import Path


def write_dacvae_folder(folder: Path) -> Path:
    """A folder as a user has it."""
    import torch
    from transformers import DacConfig

    from trainer.codec.dacvae import DacVae
    from trainer.codec.dacvae_weights import save_dacvae

    shape = DacConfig(
        encoder_hidden_size=2,
        decoder_hidden_size=32,
        downsampling_ratios=[2, 8, 10, 12],
        codebook_dim=128,
        sampling_rate=48_000,
    )
    torch.manual_seed(0)
    save_dacvae(DacVae(shape), shape, folder)
    return folder
