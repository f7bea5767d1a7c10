"""The path, by its own definition."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.flow.path import StraightPath


def states() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(4, 7, 6), torch.randn(4, 7, 6)


def test_starts_at_the_noise_and_ends_at_the_data_but_for_sigma_min():
    x0, x1 = states()
    path = StraightPath(sigma_min=0.01)
    torch.testing.assert_close(path.point(x0, x1, torch.zeros(4)), x0)
    torch.testing.assert_close(path.point(x0, x1, torch.ones(4)), x1 + 0.01 * x0)


@given(t=st.floats(0, 0.99), sigma_min=st.sampled_from([0.0, 1e-4, 0.1]))
def test_points_move_with_the_velocity(t, sigma_min):
    x0, x1 = states()
    path = StraightPath(sigma_min)
    step = 0.005
    here, there = (path.point(x0, x1, torch.full((4,), at)) for at in (t, t + step))
    torch.testing.assert_close((there - here) / step, path.velocity(x0, x1), atol=1e-3, rtol=1e-3)


@given(t=st.floats(0, 0.99), sigma_min=st.sampled_from([0.0, 1e-4, 0.1]))
def test_velocity_and_end_of_a_line_follow_from_each_other(t, sigma_min):
    x0, x1 = states()
    path, times = StraightPath(sigma_min), torch.full((4,), t)
    xt = path.point(x0, x1, times)
    torch.testing.assert_close(path.end_of(path.velocity(x0, x1), xt, times), x1, atol=1e-4, rtol=1e-4)
    velocity = path.velocity_to(x1, xt, times)
    torch.testing.assert_close(velocity, path.velocity(x0, x1), atol=2e-3, rtol=1e-3)


def test_every_sample_has_its_own_time():
    x0, x1 = states()
    times = torch.tensor([0.0, 0.3, 0.6, 1.0])
    together = StraightPath().point(x0, x1, times)
    for row in range(4):
        alone = StraightPath().point(x0[row : row + 1], x1[row : row + 1], times[row : row + 1])
        torch.testing.assert_close(together[row], alone[0])


def test_what_a_point_says_of_its_end_is_the_best_guess_for_data_that_are_noise_too():
    x0, x1 = torch.randn(2, 1, 200_000)
    path = StraightPath()
    for t in (0.0, 0.2, 0.7, 1.0):
        times = torch.full((1,), t)
        xt = path.point(x0, x1, times)
        guess = path.expected_end(xt, times)
        error = (guess - x1).square().mean()
        for factor in (0.95, 1.05):  # no other multiple of the point is nearer on average
            assert error <= (factor * guess - x1).square().mean()
    torch.testing.assert_close(path.expected_end(x0, torch.zeros(1)), torch.zeros_like(x0))
