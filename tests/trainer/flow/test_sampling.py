"""The sampler and guidance, with a small network of random weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from trainer.conditions.spans import PADDING
from trainer.flow.guidance import guided
from trainer.flow.sampling import SamplingConfig, sample
from trainer.model import ModelConfig, SeparationModel


@pytest.fixture(params=["velocity", "gated_x1"])
def model(request, small_config, stirred) -> SeparationModel:
    return stirred(SeparationModel(ModelConfig(small_config, prediction=request.param)))


@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun"])
def test_is_the_same_for_the_same_noise_and_other_for_other_noise(model, random_conditions, solver):
    conditions, noise = random_conditions(2, 7, 3), torch.randn(2, 7, 12)
    config = SamplingConfig(solver, steps=3)
    once, again = sample(model, conditions, noise, config), sample(model, conditions, noise, config)
    assert once.shape == noise.shape
    assert torch.isfinite(once).all()
    torch.testing.assert_close(once, again, atol=0, rtol=0)
    assert (sample(model, conditions, noise + 1, config) - once).abs().max() > 1e-3


def test_other_lengths_in_the_batch_change_nothing(model, random_conditions):
    conditions, noise = random_conditions(2, 7, 3), torch.randn(2, 7, 12)
    frame_mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    padded = replace(
        conditions, frame_mask=frame_mask, spans=conditions.spans.masked_fill(~frame_mask, PADDING)
    )
    alone = replace(
        conditions,
        **{name: getattr(conditions, name)[1:, :4] for name in ("mixture", "spans", "video")},
        text=conditions.text[1:],
        text_mask=conditions.text_mask[1:],
    )
    config = SamplingConfig(steps=4)
    together = sample(model, padded, noise, config)[1:, :4]
    torch.testing.assert_close(together, sample(model, alone, noise[1:, :4], config), atol=1e-3, rtol=1e-3)


def test_guidance_goes_further_the_same_way():
    def prompted(x, t):
        return x + 1

    def unprompted(x, t):
        return 0 * x

    x = torch.randn(3)
    for scale in (0.0, 0.5, 1.0, 3.0):
        torch.testing.assert_close(guided(prompted, unprompted, scale)(x, 0.5), scale * (x + 1))


def test_guidance_of_one_is_none_and_of_zero_ignores_the_prompt(model, random_conditions):
    conditions, noise = random_conditions(2, 7, 3), torch.randn(2, 7, 12)
    near_one = sample(model, conditions, noise, SamplingConfig(steps=2, guidance=1 + 1e-6))
    plain = sample(model, conditions, noise, SamplingConfig(steps=2))
    torch.testing.assert_close(near_one, plain, atol=1e-3, rtol=1e-3)
    ignoring = sample(model, conditions, noise, SamplingConfig(steps=2, guidance=0.0))
    unprompted = sample(model, conditions.without_prompt(), noise, SamplingConfig(steps=2))
    torch.testing.assert_close(ignoring, unprompted, atol=1e-4, rtol=1e-4)
