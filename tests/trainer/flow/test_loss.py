"""The loss: zero where it must be, and least at the velocity of a flow that is known."""

from __future__ import annotations

import pytest
import torch
from gaussian import GaussianFlow

from trainer.flow.loss import FlowMatchingLoss
from trainer.flow.path import StraightPath
from trainer.flow.prediction import Estimate

PATH = StraightPath()


@pytest.mark.parametrize("on", ["velocity", "x1"])
def test_the_loss_of_a_perfect_estimate_is_zero_and_grows_with_the_square(on):
    x0, x1 = torch.randn(2, 3, 5, 8)
    velocity = PATH.velocity(x0, x1)
    loss = FlowMatchingLoss(on)
    assert not loss(Estimate(velocity, x1), x0, x1, PATH).any()
    for error in (1.0, 3.0):
        wrong = Estimate(velocity + error, x1 + error)
        torch.testing.assert_close(loss(wrong, x0, x1, PATH), torch.full((3,), error**2))


@pytest.mark.parametrize("loudness", [0.1, 1.0, 10.0])
def test_in_decibels_an_error_costs_as_much_in_a_soft_sample_as_in_a_loud_one(loudness):
    x0, x1 = torch.randn(3, 5, 8), loudness * torch.randn(3, 5, 8)
    loss = FlowMatchingLoss("x1", "decibels")
    one, two = (loss(Estimate(x1, x1 * (1 + error)), x0, x1, PATH) for error in (0.5, 1.0))
    torch.testing.assert_close(two - one, torch.full((3,), 4.0).log(), rtol=0.01, atol=0.01)


def test_in_decibels_what_is_good_enough_is_not_made_better():
    x0, x1 = torch.randn(2, 3, 5, 8)
    loss = FlowMatchingLoss("x1", "decibels")
    good, better = (loss(Estimate(x1, x1 * (1 + error)), x0, x1, PATH) for error in (1e-3, 1e-5))
    assert ((good - better).abs() < 0.01).all()


def test_padding_does_not_count():
    x0, x1 = torch.randn(2, 3, 5, 8)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]], dtype=torch.bool)
    x1_wrong = torch.where(mask[..., None], x1 + 2, x1 + 100)
    loss = FlowMatchingLoss("x1")(Estimate(x1, x1_wrong), x0, x1, PATH, mask)
    torch.testing.assert_close(loss, torch.full((3,), 4.0))


def test_the_loss_of_the_slides_is_least_at_the_velocity_of_a_known_flow():
    flow, t = GaussianFlow(mean=0.7, deviation=0.5), 0.4
    x0 = torch.randn(100_000, 1, 1)
    x1 = flow.mean + flow.deviation * torch.randn_like(x0)
    times = torch.full((len(x0),), t)
    xt = flow.path.point(x0, x1, times)
    for on in ("velocity", "x1"):
        offset, slope = (torch.zeros((), requires_grad=True) for _ in range(2))
        optimiser = torch.optim.LBFGS([offset, slope], line_search_fn="strong_wolfe")

        def loss(on=on, offset=offset, slope=slope, optimiser=optimiser):
            optimiser.zero_grad()
            velocity = offset + slope * xt
            estimate = Estimate(velocity, flow.path.end_of(velocity, xt, times))
            value = FlowMatchingLoss(on)(estimate, x0, x1, flow.path).mean()
            value.backward()
            return value

        optimiser.step(loss)
        expected_offset, expected_slope = flow.coefficients(t)
        assert offset.item() == pytest.approx(expected_offset, abs=0.01)
        assert slope.item() == pytest.approx(expected_slope, abs=0.01)
