"""End to end in small: the tiny model learns two real mixtures by heart, each with two prompts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainer.codec import MdctCodec
from trainer.conditions import Conditions, TextStates
from trainer.conditions.spans import NULL
from trainer.consistency import consistent
from trainer.flow.loss import FlowMatchingLoss
from trainer.flow.sampling import SamplingConfig, sample
from trainer.model import SeparationModel
from trainer.presets import PRESETS

STEPS = 120
GAIN_DB = 12.0
"""150 steps give more than 20 dB; a prompt that is ignored can give none, since each mixture has two."""


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """[batch] dB (Le Roux et al. 2019)."""
    scale = (estimate * target).sum(dim=-1, keepdim=True) / target.square().sum(dim=-1, keepdim=True)
    error = estimate - scale * target
    return 10 * torch.log10((scale * target).square().sum(dim=-1) / error.square().sum(dim=-1))


@pytest.mark.slow
def test_the_tiny_model_learns_two_real_mixtures(real_sound, models):
    codec, texts = MdctCodec(), TextStates(models.load("text_encoder"))
    voice, banjo = real_sound("speech"), real_sound("instrument", "banjo")
    owl, harp = real_sound("sound", "owl"), real_sound("instrument", "harp")
    prompts = ["a woman speaking", "banjo", "owl hooting", "harp"]
    targets, residuals = torch.stack([voice, banjo, owl, harp]), torch.stack([banjo, voice, harp, owl])
    mixtures = targets + residuals

    states, text_mask = texts.batch(prompts)
    mixture = codec.encode(mixtures)
    conditions = Conditions(mixture, states, text_mask, torch.full(mixture.shape[:2], NULL))
    x1 = torch.cat([codec.encode(targets), codec.encode(residuals)], dim=-1)

    model, loss = SeparationModel(PRESETS["tiny"]), FlowMatchingLoss("x1")
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(STEPS):
        x0, t = torch.randn_like(x1), torch.rand(len(x1))
        estimate = model(model.path.point(x0, x1, t), t, conditions).estimate
        optimiser.zero_grad()
        loss(estimate, x0, x1, model.path).mean().backward()
        optimiser.step()

    stems = sample(model.eval(), conditions, torch.randn_like(x1), SamplingConfig(steps=4))
    target, residual = (
        codec.decode(each, targets.shape[-1]) for each in consistent(codec, *stems.chunk(2, dim=-1), mixture)
    )
    assert (target + residual - mixtures).abs().max() < 1e-5
    gains = torch.cat(
        [
            si_sdr(target, targets) - si_sdr(mixtures, targets),
            si_sdr(residual, residuals) - si_sdr(mixtures, residuals),
        ]
    )
    assert gains.min() > GAIN_DB
