"""Sizes that have a name."""

from __future__ import annotations

from trainer.codec.mdct import MdctConfig
from trainer.dit import DiTConfig
from trainer.model import ModelConfig

MDCT = MdctConfig()
MINILM_WIDTH = 384
SMALL_VIT_WIDTH = 384
DACVAE_CHANNELS = 128
T5_BASE_WIDTH = 768


def _embedded(dim: int, blocks: int, heads: int, hidden: int) -> ModelConfig:
    """For the training-free codec and the bundled text encoder: what trains fast when it is small."""
    dit = DiTConfig(
        channels=MDCT.bins,
        dim=dim,
        blocks=blocks,
        heads=heads,
        hidden=hidden,
        text_width=MINILM_WIDTH,
        video_width=SMALL_VIT_WIDTH,
        transform_power=MDCT.power,
        text_modulation=True,
        alignment_block=(blocks + 1) // 2,
    )
    return ModelConfig(dit, prediction="gated_x1", sees="expected")


def _reference(dim: int, blocks: int, heads: int, hidden: int) -> ModelConfig:
    """For DAC-VAE and T5: the slides' models, with the SwiGLU widths of the released configuration.

    Which block the auxiliary loss reads is not known; half-way is ours.
    """
    dit = DiTConfig(
        channels=DACVAE_CHANNELS,
        dim=dim,
        blocks=blocks,
        heads=heads,
        hidden=hidden,
        text_width=T5_BASE_WIDTH,
        alignment_block=blocks // 2,
    )
    return ModelConfig(dit, prediction="velocity")


PRESETS: dict[str, ModelConfig] = {
    "tiny": _embedded(dim=128, blocks=3, heads=4, hidden=344),
    "seed": _embedded(dim=256, blocks=5, heads=4, hidden=680),
    "trial": _reference(dim=128, blocks=2, heads=1, hidden=344),
    "small": _reference(dim=1536, blocks=12, heads=12, hidden=4096),
    "base": _reference(dim=2048, blocks=16, heads=16, hidden=5504),
    "large": _reference(dim=2816, blocks=22, heads=22, hidden=7552),
}
