"""Following a velocity field from t = 0 to t = 1.

None of the solvers asks for the velocity at t = 1, where that of a predicted x₁ is 0/0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

Velocity: TypeAlias = Callable[[Tensor, float], Tensor]
"""The velocity at a state [batch, …] and a time; of the state's shape."""

Step: TypeAlias = Callable[[Velocity, Tensor, float, float], Tensor]
"""From a state at one time to the state at another."""


def solve(velocity: Velocity, x0: Tensor, steps: int, step: Step) -> Tensor:
    """The state at t = 1 of what starts at x₀, in even steps."""
    x = x0
    for number in range(steps):
        x = step(velocity, x, number / steps, (number + 1) / steps)
    return x


def euler(velocity: Velocity, x: Tensor, start: float, end: float) -> Tensor:
    """Straight on with the velocity at the start. One evaluation; the error falls as 1/steps."""
    return x + (end - start) * velocity(x, start)


def midpoint(velocity: Velocity, x: Tensor, start: float, end: float) -> Tensor:
    """With the velocity half-way, which an Euler step finds. Two evaluations; 1/steps²."""
    middle = (start + end) / 2
    return x + (end - start) * velocity(euler(velocity, x, start, middle), middle)


def heun(velocity: Velocity, x: Tensor, start: float, end: float) -> Tensor:
    """With the mean of the velocities at the start and where it leads. Two evaluations; 1/steps².

    The step that ends at t = 1 is an Euler step (Karras et al. 2022, algorithm 1); one step of lower order
    does not change the order of the whole.
    """
    first = velocity(x, start)
    ahead = x + (end - start) * first
    if end >= 1:
        return ahead
    return x + (end - start) * (first + velocity(ahead, end)) / 2


SOLVERS: dict[str, Step] = {"euler": euler, "midpoint": midpoint, "heun": heun}
"""By the name they have in a configuration; the reference uses `midpoint` with 16 steps."""
