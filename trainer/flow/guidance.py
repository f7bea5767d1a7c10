"""Classifier-free guidance: going further where the prompt makes a difference."""

from __future__ import annotations

from torch import Tensor

from trainer.flow.solvers import Velocity


def guided(with_prompt: Velocity, without_prompt: Velocity, scale: float) -> Velocity:
    """u = u(∅) + scale · (u(prompt) − u(∅)) (Ho & Salimans 2022); a scale of 1 is no guidance."""

    def velocity(x: Tensor, t: float) -> Tensor:
        unprompted = without_prompt(x, t)
        return unprompted + scale * (with_prompt(x, t) - unprompted)

    return velocity
