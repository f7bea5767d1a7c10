"""What the network's output means."""

from __future__ import annotations

import pytest
import torch

from trainer.flow.path import StraightPath
from trainer.flow.prediction import PREDICTIONS, GatedPrediction, VelocityPrediction

PATH = StraightPath()


@pytest.fixture
def line() -> tuple[torch.Tensor, ...]:
    """x₀, x₁, t, x_t and the mixture of three samples of five frames and four channels."""
    x0, x1, t = torch.randn(3, 5, 8), torch.randn(3, 5, 8), torch.tensor([0.1, 0.5, 0.9])
    return x0, x1, t, PATH.point(x0, x1, t), torch.randn(3, 5, 4)


def test_a_perfect_velocity_tells_the_stems(line):
    x0, x1, t, xt, mixture = line
    estimate = VelocityPrediction().read(PATH.velocity(x0, x1), xt, t, mixture, PATH)
    torch.testing.assert_close(estimate.x1, x1, atol=1e-4, rtol=1e-4)


def test_a_gate_lets_the_mixture_through_to_both_stems(line):
    _, _, t, xt, mixture = line
    wide_open, shut, nothing = (torch.full_like(xt, each) for each in (50.0, -50.0, 0.0))
    both = torch.cat([mixture, mixture], dim=-1)
    for gate, expected in ((wide_open, both), (shut, 0 * both), (nothing, both / 2)):
        estimate = GatedPrediction().read(torch.cat([gate, nothing], dim=-1), xt, t, mixture, PATH)
        torch.testing.assert_close(estimate.x1, expected)


def test_what_a_gate_cannot_let_through_is_added(line):
    x0, x1, t, xt, mixture = line
    output = torch.cat([torch.full_like(x1, -50.0), x1], dim=-1)
    estimate = GatedPrediction().read(output, xt, t, mixture, PATH)
    torch.testing.assert_close(estimate.x1, x1)
    torch.testing.assert_close(estimate.velocity, PATH.velocity(x0, x1), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", PREDICTIONS)
def test_velocity_and_stems_of_an_estimate_belong_to_one_line(line, name):
    _, _, t, xt, mixture = line
    output = torch.randn(3, 5, 8 * PREDICTIONS[name].outputs)
    estimate = PREDICTIONS[name].read(output, xt, t, mixture, PATH)
    torch.testing.assert_close(PATH.end_of(estimate.velocity, xt, t), estimate.x1, atol=1e-4, rtol=1e-4)
