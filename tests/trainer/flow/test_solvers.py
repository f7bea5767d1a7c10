"""The solvers, on a flow whose end is known: they get there, with the order that each promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gaussian import GaussianFlow

from trainer.flow.solvers import SOLVERS, solve

STEPS = (16, 32, 64, 128)


def order_of(errors: list[float]) -> float:
    """The power of 1/steps with which errors fall, fitted over all of `STEPS`."""
    return -float(np.polyfit(np.log(STEPS), np.log(errors), 1)[0])


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2)])
def test_the_error_falls_with_the_order_of_the_solver(name, order):
    """dx/dt = −2 t x², whose solution is x₀ / (1 + x₀ t²)."""
    x0 = torch.linspace(0.5, 2, 9, dtype=torch.float64)
    ends = [solve(lambda x, t: -2 * t * x**2, x0, steps, SOLVERS[name]) for steps in STEPS]
    errors = [float((end - x0 / (1 + x0)).abs().max()) for end in ends]
    assert order_of(errors) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2)])
def test_each_sample_of_a_known_flow_comes_to_its_end(name, order):
    """By the order of the solver at least: midpoint's first error term happens to cancel on this flow."""
    flow, x0 = GaussianFlow(), torch.linspace(-2, 2, 9, dtype=torch.float64)
    ends = [solve(flow.velocity, x0, steps, SOLVERS[name]) for steps in STEPS]
    errors = [float((end - flow.end(x0)).abs().max()) for end in ends]
    assert order_of(errors) > order - 0.2
    assert errors[-1] < 0.05


@pytest.mark.parametrize("name", SOLVERS)
def test_noise_becomes_the_known_distribution(name):
    flow, noise = GaussianFlow(), torch.randn(20_000)
    ends = solve(flow.velocity, noise, 64, SOLVERS[name])
    assert float(ends.mean()) == pytest.approx(flow.mean, abs=0.02)
    assert float(ends.std()) == pytest.approx(flow.variance(1.0) ** 0.5, abs=0.02)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 49])
def test_any_number_of_steps_leads_from_0_to_1_without_asking_at_1(name, steps):
    asked = []

    def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
        asked.append(t)
        return torch.ones_like(x)

    end = solve(velocity, torch.zeros(3), steps, SOLVERS[name])
    torch.testing.assert_close(end, torch.ones(3))
    assert asked[0] == 0
    assert all(0 <= t < 1 for t in asked)


@pytest.mark.parametrize(("name", "evaluations"), [("euler", 8), ("midpoint", 16), ("heun", 15)])
def test_how_often_the_velocity_is_asked_for(name, evaluations):
    asked = []
    solve(lambda x, t: asked.append(t) or x, torch.zeros(1), 8, SOLVERS[name])
    assert len(asked) == evaluations


@pytest.mark.parametrize("name", SOLVERS)
def test_a_predicted_end_that_does_not_change_is_reached_exactly(name):
    """An x₁-prediction leads to where it says, however few steps there are."""
    path, end = GaussianFlow().path, torch.randn(2, 5, 4)

    def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
        return path.velocity_to(end, x, torch.full((2,), t))

    for steps in (1, 4, 16):
        reached = solve(velocity, torch.randn(2, 5, 4), steps, SOLVERS[name])
        torch.testing.assert_close(reached, end, atol=1e-3, rtol=1e-3)
