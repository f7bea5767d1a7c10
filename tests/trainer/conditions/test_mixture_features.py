"""What stands beside the mixture's latents."""

from __future__ import annotations

import torch

from trainer.codec.mdct import MdctCodec, MdctConfig
from trainer.conditions.mixture import mixture_features, mixture_width, pseudo_spectrum

CONFIG = MdctConfig()


def latents_of_sinusoid(frequency: float) -> torch.Tensor:
    """[1, frames, bins] of two seconds."""
    time = torch.arange(2 * CONFIG.sample_rate) / CONFIG.sample_rate
    return MdctCodec(CONFIG).encode(torch.sin(2 * torch.pi * frequency * time)[None])


def test_a_steady_tone_looks_steady_whatever_its_phase_in_a_frame():
    latents = latents_of_sinusoid(1003.0)[:, 2:-2]
    loudest = latents.abs().sum(dim=(0, 1)).argmax()
    steadiness = {
        name: (values[..., loudest].std() / values[..., loudest].mean()).item()
        for name, values in (("|z|", latents.abs()), ("pseudo", pseudo_spectrum(latents, CONFIG.power)))
    }
    assert steadiness["pseudo"] < 0.35 * steadiness["|z|"]


def test_magnitudes_are_compressed_as_latents_are():
    latents = latents_of_sinusoid(440.0)
    louder = CONFIG.power
    torch.testing.assert_close(
        pseudo_spectrum(latents * 10**louder, CONFIG.power),
        pseudo_spectrum(latents, CONFIG.power) * 10**louder,
    )


def test_features_are_as_wide_as_they_are_said_to_be():
    latents = latents_of_sinusoid(440.0)
    for power in (None, CONFIG.power):
        assert mixture_features(latents, power).shape[-1] == mixture_width(CONFIG.bins, power)
    assert mixture_features(latents, None) is latents
